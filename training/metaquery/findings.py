"""The paper's ablations in miniature (MetaQuery, sections 3.2 and 3.3): how many queries, learned or random ones, where the
connector's encoder runs, whether the diffusion model is tuned. Each variant of the painter is trained on captions for the same few
steps behind the same frozen language model, and draws the validation scenes.

    python -m metaquery.findings --runs runs/metaquery --steps 1500 ../models/metaquery-shapes ../models/metaquery-sd-shapes

goes on where it stopped and writes findings.md and findings.png, and the table into the model card.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch

from metaquery import dcae
from metaquery.decoders import GUIDANCE
from metaquery.diffusion import PRETRAINING, Painter, Schedule, Trainer, train
from metaquery.evaluate import Scoring
from metaquery.mllm import finished_mllm
from metaquery.network import QUERIES
from metaquery.pool import Pool
from metaquery.sample import Sampler
from recipe.findings import Result, judged, known, write
from recipe.run import averaged, begin, join_processes, process_number, stage_parser
from shapes import benchmark

KIND, RATE, STEPS, SCENES = "sana", 1e-3, 20, 100
BATCHES = 20
"""Batches of training captions that measure the noise loss."""


@dataclass(frozen=True)
class Variant:
    """A painter that differs from the recipe's in one thing."""

    name: str
    queries: int = QUERIES
    learned: bool = True
    order: str = "enc_proj"
    decoder: str = "new"
    """`new`, or that of the finished run, `frozen` or `tuned`."""

    def painter(self, runs: Path) -> Painter:
        torch.manual_seed(0)
        painter = Painter(KIND, queries=self.queries, order=self.order)
        painter.queries.embedded.requires_grad_(self.learned)
        if self.decoder != "new":
            state = {name: t for name, t in averaged(runs / KIND).items() if name.startswith("decoder.")}
            painter.load_state_dict(state, strict=False)
            painter.decoder.requires_grad_(self.decoder == "tuned")
        return painter


VARIANTS = (
    Variant("4 queries", queries=4),
    Variant("16 queries", queries=16),
    Variant("32 queries"),
    Variant("64 queries", queries=64),
    Variant("32 random queries", learned=False),
    Variant("32 queries, Proj-Enc", order="proj_enc"),
    Variant("32 queries, trained decoder, frozen", decoder="frozen"),
    Variant("32 queries, trained decoder, tuned", decoder="tuned"),
)


def measure(variant: Variant, runs: Path, steps: int, device: torch.device) -> Result:
    """Trains a variant and draws with it: shares of right pictures of one object and of two or three, and the noise loss on
    captions."""
    folder = runs / "findings" / variant.name.replace(" ", "-").replace(",", "")
    if found := known(folder):
        return found
    mllm, chat = finished_mllm(runs)
    painter = variant.painter(runs).to(device)
    pool = Pool.load(runs / "pictures", KIND)
    trainer = Trainer(painter, mllm.to(device), chat, pool, device)
    train(folder, painter, trainer, Schedule(steps, steps // 4, 0), RATE, 0)

    def judge() -> Result:
        painter.load_state_dict(averaged(folder))
        with torch.no_grad():
            rng = random.Random("findings")
            torch.manual_seed(0)
            batches = [trainer.loss(trainer.wanted(rng, PRETRAINING), PRETRAINING.draws, rng) for _ in range(BATCHES)]
            loss = sum(values["noise"].item() for _, values in batches) / BATCHES
        painter.cpu()
        mllm.cpu()
        sampler = Sampler(mllm, chat, painter.queries, painter.decoder, dcae.finished_dcae(runs / "dcae"), pool.scale())
        cases = benchmark.Cases.make(SCENES, "validation")
        tally = benchmark.run(cases, Scoring(sampler, STEPS, GUIDANCE[KIND], 1.5).draw, None, None)
        names = {"one": benchmark.SINGLE, "several": benchmark.SEVERAL}
        return {key: tally.share(f"{name}: all") for key, name in names.items()} | {"loss": loss}

    return judged(folder, judge)


def table(results: dict[str, Result], steps: int) -> str:
    lines = [f"| Sana, after {steps:,} steps on captions | one object | two or three | noise loss |", "| --- | ---: | ---: | ---: |"]
    for name, result in results.items():
        lines.append(f"| {name} | {result['one']:.0%} | {result['several']:.0%} | {result['loss']:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = stage_parser(__doc__, steps=1500)
    parser.add_argument("targets", type=Path, nargs="+", help="model folders, whose cards get the same findings")
    arguments = begin(parser)
    join_processes()
    results = {v.name: measure(v, arguments.runs, arguments.steps, arguments.device) for v in VARIANTS}
    if process_number() == 0:
        bars = {key: [result[key] for result in results.values()] for key in ("one", "several")}
        shown = {"one object": bars["one"], "two or three": bars["several"]}
        write(arguments.targets, table(results, arguments.steps), list(results), shown)


if __name__ == "__main__":
    main()
