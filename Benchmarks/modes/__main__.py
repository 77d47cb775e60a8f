"""Every mode of MetaMorph at its real dimensions, through the server: what comes back, how long it takes, how much memory.

The checkpoint is that of checkpoint.py, whose reply is known: words, a picture, and so on until the limit of tokens.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from modes.checkpoint import VISUAL_TOKENS, WORDS, write
from PIL import Image, ImageDraw

MODEL = "metamorph-random"
SIDE = 512
PICTURE = VISUAL_TOKENS + 2
"""Tokens of a picture in a reply, markers included."""

SETTINGS = """\
server: {{host: 127.0.0.1, port: {port}}}
compute: {{threads: {threads}}}
jobs: {{path: {folder}/jobs.sqlite}}
models:
  - name: {model}
    family: metamorph
    path: {folder}
    vision_tower: {folder}/siglip
    visualizer: {folder}/visualizer
    diffusion: {folder}/diffusion
"""


def data_uri(color: str) -> str:
    """A photograph-sized PNG."""
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).ellipse((160, 80, 480, 400), fill=color)
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


class Server:
    """`triptych serve` with the random checkpoint."""

    def __init__(self, program: str, folder: Path, threads: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = folder / "triptych.yaml"
        settings.write_text(SETTINGS.format(port=self.port, threads=threads, folder=folder.resolve(), model=MODEL))
        self.process = subprocess.Popen([program, "serve", "--config", settings])

    def __enter__(self) -> Server:
        for _ in range(600):
            try:
                self.get("/readyz")
                return self
            except OSError:
                time.sleep(1)
        raise SystemExit("the server did not become ready in ten minutes")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.read()

    def post(self, path: str, **body: object) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/{path}",
            json.dumps({"model": MODEL, **body}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def peak_memory(self) -> float:
        """`VmHWM` of /proc/PID/status in GB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1e-9


class Modes:
    """One request of each mode, and what must come back."""

    def __init__(self, server: Server, steps: int) -> None:
        self.server = server
        self.steps = {"num_inference_steps": steps}

    def chat(self, text: str, pictures: int, tokens: int, expected: list[str], **fields: object) -> None:
        """A conversation's reply as the types of its parts."""
        colors = ("red", "blue", "green", "orange")[:pictures]
        parts = [{"type": "image_url", "image_url": {"url": data_uri(color)}} for color in colors]
        messages = [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
        reply = self.server.post(
            "chat/completions", messages=messages, max_completion_tokens=tokens, seed=1, **self.steps, **fields
        )
        content = reply["choices"][0]["message"]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        check([part["type"] for part in parts] == expected, f"{[part['type'] for part in parts]}, not {expected}")
        for part in parts:
            if part["type"] == "image_url":
                check_picture(part["image_url"]["url"].split(",")[1])
        check(reply["usage"]["completion_tokens"] == tokens, f"{reply['usage']}")

    def draw(self, path: str = "images/generations", **fields: object) -> None:
        reply = self.server.post(path, prompt="a house by the sea", seed=1, **self.steps, **fields)
        check(len(reply["data"]) == 1, f"{len(reply['data'])} pictures")
        check_picture(reply["data"][0]["b64_json"])

    def all(self) -> list[tuple[str, object]]:
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
            ("image transformation", lambda: self.draw("images/edits", images=[data_uri("red")])),
            ("visual thinking", lambda: self.chat("Look closely.", 1, 2 * before + PICTURE, look)),
            ("two pictures in a reply", lambda: self.chat("Draw both.", 0, 2 * (before + PICTURE), look[:2] * 2)),
        ]


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not what was expected: {what}")


def check_picture(encoded: str) -> None:
    size = Image.open(io.BytesIO(base64.b64decode(encoded))).size
    check(size == (SIDE, SIDE), f"a picture of {size}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triptych", required=True, help="the program")
    parser.add_argument("--folder", type=Path, default=Path(".benchmark-models/metamorph"), help="where the checkpoint is, or comes")
    parser.add_argument("--layers", type=int, default=8, help="of the Llama's 32, when the checkpoint is written")
    parser.add_argument("--steps", type=int, default=4, help="denoise steps a picture")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder
    if not (folder / "diffusion/model_index.json").exists():
        print(f"Writing the checkpoint to {folder}", flush=True)
        write(folder, arguments.layers)
    with Server(arguments.triptych, folder, arguments.threads) as server:
        print("| mode | seconds | peak memory so far |\n| --- | ---: | ---: |")
        for name, mode in Modes(server, arguments.steps).all():
            started = time.perf_counter()
            mode()
            print(f"| {name} | {time.perf_counter() - started:.1f} | {server.peak_memory():.2f} GB |", flush=True)


if __name__ == "__main__":
    main()
