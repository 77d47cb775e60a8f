"""Edits of a given picture: an instruction, and the scene that following it leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from shapes.captions import placed
from shapes.wording import typed, with_article
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing, split


@dataclass(frozen=True)
class Edit:
    kind: str
    instruction: str
    result: Scene


def edit(
    scene: Scene, rng: random.Random, kind: str | None = None, part: str | None = None, held_out: bool = False
) -> Edit:
    """An edit of a scene. `part` is that of the split which the result belongs to. As with questions, the last wording of each
    list is held out."""
    while True:
        chosen = kind or rng.choice(KINDS)
        made = _MAKERS[chosen](scene, rng)
        if made:
            wordings, result = made
            text = wordings[-1] if held_out else rng.choice(wordings[:-1])
            change = Edit(chosen, typed(text, rng), result)
            if part is None or split(result) == part:
                return change
        kind = None


def kind_of(before: Scene, after: Scene) -> str:
    """What kind of edit makes one scene of another."""
    if before.ground != after.ground:
        return "ground"
    old, new = set(before.things) - set(after.things), set(after.things) - set(before.things)
    if not old or not new:
        return "add" if new else "remove"
    (was,), (is_now,) = old, new
    changed = [name for name in ("place", "color", "size", "shape") if getattr(was, name) != getattr(is_now, name)]
    return {"place": "move", "color": "recolor", "size": "resize", "shape": "reshape"}[changed[0]]


Made = tuple[tuple[str, ...], Scene]


def _name(thing: Thing, scene: Scene, rng: random.Random) -> str | None:
    names = []
    if sum(t.shape == thing.shape for t in scene.things) == 1:
        names += [thing.shape, f"{thing.color} {thing.shape}"]
    elif sum((t.shape, t.color) == (thing.shape, thing.color) for t in scene.things) == 1:
        names.append(f"{thing.color} {thing.shape}")
    return rng.choice(names) if names else None


def _changed(scene: Scene, old: Thing, new: Thing) -> Scene:
    return Scene.of(scene.ground, [new if t is old else t for t in scene.things])


def _pick(scene: Scene, rng: random.Random) -> tuple[Thing, str] | None:
    thing = rng.choice(scene.things)
    name = _name(thing, scene, rng)
    return (thing, name) if name else None


def _recolor(scene: Scene, rng: random.Random) -> Made | None:
    if not (picked := _pick(scene, rng)):
        return None
    thing, name = picked
    color = rng.choice([c for c in COLOR_NAMES if c != thing.color])
    wordings = (f"make the {name} {color}", f"change the color of the {name} to {color}", f"paint the {name} {color}", f"give the {name} the color {color}", f"turn the {name} {color}")
    return wordings, _changed(scene, thing, replace(thing, color=color))


def _resize(scene: Scene, rng: random.Random) -> Made | None:
    if not (picked := _pick(scene, rng)):
        return None
    thing, name = picked
    size = SIZE_NAMES[1 - SIZE_NAMES.index(thing.size)]
    wordings = (f"make the {name} {size}", f"change the size of the {name} to {size}", f"the {name} should be {size}", f"turn the {name} {size}")
    return wordings, _changed(scene, thing, replace(thing, size=size))


def _reshape(scene: Scene, rng: random.Random) -> Made | None:
    if not (picked := _pick(scene, rng)):
        return None
    thing, name = picked
    shape = rng.choice([s for s in SHAPES if s != thing.shape])
    wordings = (f"turn the {name} into {with_article(shape)}", f"replace the {name} with {with_article(shape)}", f"make the {name} {with_article(shape)}")
    return wordings, _changed(scene, thing, replace(thing, shape=shape))


def _move(scene: Scene, rng: random.Random) -> Made | None:
    if not (picked := _pick(scene, rng)):
        return None
    thing, name = picked
    place = rng.choice([p for p in PLACES if all(t.place != p for t in scene.things)])
    wordings = (f"move the {name} to the {place}", f"put the {name} {placed(place, rng)}", f"place the {name} {placed(place, rng)}")
    return wordings, _changed(scene, thing, replace(thing, place=place))


def _remove(scene: Scene, rng: random.Random) -> Made | None:
    if len(scene.things) < 2 or not (picked := _pick(scene, rng)):
        return None
    thing, name = picked
    wordings = (f"remove the {name}", f"delete the {name}", f"take the {name} away", f"take away the {name}")
    return wordings, Scene.of(scene.ground, [t for t in scene.things if t is not thing])


def _add(scene: Scene, rng: random.Random) -> Made | None:
    if len(scene.things) > 3:
        return None
    place = rng.choice([p for p in PLACES if all(t.place != p for t in scene.things)])
    thing = Thing(rng.choice(SHAPES), rng.choice(COLOR_NAMES), rng.choice(SIZE_NAMES), place)
    phrase = f"{with_article(f'{thing.size} {thing.color} {thing.shape}')} {placed(place, rng)}"
    return (f"add {phrase}", f"draw {phrase}", f"put {phrase}"), Scene.of(scene.ground, [*scene.things, thing])


def _reground(scene: Scene, rng: random.Random) -> Made | None:
    ground = rng.choice([g for g in GROUND_NAMES if g != scene.ground])
    wordings = (f"make the background {ground}", f"change the background to {ground}", f"turn the background {ground}")
    return wordings, Scene(ground, scene.things)


_MAKERS: dict[str, Callable[[Scene, random.Random], Made | None]] = {
    "recolor": _recolor,
    "resize": _resize,
    "reshape": _reshape,
    "move": _move,
    "remove": _remove,
    "add": _add,
    "ground": _reground,
}

KINDS = tuple(_MAKERS)
"""Every kind of edit."""
