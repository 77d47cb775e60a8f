"""Reads a picture back into a scene by looking at its pixels, and says which attributes are as they should be.

The reader knows how the world draws, not what was asked for: ground, then for each cell of the grid the colour and the
silhouette that explain it best. A cell whose pixels no silhouette explains well holds an `Unclear` object, which counts
as an object but matches none.
"""

from __future__ import annotations

import functools
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from shapes.world import COLORS, GROUNDS, PLACES, SHAPES, SIDE, SIZE_NAMES, Scene, Thing, coverage

_SHIFTS = tuple((dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
"""Displacements in pixels at which a silhouette is still accepted."""

_LEAST_OVERLAP = 0.8
"""Intersection over union (of soft coverage) from which a silhouette explains a cell."""

_LEAST_AREA = 25.0
"""Covered pixels from which a cell holds an object; the smallest object covers about 75, a neighbour's tip at most 12."""


@dataclass(frozen=True)
class Unclear:
    """Something in a cell that is none of the world's objects."""

    place: str


@dataclass(frozen=True)
class Reading:
    """What a picture shows."""

    ground: str
    things: tuple[Thing | Unclear, ...]

    @property
    def scene(self) -> Scene | None:
        """The scene, if everything in the picture is clear."""
        things = [thing for thing in self.things if isinstance(thing, Thing)]
        return Scene.of(self.ground, things) if len(things) == len(self.things) else None


def load_picture(data: bytes) -> np.ndarray:
    """An encoded picture as uint8 [SIDE, SIDE, 3]; other sizes are scaled."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    if picture.size != (SIDE, SIDE):
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(picture)


def read_picture(picture: np.ndarray) -> Reading:
    """The reading of a picture, uint8 [SIDE, SIDE, 3]."""
    pixels = picture.astype(np.float32)
    border = pixels[[0, 21, 42, 63]][:, [0, 21, 42, 63]].reshape(-1, 3)  # corners of cells: hardly anything reaches them
    ground = _nearest(np.median(border, 0), GROUNDS)
    plain = np.abs(pixels - GROUNDS[ground]).max(2) < 60
    ground_color = np.median(pixels[plain], 0) if plain.any() else np.array(GROUNDS[ground], np.float32)
    things = [thing for place in PLACES if (thing := _read_cell(pixels, ground_color, place))]
    return Reading(ground, tuple(things))


def _nearest(color: np.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: float(np.square(color - palette[name]).sum()))


def _cell(place: str) -> tuple[slice, slice]:
    row, column = divmod(PLACES.index(place), 3)
    edges = (0, 21, 43, SIDE)
    return slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])


@functools.lru_cache(maxsize=None)
def _silhouettes(place: str) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Names and coverages [silhouettes, height, width] of everything that may stand in a cell, each at all shifts."""
    row, column = divmod(PLACES.index(place), 3)
    names, masks = [], []
    for shape in SHAPES:
        for size in SIZE_NAMES:
            whole = coverage(shape, size, (column * 2 + 1) / 6, (row * 2 + 1) / 6)
            for dx, dy in _SHIFTS:
                names.append((shape, size))
                masks.append(np.roll(whole, (dy, dx), (0, 1))[_cell(place)])
    return names, np.stack(masks)


def _read_cell(pixels: np.ndarray, ground: np.ndarray, place: str) -> Thing | Unclear | None:
    cell = pixels[_cell(place)]
    distance = np.abs(cell - ground).max(2)
    foreground = distance > 40
    if foreground.sum() < _LEAST_AREA:
        return None
    # The object's colour: where the picture differs most from the ground there is no anti-aliasing.
    inner = cell[distance >= np.quantile(distance[foreground], 0.6)]
    color = np.median(inner, 0)
    axis = color - ground
    share = np.clip((cell - ground) @ axis / max(float(axis @ axis), 1.0), 0, 1)
    names, masks = _silhouettes(place)
    overlap = np.minimum(masks, share).sum((1, 2)) / np.maximum(masks, share).sum((1, 2))
    best = int(overlap.argmax())
    if overlap[best] < _LEAST_OVERLAP:
        return Unclear(place)
    shape, size = names[best]
    return Thing(shape, _nearest(color, COLORS), size, place)


ATTRIBUTES = ("ground", "count", "shape", "color", "size", "place", "all")
"""What is scored of a picture."""


def score_scene(reading: Reading, scene: Scene) -> dict[str, bool]:
    """For each of `ATTRIBUTES` whether it is right for all objects; `all` means that the picture shows exactly the scene."""
    clear = [thing for thing in reading.things if isinstance(thing, Thing)]
    scores = {
        "ground": reading.ground == scene.ground,
        "count": len(reading.things) == len(scene.things),
    }
    for attribute in ("shape", "color", "size"):
        wanted = Counter(getattr(thing, attribute) for thing in scene.things)
        scores[attribute] = Counter(getattr(thing, attribute) for thing in clear) == wanted
    scores["place"] = {thing.place for thing in reading.things} == {thing.place for thing in scene.things}
    scores["all"] = reading.scene == scene
    return scores


def score_picture(data: bytes, scene: Scene) -> dict[str, bool]:
    """Scores an encoded picture (PNG, or anything else Pillow reads) against the scene it should show."""
    return score_scene(read_picture(load_picture(data)), scene)


