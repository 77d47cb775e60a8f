"""Scores a run's averaged weights in PyTorch, on the validation split by default."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from metaquery import dcae
from metaquery.decoders import GUIDANCE
from metaquery.diffusion import finished_painter
from metaquery.mllm import finished_mllm
from metaquery.pool import DECODERS, Pool
from metaquery.sample import Prompt, Sampler
from recipe import vae
from recipe.sheet import write_sheet
from shapes import benchmark

TASKS = ("draw", "answer", "edit", "copy", "combine")


class Scoring:
    """The model's side of the shared test."""

    def __init__(self, sampler: Sampler, steps: int, guidance: float, image_guidance: float) -> None:
        self.sampler = sampler
        self.settings = (steps, guidance, image_guidance)
        self.drawn: list[np.ndarray] = []

    def pictures(self, prompts: list[Prompt]) -> list[np.ndarray]:
        pictures = list(self.sampler.draw(prompts, *self.settings))
        self.drawn += pictures
        return pictures

    def draw(self, prompts: list[str]) -> list[np.ndarray]:
        return self.pictures([([], prompt) for prompt in prompts])

    def answer(self, pictures: list[np.ndarray], questions: list[str]) -> list[str]:
        return self.sampler.answer(np.stack(pictures), questions)

    def change(self, pictures: list[np.ndarray], instructions: list[str]) -> list[np.ndarray]:
        return self.pictures([([picture], text) for picture, text in zip(pictures, instructions)])

    def copy(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        return self.pictures([([picture], "") for picture in pictures])

    def combine(self, pictures: list[list[np.ndarray]], instructions: list[str]) -> list[np.ndarray]:
        return self.pictures(list(zip(pictures, instructions)))


def sampler_of(runs: Path, kind: str) -> Sampler:
    """The averaged weights of every stage of a run."""
    mllm, chat = finished_mllm(runs)
    decoder, queries = finished_painter(runs, kind)
    if kind == "sana":
        decoder.network.bfloat16().float()  # the reference loads it so
    autoencoder = dcae.finished_dcae(runs / "dcae") if kind == "sana" else vae.finished_vae(runs / "vae")
    return Sampler(mllm, chat, queries, decoder, autoencoder, Pool.load(runs / "pictures", kind).scale())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--decoder", choices=DECODERS, default="sana")
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, nargs="+", help="the kind's own if left out")
    parser.add_argument("--image-guidance", type=float, default=1.5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="also write the first pictures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sampler = sampler_of(arguments.runs, arguments.decoder)
    cases = benchmark.Cases.make(arguments.scenes, arguments.part)
    for guidance in arguments.guidance or [GUIDANCE[arguments.decoder]]:
        started = time.time()
        scoring = Scoring(sampler, arguments.steps, guidance, arguments.image_guidance)
        makers = (scoring.draw, scoring.answer, scoring.change, scoring.copy, scoring.combine)
        draw, answer, change, copy, combine = (m if t in arguments.tasks else None for t, m in zip(TASKS, makers))
        tally = benchmark.run(cases, draw, answer, change, copy=copy, combine=combine)
        print(f"guidance {guidance}, {arguments.steps} steps, {time.time() - started:.0f} s\n{tally.table()}\n", flush=True)
        if arguments.sheet:
            write_sheet(arguments.sheet, scoring.drawn)


if __name__ == "__main__":
    main()
