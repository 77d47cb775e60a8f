"""Questions about a picture, with the one answer that counts as right."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from shapes.captions import description, placed
from shapes.strangers import REPLY, estranged
from shapes.wording import plural, typed, with_article
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing

Asked = tuple[str, str, str]
"""A question in canonical words, its answer, and which of the kind's questions it is."""


@dataclass(frozen=True)
class Question:
    kind: str
    text: str
    answer: str
    skill: str
    """What answering takes, finer than the kind: "color by shape". A language model learns each of these at a time of its own."""


def ask(scene: Scene, rng: random.Random, kind: str | None = None, held_out: bool = False) -> Question:
    """A question that the picture answers without doubt, of the given kind if the scene allows it.

    Wordings come in lists; the last of each list is held out: training never draws it, `held_out` draws only it.
    """
    wording = Wording(rng, held_out)
    for _ in range(20):
        chosen = kind or rng.choice(KINDS)
        asked = _MAKERS[chosen](scene, rng, wording)
        if asked:
            text = asked[0] and typed(asked[0], rng, "." if chosen == "description" else "?")
            return Question(chosen, text, asked[1], f"{chosen} {asked[2]}".strip())
    return ask(scene, rng, "ground", held_out)


class Wording:
    """Picks one of several wordings, on the right side of the split."""

    def __init__(self, rng: random.Random, held_out: bool) -> None:
        self._rng = rng
        self.held_out = held_out

    def __call__(self, *options: str) -> str:
        return options[-1] if self.held_out else self._rng.choice(options[:-1])


def unique_name(thing: Thing, scene: Scene, rng: random.Random, without: str = "") -> tuple[str, str] | None:
    """A noun phrase that means this thing and no other, not using the attribute `without`, and the attributes that it takes to tell
    it from the others: the star's size, if it is called the small star, only if there are more stars."""
    names = [("shape", "{shape}"), ("color shape", "{color} {shape}"), ("size shape", "{size} {shape}"), ("color", "{color} object")]
    if without == "shape" and len(scene.things) > 1:
        names.append(("size color", "{size} {color} object"))
    names = [(said.split(), form) for said, form in names if without not in said.split()]
    if without != "place":
        names.append((["place"], f"object {placed(thing.place, rng)}"))
    rng.shuffle(names)
    for said, form in names:
        if fits_one(thing, scene, said):
            needed = next((one for one in said[::-1] if fits_one(thing, scene, [one])), None)
            return form.format(**vars(thing)), f"by {needed or ' and '.join(said)}"
    return None


def fits_one(thing: Thing, scene: Scene, attributes: list[str]) -> bool:
    """Whether no other thing of the scene has the same of all these attributes."""
    return not any(other != thing and all(getattr(other, a) == getattr(thing, a) for a in attributes) for other in scene.things)


def _color(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    thing = rng.choice(scene.things)
    named = unique_name(thing, scene, rng, "color")
    if not named:
        return None
    text = wording(
        "what color is the {0}",
        "which color is the {0}",
        "what is the color of the {0}",
        "tell me the color of the {0}",
        "the {0} is what color",
        "name the color of the {0}",
        "the color of the {0} is what",
        "which color has the {0}",
        "can you tell me what color the {0} is",
        "do you know the color of the {0}",
        "what color has the {0}",
        "the {0} has which color",
        "what color does the {0} have",
    )
    return text.format(named[0]), thing.color, named[1]


def _shape(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    thing = rng.choice(scene.things)
    if rng.random() < 0.5:
        text = wording(
            "what is {0}",
            "which shape is {0}",
            "what shape is {0}",
            "tell me what is {0}",
            "what do you see {0}",
            "what can you see {0}",
            "which shape can you see {0}",
            "what shape stands {0}",
            "which object is {0}",
            "what is there {0}",
            "name the shape {0}",
            "can you tell me what is {0}",
            "which shape do you find {0}",
            "what shape do you see {0}",
        )
        return text.format(placed(thing.place, rng)), thing.shape, "by place"
    named = unique_name(thing, scene, rng, "shape")
    if not named:
        return None
    text = wording(
        "what shape is the {0}",
        "what is the {0}",
        "which shape does the {0} have",
        "tell me the shape of the {0}",
        "the {0} is what shape",
        "name the shape of the {0}",
        "the shape of the {0} is what",
        "do you know the shape of the {0}",
        "what shape does the {0} have",
        "can you tell me what shape the {0} is",
        "what is the shape of the {0}",
    )
    return text.format(named[0]), thing.shape, named[1]


def _count(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    style = rng.random()
    if style < 0.35:
        name, counted, what = "objects", len(scene.things), "objects"
    elif style < 0.75:
        shape = rng.choice(scene.things).shape if rng.random() < 0.75 else rng.choice(SHAPES)
        name, counted, what = plural(shape), sum(t.shape == shape for t in scene.things), "shapes"
    else:
        color = rng.choice(scene.things).color if rng.random() < 0.75 else rng.choice(COLOR_NAMES)
        name, counted, what = f"{color} objects", sum(t.color == color for t in scene.things), "colors"
    text = wording(
        "how many {0} are there",
        "how many {0} are in the picture",
        "how many {0} do you see",
        "how many {0} can you see",
        "what is the number of {0}",
        "tell me how many {0} there are",
        "count the {0}",
        "how many {0} can you count",
        "name the number of {0}",
        "how many {0} does the picture show",
        "how many {0} does the picture have",
    )
    return text.format(name), str(counted), what


def _place(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    thing = rng.choice(scene.things)
    named = unique_name(thing, scene, rng, "place")
    if not named:
        return None
    text = wording(
        "where is the {0}",
        "where in the picture is the {0}",
        "where is the {0} located",
        "what is the location of the {0}",
        "in which part of the picture is the {0}",
        "what is the position of the {0}",
        "tell me where the {0} is",
        "where can you find the {0}",
        "where can you see the {0}",
        "where do you find the {0}",
        "where does the {0} stand",
        "name the position of the {0}",
        "can you tell me where the {0} is",
        "do you know where the {0} is",
        "at what place is the {0}",
        "where do you see the {0}",
    )
    return text.format(named[0]), thing.place, named[1]


def _size(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    thing = rng.choice(scene.things)
    named = unique_name(thing, scene, rng, "size")
    if not named:
        return None
    text = wording(
        "how big is the {0}",
        "what size is the {0}",
        "how large is the {0}",
        "is the {0} small or large",
        "tell me the size of the {0}",
        "which size does the {0} have",
        "name the size of the {0}",
        "the size of the {0} is what",
        "can you tell me how big the {0} is",
        "what size does the {0} have",
        "what is the size of the {0}",
    )
    return text.format(named[0]), thing.size, named[1]


def _ground(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    text = wording(
        "what color is the background",
        "which color is the background",
        "what is the background",
        "tell me the background color",
        "what color is the ground behind the objects",
        "which color does the background have",
        "the background is what color",
        "name the color of the background",
        "tell me the color of the background",
        "the color of the background is what",
        "what color does the background have",
        "what is the background color",
        "can you tell me what color the background is",
        "do you know the color of the background",
        "what is the color of the background",
    )
    return text, scene.ground, ""


def _existence(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    wanted = rng.random() < 0.5
    for _ in range(20):
        thing = rng.choice(scene.things)
        shape, color, size, place = thing.shape, thing.color, thing.size, thing.place
        if not wanted:
            shape = rng.choice(SHAPES)
            color = rng.choice(COLOR_NAMES) if rng.random() < 0.5 else color
            size = rng.choice(SIZE_NAMES) if rng.random() < 0.5 else size
            place = rng.choice(PLACES) if rng.random() < 0.5 else place
        style = rng.choice(("shape", "color shape", "size shape", "shape place"))
        name = {"shape": shape, "color shape": f"{color} {shape}", "size shape": f"{size} {shape}"}.get(style, shape)
        tail = " " + placed(place, rng) if style == "shape place" else ""
        there = any(
            t.shape == shape
            and (style != "color shape" or t.color == color)
            and (style != "size shape" or t.size == size)
            and (style != "shape place" or t.place == place)
            for t in scene.things
        )
        if there == wanted:
            text = wording(
                "is there {0}{1}",
                "do you see {0}{1}",
                "does the picture have {0}{1}",
                "can you find {0}{1}",
                "is there {0} in the picture{1}",
                "does the picture contain {0}{1}",
                "tell me if there is {0}{1}",
                "does the picture show {0}{1}",
                "do you find {0}{1}",
                "can you tell me if there is {0}{1}",
                "do you know if there is {0}{1}",
                "is it true that there is {0}{1}",
                "can you see {0}{1}",
            )
            return text.format(with_article(name), tail), "yes" if there else "no", f"of {style}"
    return None


_ATTRIBUTES: dict[str, tuple[str, ...]] = {"color": COLOR_NAMES, "size": SIZE_NAMES, "shape": SHAPES, "place": PLACES, "ground": GROUND_NAMES}


def _confirmation(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    """Whether a thing, or the ground, is as the question says. What is not so is often so of another thing."""
    attribute = rng.choice(tuple(_ATTRIBUTES))
    thing = rng.choice(scene.things)
    named = ("background", "") if attribute == "ground" else unique_name(thing, scene, rng, attribute)
    if not named:
        return None
    true = scene.ground if attribute == "ground" else getattr(thing, attribute)
    value = true
    if rng.random() < 0.5:
        others = [getattr(t, attribute, true) for t in scene.things if getattr(t, attribute, true) != true]
        value = rng.choice(others if others and rng.random() < 0.5 else [v for v in _ATTRIBUTES[attribute] if v != true])
    said = {"shape": with_article, "place": lambda place: placed(place, rng)}.get(attribute, str)(value)
    text = wording(
        "is the {0} {1}",
        "is it true that the {0} is {1}",
        "tell me if the {0} is {1}",
        "do you know if the {0} is {1}",
        "would you say that the {0} is {1}",
        "do you think that the {0} is {1}",
        "the {0} is {1}, is it",
        "can you tell me if the {0} is {1}",
    )
    return text.format(named[0], said), "yes" if value == true else "no", f"of {attribute} {named[1]}".strip()


def _two_named(scene: Scene, rng: random.Random, without: str = "") -> tuple[Thing, str, Thing, str] | None:
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(scene.things, 2)
    if first.shape == second.shape and sum(t.shape == first.shape for t in scene.things) > 2:
        return None
    names = []
    for thing in (first, second):
        if sum(t.shape == thing.shape for t in scene.things) == 1:
            names.append(thing.shape)
        elif without != "color" and sum((t.shape, t.color) == (thing.shape, thing.color) for t in scene.things) == 1:
            names.append(f"{thing.color} {thing.shape}")
        else:
            return None
    return first, names[0], second, names[1]


def _comparison(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    style = rng.choice(("color", "size", "larger"))
    pair = _two_named(scene, rng, style)
    if not pair:
        return None
    first, first_name, second, second_name = pair
    if style == "larger":
        if first.size == second.size or first.shape == second.shape:
            return None
        text = wording(
            "which is larger, the {0} or the {1}",
            "what is larger, the {0} or the {1}",
            "tell me which is larger, the {0} or the {1}",
            "of the {0} and the {1}, which is larger",
            "the {0} or the {1}, what is larger",
            "the {0} and the {1}, which of them is larger",
            "which of them is larger, the {0} or the {1}",
            "can you tell me which is larger, the {0} or the {1}",
            "the {0} or the {1}, which is larger",
        )
        return text.format(first_name, second_name), first.shape if first.size == "large" else second.shape, style
    same = getattr(first, style) == getattr(second, style)
    text = wording(
        "do the {0} and the {1} have the same {2}",
        "are the {0} and the {1} the same {2}",
        "is the {0} the same {2} as the {1}",
        "has the {0} the same {2} as the {1}",
        "does the {0} share the {2} of the {1}",
        "does the {0} have the {2} of the {1}",
        "tell me if the {0} has the same {2} as the {1}",
        "is it true that the {0} and the {1} have the same {2}",
        "does the {0} have the same {2} as the {1}",
    )
    return text.format(first_name, second_name, style), "yes" if same else "no", f"of {style}s"


_RELATIONS: dict[str, Callable[[Thing, Thing], bool]] = {
    "above": lambda a, b: a.row < b.row,
    "below": lambda a, b: a.row > b.row,
    "left of": lambda a, b: a.column < b.column,
    "right of": lambda a, b: a.column > b.column,
}


def _relation(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    pair = _two_named(scene, rng)
    if not pair:
        return None
    first, first_name, second, second_name = pair
    relation = rng.choice(list(_RELATIONS))
    holds = _RELATIONS[relation]
    if rng.random() < 0.3:
        related = [t for t in scene.things if t is not second and holds(t, second)]
        if len(related) != 1 or related[0].shape == second.shape:
            return None
        text = wording(
            "what is {0} the {1}",
            "which shape is {0} the {1}",
            "tell me what is {0} the {1}",
            "what can you see {0} the {1}",
            "what do you find {0} the {1}",
            "name what is {0} the {1}",
            "what do you see {0} the {1}",
        )
        return text.format(relation, second_name), related[0].shape, f"what {relation}"
    text = wording(
        "is the {1} {0} the {2}",
        "tell me if the {1} is {0} the {2}",
        "do you see the {1} {0} the {2}",
        "can you find the {1} {0} the {2}",
        "does the {1} stand {0} the {2}",
        "is it true that the {1} is {0} the {2}",
        "can you tell me if the {1} is {0} the {2}",
        "do you know if the {1} is {0} the {2}",
        "can you see the {1} {0} the {2}",
    )
    return text.format(relation, first_name, second_name), "yes" if holds(first, second) else "no", relation


def _description(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    text = wording(
        "",
        "describe the picture",
        "describe the picture in a sentence",
        "what is in the picture",
        "what do you see",
        "tell me what you see",
        "give me a description of the picture",
        "tell me what is in the picture",
    )
    return text, description(scene), ""


def _stranger(scene: Scene, rng: random.Random, wording: Wording) -> Asked | None:
    """A question like the others, in which a word that this world has no thing for takes a shape's place."""
    kind = rng.choice(("color", "count", "place", "size", "existence", "comparison", "relation", "confirmation"))
    asked = _MAKERS[kind](scene, rng, wording)
    text = asked and estranged(asked[0], rng, wording.held_out)
    return (text, REPLY, f"in a question for {kind}") if text else None


_MAKERS: dict[str, Callable[[Scene, random.Random, Wording], Asked | None]] = {
    "color": _color,
    "shape": _shape,
    "count": _count,
    "place": _place,
    "size": _size,
    "ground": _ground,
    "existence": _existence,
    "confirmation": _confirmation,
    "comparison": _comparison,
    "relation": _relation,
    "description": _description,
    "stranger": _stranger,
}

KINDS = tuple(kind for kind in _MAKERS if kind not in ("stranger", "confirmation"))
"""The kinds of questions that the table of scores has a bar for."""

HARD_KINDS = ("color", "place", "comparison", "relation")
"""What is asked about one object among others: nearly all wrong answers are another object's."""

DRILLED_KINDS = (*(kind for kind in _MAKERS if kind != "description"), *HARD_KINDS)
"""The kinds with short answers, the hard ones twice."""
