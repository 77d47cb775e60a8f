"""Drives a running Triptych server over HTTP and scores what it draws, answers, edits, thinks, foresees, copies and combines."""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from shapes import benchmark
from shapes.scorer import load_picture


Reply = TypeVar("Reply")


class ServerError(Exception):
    """The server refused a request; the message carries its status and error text."""


class Server:
    """The calls of the HTTP API that scoring needs."""

    def __init__(self, url: str, model: str | None, timeout: float) -> None:
        self.url = url.rstrip("/")
        self.model = model
        self.timeout = timeout

    def post(self, path: str, fields: dict[str, object]) -> dict[str, object]:
        if self.model:
            fields = {"model": self.model, **fields}
        return self._send(path, json.dumps(fields).encode())

    def models(self) -> dict[str, str]:
        """The names of the models that it serves, each with its family."""
        listed = self._send("/v1/models")["data"]
        assert isinstance(listed, list)
        return {model["id"]: model["family"] for model in listed if "family" in model}

    def _send(self, path: str, body: bytes | None = None) -> dict[str, object]:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ServerError(f"{path}: {error.code} {error.read().decode(errors='replace')}") from error

    def generate(self, prompt: str, seed: int, **settings: object) -> np.ndarray:
        return load_picture(self.generate_file(prompt, seed, **settings))

    def generate_file(self, prompt: str, seed: int, **settings: object) -> bytes:
        """The picture as the file that the server sends."""
        return _file(self.post("/v1/images/generations", {"prompt": prompt, "seed": seed, **settings}))

    def edit(self, pictures: list[np.ndarray], instruction: str, seed: int, **settings: object) -> np.ndarray:
        return load_picture(self.edit_files([_png(picture) for picture in pictures], instruction, seed, **settings))

    def edit_files(self, pictures: list[bytes], instruction: str, seed: int, **settings: object) -> bytes:
        """The picture as the file that the server sends, from files."""
        fields = {"prompt": instruction, "images": [_data_uri(file) for file in pictures], "seed": seed, **settings}
        return _file(self.post("/v1/images/edits", fields))

    def answer(self, picture: np.ndarray, question: str) -> str:
        return str(self.post("/v1/answers", {"image": _data_uri(_png(picture)), "question": question})["answer"])

    def chat(self, pictures: list[np.ndarray], text: str, seed: int, **settings: object) -> tuple[list[np.ndarray], str]:
        """The reply to pictures and a text: its own pictures, and its text without them."""
        parts: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": _data_uri(_png(p))}} for p in pictures]
        message = {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
        fields = {"messages": [message], "modalities": ["text", "image"], "seed": seed, **settings}
        content = self.post("/v1/chat/completions", fields)["choices"][0]["message"]["content"]  # type: ignore[index]
        if isinstance(content, str):
            return [], content.strip()
        drawn = [_from_data_uri(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]
        return drawn, "".join(part["text"] for part in content if part["type"] == "text").strip()


def _file(response: dict[str, object]) -> bytes:
    data = response["data"]
    assert isinstance(data, list)
    return base64.b64decode(data[0]["b64_json"])


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _from_data_uri(uri: str) -> np.ndarray:
    return load_picture(base64.b64decode(uri.split(",", 1)[1]))


class _Progress:
    """One line on standard error that counts up, and the time that it took."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done = name, 0, 0
        self._spent, self._since = 0.0, time.time()

    @property
    def seconds(self) -> float:
        """Mean seconds of what is done."""
        return self._spent / max(1, self.done)

    def more(self, count: int) -> None:
        """Starts the clock for so many more."""
        self.total += count
        self._since = time.time()

    def step(self) -> None:
        self.done += 1
        self._spent, self._since = self._spent + time.time() - self._since, time.time()
        end = "\n" if self.done == self.total else ""
        if sys.stderr.isatty() or end:
            print(f"\r{self.name}: {self.done}/{self.total}, {self.seconds:.2f} s each", end=end, file=sys.stderr, flush=True)


TASKS = ("draw", "answer", "edit", "think", "follow", "copy", "combine")
"""What can be scored. `think` (visual thinking) and `follow` (the next frame) need a family whose chat draws, `copy` (a picture with
an empty prompt) and `combine` (two pictures) one that was taught to."""


TASKS_OF = {
    "llamafusion": ("draw", "answer", "edit"),
    "metamorph": ("draw", "answer", "edit", "think", "follow"),
    "metaquery": ("draw", "answer", "edit", "copy", "combine"),
}
"""What the families that the recipes train were taught."""


def score(server: Server, cases: benchmark.Cases, tasks: list[str], settings: dict[str, object]) -> benchmark.Tally:
    """Scores the tasks (some of `TASKS`); seeds are the numbers of the cases."""
    clocks: dict[str, _Progress] = {}

    def replies(name: str, ask: Callable[..., Reply], *arguments: list) -> list[Reply]:
        """The replies to requests one after the other."""
        progress = clocks.setdefault(name, _Progress(name))
        progress.more(len(arguments[0]))
        found = []
        for row in zip(*arguments):
            found.append(ask(*row))
            progress.step()
        return found

    def draw(prompts: list[str]) -> list[np.ndarray]:
        return replies("a picture", lambda prompt, seed: server.generate(prompt, seed, **settings), prompts, list(range(len(prompts))))

    def answer(pictures: list[np.ndarray], questions: list[str]) -> list[str]:
        return replies("an answer", server.answer, pictures, questions)

    def edited(name: str, pictures: list[list[np.ndarray]], texts: list[str]) -> list[np.ndarray]:
        return replies(name, lambda *row: server.edit(*row, **settings), pictures, texts, list(range(len(texts))))

    def change(pictures: list[np.ndarray], instructions: list[str]) -> list[np.ndarray]:
        return edited("an edit", [[picture] for picture in pictures], instructions)

    def copy(pictures: list[np.ndarray]) -> list[np.ndarray]:
        return edited("a reconstruction", [[picture] for picture in pictures], [""] * len(pictures))

    def combine(pictures: list[list[np.ndarray]], instructions: list[str]) -> list[np.ndarray]:
        return edited("a combination", pictures, instructions)

    def chat(name: str, pictures: list[list[np.ndarray]], texts: list[str]) -> list[tuple[np.ndarray | None, str]]:
        """The first picture of each reply, if it has one, and its text."""
        told = replies(name, lambda *row: server.chat(*row, **settings), pictures, texts, list(range(len(texts))))
        return [(drawn[0] if drawn else None, text) for drawn, text in told]

    def think(pictures: list[np.ndarray], texts: list[str]) -> list[tuple[np.ndarray | None, str]]:
        return chat("a thought", [[picture] for picture in pictures], texts)

    def follow(frames: list[list[np.ndarray]], texts: list[str]) -> list[np.ndarray]:
        shown = chat("a next frame", frames, texts)
        return [np.zeros_like(seen[0]) if drawn is None else drawn for (drawn, _), seen in zip(shown, frames)]

    makers = (draw, answer, change, think, follow, copy, combine)
    tally = benchmark.run(cases, *(maker if task in tasks else None for task, maker in zip(TASKS, makers)))
    tally.seconds = {name: progress.seconds for name, progress in clocks.items()}
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--model", help="the model's name; all that the server serves if left out")
    parser.add_argument("--scenes", type=int, default=100, help="held-out scenes to score (default 100)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, help="those that its family was taught if left out")
    parser.add_argument("--steps", type=int, help="denoising steps, if not the model's default")
    parser.add_argument("--guidance", type=float, help="guidance scale, if not the model's default")
    parser.add_argument("--strict", action="store_true", help="fail if a model is below any bar")
    parser.add_argument("--least-drawn", type=float, help="fail below this share of right pictures with one object (0-1)")
    parser.add_argument("--least-answered", type=float, help="fail below this share of right answers (0-1)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds to wait for one reply")
    arguments = parser.parse_args()
    settings: dict[str, object] = {}
    if arguments.steps is not None:
        settings["num_inference_steps"] = arguments.steps
    if arguments.guidance is not None:
        settings["guidance_scale"] = arguments.guidance
    cases = benchmark.Cases.make(arguments.scenes)
    tallies: dict[str, benchmark.Tally] = {}
    try:
        served = Server(arguments.server, None, arguments.timeout).models()
        for model, family in served.items():
            if arguments.model in (None, model):
                print(f"{model}:", file=sys.stderr)
                server = Server(arguments.server, model, arguments.timeout)
                tasks = arguments.tasks or TASKS_OF.get(family, ("answer",))
                tallies[model] = score(server, cases, list(tasks), settings)
    except (ServerError, OSError) as error:
        sys.exit(f"score: {error}")
    if not tallies:
        sys.exit(f"score: {arguments.model} is not served; there are: {', '.join(served) or 'none'}")
    print(benchmark.side_by_side(tallies))
    low = [f"{model}: {row}" for model, tally in tallies.items() for row in benchmark.missed(tally)]
    if low:
        print("\nbelow the bar:\n" + "\n".join(low), file=sys.stderr)
    least = {f"{benchmark.SINGLE}: all": arguments.least_drawn or 0, f"{benchmark.ANSWERS}: all": arguments.least_answered or 0}
    broken = [
        f"{model}: {name} {tally.share(name):.1%} < {share:.1%}"
        for model, tally in tallies.items()
        for name, share in least.items()
        if name in tally.asked and tally.share(name) < share
    ]
    if broken or (arguments.strict and low):
        sys.exit("score: too low: " + ", ".join(broken or low))


if __name__ == "__main__":
    main()
