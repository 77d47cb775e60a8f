"""The autoencoder of LlamaFusion, MetaMorph and MetaQuery's SD variant: 64×64 pictures to 8×8 latents of 4 channels and back
(diffusers' AutoencoderKL)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from recipe import autoencoder
from recipe.run import finished
from shapes import world

KL_WEIGHT = 5e-4
"""Weight of the Kullback–Leibler term, per latent value."""


def build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        sample_size=world.SIDE,
        scaling_factor=1.0,
    )


def code(vae: nn.Module, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A reconstruction of pictures, and the weighted Kullback–Leibler term."""
    posterior = vae.encode(pictures).latent_dist
    kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
    return vae.decode(posterior.sample()).sample, KL_WEIGHT * kl


def latents_of(vae: AutoencoderKL) -> Callable[[torch.Tensor], torch.Tensor]:
    """Pictures to the modes of their posteriors."""
    return lambda pictures: vae.encode(pictures).latent_dist.mode()


def finished_vae(folder: Path) -> AutoencoderKL:
    """The averaged autoencoder of a run, ready to use."""
    return finished(build_vae(), folder)


if __name__ == "__main__":
    autoencoder.main(__doc__, "vae", build_vae, code, 4000)
