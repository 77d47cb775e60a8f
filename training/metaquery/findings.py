"""The paper's ablations in miniature (MetaQuery, sections 3.2 and 3.3): how many queries, learned or random ones, where the
connector's encoder runs, whether the diffusion model is tuned. As in the paper, new queries and a new connector stand between the
same frozen language model and the same trained diffusion model; each variant is trained on captions for the same few steps, and draws
the validation scenes.

    python -m metaquery.findings --runs runs/metaquery --steps 600 ../models/metaquery-shapes ../models/metaquery-sd-shapes

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
"""Batches of training captions that are measured."""


@dataclass(frozen=True)
class Variant:
    """A painter with new queries and a new connector, that differs from the recipe's in one thing."""

    name: str
    queries: int = QUERIES
    learned: bool = True
    order: str = "enc_proj"
    tuned: bool = True
    """Whether the trained diffusion model is trained on."""

    def painter(self, runs: Path) -> Painter:
        torch.manual_seed(0)
        painter = Painter(KIND, queries=self.queries, order=self.order)
        painter.queries.embedded.requires_grad_(self.learned)
        trained = averaged(runs / KIND)
        painter.decoder.load_state_dict({name: trained[f"decoder.{name}"] for name in painter.decoder.state_dict()})
        painter.decoder.requires_grad_(self.tuned)
        return painter


VARIANTS = (
    Variant("4 queries", queries=4),
    Variant("16 queries", queries=16),
    Variant(f"{QUERIES} queries"),
    Variant("64 queries", queries=64),
    Variant(f"{QUERIES} random queries", learned=False),
    Variant(f"{QUERIES} queries, Proj-Enc", order="proj_enc"),
    Variant(f"{QUERIES} queries, frozen decoder", tuned=False),
)


def measure(variant: Variant, runs: Path, steps: int, device: torch.device) -> Result:
    """Trains a variant and draws with it: shares of right pictures of one object and of two or three, the share of objects that the
    condition tells rightly, and the noise loss, both on captions."""
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
            means = {key: sum(float(values[key]) for _, values in batches) / BATCHES for key in ("told", "noise")}
        painter.cpu()
        mllm.cpu()
        sampler = Sampler(mllm, chat, painter.queries, painter.decoder, dcae.finished_dcae(runs / "dcae"), pool.scale())
        cases = benchmark.Cases.make(SCENES, "validation")
        tally = benchmark.run(cases, Scoring(sampler, STEPS, GUIDANCE[KIND], 1.5).draw, None, None)
        names = {"one": benchmark.SINGLE, "several": benchmark.SEVERAL}
        return {key: tally.share(f"{name}: all") for key, name in names.items()} | means

    return judged(folder, judge)


def table(results: dict[str, Result], steps: int) -> str:
    lines = [
        f"| Sana, after {steps:,} steps on captions | one object | two or three | told by the condition | noise loss |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, result in results.items():
        shares = " | ".join(f"{result[key]:.0%}" for key in ("one", "several", "told"))
        lines.append(f"| {name} | {shares} | {result['noise']:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = stage_parser(__doc__, steps=600)
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
