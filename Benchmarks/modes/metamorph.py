"""Every mode of MetaMorph. The reply is known: words, a picture, and so on until the limit of tokens."""

from __future__ import annotations

from collections.abc import Callable

from modes.checkpoints.metamorph import VISUAL_TOKENS
from modes.checkpoints.vocabulary import WORDS
from modes.server import Server, check, check_picture, photograph

ENTRY = {
    "family": "metamorph",
    "vision_tower": "./siglip",
    "visualizer": "./visualizer",
    "diffusion": "./diffusion",
}
PICTURE = VISUAL_TOKENS + 2
"""Tokens of a picture in a reply, markers included."""
COLORS = ("red", "blue", "green", "orange")


class Modes:
    """One request of each mode, and what must come back."""

    def __init__(self, server: Server, steps: int) -> None:
        self.server = server
        self.steps = {"num_inference_steps": steps}

    def chat(self, text: str, pictures: int, tokens: int, expected: list[str]) -> dict:
        """A conversation whose reply has parts of the expected types."""
        reply = self.server.chat(text, COLORS[:pictures], max_completion_tokens=tokens, **self.steps)
        content = reply["choices"][0]["message"]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        check([part["type"] for part in parts] == expected, f"{[part['type'] for part in parts]}, not {expected}")
        for part in parts:
            if part["type"] == "image_url":
                check_picture(part["image_url"]["url"].split(",")[1])
        check(reply["usage"]["completion_tokens"] == tokens, f"{reply['usage']}")
        return reply

    def draw(self, path: str = "images/generations", **fields: object) -> dict:
        return self.server.draw(path, prompt="a house by the sea", **self.steps, **fields)

    def all(self) -> list[tuple[str, Callable[[], dict]]]:
        before = len(WORDS)
        look = ["text", "image_url", "text"]
        return [
            ("text to image", lambda: self.draw()),
            ("… again, another guidance scale", lambda: self.draw(guidance_scale=10.0)),
            ("question about a picture", lambda: self.chat("What is this?", 1, before, ["text"])),
            ("chat about two pictures", lambda: self.chat("What changed?", 2, before, ["text"])),
            ("video of four frames", lambda: self.chat("What happens?", 4, before, ["text"])),
            (
                "pictures at placeholders",
                lambda: self.chat("From <image-placeholder> to <image-placeholder>?", 2, before, ["text"]),
            ),
            ("image transformation", lambda: self.draw("images/edits", images=[photograph("red")])),
            ("visual thinking", lambda: self.chat("Look closely.", 1, 2 * before + PICTURE, look)),
            ("two pictures in a reply", lambda: self.chat("Draw both.", 0, 2 * (before + PICTURE), look[:2] * 2)),
        ]
