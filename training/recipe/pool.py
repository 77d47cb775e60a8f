"""What the pools of every family share: shards on disk, and the scenes of one object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from shapes import world
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing

SHARD = 2048
"""Plain scenes in one file."""


def singles() -> list[Scene]:
    """Every training scene of one object."""
    scenes = [
        Scene(ground, (Thing(shape, color, size, place),))
        for ground in GROUND_NAMES
        for shape in SHAPES
        for color in COLOR_NAMES
        for size in SIZE_NAMES
        for place in PLACES
    ]
    return [scene for scene in scenes if world.split(scene) == "train"]


def by_count(scenes: list[Scene], numbers: list[int]) -> dict[int, list[int]]:
    """The numbers of some scenes by how many objects each has."""
    groups: dict[int, list[int]] = {n: [] for n in (1, 2, 3, 4)}
    for number in numbers:
        groups[len(scenes[number].things)].append(number)
    return groups


def fill(folder: Path, shards: int, make: Callable[[int], dict[str, torch.Tensor | bytes]]) -> None:
    """Writes the shards that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"shard-{number:04}.pt"
        if path.exists():
            continue
        torch.save(make(number), path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
        print(folder.name, path.name, flush=True)
