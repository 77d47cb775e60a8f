"""The autoencoder of LlamaFusion, MetaMorph and MetaQuery's SD variant: 64×64 pictures to 8×8 latents of 4 channels and back
(diffusers' AutoencoderKL)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from recipe import autoencoder
from recipe.run import averaged, pick_device
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
    vae = build_vae()
    vae.load_state_dict(averaged(folder))
    return vae.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = pick_device(arguments.device)
    vae = build_vae().to(device)
    autoencoder.train(arguments.runs / "vae", vae, code, arguments.steps, arguments.batch, arguments.seed, device)


if __name__ == "__main__":
    main()
