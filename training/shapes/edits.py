"""Edits of a given picture: an instruction, and the scene that following it leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from shapes.captions import placed
from shapes.wording import typed, with_article
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing, random_scene, split

MOST_BEFORE_ADDING = 3
"""A scene with more things gets no other."""


@dataclass(frozen=True)
class Edit:
    kind: str
    instruction: str
    result: Scene


def edit(
    scene: Scene, rng: random.Random, kind: str | None = None, part: str | None = None, held_out: bool = False
) -> Edit:
    """An edit of a scene, of the given kind if the scene allows it. `part` is that of the split which the result belongs to; not every
    scene has such a result (`scene_to_edit`). As with questions, the last wording of each list is held out."""
    while True:
        result = _RESULTS[kind or rng.choice(KINDS)](scene, rng)
        if result and (part is None or split(result) == part):
            return Edit(kind_of(scene, result), instruction(scene, result, rng, held_out), result)
        kind = None


def scene_to_edit(rng: random.Random, count: int | None = None, part: str | None = None) -> Scene:
    """A scene (`world.random_scene`) that has edits in every part of the split, because something in it can be named or added. Of four
    things in two pairs of twins only the ground can be changed, and every one of those few results may be in another part."""
    while True:
        scene = random_scene(rng, count, part)
        if len(scene.things) <= MOST_BEFORE_ADDING or any(_names(thing, scene) for thing in scene.things):
            return scene


def kind_of(before: Scene, after: Scene) -> str:
    """What kind of edit makes one scene of another."""
    if before.ground != after.ground:
        return "ground"
    old, new = _difference(before, after)
    if not old or not new:
        return "add" if new else "remove"
    changed = [name for name in ("place", "color", "size", "shape") if getattr(old, name) != getattr(new, name)]
    return {"place": "move", "color": "recolor", "size": "resize", "shape": "reshape"}[changed[0]]


def instruction(before: Scene, after: Scene, rng: random.Random, held_out: bool = False) -> str:
    """One of the ways to ask for the edit that makes one scene of another, as a user might type it."""
    old, new = _difference(before, after)
    name = old and _name(old, before, rng)
    wordings = _WORDINGS[kind_of(before, after)]
    text = wordings[-1] if held_out else rng.choice(wordings[:-1])
    words = {"name": name, "ground": after.ground}
    if new:
        words |= {"color": new.color, "size": new.size, "shape": with_article(new.shape), "place": new.place}
        words |= {"placed": placed(new.place, rng), "thing": with_article(f"{new.size} {new.color} {new.shape}")}
        words |= {"sized": "larger" if new.size == "large" else "smaller", "scale": "enlarge" if new.size == "large" else "shrink"}
    return typed(text.format(**words), rng)


_WORDINGS = {
    "recolor": (
        "make the {name} {color}",
        "change the color of the {name} to {color}",
        "change the {name} to {color}",
        "paint the {name} {color}",
        "color the {name} {color}",
        "give the {name} the color {color}",
        "the {name} should be {color}",
        "turn the {name} {color}",
    ),
    "resize": (
        "make the {name} {size}",
        "make the {name} {sized}",
        "change the size of the {name} to {size}",
        "{scale} the {name}",
        "the {name} should be {size}",
        "turn the {name} {size}",
    ),
    "reshape": (
        "turn the {name} into {shape}",
        "replace the {name} with {shape}",
        "change the {name} to {shape}",
        "change the {name} into {shape}",
        "make the {name} {shape}",
    ),
    "move": (
        "move the {name} to the {place}",
        "put the {name} {placed}",
        "move the {name} so that it is {placed}",
        "the {name} should be {placed}",
        "place the {name} {placed}",
    ),
    "remove": ("remove the {name}", "delete the {name}", "erase the {name}", "take the {name} away", "take away the {name}"),
    "add": ("add {thing} {placed}", "draw {thing} {placed}", "insert {thing} {placed}", "place {thing} {placed}", "put {thing} {placed}"),
    "ground": (
        "make the background {ground}",
        "change the background to {ground}",
        "change the background color to {ground}",
        "the background should be {ground}",
        "turn the background {ground}",
    ),
}


def _difference(before: Scene, after: Scene) -> tuple[Thing | None, Thing | None]:
    """The thing that is there only before an edit, and the one that is there only after it."""
    old, new = set(before.things) - set(after.things), set(after.things) - set(before.things)
    return next(iter(old), None), next(iter(new), None)


def _names(thing: Thing, scene: Scene) -> list[str]:
    """What a thing can be called, so that it is no other of the scene."""
    if sum(t.shape == thing.shape for t in scene.things) == 1:
        return [thing.shape, f"{thing.color} {thing.shape}"]
    is_unique = sum((t.shape, t.color) == (thing.shape, thing.color) for t in scene.things) == 1
    return [f"{thing.color} {thing.shape}"] if is_unique else []


def _name(thing: Thing, scene: Scene, rng: random.Random) -> str | None:
    names = _names(thing, scene)
    return rng.choice(names) if names else None


def _changed(scene: Scene, rng: random.Random, change: Callable[[Thing], Thing]) -> Scene | None:
    """The scene with one of its things changed, if that has a name."""
    thing = rng.choice(scene.things)
    if not _name(thing, scene, rng):
        return None
    return Scene.of(scene.ground, [change(t) if t is thing else t for t in scene.things])


def _free_place(scene: Scene, rng: random.Random) -> str:
    return rng.choice([place for place in PLACES if all(t.place != place for t in scene.things)])


def _other(values: tuple[str, ...], than: str, rng: random.Random) -> str:
    return rng.choice([value for value in values if value != than])


def _remove(scene: Scene, rng: random.Random) -> Scene | None:
    thing = rng.choice(scene.things)
    if len(scene.things) < 2 or not _name(thing, scene, rng):
        return None
    return Scene.of(scene.ground, [t for t in scene.things if t is not thing])


def _add(scene: Scene, rng: random.Random) -> Scene | None:
    if len(scene.things) > MOST_BEFORE_ADDING:
        return None
    thing = Thing(rng.choice(SHAPES), rng.choice(COLOR_NAMES), rng.choice(SIZE_NAMES), _free_place(scene, rng))
    return Scene.of(scene.ground, [*scene.things, thing])


_RESULTS: dict[str, Callable[[Scene, random.Random], Scene | None]] = {
    "recolor": lambda scene, rng: _changed(scene, rng, lambda t: replace(t, color=_other(COLOR_NAMES, t.color, rng))),
    "resize": lambda scene, rng: _changed(scene, rng, lambda t: replace(t, size=_other(SIZE_NAMES, t.size, rng))),
    "reshape": lambda scene, rng: _changed(scene, rng, lambda t: replace(t, shape=_other(SHAPES, t.shape, rng))),
    "move": lambda scene, rng: _changed(scene, rng, lambda t: replace(t, place=_free_place(scene, rng))),
    "remove": _remove,
    "add": _add,
    "ground": lambda scene, rng: Scene(_other(GROUND_NAMES, scene.ground, rng), scene.things),
}

KINDS = tuple(_RESULTS)
"""Every kind of edit."""
