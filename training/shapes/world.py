"""Scenes of the Shapes world and their pictures.

A scene is a plain ground with one to four flat objects on a 3×3 grid. Everything a picture shows is in its scene, so a
picture can be drawn from a scene (`render`) and read back into one (`shapes.scorer`).
"""

from __future__ import annotations

import functools
import math
import random
import zlib
from dataclasses import dataclass, replace

import numpy as np

SIDE = 64
"""Width and height of a picture in pixels."""

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond")

COLORS = {
    "red": (220, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (245, 220, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "purple": (140, 50, 170),
    "pink": (250, 140, 190),
    "brown": (120, 75, 35),
}

GROUNDS = {
    "white": (250, 250, 250),
    "black": (15, 15, 15),
    "gray": (150, 150, 150),
    "cyan": (120, 220, 225),
}

SIZES = {"small": 0.11, "large": 0.155}
"""Radius as a fraction of the picture's side."""

PLACES = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")
"""The cells of the grid in raster order."""

COLOR_NAMES = tuple(COLORS)
GROUND_NAMES = tuple(GROUNDS)
SIZE_NAMES = tuple(SIZES)

_COLOR_VALUES = np.array(list(COLORS.values()), np.float32)
_GROUND_VALUES = np.array(list(GROUNDS.values()), np.float32)

_SUBSAMPLES = 8
"""Anti-aliasing: each pixel averages this many samples a side."""


@dataclass(frozen=True, order=True)
class Thing:
    """One object: what it is and the cell it stands in."""

    shape: str
    color: str
    size: str
    place: str

    @property
    def row(self) -> int:
        return PLACES.index(self.place) // 3

    @property
    def column(self) -> int:
        return PLACES.index(self.place) % 3


@dataclass(frozen=True)
class Scene:
    """A ground and its objects in raster order of their cells; no cell holds two."""

    ground: str
    things: tuple[Thing, ...]

    @staticmethod
    def of(ground: str, things: list[Thing] | tuple[Thing, ...]) -> Scene:
        return Scene(ground, tuple(sorted(things, key=lambda thing: PLACES.index(thing.place))))

    @property
    def key(self) -> str:
        """A text that is equal for equal scenes only; the split is made from it."""
        return self.ground + "".join(f"|{t.size} {t.color} {t.shape} {t.place}" for t in self.things)


def split(scene: Scene) -> str:
    """`test` and `validation` hold 5 % of all scenes each, decided by the scene alone; the rest is `train`."""
    bucket = zlib.crc32(scene.key.encode()) % 20
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def random_scene(rng: random.Random, count: int | None = None, part: str | None = None) -> Scene:
    """A scene with `count` objects (1–4 at random if None), from the given part of the split if one is named."""
    while True:
        scene = _draw_scene(rng, count or rng.choice((1, 1, 2, 2, 2, 3, 3, 4)))
        if part is None or split(scene) == part:
            return scene


def alike(scene: Scene, rng: random.Random) -> Scene:
    """The scene with the shape or the color of one thing given to another, so that it takes more to name them; the scene as it is
    if that one is of another part of the split."""
    if len(scene.things) < 2:
        return scene
    first, second, *others = rng.sample(scene.things, len(scene.things))
    attribute = rng.choice(("shape", "shape", "color"))
    second = replace(second, **{attribute: getattr(first, attribute)})
    changed = Scene.of(scene.ground, [first, second, *others])
    return changed if split(changed) == split(scene) else scene


def _draw_scene(rng: random.Random, count: int) -> Scene:
    places = rng.sample(PLACES, count)
    same_shape = rng.choice(SHAPES) if rng.random() < 0.25 else None
    same_color = rng.choice(COLOR_NAMES) if rng.random() < 0.2 else None
    things = [
        Thing(
            same_shape if same_shape and rng.random() < 0.8 else rng.choice(SHAPES),
            same_color if same_color and rng.random() < 0.8 else rng.choice(COLOR_NAMES),
            rng.choice(SIZE_NAMES),
            place,
        )
        for place in places
    ]
    return Scene.of(rng.choice(GROUND_NAMES), things)


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in the silhouette of radius 1 around the origin; y grows downwards."""
    if shape == "circle":
        return x * x + y * y <= 1
    if shape == "ring":
        square = x * x + y * y
        return (square <= 1) & (square >= 0.52**2)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.95
    if shape == "diamond":
        return abs(x) / 0.8 + abs(y) / 1.15 <= 1
    if shape == "triangle":
        return (y <= 0.8) & (abs(x) <= (y + 1.05) / 1.85)
    if shape == "cross":
        return (np.minimum(abs(x), abs(y)) <= 0.38) & (np.maximum(abs(x), abs(y)) <= 1.05)
    if shape == "heart":
        u, v = x * 1.1, 0.12 - y * 1.1
        return (u * u + v * v - 1) ** 3 - u * u * v**3 <= 0
    if shape == "star":
        tips = [
            ((1.15 if i % 2 == 0 else 0.48) * math.sin(i * math.pi / 5), -(1.15 if i % 2 == 0 else 0.48) * math.cos(i * math.pi / 5))
            for i in range(10)
        ]
        inside = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(tips, tips[1:] + tips[:1]):
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0 + 1e-12) + x0)
        return inside
    raise ValueError(f"unknown shape {shape!r}")


def coverage(shape: str, size: str, center_x: float, center_y: float) -> np.ndarray:
    """How much of each pixel the silhouette covers, 0–1, [SIDE, SIDE]; the centre is in fractions of the side."""
    grid = (np.arange(SIDE * _SUBSAMPLES) + 0.5) / (SIDE * _SUBSAMPLES)
    radius = SIZES[size]
    x, y = np.meshgrid((grid - center_x) / radius, (grid - center_y) / radius)
    samples = _inside(shape, x, y).astype(np.float32)
    return samples.reshape(SIDE, _SUBSAMPLES, SIDE, _SUBSAMPLES).mean((1, 3))


@functools.lru_cache(maxsize=1)
def coverage_table() -> np.ndarray:
    """Coverage of every shape, size and place, [8 · 2 · 9, SIDE, SIDE], in that order of nesting."""
    return np.stack([
        coverage(shape, size, (i % 3 * 2 + 1) / 6, (i // 3 * 2 + 1) / 6)
        for shape in SHAPES
        for size in SIZE_NAMES
        for i in range(len(PLACES))
    ])


def coverage_index(thing: Thing) -> int:
    """The row of `coverage_table` that a thing is drawn with."""
    return (SHAPES.index(thing.shape) * 2 + SIZE_NAMES.index(thing.size)) * 9 + PLACES.index(thing.place)


def render_batch(scenes: list[Scene]) -> np.ndarray:
    """The pictures of scenes, uint8 [scenes, SIDE, SIDE, 3]."""
    table = coverage_table()
    pictures = np.empty((len(scenes), SIDE, SIDE, 3), np.float32)
    pictures[:] = _GROUND_VALUES[[GROUND_NAMES.index(s.ground) for s in scenes], None, None, :]
    for layer in range(max((len(s.things) for s in scenes), default=0)):
        rows = [i for i, s in enumerate(scenes) if len(s.things) > layer]
        mask = table[[coverage_index(scenes[i].things[layer]) for i in rows]][..., None]
        color = _COLOR_VALUES[[COLOR_NAMES.index(scenes[i].things[layer].color) for i in rows], None, None, :]
        pictures[rows] += mask * (color - pictures[rows])
    return np.round(pictures).astype(np.uint8)


def render(scene: Scene) -> np.ndarray:
    """The picture of one scene, uint8 [SIDE, SIDE, 3]."""
    return render_batch([scene])[0]
