"""What the SigLIP tower learns from: captions that claim something about a picture, most of them nearly true.

Every claim can be checked against every scene of a batch, so the sigmoid loss never takes a caption that happens to be
true for a wrong one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from shapes import captions
from shapes.wording import listed, spelled, with_article
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing

_VALUES = {"shape": SHAPES, "color": COLOR_NAMES, "size": SIZE_NAMES, "place": PLACES}


@dataclass(frozen=True)
class Claim:
    """Objects that a picture is said to hold among others, and its ground unless None."""

    things: tuple[Thing, ...]
    ground: str | None

    def holds(self, scene: Scene) -> bool:
        return self.ground in (None, scene.ground) and all(thing in scene.things for thing in self.things)

    def text(self, rng: random.Random) -> str:
        """The claim in words, in lower case."""
        phrases = [captions.thing_phrase(thing, rng) for thing in rng.sample(self.things, len(self.things))]
        words = listed(phrases) + (f" on {with_article(self.ground)} background" if self.ground else "")
        return spelled(words, rng).lower()


def true_claim(scene: Scene, rng: random.Random) -> Claim:
    """One or two objects of a scene, with or without its ground."""
    count = min(len(scene.things), rng.choice((1, 1, 2)))
    return Claim(tuple(rng.sample(scene.things, count)), scene.ground if rng.random() < 0.4 else None)


def false_claim(scene: Scene, rng: random.Random) -> Claim:
    """A claim that differs from a true one in one attribute, or in which object has it."""
    while True:
        claim = true_claim(scene, rng)
        style = rng.random()
        if claim.ground and style < 0.3:
            claim = replace(claim, ground=rng.choice(GROUND_NAMES))
        elif len(claim.things) > 1 and style < 0.7:
            first, second = claim.things
            name = rng.choice(tuple(_VALUES))
            values = getattr(first, name), getattr(second, name)
            claim = replace(claim, things=(replace(first, **{name: values[1]}), replace(second, **{name: values[0]})))
        else:
            name = rng.choice(tuple(_VALUES))
            changed = replace(claim.things[0], **{name: rng.choice(_VALUES[name])})
            claim = replace(claim, things=(changed, *claim.things[1:]))
        if not claim.holds(scene):
            return claim
