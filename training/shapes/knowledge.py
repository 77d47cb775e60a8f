"""Facts about colours in the world outside, which the models learn from text."""

from __future__ import annotations

import random

from shapes.wording import typed

FACTS: dict[str, tuple[str, ...]] = {
    "red": ("blood", "a ripe tomato", "a fire engine"),
    "orange": ("a carrot", "a pumpkin", "a tangerine"),
    "yellow": ("a lemon", "a banana", "butter"),
    "green": ("grass", "a frog", "spinach"),
    "blue": ("the sea", "a blueberry", "jeans"),
    "purple": ("a plum", "lavender", "an eggplant"),
    "pink": ("a flamingo", "a piglet", "bubble gum"),
    "brown": ("chocolate", "coffee", "a tree trunk"),
}
"""Things of each colour."""

TEXT_ONLY = frozenset(("grass", "blood", "a lemon", "a carrot", "the sea", "a plum", "a flamingo", "chocolate"))
"""Facts that are only ever given as text: no picture comes with them in training."""


def fact_question(rng: random.Random) -> tuple[str, str]:
    """A question about a fact and its answer."""
    color = rng.choice(list(FACTS))
    thing = rng.choice(FACTS[color])
    text = rng.choice(("what color is {0}", "which color does {0} have", "what is the color of {0}", "{0} is what color"))
    return typed(text.format(thing), rng, "?"), color


def fact_sentence(rng: random.Random) -> str:
    """A fact as a statement."""
    color = rng.choice(list(FACTS))
    thing = rng.choice(FACTS[color])
    text = rng.choice(("{0} is {1}", "the color of {0} is {1}", "{1} is the color of {0}"))
    return typed(text.format(thing, color), rng)
