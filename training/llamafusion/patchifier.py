"""The U-Net halves around the transformer: latents to image tokens and image tokens to predicted noise.

Blocks are those of diffusers' UNet2DModel; the transformer stands where its mid block stood (LMFusion, section 3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.unets.unet_2d_blocks import AttnDownBlock2D, AttnUpBlock2D, DownBlock2D, UpBlock2D
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ImageConfig:
    """`image_config` of the checkpoint's config.json."""

    patchifier: str = "unet"
    latent_channels: int = 4
    latent_size: int = 8
    patch_size: int = 2
    block_out_channels: tuple[int, int] = (64, 64)
    layers_per_block: int = 1
    norm_num_groups: int = 8
    attention_head_dim: int = 16

    def json(self) -> dict[str, object]:
        return asdict(self)

    @property
    def tokens(self) -> int:
        """Image tokens of one picture."""
        return (self.latent_size // self.patch_size) ** 2


class UNetPatchifier(nn.Module):
    """The down half makes tokens, the up half reads the noise from the transformer's output and the skips."""

    def __init__(self, config: ImageConfig, hidden: int) -> None:
        super().__init__()
        first, second = config.block_out_channels
        layers, groups, head = config.layers_per_block, config.norm_num_groups, config.attention_head_dim
        self.conv_in = nn.Conv2d(config.latent_channels, first, 3, padding=1)
        self.time_proj = Timesteps(first, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(first, 4 * first)
        shared = {"temb_channels": 4 * first, "resnet_groups": groups, "resnet_eps": 1e-5}
        self.down_blocks = nn.ModuleList([
            DownBlock2D(first, first, num_layers=layers, add_downsample=True, **shared),
            AttnDownBlock2D(first, second, num_layers=layers, attention_head_dim=head, downsample_type=None, **shared),
        ])
        self.proj_in = nn.Conv2d(second, hidden, 1)
        self.proj_out = nn.Conv2d(2 * hidden, second, 1)
        self.up_blocks = nn.ModuleList([
            AttnUpBlock2D(
                first, second, second, num_layers=layers + 1, attention_head_dim=head, upsample_type="conv", **shared
            ),
            UpBlock2D(first, second, first, num_layers=layers + 1, add_upsample=False, **shared),
        ])
        self.conv_norm_out = nn.GroupNorm(groups, first, eps=1e-5)
        self.conv_out = nn.Conv2d(first, config.latent_channels, 3, padding=1)
        for module in self.modules():
            if isinstance(module, Attention):
                module.set_processor(AttnProcessor())  # over 16 or 64 positions plain products beat the fused kernel

    def down(self, latents: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Noisy latents [n, C, S, S] and timesteps [n] to tokens [n, (S/2)², hidden], and what `up` needs."""
        time = self.time_embedding(self.time_proj(timesteps).to(self.conv_in.weight.dtype))
        sample = self.conv_in(latents)
        kept = [sample]
        for block in self.down_blocks:
            sample, skips = block(sample, time)
            kept += skips
        tokens = self.proj_in(sample).flatten(2).transpose(1, 2)  # [n, tokens, hidden]
        return tokens, [time, tokens, *kept]

    def up(self, tokens: torch.Tensor, kept: list[torch.Tensor]) -> torch.Tensor:
        """The transformer's output [n, tokens, hidden] to the predicted noise [n, C, S, S]."""
        time, entered, *skips = kept
        side = int(tokens.shape[1] ** 0.5)
        sample = torch.cat([tokens, entered], 2).transpose(1, 2).unflatten(2, (side, side))
        sample = self.proj_out(sample)
        for block in self.up_blocks:
            count = len(block.resnets)
            sample = block(sample, tuple(skips[-count:]), time)
            skips = skips[:-count]
        return self.conv_out(F.silu(self.conv_norm_out(sample)))
