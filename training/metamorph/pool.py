"""Stage 2: pictures as the language model and the visualizer meet them, encoded once: visual tokens and latents.

A shard holds plain scenes, an edit of each and motions; one more shard holds every scene of one object, because visual
thinking draws those.
"""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import SiglipVisionModel

from metamorph.tower import finished_tower, see
from recipe.autoencoder import encode, latent_scale
from recipe.pool import SHARD, by_count, fill, singles
from recipe.run import begin, stage_parser
from recipe.vae import finished_vae, latents_of
from shapes import edits, frames, world
from shapes.world import Scene

MOTIONS = 512
"""Motions in one file."""


@dataclass
class Pool:
    """Pictures, and which of them belong together; numbers are places in `scenes`."""

    scenes: list[Scene] = field(default_factory=list)
    tokens: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Visual tokens, float16. [pictures, tokens, width]"""
    latents: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Unscaled latents, float16. [pictures, C, S, S]"""
    plain: list[int] = field(default_factory=list)
    """Scenes drawn at random: those that are captioned and asked about."""
    edits: list[tuple[int, int]] = field(default_factory=list)
    """Source and result."""
    motions: list[tuple[tuple[int, ...], str, int]] = field(default_factory=list)
    """Frames, instruction, what comes next."""
    numbers: dict[Scene, int] = field(default_factory=dict)
    """Where each scene stands."""

    @staticmethod
    def load(folder: Path, loaded: int = 0) -> tuple[Pool, int]:
        """All shards in a folder from number `loaded` on, and how many there are now."""
        paths = sorted(folder.glob("shard-*.pt"))
        pool = Pool()
        for path in paths[loaded:]:
            pool._add(torch.load(path, weights_only=True))
        pool.numbers = {scene: number for number, scene in enumerate(pool.scenes)}
        return pool, len(paths)

    def _add(self, shard: dict[str, torch.Tensor | bytes]) -> None:
        first = len(self.scenes)
        scenes, plain, changes, motions = pickle.loads(shard["story"])  # type: ignore[arg-type]
        self.scenes += scenes
        self.plain += range(first, first + plain)
        self.edits += [(first + a, first + b) for a, b in changes]
        self.motions += [(tuple(first + i for i in seen), text, first + b) for seen, text, b in motions]
        self.tokens = torch.cat([self.tokens, shard["tokens"]]) if first else shard["tokens"]  # type: ignore[list-item]
        self.latents = torch.cat([self.latents, shard["latents"]]) if first else shard["latents"]  # type: ignore[list-item]

    def by_count(self) -> dict[int, list[int]]:
        """Plain scenes by their number of objects."""
        return by_count(self.scenes, self.plain)

    def scale(self) -> float:
        """The scaling factor that gives latents unit variance."""
        return latent_scale(self.latents)


Story = tuple[list[Scene], int, list[tuple[int, int]], list[tuple[tuple[int, ...], str, int]]]


def story(number: int, seed: int, size: int, motions: int) -> Story:
    """Scenes of a shard, how many of them are plain, edits and motions. The first shard is the scenes of one object."""
    if number == 0:
        scenes = singles()
        return scenes, len(scenes), [], []
    rng = random.Random(f"metamorph pool {seed} {number}")
    scenes = [edits.scene_to_edit(rng, part="train") for _ in range(size)]
    scenes += [edits.edit(scene, rng, part="train").result for scene in scenes]
    changed = [(i, size + i) for i in range(size)]
    moved = []
    for _ in range(motions):
        motion = frames.motion(rng, part="train")
        first = len(scenes)
        scenes += [*motion.frames, motion.result]
        moved.append((tuple(range(first, first + len(motion.frames))), motion.instruction, len(scenes) - 1))
    return scenes, size, changed, moved


def main() -> None:
    arguments = begin(stage_parser(__doc__, shards=16, size=SHARD))
    runs, device = arguments.runs, arguments.device
    latents = latents_of(finished_vae(runs / "vae").to(device))
    vision: SiglipVisionModel = finished_tower(runs)[0].to(device)

    def shard(number: int) -> dict[str, torch.Tensor | bytes]:
        told = story(number, arguments.seed, arguments.size, arguments.size * MOTIONS // SHARD)
        scenes = told[0]
        tokens = [see(vision, world.render_batch(scenes[i : i + 512]), device) for i in range(0, len(scenes), 512)]
        return {
            "story": pickle.dumps(told),
            "tokens": torch.cat(tokens).half(),
            "latents": encode(latents, scenes, device).half(),
        }

    fill(runs / "pictures", arguments.shards + 1, shard)


if __name__ == "__main__":
    main()
