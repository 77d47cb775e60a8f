"""Texts that a picture can be drawn from: captions that name everything, and captions that leave something open."""

from __future__ import annotations

import random

from shapes.knowledge import FACTS, TEXT_ONLY
from shapes.wording import NUMBER_WORDS, listed, plural, typed, with_article
from shapes.world import SHAPES, Scene, Thing

_PLACED = {
    "top left": ("at the top left", "in the top left", "in the top left corner"),
    "top": ("at the top", "at the top", "at the top center"),
    "top right": ("at the top right", "in the top right", "in the top right corner"),
    "left": ("on the left", "at the left", "on the left side"),
    "center": ("at the center", "in the center", "in the center"),
    "right": ("on the right", "at the right", "on the right side"),
    "bottom left": ("at the bottom left", "in the bottom left", "in the bottom left corner"),
    "bottom": ("at the bottom", "at the bottom", "at the bottom center"),
    "bottom right": ("at the bottom right", "in the bottom right", "in the bottom right corner"),
}

FULL = (
    "{things} on {ground} background",
    "{things} on {ground} background",
    "{things} on {ground} background",
    "{ground} background with {things}",
    "on {ground} background, {things}",
    "{things}, {bare} background",
    "{bare} background, {things}",
    "{things} on {bare}",
    "{things} in front of {ground} background",
    "{things} over {ground} background",
    "a picture of {things} on {ground} background",
    "a {bare} picture with {things}",
    "draw {things} on {ground} background",
    "please paint {things} on {ground} background",
    "show me {things}, the background is {bare}",
    "there is {things}, the background is {bare}",
    "i want a picture with {things} on {ground} background",
)

HELD_OUT_FULL = (
    "please draw {things} over {ground} background",
    "there is {things} on {ground} background",
    "a picture with {things} in front of {ground} background",
    "{ground} background and {things}",
)
"""Wordings that training never sees."""


def placed(place: str, rng: random.Random | None = None) -> str:
    """The phrase for standing at a place; without a generator the canonical one."""
    return rng.choice(_PLACED[place]) if rng else _PLACED[place][0]


def thing_phrase(thing: Thing, rng: random.Random | None = None) -> str:
    """A thing named in full."""
    name = with_article(f"{thing.size} {thing.color} {thing.shape}")
    style = rng.random() if rng else 1.0
    if style < 0.1:
        return f"{placed(thing.place, rng)} {name}"
    if style < 0.2 and rng:
        return f"{with_article(f'{thing.color} {thing.shape}')} {placed(thing.place, rng)} that is {thing.size}"
    return f"{name} {placed(thing.place, rng)}"


def description(scene: Scene) -> str:
    """The one canonical sentence for a scene: things in raster order, then the ground."""
    return f"{listed([thing_phrase(t) for t in scene.things])} on {with_article(scene.ground)} background"


def notes(scene: Scene) -> str:
    """A scene in note form, one thing after the other: "large blue star center; small red ring left; gray"."""
    return "; ".join([*(f"{t.size} {t.color} {t.shape} {t.place}" for t in scene.things), scene.ground])


def full_caption(scene: Scene, rng: random.Random, held_out: bool = False) -> str:
    """A caption that names everything, as a user might type it."""
    things = rng.sample(scene.things, len(scene.things))
    template = rng.choice(HELD_OUT_FULL if held_out else FULL)
    text = template.format(
        things=listed([thing_phrase(t, rng) for t in things], rng), ground=with_article(scene.ground), bare=scene.ground
    )
    return typed(text, rng)


def open_caption(scene: Scene, rng: random.Random, text_only: bool = False) -> str:
    """A true caption that leaves something open; `text_only` also draws facts that pictures never come with."""
    makers = [_partial, _partial, _count, _negation, _knowledge]
    if len(scene.things) > 1:
        makers.append(_relation)
    while True:
        text = rng.choice(makers)(scene, rng, text_only)
        if text:
            return typed(text, rng)


def _some_attributes(thing: Thing, rng: random.Random) -> str:
    words = [w for w, keep in ((thing.size, 0.5), (thing.color, 0.8)) if rng.random() < keep]
    place = " " + placed(thing.place, rng) if rng.random() < 0.4 else ""
    return with_article(" ".join([*words, thing.shape])) + place


def _ground_tail(scene: Scene, rng: random.Random, often: float = 0.6) -> str:
    return f" on {with_article(scene.ground)} background" if rng.random() < often else ""


def _partial(scene: Scene, rng: random.Random, text_only: bool) -> str:
    things = rng.sample(scene.things, len(scene.things))
    return listed([_some_attributes(t, rng) for t in things], rng) + _ground_tail(scene, rng)


def _count(scene: Scene, rng: random.Random, text_only: bool) -> str:
    groups: dict[str, int] = {}
    colored = rng.random() < 0.5 or len({(t.shape, t.color) for t in scene.things}) == 1
    for t in scene.things:
        name = f"{t.color} {t.shape}" if colored else t.shape
        groups[name] = groups.get(name, 0) + 1
    if max(groups.values()) == 1:
        return ""
    phrases = [f"{NUMBER_WORDS[n]} {plural(name)}" if n > 1 else with_article(name) for name, n in groups.items()]
    return listed(phrases, rng) + _ground_tail(scene, rng)


def _negation(scene: Scene, rng: random.Random, text_only: bool) -> str:
    absent = rng.choice([s for s in SHAPES if all(t.shape != s for t in scene.things)])
    named = "" if rng.random() < 0.5 else " and " + listed([_some_attributes(t, rng) for t in scene.things], rng)
    return f"{with_article(scene.ground)} background with no {absent}{named}"


def _relation(scene: Scene, rng: random.Random, text_only: bool) -> str:
    first, second = rng.sample(scene.things, 2)
    if len(scene.things) != 2:
        return ""
    words = []
    if first.row != second.row:
        words.append("above" if first.row < second.row else "below")
    if first.column != second.column:
        words.append("left of" if first.column < second.column else "right of")
    names = [with_article(f"{t.color} {t.shape}") for t in (first, second)]
    return f"{names[0]} {rng.choice(words)} {names[1]}{_ground_tail(scene, rng)}"


def _knowledge(scene: Scene, rng: random.Random, text_only: bool) -> str:
    if len(scene.things) != 1:
        return ""
    thing = scene.things[0]
    known = [o for o in FACTS[thing.color] if text_only or o not in TEXT_ONLY]
    return f"{with_article(thing.shape)} the color of {rng.choice(known)} {placed(thing.place, rng)}{_ground_tail(scene, rng)}"


