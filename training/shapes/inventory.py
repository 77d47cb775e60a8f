"""What stands in a scene, entry by entry: the lesson of language models that are to say, cell by cell, what a prompt asks for,
before anything is drawn from what they understood."""

from __future__ import annotations

import random

from shapes.world import PLACES, Scene, Thing

Entry = tuple[str, str]
"""A name and its value: ("color top left", "red")."""


def entries(scene: Scene, rng: random.Random, count: int) -> list[Entry]:
    """Random entries of a scene's inventory. Most are about objects, as most cells are empty; an attribute of a single cell is
    what one token of a picture, or one query, can hold."""
    told = []
    for _ in range(count):
        style = rng.random()
        place = rng.choice(scene.things).place if rng.random() < 0.7 else rng.choice(PLACES)
        thing = next((thing for thing in scene.things if thing.place == place), None)
        if style < 0.1:
            told.append(("background", scene.ground))
        elif style < 0.25:
            told.append((place, _look(thing)))
        else:
            attribute = rng.choice(("shape", "color", "size"))
            told.append((f"{attribute} {place}", getattr(thing, attribute) if thing else "none"))
    return told


def _look(thing: Thing | None) -> str:
    return f"{thing.size} {thing.color} {thing.shape}" if thing else "nothing"
