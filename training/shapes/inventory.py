"""What stands in a scene, entry by entry: the lesson of language models that are to say, cell by cell, what a prompt asks for,
before anything is drawn from what they understood."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shapes.world import PLACES, Scene, Thing


@dataclass(frozen=True)
class Entry:
    name: str
    value: str
    skill: str
    """What it tells of which task's result, without the place: "recolor: color kept"."""


def entries(
    scene: Scene, rng: random.Random, count: int, task: str = "caption", before: Scene | None = None
) -> list[Entry]:
    """Random entries of the inventory of a scene that a task asks for. Most are about objects, as most cells are empty; an attribute
    of a single cell is what one token of a picture, or one query, can hold. If it is made of another scene, half are about
    what changes; a task's cells that do not are `kept` or `empty`."""
    things, old = ({thing.place: thing for thing in s.things} for s in (scene, before or scene))
    changed = [place for place in PLACES if things.get(place) != old.get(place)]
    grounds = 0.5 if before and before.ground != scene.ground else 0.1
    told = []
    for _ in range(count):
        style = rng.random()
        place = rng.choice(scene.things).place if rng.random() < 0.7 else rng.choice(PLACES)
        if changed and rng.random() < 0.5:
            place = rng.choice(changed)
        thing = things.get(place)
        state = "changed" if place in changed else "kept" if thing else "empty"
        if style < grounds:
            told.append(Entry("background", scene.ground, f"{task}: ground"))
        elif style < grounds + 0.15:
            told.append(Entry(place, _look(thing), f"{task}: look {state}"))
        else:
            attribute = rng.choice(("shape", "color", "size"))
            value = getattr(thing, attribute) if thing else "none"
            told.append(Entry(f"{attribute} {place}", value, f"{task}: {attribute} {state}"))
    return told


def _look(thing: Thing | None) -> str:
    return f"{thing.size} {thing.color} {thing.shape}" if thing else "nothing"
