"""Several pictures at once: what comes next in a motion, and which of the pictures shows something."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shapes.wording import typed, with_article
from shapes.world import COLOR_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing, random_scene, split

_ROWS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))

LINES = tuple(tuple(PLACES[i] for i in line) for row in _ROWS for line in (row, row[::-1]))
"""Three cells in a line, in both directions."""

NEXT = (
    "what comes next",
    "show the next frame",
    "what happens next",
    "draw the next picture",
    "continue the motion",
    "show what comes next",
)
"""What asks for the next frame; the last wording is held out."""

ORDINALS = ("first", "second", "third")


@dataclass(frozen=True)
class Motion:
    """Frames that something moves or grows in, and the frame that follows."""

    kind: str
    frames: tuple[Scene, ...]
    instruction: str
    result: Scene


KINDS = ("move", "row")
"""An object that moves one cell a frame; a row that gets one object longer each frame."""


def motion(rng: random.Random, kind: str | None = None, part: str | None = None, held_out: bool = False) -> Motion:
    """Two frames and the third. `part` is that of the split which the third belongs to, and no frame is from a part that
    is held out from training other than this one."""
    while True:
        chosen = kind or rng.choice(KINDS)
        line = rng.choice(LINES)
        look = (rng.choice(SHAPES), rng.choice(COLOR_NAMES), rng.choice(SIZE_NAMES))
        free = [place for place in PLACES if place not in line]
        others = [
            Thing(rng.choice(SHAPES), rng.choice(COLOR_NAMES), rng.choice(SIZE_NAMES), place)
            for place in rng.sample(free, rng.choice((0, 0, 1) if chosen == "row" else (0, 1, 1, 2)))
        ]
        ground = random_scene(rng, 1).ground
        scenes = [
            Scene.of(ground, [*others, *(Thing(*look, place) for place in line[0 if chosen == "row" else i : i + 1])])
            for i in range(3)
        ]
        parts = [split(scene) for scene in scenes]
        if part is None or (parts[-1] == part and set(parts) <= {part, "train"}):
            text = NEXT[-1] if held_out else rng.choice(NEXT[:-1])
            return Motion(chosen, tuple(scenes[:-1]), typed(text, rng, "?"), scenes[-1])


@dataclass(frozen=True)
class WhichFrame:
    """A question that one of several pictures is the answer to."""

    frames: tuple[Scene, ...]
    text: str
    answer: str


def ask_which(frames: tuple[Scene, ...], rng: random.Random, held_out: bool = False) -> WhichFrame | None:
    """A question about a shape that only one of the pictures shows; none if that can't be asked of a random object."""
    number = rng.randrange(len(frames))
    thing = rng.choice(frames[number].things)
    if sum(any(t.shape == thing.shape for t in frame.things) for frame in frames) > 1:
        return None
    wordings = ("which picture shows {0}", "which frame shows {0}", "where do you see {0}", "which picture has {0}")
    text = wordings[-1] if held_out else rng.choice(wordings[:-1])
    return WhichFrame(frames, typed(text.format(with_article(thing.shape)), rng, "?"), ORDINALS[number])


def which_frame(rng: random.Random, part: str | None = None, held_out: bool = False) -> WhichFrame:
    """Two or three pictures of one or two objects, and a question about them."""
    while True:
        frames = tuple(random_scene(rng, rng.choice((1, 1, 2)), part) for _ in range(rng.choice((2, 2, 3))))
        if asked := ask_which(frames, rng, held_out):
            return asked
