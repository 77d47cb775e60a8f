"""Stage 5: targets of drawing encoded once, by both autoencoders, with the tasks that ask for them.

A shard holds plain scenes, an edit of each and pairs that put two objects into one picture; one more shard holds every scene of
one object, among which are the results of all other pairs.
"""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch

from metaquery import dcae
from metaquery.tasks import Task
from recipe import vae
from recipe.autoencoder import encode, latent_scale
from recipe.pool import SHARD, by_count, fill, singles
from recipe.run import begin, stage_parser
from shapes import edits, pairs
from shapes.world import Scene

DECODERS = ("sana", "sd")
"""Both kinds of decoder; each has an autoencoder of its own."""


@dataclass
class Pool:
    """Scenes that can be drawn, and what asks for them; numbers are places in `scenes`."""

    scenes: list[Scene] = field(default_factory=list)
    latents: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Unscaled latents of one decoder's autoencoder, float16. [scenes, C, S, S]"""
    plain: list[int] = field(default_factory=list)
    """Scenes drawn at random: those that are captioned and copied."""
    edits: list[tuple[Scene, Scene]] = field(default_factory=list)
    """Scenes, and what becomes of each."""
    both: list[Task] = field(default_factory=list)
    """Pairs that put two objects into one picture."""
    numbers: dict[Scene, int] = field(default_factory=dict)
    """Where each scene stands."""

    @staticmethod
    def load(folder: Path, decoder: str) -> Pool:
        """All shards in a folder, with the latents for one decoder."""
        pool = Pool()
        latents = []
        for path in sorted(folder.glob("shard-*.pt")):
            shard = torch.load(path, weights_only=True)
            scenes, plain, changes, both = pickle.loads(shard["story"])
            pool.plain += range(len(pool.scenes), len(pool.scenes) + plain)
            pool.scenes += scenes
            pool.edits += changes
            pool.both += both
            latents.append(shard[decoder])
        pool.latents = torch.cat(latents)
        pool.numbers = {scene: number for number, scene in enumerate(pool.scenes)}
        return pool

    def by_count(self) -> dict[int, list[Scene]]:
        """Plain scenes by their number of objects."""
        groups = by_count(self.scenes, self.plain)
        return {count: [self.scenes[number] for number in numbers] for count, numbers in groups.items()}

    def targets(self, wanted: list[Task]) -> torch.Tensor:
        """The latents of what tasks ask for, unscaled. [tasks, C, S, S]"""
        return self.latents[[self.numbers[task.target] for task in wanted]].float()

    def scale(self) -> float:
        """The scaling factor that gives latents unit variance."""
        return latent_scale(self.latents)


Story = tuple[list[Scene], int, list[tuple[Scene, Scene]], list[Task]]


def story(number: int, seed: int, size: int) -> Story:
    """Scenes of a shard, how many of them are plain, edits and pairs. The first shard is the scenes of one object."""
    if number == 0:
        scenes = singles()
        return scenes, len(scenes), [], []
    rng = random.Random(f"metaquery pool {seed} {number}")
    scenes = [edits.scene_to_edit(rng, part="train") for _ in range(size)]
    changes = [(scene, edits.edit(scene, rng, part="train").result) for scene in scenes]
    made = [pairs.pair(rng, "both", "train") for _ in range(size // 4)]
    both = [Task(pair.scenes, pair.instruction, pair.result, f"pair {pair.kind}") for pair in made]
    return [*scenes, *(after for _, after in changes), *(task.target for task in both)], size, changes, both


def main() -> None:
    arguments = begin(stage_parser(__doc__, shards=16, size=SHARD))
    runs, device = arguments.runs, arguments.device
    makers = {
        "sana": dcae.latents_of(dcae.finished_dcae(runs / "dcae").to(device)),
        "sd": vae.latents_of(vae.finished_vae(runs / "vae").to(device)),
    }

    def shard(number: int) -> dict[str, torch.Tensor | bytes]:
        told = story(number, arguments.seed, arguments.size)
        latents = {name: encode(makers[name], told[0], device).half() for name in DECODERS}
        return {"story": pickle.dumps(told), **latents}

    fill(runs / "pictures", arguments.shards + 1, shard)


if __name__ == "__main__":
    main()
