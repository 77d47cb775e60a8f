"""How users type: the spellings, synonyms, letter case and punctuation that one plain sentence can take.

The language is written in one canonical form (lower case, American, number words, no final punctuation) and passed
through `typed` before a model sees it as input. Answers stay canonical.
"""

from __future__ import annotations

import random
import re
import string

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six")

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "color": ("color", "colour"),
    "colors": ("colors", "colours"),
    "gray": ("gray", "gray", "grey"),
    "center": ("center", "center", "centre", "middle"),
    "large": ("large", "large", "big"),
    "small": ("small", "small", "small", "little"),
    "larger": ("larger", "bigger"),
    "above": ("above", "above", "over"),
    "below": ("below", "below", "under", "beneath"),
    "picture": ("picture", "picture", "image"),
    "background": ("background", "background", "background", "ground", "backdrop"),
    "object": ("object", "object", "shape", "thing"),
    "objects": ("objects", "objects", "shapes", "things"),
    "two": ("two", "two", "2"),
    "three": ("three", "three", "3"),
    "four": ("four", "four", "4"),
}

_CORNER = re.compile(r"\b(top|bottom) (left|right)\b")
_SIDE = re.compile(r"\b(left|right) of\b")
_CONTRACTED = re.compile(r"\b(what|where) is\b")
_WORD = re.compile(r"[a-z]+")


def spelled(text: str, rng: random.Random) -> str:
    """Draws a spelling or synonym for every word that has several; one choice holds for the whole text."""
    chosen = {word: rng.choice(options) for word, options in _SPELLINGS.items()}
    text = _WORD.sub(lambda match: chosen.get(match.group(), match.group()), text)
    text = re.sub(r"\ba image\b", "an image", text)
    if rng.random() < 0.5:
        text = _SIDE.sub(r"to the \1 of", text)
    if rng.random() < 0.15:
        text = _CONTRACTED.sub(r"\1's", text)
    if rng.random() < 0.2:
        text = text.replace("the picture", "this picture").replace("the image", "this image")
    style = rng.random()
    if style < 0.1:
        text = _CORNER.sub(r"\1-\2", text)
    elif style < 0.2:
        text = _CORNER.sub(lambda m: ("upper " if m.group(1) == "top" else "lower ") + m.group(2), text)
    return text


def typed(text: str, rng: random.Random, mark: str = ".") -> str:
    """A spelling of `text` with some letter case and with or without the final punctuation `mark`."""
    text = spelled(text, rng)
    style = rng.random()
    if style < 0.35:
        text = text[:1].upper() + text[1:]
    elif style < 0.40:
        text = text.upper()
    elif style < 0.43:
        text = string.capwords(text)
    if rng.random() < (0.7 if mark == "?" else 0.35):
        text += mark
    return text


def listed(phrases: list[str], rng: random.Random | None = None) -> str:
    """Joins phrases with commas and a final "and"."""
    if len(phrases) == 1:
        return phrases[0]
    comma = "," if rng and len(phrases) > 2 and rng.random() < 0.3 else ""
    return ", ".join(phrases[:-1]) + comma + " and " + phrases[-1]


def with_article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def plural(word: str) -> str:
    return word + ("es" if word.endswith(("s", "sh", "ch", "x")) else "s")
