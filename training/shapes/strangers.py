"""Words that this world has no thing for, and what is said about them."""

from __future__ import annotations

import random

from shapes.wording import plural, with_article
from shapes.world import SHAPES

REPLY = "sorry, i only know shapes and colors"
"""The answer to any question about such a word."""

STRANGERS = tuple(
    """
    dog cat horse cow sheep goat pig mouse rabbit lion tiger bear wolf camel zebra monkey whale shark snake lizard turtle spider bee ant
    butterfly bird eagle owl duck chicken house castle tower bridge road street church school hospital office shop garden fence gate door
    window roof wall kitchen table chair sofa bed lamp candle mirror clock carpet shelf drawer bottle glass cup plate bowl fork
    spoon knife pan kettle car truck bus train tram bicycle boat ship plane rocket wheel hammer nail screw saw ladder rope bucket
    shovel book letter pencil paper newspaper stamp envelope phone computer keyboard screen camera radio guitar piano violin drum trumpet
    hat coat shirt dress skirt shoe boot sock glove scarf button pocket bag suitcase umbrella ball kite doll puzzle robot man woman boy
    girl baby king queen doctor teacher farmer soldier pirate ghost wizard dragon unicorn mountain valley river lake island beach desert
    hill cave volcano storm rainbow shadow bread cake cookie pizza sandwich soup salad onion potato mushroom pepper
    hexagon pentagon octagon oval cylinder pyramid spiral arrow moon planet
    """.split()
)
"""Known in training."""

HELD_OUT_STRANGERS = tuple(
    "elephant penguin crocodile hamster helicopter tractor motorcycle cathedral fountain bathtub refrigerator necklace saxophone"
    " telescope astronaut mermaid waterfall pancake rectangle trapezoid comet".split()
)
"""Never seen in training."""


def estranged(text: str, rng: random.Random, held_out: bool = False) -> str | None:
    """A text in canonical words with a stranger in the place of one of the shapes that it names; None if it names none."""
    shape = next((shape for shape in SHAPES if shape in text), None)
    if not shape:
        return None
    word = rng.choice(HELD_OUT_STRANGERS if held_out else STRANGERS)
    return text.replace(f"a {shape}", with_article(word)).replace(plural(shape), plural(word)).replace(shape, word)
