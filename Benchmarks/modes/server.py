"""`triptych serve` with one model, and requests to it."""

from __future__ import annotations

import base64
import io
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image, ImageDraw

MODEL = "random"
"""What the model with random weights is called."""
SIDE = 512
"""Pixels a side of what is drawn."""

SETTINGS = """\
server: {{host: 127.0.0.1, port: {port}}}
compute: {{threads: {threads}}}
jobs: {{path: {folder}/jobs.sqlite}}
models:
  - name: {model}
    path: {folder}
"""


class Server:
    """Serves a checkpoint's folder for as long as the context lasts."""

    def __init__(self, program: str, folder: Path, entry: dict[str, str], threads: int) -> None:
        """- `entry`: the other keys of the model's entry; what begins with a dot and a slash lies in the folder"""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder = folder.resolve()
        text = SETTINGS.format(port=self.port, threads=threads, folder=folder, model=MODEL)
        keys = [f"    {key}: {value.replace('./', f'{folder}/')}\n" for key, value in entry.items()]
        settings = folder / "triptych.yaml"
        settings.write_text(text + "".join(keys))
        self.process = subprocess.Popen([program, "serve", "--config", settings])

    def __enter__(self) -> Server:
        for _ in range(600):
            try:
                self.get("/readyz")
                return self
            except OSError:
                time.sleep(1)
        self.__exit__()
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
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.read().decode()}") from error

    def peak_memory(self) -> int:
        """`VmHWM` of /proc/PID/status in bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

    def weight_bytes(self) -> int:
        """As stored; known once the model is loaded."""
        return json.loads(self.get(f"/v1/models/{MODEL}"))["memory"]["weight_bytes"]

    def draw(self, path: str, **fields: object) -> dict:
        """Asks for a picture and looks at what comes back."""
        reply = self.post(path, seed=1, **fields)
        check(len(reply["data"]) == 1, f"{len(reply['data'])} pictures")
        check_picture(reply["data"][0]["b64_json"])
        return reply

    def chat(self, text: str, colors: tuple[str, ...] = (), **fields: object) -> dict:
        """Asks about photographs in these colors."""
        parts = [{"type": "image_url", "image_url": {"url": photograph(color)}} for color in colors]
        messages = [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
        return self.post("chat/completions", messages=messages, seed=1, **fields)


def photograph(color: str) -> str:
    """A picture of 640 × 480 pixels as a data URI."""
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).ellipse((160, 80, 480, 400), fill=color)
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not what was expected: {what}")


def check_picture(encoded: str) -> None:
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    check(picture.size == (SIDE, SIDE), f"a picture of {picture.size}")
    # What is not a number comes out as one color.
    darkest, lightest = picture.convert("L").getextrema()
    check(lightest - darkest > 16, f"a picture between {darkest} and {lightest}")
