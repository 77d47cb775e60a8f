"""Stage 3: scenes with their latents, encoded once, so that training never runs the autoencoder."""

from __future__ import annotations

import argparse
import pickle
import random
from dataclasses import dataclass
from pathlib import Path

import torch

from recipe.autoencoder import encode
from recipe.run import pick_device
from recipe.vae import finished_vae, latents_of
from shapes import edits, world
from shapes.edits import Edit
from shapes.world import Scene

SHARD = 4096
"""Scenes in one file."""


@dataclass
class Pool:
    """Scenes, an edit of each, and the unscaled latents of both, float16 [scenes, C, S, S]."""

    scenes: list[Scene]
    edits: list[Edit]
    latents: torch.Tensor
    edited: torch.Tensor

    @staticmethod
    def load(folder: Path, after: int = 0) -> tuple[Pool, int]:
        """All shards in a folder from number `after` on, and how many there are now."""
        paths = sorted(folder.glob("shard-*.pt"))
        shards = [torch.load(path, weights_only=False) for path in paths[after:]]
        return Pool(
            [scene for shard in shards for scene in pickle.loads(shard["scenes"])],
            [edit for shard in shards for edit in pickle.loads(shard["edits"])],
            torch.cat([shard["latents"] for shard in shards]) if shards else torch.empty(0),
            torch.cat([shard["edited"] for shard in shards]) if shards else torch.empty(0),
        ), len(paths)

    def extend(self, other: Pool) -> None:
        if other.scenes:
            self.scenes += other.scenes
            self.edits += other.edits
            self.latents = torch.cat([self.latents, other.latents])
            self.edited = torch.cat([self.edited, other.edited])


def fill(runs: Path, shards: int, seed: int, device: torch.device) -> None:
    """Writes the shards that are missing."""
    latents = latents_of(finished_vae(runs / "vae").to(device))
    folder = runs / "pool"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"shard-{number:04}.pt"
        if path.exists():
            continue
        rng = random.Random(f"pool {seed} {number}")
        scenes = [world.random_scene(rng, part="train") for _ in range(SHARD)]
        changes = [edits.edit(scene, rng) for scene in scenes]
        shard = {
            "scenes": pickle.dumps(scenes),
            "edits": pickle.dumps(changes),
            "latents": encode(latents, scenes, device).half(),
            "edited": encode(latents, [change.result for change in changes], device).half(),
        }
        torch.save(shard, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
        print(path.name, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    fill(arguments.runs, arguments.shards, arguments.seed, pick_device(arguments.device))


if __name__ == "__main__":
    main()
