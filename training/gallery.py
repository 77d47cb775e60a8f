#!/usr/bin/env python3
"""Draws the README's pictures through a running server, or checks that it still draws the same ones.

    python3 training/gallery.py           # writes models/gallery/NAME-MODEL.png
    python3 training/gallery.py --check   # compares them, writes nothing

Needs Python 3.11, numpy and Pillow.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from shapes.scorer import load_picture
from shapes.served import Server, ServerError

ROUNDING = 1
"""Levels, of 255, that rounding moves a pixel between instruction sets. On one set pictures are the same to the byte."""

FOLDER = Path(__file__).resolve().parent.parent / "models" / "gallery"


@dataclass(frozen=True)
class Shown:
    """A picture that every embedded model draws: from a prompt, or as an edit of another picture of its own."""

    name: str
    prompt: str
    seed: int
    edited: str = ""
    """Name of the picture that the prompt changes."""


GALLERY = (
    Shown("circle", "a large red circle at the center on a white background", 1),
    Shown("blue", "make the circle blue", 1, "circle"),
    Shown("two", "a large yellow star at the top left and a small purple heart at the bottom on a black background", 2),
    Shown("added", "add a small pink ring on the right", 2, "two"),
)


def drawn(server: Server, shown: Shown, earlier: dict[str, bytes]) -> bytes:
    """The file that the server draws."""
    if shown.edited:
        return server.edit_files([earlier[shown.edited]], shown.prompt, shown.seed)
    return server.generate_file(shown.prompt, shown.seed)


def levels_apart(file: bytes, kept: bytes) -> int:
    """How far two pictures are apart at most, of 255; 0 only for files that are equal to the byte."""
    return 0 if file == kept else max(1, int(abs(load_picture(file).astype(int) - load_picture(kept).astype(int)).max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--check", action="store_true", help="compare with the files, and fail if a picture differs")
    arguments = parser.parse_args()
    apart: dict[str, int] = {}
    try:
        for model in Server(arguments.server, None, 120).models():
            files: dict[str, bytes] = {}
            for shown in GALLERY:
                files[shown.name] = drawn(Server(arguments.server, model, 120), shown, files)
                path = FOLDER / f"{shown.name}-{model}.png"
                if not arguments.check:
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(files[shown.name])
                else:
                    apart[path.name] = levels_apart(files[shown.name], path.read_bytes())
    except (ServerError, OSError) as error:
        sys.exit(f"gallery: {error}")
    if apart:
        print(f"gallery: {sum(not levels for levels in apart.values())} of {len(apart)} pictures are the same to the byte")
    if far := [f"{name} is {levels} levels apart" for name, levels in apart.items() if levels > ROUNDING]:
        sys.exit("gallery: " + ", ".join(far))


if __name__ == "__main__":
    main()
