"""Every mode of MetaQuery. The language model answers with words that are known, and then ends its turn."""

from __future__ import annotations

from collections.abc import Callable

from modes.checkpoints.vocabulary import WORDS
from modes.server import Server, check, photograph

ENTRY = {"family": "metaquery", "mllm": "./mllm", "diffusion": "./diffusion"}


class Modes:
    """One request of each mode, and what must come back."""

    def __init__(self, server: Server, steps: int) -> None:
        self.server = server
        self.steps = {"num_inference_steps": steps}

    def draw(self, prompt: str, *colors: str, **fields: object) -> dict:
        if not colors:
            return self.server.draw("images/generations", prompt=prompt, **self.steps, **fields)
        images = [photograph(color) for color in colors]
        return self.server.draw("images/edits", prompt=prompt, images=images, **self.steps, **fields)

    def draw_again(self) -> dict:
        reply = self.draw("a house by the sea", guidance_scale=7.0)
        check("prefill" not in reply["timings"], f"the language model was run: {reply['timings']}")
        return reply

    def ask(self, question: str) -> dict:
        reply = self.server.chat(question, ("purple",), max_completion_tokens=64)
        content = reply["choices"][0]["message"]["content"]
        check(content == "".join(WORDS), f"the answer {content!r}")
        check(reply["choices"][0]["finish_reason"] == "stop", f"{reply['choices'][0]}")
        return reply

    def ask_again(self) -> dict:
        reply = self.ask("And where is it?")
        seconds = reply["timings"].get("encode_image", 0)
        check(seconds < 0.5, f"the picture was looked at again, for {seconds} s")
        return reply

    def all(self) -> list[tuple[str, Callable[[], dict]]]:
        return [
            ("text to image", lambda: self.draw("a house by the sea")),
            ("… again, another guidance scale: the language model is not run", self.draw_again),
            ("edit of a picture", lambda: self.draw("make it night", "red")),
            ("two pictures in", lambda: self.draw("both of them on a table", "blue", "green")),
            ("reconstruction", lambda: self.draw("", "orange")),
            ("question about a picture", lambda: self.ask("What is this?")),
            ("… another question: it starts at the text", self.ask_again),
        ]
