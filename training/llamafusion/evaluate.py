"""Scores a run's averaged weights in PyTorch, on the validation split by default."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from llamafusion.image import finished_network
from llamafusion.sample import Sampler
from recipe.sheet import write_sheet
from recipe.vae import finished_vae
from shapes import benchmark


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, nargs="+", default=[2.0])
    parser.add_argument("--image-guidance", type=float, default=1.5)
    parser.add_argument("--tasks", nargs="+", default=["draw", "answer"], choices=("draw", "answer", "edit"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="also write the first pictures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network, sequencer, scale = finished_network(arguments.runs)
    sampler = Sampler(network, sequencer, finished_vae(arguments.runs / "vae"), scale)
    cases = benchmark.Cases.make(arguments.scenes, arguments.part)
    steps = arguments.steps
    for guidance in arguments.guidance:
        started = time.time()
        drawn: list[np.ndarray] = []

        def draw(prompts: list[str]) -> list[np.ndarray]:
            pictures = list(sampler.draw(prompts, steps, guidance))
            drawn.extend(pictures)
            return pictures

        def answer(pictures: list[np.ndarray], questions: list[str]) -> list[str]:
            return sampler.answer(np.stack(pictures), questions)

        def change(pictures: list[np.ndarray], instructions: list[str]) -> list[np.ndarray]:
            return list(sampler.edit(np.stack(pictures), instructions, steps, guidance, arguments.image_guidance))

        tasks = arguments.tasks
        tally = benchmark.run(
            cases, draw if "draw" in tasks else None, answer if "answer" in tasks else None, change if "edit" in tasks else None
        )
        print(f"guidance {guidance}, {steps} steps, {time.time() - started:.0f} s\n{tally.table()}\n", flush=True)
        if arguments.sheet:
            write_sheet(arguments.sheet, drawn)


if __name__ == "__main__":
    main()
