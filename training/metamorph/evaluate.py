"""Scores a run's averaged weights in PyTorch, on the validation split by default.

Beside the shared test: `visual tokens` says what the readers of the tower find in the tokens that the language model
drew, `rendered tokens` what becomes of true pictures' tokens. Together they tell whose fault a wrong picture is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from metamorph.pool import Pool
from metamorph.sample import Reply, Sampler
from metamorph.tower import finished_tower, see
from metamorph.visualizer import finished_visualizer
from metamorph.vpit import finished_network
from recipe.readers import Readers
from recipe.sheet import write_sheet
from recipe.vae import finished_vae
from shapes import benchmark
from shapes.scorer import read_picture
from shapes.world import SIDE, render

TASKS = ("draw", "answer", "edit", "think", "follow", "parts")

NOTHING = np.zeros((SIDE, SIDE, 3), np.uint8)
"""Stands for a picture that was not drawn."""


class Scoring:
    """The model's side of the shared test."""

    def __init__(self, sampler: Sampler, readers: Readers, steps: int, guidance: float) -> None:
        self.sampler = sampler
        self.readers = readers
        self.steps = steps
        self.guidance = guidance
        self.drawn: list[np.ndarray] = []

    def pictures(self, replies: list[Reply]) -> list[np.ndarray]:
        rendered = self.sampler.render(replies, self.steps, self.guidance)
        pictures = [NOTHING if picture is None else picture for picture in rendered]
        self.drawn += pictures
        return pictures

    def draw(self, prompts: list[str]) -> list[np.ndarray]:
        return self.pictures(self.sampler.draw(prompts))

    def answer(self, pictures: list[np.ndarray], questions: list[str]) -> list[str]:
        return [reply.text for reply in self.sampler.reply([([p], q) for p, q in zip(pictures, questions)])]

    def change(self, pictures: list[np.ndarray], instructions: list[str]) -> list[np.ndarray]:
        return self.follow([[picture] for picture in pictures], instructions)

    def follow(self, frames: list[list[np.ndarray]], instructions: list[str]) -> list[np.ndarray]:
        return self.pictures(self.sampler.change(frames, instructions))

    def think(self, pictures: list[np.ndarray], texts: list[str]) -> list[tuple[np.ndarray | None, str]]:
        replies = self.sampler.reply([([p], text) for p, text in zip(pictures, texts)])
        return list(zip(self.pictures(replies), (reply.text for reply in replies)))

    def parts(self, cases: benchmark.Cases, tally: benchmark.Tally) -> None:
        """Each half of drawing alone."""
        for name, drawings in ((benchmark.SINGLE, cases.single), (benchmark.SEVERAL, cases.several)):
            scenes = [case.scene for case in drawings]
            replies = self.sampler.draw([case.prompt for case in drawings])
            for reply, scene in zip(replies, scenes):
                shown = bool(reply.pictures) and self.readers.scene(reply.pictures[0]) == scene
                tally.add(f"visual tokens, {name}", shown)
            true = see(self.sampler.vision, np.stack([render(scene) for scene in scenes]), torch.device("cpu"))
            rendered = self.sampler.render([Reply("", [tokens]) for tokens in true], self.steps, self.guidance)
            for picture, scene in zip(rendered, scenes):
                tally.add(f"rendered tokens, {name}", picture is not None and read_picture(picture).scene == scene)


def sampler_of(runs: Path) -> tuple[Sampler, Readers]:
    """The averaged weights of every stage of a run."""
    network, chat = finished_network(runs)
    vision, readers = finished_tower(runs)
    scale = Pool.load(runs / "pictures")[0].scale()
    return Sampler(network, chat, vision, finished_visualizer(runs), finished_vae(runs / "vae"), scale), readers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, nargs="+", default=[3.0])
    parser.add_argument("--tasks", nargs="+", default=["draw", "answer", "edit", "think", "follow"], choices=TASKS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="also write the first pictures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sampler, readers = sampler_of(arguments.runs)
    cases = benchmark.Cases.make(arguments.scenes, arguments.part)
    for guidance in arguments.guidance:
        started = time.time()
        scoring = Scoring(sampler, readers, arguments.steps, guidance)
        makers = (scoring.draw, scoring.answer, scoring.change, scoring.think, scoring.follow)
        tally = benchmark.run(cases, *(maker if task in arguments.tasks else None for task, maker in zip(TASKS, makers)))
        if "parts" in arguments.tasks:
            scoring.parts(cases, tally)
        print(f"guidance {guidance}, {arguments.steps} steps, {time.time() - started:.0f} s\n{tally.table()}\n", flush=True)
        if arguments.sheet:
            write_sheet(arguments.sheet, scoring.drawn)


if __name__ == "__main__":
    main()
