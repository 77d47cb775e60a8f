"""Two pictures of one object each, combined as an instruction says: "the shape of the first in the color of the second"."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from shapes.wording import typed
from shapes.world import Scene, random_scene, split


@dataclass(frozen=True)
class Pair:
    """Two pictures, what is asked for, and the picture that follows from them."""

    kind: str
    scenes: tuple[Scene, Scene]
    instruction: str
    result: Scene


Made = tuple[tuple[str, ...], Scene]


def _color(first: Scene, second: Scene) -> Made:
    wordings = (
        "the shape of the first in the color of the second",
        "the first object in the color of the second",
        "draw the first picture with the color of the second",
        "paint the first object like the second",
        "give the first object the color of the second",
    )
    (thing,), (other,) = first.things, second.things
    return wordings, Scene(first.ground, (replace(thing, color=other.color),))


def _shape(first: Scene, second: Scene) -> Made:
    wordings = (
        "the color of the first in the shape of the second",
        "the first picture with the shape of the second",
        "turn the first object into the shape of the second",
        "give the first object the shape of the second",
    )
    (thing,), (other,) = first.things, second.things
    return wordings, Scene(first.ground, (replace(thing, shape=other.shape),))


def _place(first: Scene, second: Scene) -> Made:
    wordings = (
        "the first object at the place of the second",
        "move the first object to where the second is",
        "put the first object where the second one is",
        "place the first object where the second one is",
    )
    (thing,), (other,) = first.things, second.things
    return wordings, Scene(first.ground, (replace(thing, place=other.place),))


def _ground(first: Scene, second: Scene) -> Made:
    wordings = (
        "the first object on the background of the second",
        "put the first object on the background of the second",
        "the first picture with the background of the second",
        "give the first picture the background of the second",
    )
    return wordings, Scene(second.ground, first.things)


def _both(first: Scene, second: Scene) -> Made:
    wordings = (
        "both objects in one picture",
        "put the second object into the first picture",
        "add the object of the second picture to the first",
        "draw the two objects together",
        "draw both objects together",
    )
    return wordings, Scene.of(first.ground, first.things + second.things)


_MAKERS: dict[str, Callable[[Scene, Scene], Made]] = {
    "color": _color,
    "shape": _shape,
    "place": _place,
    "ground": _ground,
    "both": _both,
}

KINDS = tuple(_MAKERS)
"""Every kind of combination. Whatever an instruction does not name is as in the first picture."""


def pair(rng: random.Random, kind: str | None = None, part: str | None = None, held_out: bool = False) -> Pair:
    """Two pictures and their combination. `part` is that of the split which the result belongs to, and neither picture is
    from a part that is held out from training other than this one. As with edits, the last wording is held out."""
    chosen = kind or rng.choice(KINDS)
    while True:
        first, second = random_scene(rng, 1), random_scene(rng, 1)
        if chosen == "both" and first.things[0].place == second.things[0].place:
            continue
        wordings, result = _MAKERS[chosen](first, second)
        parts = {split(first), split(second)}
        if result != first and (part is None or (split(result) == part and parts <= {part, "train"})):
            text = wordings[-1] if held_out else rng.choice(wordings[:-1])
            return Pair(chosen, (first, second), typed(text, rng), result)
