"""What the training of every autoencoder shares: pictures as tensors, the loss on objects, the loop, the command line, and the
encoding of scenes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from recipe.run import Average, Run, begin, set_rate, stage_parser
from shapes import world

OBJECT_WEIGHT = 6.0
"""How much more an error on an object (or its edge) costs than one on the plain ground."""

Code = Callable[[nn.Module, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""An autoencoder and pictures [n, 3, side, side] to their reconstruction and the weighted loss of the latents' size."""


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


def train(folder: Path, vae: nn.Module, code: Code, steps: int, batch: int, seed: int, device: torch.device) -> None:
    """Trains on absolute and squared errors, several times on objects. The folder's name seeds the scenes."""
    average = Average(vae, 0.998)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    run = Run(folder, {"vae": vae, "average": average.module}, optimizer)
    while run.step < steps:
        rng = random.Random(f"{folder.name} {seed} {run.step}")
        pictures = world.render_batch([crowded_scene(rng) for _ in range(batch)])
        x = to_tensor(pictures).to(device)
        ground = x[:, :, 21:22, 21:22]  # a corner of four cells: never covered
        near = F.max_pool2d((x - ground).abs().amax(1, keepdim=True), 3, 1, 1) > 0.02
        weight = 1 + OBJECT_WEIGHT * near
        set_rate(optimizer, run.step, steps, 2e-3, descent=0.5)
        with torch.autocast(device.type, torch.bfloat16):
            decoded, size = code(vae, x)
        difference = decoded.float() - x
        reconstruction = (weight * (difference.abs() + difference.square())).mean()
        error = (weight * difference.square()).mean()
        values = {"reconstruction": reconstruction, "size": size, "error": error}
        run.advance(reconstruction + size, vae, average, every=100, **values)
    run.save()


def main(description: str | None, name: str, build: Callable[[], nn.Module], code: Code, steps: int) -> None:
    """Trains an autoencoder in the folder `name` as the command line says."""
    arguments = begin(stage_parser(description, steps=steps, batch=24))
    torch.manual_seed(arguments.seed)
    vae = build().to(arguments.device)
    train(arguments.runs / name, vae, code, arguments.steps, arguments.batch, arguments.seed, arguments.device)


@torch.no_grad()
def encode(
    latents_of: Callable[[torch.Tensor], torch.Tensor], scenes: list[world.Scene], device: torch.device
) -> torch.Tensor:
    """The unscaled latents of scenes' pictures, float32 [scenes, C, S, S]."""
    parts = [to_tensor(world.render_batch(scenes[i : i + 64])).to(device) for i in range(0, len(scenes), 64)]
    with torch.autocast(device.type, torch.bfloat16):
        return torch.cat([latents_of(part).float().cpu() for part in parts])


def latent_scale(latents: torch.Tensor) -> float:
    """The scaling factor that gives latents unit variance, rounded so that it is the same wherever it is written."""
    return round(1 / latents[:4096].float().std().item(), 4)
