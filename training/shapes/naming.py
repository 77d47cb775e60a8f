"""Names in a text: where they end, and which thing of a scene each one means."""

from __future__ import annotations

import re

from shapes.world import COLOR_NAMES, SHAPES, SIZE_NAMES, Scene, Thing

_NAME = re.compile(rf"\b(?:({'|'.join(SIZE_NAMES)}) )?(?:({'|'.join(COLOR_NAMES)}) )?({'|'.join(SHAPES)}|object)\b")


def named(text: str, scene: Scene) -> list[tuple[int, Thing]]:
    """The names in a text ("small star", "red object") that fit exactly one thing of a scene: the character after each, and the
    thing."""
    found = []
    for name in _NAME.finditer(text.lower()):
        size, color, shape = name.groups()
        meant = [
            thing
            for thing in scene.things
            if size in (None, thing.size) and color in (None, thing.color) and shape in ("object", thing.shape)
        ]
        if len(meant) == 1:
            found.append((name.end(), meant[0]))
    return found
