"""Stage 3: scenes with their latents, encoded once, so that training never runs the autoencoder."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from pathlib import Path

import torch

from recipe.autoencoder import encode
from recipe.pool import fill
from recipe.run import begin, stage_parser
from recipe.vae import finished_vae, latents_of
from shapes import edits
from shapes.world import Scene

SHARD = 4096
"""Scenes in one file."""


@dataclass
class Pool:
    """Scenes, an edited one of each, and the unscaled latents of both, float16 [scenes, C, S, S]."""

    scenes: list[Scene]
    results: list[Scene]
    """What becomes of each scene in an edit."""
    latents: torch.Tensor
    edited: torch.Tensor

    @staticmethod
    def load(folder: Path, after: int = 0) -> tuple[Pool, int]:
        """All shards in a folder from number `after` on, and how many there are now."""
        paths = sorted(folder.glob("shard-*.pt"))
        shards = [torch.load(path, weights_only=False) for path in paths[after:]]
        return Pool(
            [scene for shard in shards for scene in pickle.loads(shard["scenes"])],
            [scene for shard in shards for scene in pickle.loads(shard["results"])],
            torch.cat([shard["latents"] for shard in shards]) if shards else torch.empty(0),
            torch.cat([shard["edited"] for shard in shards]) if shards else torch.empty(0),
        ), len(paths)

    def extend(self, other: Pool) -> None:
        if other.scenes:
            self.scenes += other.scenes
            self.results += other.results
            self.latents = torch.cat([self.latents, other.latents])
            self.edited = torch.cat([self.edited, other.edited])


def main() -> None:
    arguments = begin(stage_parser(__doc__, shards=24))
    latents = latents_of(finished_vae(arguments.runs / "vae").to(arguments.device))

    def shard(number: int) -> dict[str, torch.Tensor | bytes]:
        rng = random.Random(f"pool {arguments.seed} {number}")
        scenes = [edits.scene_to_edit(rng, part="train") for _ in range(SHARD)]
        results = [edits.edit(scene, rng, part="train").result for scene in scenes]
        return {
            "scenes": pickle.dumps(scenes),
            "results": pickle.dumps(results),
            "latents": encode(latents, scenes, arguments.device).half(),
            "edited": encode(latents, results, arguments.device).half(),
        }

    fill(arguments.runs / "pool", arguments.shards, shard)


if __name__ == "__main__":
    main()
