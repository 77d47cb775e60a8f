"""Stable Diffusion's parts at this world's size: the UNet over 8×8 latents of 4 channels, and its schedule."""

from __future__ import annotations

from diffusers import PNDMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor


def build_unet(condition_width: int, widths: tuple[int, int] = (48, 80)) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=condition_width,
        attention_head_dim=4,  # four heads: the name is SD 1.5's mistake
        norm_num_groups=8,
    )
    for module in unet.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())  # over so few positions plain products beat the fused kernel
    return unet


def build_scheduler(prediction_type: str, timestep_spacing: str = "leading") -> PNDMScheduler:
    """As SD 1.5 configures it, which predicts `epsilon`."""
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        num_train_timesteps=1000,
        prediction_type=prediction_type,
        timestep_spacing=timestep_spacing,
    )
