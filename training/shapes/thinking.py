"""Visual thinking: a question that is answered with a picture of the part it asks about, and then with the word."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shapes.questions import Question, Wording, unique_name
from shapes.wording import typed
from shapes.world import Scene, split

LEADS = (
    "think with a picture",
    "show the part first",
    "look closely and show it",
    "show me what you look at",
    "draw it, then answer",
    "draw what you look at, then answer",
)
"""What asks for a picture of the part before the word; as with questions the last wording is held out."""


@dataclass(frozen=True)
class Thought:
    question: Question
    """The whole text that is typed, and the word that is to follow the picture."""
    part: Scene
    """What the picture shows: the one object that was asked about, alone at its place."""


def think(scene: Scene, rng: random.Random, part: str | None = None, held_out: bool = False) -> Thought | None:
    """A thought about an object of a scene; none if no object, with its picture in `part` of the split, can be named."""
    things = [t for t in scene.things if part is None or split(Scene(scene.ground, (t,))) == part]
    rng.shuffle(things)
    for thing in things:
        kind = rng.choice(tuple(_MAKERS))
        named = unique_name(thing, scene, rng, without=kind)
        if named:
            asked = Wording(rng, held_out)(*_MAKERS[kind]).format(named[0])
            lead = LEADS[-1] if held_out else rng.choice(LEADS[:-1])
            text = typed(f"{lead}: {asked}", rng, "?")
            return Thought(Question(kind, text, getattr(thing, kind), f"{kind} {named[1]}"), Scene(scene.ground, (thing,)))
    return None


_MAKERS: dict[str, tuple[str, ...]] = {
    "color": ("what color is the {0}", "which color does the {0} have", "what color does the {0} have"),
    "shape": ("what shape is the {0}", "which shape does the {0} have", "what is the shape of the {0}"),
    "size": ("how big is the {0}", "what size is the {0}", "what is the size of the {0}"),
    "place": ("where is the {0}", "where in the picture is the {0}", "where do you see the {0}"),
}

KINDS = tuple(_MAKERS)
"""Every kind of thought: the attribute that is asked for."""
