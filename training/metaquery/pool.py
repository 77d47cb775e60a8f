"""Stage 5: targets of drawing encoded once, by both autoencoders, with the tasks that ask for them.

A shard holds plain scenes, an edit of each and pairs that put two objects into one picture; one more shard holds every scene of
one object, among which are the results of all other pairs.
"""

from __future__ import annotations

import argparse
import pickle
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch

from metaquery import dcae, tasks
from metaquery.tasks import Task
from recipe import vae
from recipe.autoencoder import encode, latent_scale
from recipe.run import pick_device
from shapes import pairs, world
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing

SHARD = 2048
"""Plain scenes in one file."""

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
    edits: list[Task] = field(default_factory=list)
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
        groups: dict[int, list[Scene]] = {n: [] for n in (1, 2, 3, 4)}
        for number in self.plain:
            groups[len(self.scenes[number].things)].append(self.scenes[number])
        return groups

    def targets(self, wanted: list[Task]) -> torch.Tensor:
        """The latents of what tasks ask for, unscaled. [tasks, C, S, S]"""
        return self.latents[[self.numbers[task.target] for task in wanted]].float()

    def scale(self) -> float:
        """The scaling factor that gives latents unit variance."""
        return latent_scale(self.latents)


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


Story = tuple[list[Scene], int, list[Task], list[Task]]


def story(number: int, seed: int, size: int) -> Story:
    """Scenes of a shard, how many of them are plain, edits and pairs. The first shard is the scenes of one object."""
    if number == 0:
        scenes = singles()
        return scenes, len(scenes), [], []
    rng = random.Random(f"metaquery pool {seed} {number}")
    scenes = [world.random_scene(rng, part="train") for _ in range(size)]
    changes = [tasks.edit(scene, rng) for scene in scenes]
    made = [pairs.pair(rng, "both", "train") for _ in range(size // 4)]
    both = [Task(pair.scenes, pair.instruction, pair.result) for pair in made]
    return [*scenes, *(task.target for task in (*changes, *both))], size, changes, both


def fill(runs: Path, shards: int, size: int, seed: int, device: torch.device) -> None:
    """Writes the shards that are missing."""
    makers = {
        "sana": dcae.latents_of(dcae.finished_dcae(runs / "dcae").to(device)),
        "sd": vae.latents_of(vae.finished_vae(runs / "vae").to(device)),
    }
    folder = runs / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards + 1):
        path = folder / f"shard-{number:04}.pt"
        if path.exists():
            continue
        told = story(number, seed, size)
        shard = {"story": pickle.dumps(told)}
        shard |= {name: encode(makers[name], told[0], device).half() for name in DECODERS}
        torch.save(shard, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
        print(f"pictures {path.name}: {len(told[0])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--size", type=int, default=SHARD, help="plain scenes in a shard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    fill(arguments.runs, arguments.shards, arguments.size, arguments.seed, pick_device(arguments.device))


if __name__ == "__main__":
    main()
