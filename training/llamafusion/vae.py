"""Stage 1: the autoencoder. 64×64 pictures to 8×8 latents of 4 channels and back (diffusers' AutoencoderKL)."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from llamafusion.run import Average, Run, pick_device, set_rate
from shapes import world

OBJECT_WEIGHT = 6.0
"""How much more an error on an object (or its edge) costs than one on the plain ground."""

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


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """uint8 [n, height, width, 3] to float32 [n, 3, height, width] in −1…1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(decoded: torch.Tensor) -> np.ndarray:
    """The inverse of `to_tensor`, clamped and rounded as the server does it."""
    levels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round()
    return levels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def crowded_scene(rng: random.Random) -> world.Scene:
    """A training scene for the autoencoder alone: up to six objects, because each one is a lesson."""
    return world.random_scene(rng, rng.choice((1, 2, 3, 4, 5, 6)), part="train")


def train(folder: Path, steps: int, batch: int, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    vae = build_vae().to(device)
    average = Average(vae, 0.998)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    run = Run(folder, {"vae": vae, "average": average.module}, optimizer)
    while run.step < steps:
        rng = random.Random(f"vae {seed} {run.step}")
        pictures = world.render_batch([crowded_scene(rng) for _ in range(batch)])
        x = to_tensor(pictures).to(device)
        ground = x[:, :, 21:22, 21:22]  # a corner of four cells: never covered
        near = F.max_pool2d((x - ground).abs().amax(1, keepdim=True), 3, 1, 1) > 0.02
        weight = 1 + OBJECT_WEIGHT * near
        set_rate(optimizer, run.step, steps, 2e-3, descent=0.5)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = vae.encode(x).latent_dist
            decoded = vae.decode(posterior.sample()).sample.float()
        difference = decoded - x
        reconstruction = (weight * (difference.abs() + difference.square())).mean()
        kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
        loss = reconstruction + KL_WEIGHT * kl
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(vae, run.step)
        run.step += 1
        if run.step % 100 == 0:
            error = (weight * difference.square()).mean()
            run.log(reconstruction=reconstruction.detach(), kl=kl.detach(), error=error.detach(), norm=norm)
        run.save_if_due()
    run.save()


def finished_vae(folder: Path) -> AutoencoderKL:
    """The averaged autoencoder of a run, ready to use."""
    vae = build_vae()
    vae.load_state_dict(torch.load(folder / "state.pt", map_location="cpu", weights_only=True)["modules"]["average"])
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
    train(arguments.runs / "vae", arguments.steps, arguments.batch, arguments.seed, pick_device(arguments.device))


if __name__ == "__main__":
    main()
