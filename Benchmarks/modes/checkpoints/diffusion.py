"""Diffusion models at their real dimensions, and their folders."""

from __future__ import annotations

from pathlib import Path

from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    SanaTransformer2DModel,
    UNet2DConditionModel,
)

from modes.checkpoints.files import write_json

CLIP_WIDTH = 768
"""Of the conditions that Stable Diffusion 1.5 reads."""
CAPTION_WIDTH = 2304
"""Of those that Sana reads."""


def unet() -> UNet2DConditionModel:
    """Stable Diffusion 1.5's; diffusers' other defaults are its."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=CLIP_WIDTH)


def autoencoder() -> AutoencoderKL:
    """Stable Diffusion 1.5's."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=512,
    )


def pndm() -> PNDMScheduler:
    """Stable Diffusion 1.5's."""
    return PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )


def sana() -> SanaTransformer2DModel:
    """Sana 1.6B's, for pictures of 512 × 512; diffusers' other defaults are its."""
    return SanaTransformer2DModel(sample_size=16)


def deep_compression() -> AutoencoderDC:
    """Sana 1.0's, f32c32."""
    blocks = ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3
    return AutoencoderDC(
        encoder_block_types=blocks,
        decoder_block_types=blocks,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
    )


def dpm_solver() -> DPMSolverMultistepScheduler:
    """Sana's."""
    return DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def write_folder(target: Path, pipeline: str, parts: dict[str, object]) -> None:
    """The folder without weights, in diffusers' layout."""
    for name, part in parts.items():
        part.save_config(target / name)
    index = {name: ["diffusers", type(part).__name__] for name, part in parts.items()}
    write_json(target / "model_index.json", {"_class_name": pipeline, **index})
