"""What can be asked for in pictures: a caption, a picture and an instruction, a picture alone, two pictures and an instruction.

The language model learns to tell about the result of a task, entry by entry, before anything is drawn; the queries learn to
ask it for the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from shapes import captions, edits, pairs
from shapes.world import Scene

SYSTEM_PROMPT = "Describe the image in detail."
"""Before everything that is drawn. The official one says the same at four times the length, which every step would pay for."""


@dataclass(frozen=True)
class Task:
    """Pictures and a text, and the picture that they ask for."""

    pictures: tuple[Scene, ...]
    text: str
    target: Scene
    kind: str
    """`caption`, `copy`, a kind of edit, or `pair` and a kind of pair."""

    @property
    def before(self) -> Scene | None:
        """The picture that an edit changes or a copy repeats."""
        return self.pictures[0] if len(self.pictures) == 1 else None


def caption(scene: Scene, rng: random.Random) -> Task:
    """Text to image."""
    maker = captions.full_caption if rng.random() < 0.85 else captions.open_caption
    return Task((), maker(scene, rng), scene, "caption")


def copy(scene: Scene) -> Task:
    """Reconstruction."""
    return Task((scene,), "", scene, "copy")


def edit(scene: Scene, rng: random.Random, kind: str | None = None) -> Task:
    """An edit whose result is not held out, of the given kind if the scene allows it."""
    change = edits.edit(scene, rng, kind, part="train")
    return Task((scene,), change.instruction, change.result, change.kind)


def pair(rng: random.Random) -> Task:
    """Two pictures combined."""
    made = pairs.pair(rng, part="train")
    return Task(made.scenes, made.instruction, made.result, f"pair {made.kind}")


def some_scene(rng: random.Random, most: int) -> Scene:
    """A training scene of at most `most` objects, most of which have that many or nearly: one object alone is learned soon."""
    return edits.scene_to_edit(rng, rng.choice([n for n in (1, 2, 2, 3, 3, 4, 4) if n <= most]), part="train")
