"""Stage 3: the vision tower, a small SiglipVisionModel with one patch for each cell of the world.

Linear readers of its visual tokens are its only objective (MetaMorph's recipe trains them beside the sigmoid loss): LLaVA drops the
pooled feature that the sigmoid loss looks at.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from transformers import SiglipVisionConfig, SiglipVisionModel

from metaquery.chat import GRID
from recipe.autoencoder import to_tensor
from recipe.readers import Readers
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser
from shapes import world

WIDTH = 96
"""Components of a visual token."""

GENERATION_SIDE = 384
"""The official code scales pictures to this side before the base model's own processor sees them, but only to draw."""


def build_tower() -> SiglipVisionModel:
    config = SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=world.SIDE,
        patch_size=world.SIDE // GRID,
        vision_use_head=False,
        attn_implementation="eager",
    )
    return SiglipVisionModel(config)


def encode(vision: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, side, side] in −1…1 to the last hidden state before the tower's last norm, as LLaVA-OneVision selects
    it. [n, GRID², WIDTH]"""
    return vision.encoder(inputs_embeds=vision.embeddings(pixels)).last_hidden_state


def _resampling() -> torch.Tensor:
    """What scaling to GENERATION_SIDE and back does to a column of pixels. [side, side]"""
    columns = Image.fromarray(np.eye(world.SIDE, dtype=np.float32))
    large = columns.resize((world.SIDE, GENERATION_SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(large.resize((world.SIDE, world.SIDE), Image.Resampling.BICUBIC)).copy())


RESAMPLING = _resampling()


def given(pixels: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, side, side] as the tower sees them when something is to be drawn: scaled up and down again."""
    matrix = RESAMPLING.to(pixels.device)
    return (matrix @ pixels @ matrix.T).clamp(-1, 1)


def pixels_of(scenes: list[world.Scene], device: torch.device) -> torch.Tensor:
    """The pictures of scenes. [scenes, 3, side, side]"""
    return to_tensor(world.render_batch(scenes)).to(device)


def train(runs: Path, steps: int, batch: int, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    trained = nn.ModuleDict({"vision": build_tower(), "readers": Readers(WIDTH)}).to(device)
    average = Average(trained, 0.998)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    run = Run(runs / "tower", {"tower": trained, "average": average.module}, optimizer)
    while run.step < steps:
        rng = random.Random(f"metaquery tower {seed} {run.step} {process_number()}")
        scenes = [world.random_scene(rng, part="train") for _ in range(batch)]
        pixels = pixels_of(scenes, device)
        pixels = torch.cat([pixels[: batch // 2], given(pixels[batch // 2 :])])
        set_rate(optimizer, run.step, steps, 1.5e-3, descent=0.5)
        with torch.autocast(device.type, torch.bfloat16):
            tokens = encode(trained["vision"].vision_model, pixels)
        readers = trained["readers"]
        reading, right = readers.loss(F.normalize(tokens.float(), dim=-1), readers.labels(scenes))
        run.advance(reading, trained, average, read=right.float().mean())
    run.save()


def finished_tower(runs: Path) -> SiglipVisionModel:
    """The averaged tower of a run."""
    modules = nn.ModuleDict({"vision": build_tower(), "readers": Readers(WIDTH)})
    vision = finished(modules, runs / "tower")["vision"]
    assert isinstance(vision, SiglipVisionModel)
    return vision


def main() -> None:
    arguments = begin(stage_parser(__doc__, steps=1500, batch=64))
    join_processes()
    train(arguments.runs, arguments.steps, arguments.batch, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
