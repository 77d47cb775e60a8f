"""Stage 2: the autoencoder that Sana draws with (diffusers' AutoencoderDC), 64×64 pictures to 4×4 latents of 16 channels and back.

Deep compression is what makes Sana cheap: 16 tokens a picture instead of the 64 that an autoencoder with 8×8 latents of 4 channels
would need, for as many numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import nn

from recipe import autoencoder
from recipe.run import finished

LATENT_CHANNELS = 16
LATENT_SIDE = 4

LATENT_NOISE = 0.1
SIZE_WEIGHT = 5e-3
"""Noise that latents carry in training, and the weight of their mean square, which keeps them from growing out of it: what
the Kullback–Leibler term does for AutoencoderKL. Nothing else would make neighbouring latents decode alike."""


def build_dcae() -> AutoencoderDC:
    """Residual blocks where pictures are large, linear attention in the two smallest sizes, as the official one has it."""
    widths = (16, 32, 64, 64, 64)
    blocks = ("ResBlock",) * 3 + ("EfficientViTBlock",) * 2
    scales = ((), (), (), (5,), (5,))
    return AutoencoderDC(
        latent_channels=LATENT_CHANNELS,
        attention_head_dim=16,
        encoder_block_types=blocks,
        decoder_block_types=blocks,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5,
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=1.0,
    )


def code(vae: nn.Module, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A reconstruction of pictures from noisy latents, and the weighted size of the latents."""
    latents = vae.encode(pictures).latent
    noisy = latents + LATENT_NOISE * torch.randn_like(latents)
    return vae.decode(noisy).sample, SIZE_WEIGHT * latents.float().square().mean()


def latents_of(vae: AutoencoderDC) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda pictures: vae.encode(pictures).latent


def finished_dcae(folder: Path) -> AutoencoderDC:
    """The averaged autoencoder of a run, ready to use."""
    return finished(build_dcae(), folder)


if __name__ == "__main__":
    autoencoder.main(__doc__, "dcae", build_dcae, code, 4000)
