"""Stages 6 and 7: queries, connector and diffusion model learn to draw from the frozen language model; first from captions, then
tuned on instructions: edits, reconstruction, two pictures. Before that, and beside it, the condition learns to tell what is to be
drawn, cell by cell.

Nothing before the queries needs a gradient, so prompts are computed without one, the system's turn once for all, and a condition
serves several noise levels.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from metaquery import tasks
from metaquery.chat import Chat
from metaquery.decoders import CONDITION_WIDTH, Decoder, build_decoder, noise_levels
from metaquery.mllm import finished_mllm
from metaquery.network import CONNECTOR_LAYERS, QUERIES, WIDTH, Mllm, Queries, task_pixels
from metaquery.pool import DECODERS, Pool
from metaquery.tasks import Task
from recipe.context import Context
from recipe.noise import object_weights
from recipe.readers import Telling
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser
from shapes import edits
from shapes.world import PLACES, Scene

NULL_SHARE = 0.1
"""Share of captions left out, and of pictures given as black ones without a text: what guidance leads away from."""

TELLING_WEIGHT = 0.1
"""Weight of what the condition tells beside the noise loss."""

BLIND_SHARE = 0.1
"""Share of pairs whose text is left out, pictures kept: where guidance by the text starts. For one picture, a copy is that."""


@dataclass(frozen=True)
class Mix:
    """Tasks of a step, in each process."""

    captions: int = 24
    copies: int = 0
    edits: int = 0
    pairs: int = 0
    draws: int = 4
    """Noise levels of each task; with none, the condition only tells."""


TELLING = Mix(captions=40, copies=4, edits=24, pairs=8, draws=0)
PRETRAINING = Mix()
TUNING = Mix(captions=10, copies=3, edits=8, pairs=3)


class Painter(nn.Module):
    """What is trained."""

    def __init__(self, kind: str, width: int = WIDTH, queries: int = QUERIES, order: str = "enc_proj") -> None:
        super().__init__()
        self.queries = Queries(width, queries, CONNECTOR_LAYERS, CONDITION_WIDTH[kind], order)
        self.decoder = build_decoder(kind)
        cells = nn.Linear(queries * CONDITION_WIDTH[kind], len(PLACES) * Telling.WIDTH)
        self.telling = Telling(nn.Sequential(nn.Flatten(), cells, nn.Unflatten(1, (len(PLACES), Telling.WIDTH))))


class Trainer:
    """The loss of one step."""

    def __init__(self, painter: Painter, mllm: Mllm, chat: Chat, pool: Pool, device: torch.device) -> None:
        self.painter = painter
        self.mllm = mllm
        self.chat = chat
        self.pool = pool
        self.scale = pool.scale()
        self.groups = pool.by_count()
        self.device = device

    def pick(self, rng: random.Random) -> Scene:
        """A plain scene."""
        return rng.choice(rng.choice([self.groups[n] for n in (1, 1, 2, 2, 3, 4) if self.groups[n]]))

    def wanted(self, rng: random.Random, mix: Mix) -> list[Task]:
        """The tasks of a step."""
        return [
            *(tasks.caption(self.pick(rng), rng) for _ in range(mix.captions)),
            *(tasks.copy(self.pick(rng)) for _ in range(mix.copies)),
            *(self.edit(rng) for _ in range(mix.edits)),
            *(self.pair(rng) for _ in range(mix.pairs)),
        ]

    def edit(self, rng: random.Random) -> Task:
        """An edit whose result stands in the pool, worded anew each time."""
        before, after = rng.choice(self.pool.edits)
        return Task((before,), edits.instruction(before, after, rng), after, edits.kind_of(before, after))

    def pair(self, rng: random.Random) -> Task:
        """A pair whose result stands in the pool: one object, or two together."""
        if rng.random() < 0.2 and self.pool.both:
            return rng.choice(self.pool.both)
        while (task := tasks.pair(rng)).target not in self.pool.numbers:
            pass
        return task

    @torch.no_grad()
    def prompts(self, wanted: list[Task], rng: random.Random) -> Context:
        """The prompts of tasks as contexts, some of them left out."""
        pixels = task_pixels(wanted, self.device)
        told, first = [], 0
        for task in wanted:
            count = len(task.pictures)
            is_null = rng.random() < NULL_SHARE
            if pixels is not None and is_null:
                pixels[first : first + count] = -1.0
            is_blind = is_null or (count == 2 and rng.random() < BLIND_SHARE)
            told.append(replace(task, text="" if is_blind else task.text))
            first += count
        return self.mllm.prompts(self.chat, told, pixels)

    def loss(self, wanted: list[Task], draws: int, rng: random.Random) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of tasks, and what to log of it. Rows of captions and rows with pictures differ in length and are computed
        apart."""
        groups = [[t for t in wanted if len(t.pictures) == n] for n in (0, 1, 2)]
        groups = [group for group in groups if group]
        condition = torch.cat([self.painter.queries(self.mllm, self.prompts(group, rng)) for group in groups])
        ordered = [task for group in groups for task in group]
        loss, right = self.painter.telling.loss(condition, [task.target for task in ordered])
        if draws == 0:
            return loss, {"told": right}
        noise = self.noise_loss(ordered, condition, draws)
        return noise + TELLING_WEIGHT * loss, {"noise": noise, "told": right}

    def noise_loss(self, wanted: list[Task], condition: torch.Tensor, draws: int) -> torch.Tensor:
        """The error of predictions at some noise levels of each task. condition: [tasks, tokens, width]"""
        clean = self.pool.targets(wanted).to(self.device) * self.scale
        places = object_weights([task.target for task in wanted], clean.shape[-1], self.device)[:, None]
        clean, condition, places = (x.repeat_interleave(draws, 0) for x in (clean, condition, places))
        levels = noise_levels(len(wanted), draws, self.device)
        noisy, timesteps, target = self.painter.decoder.noised(clean, torch.randn_like(clean), levels)
        errors = (self.painter.decoder(noisy, timesteps, condition).float() - target).square() * places
        return (errors.mean((1, 2, 3)) * self.painter.decoder.weights(timesteps)).mean()


@dataclass(frozen=True)
class Schedule:
    """Steps in all, of which the first ones only tell, and the last ones draw from instructions."""

    steps: int
    telling: int
    tuned: int

    def mix(self, step: int) -> Mix:
        if step < self.telling:
            return TELLING
        return PRETRAINING if step < self.steps - self.tuned else TUNING


def train(folder: Path, painter: Painter, trainer: Trainer, schedule: Schedule, peak: float, seed: int) -> None:
    """Trains what of a painter takes gradients. The folder's name seeds the tasks."""
    average = Average(painter, 0.998)
    learning = [parameter for parameter in painter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    run = Run(folder, {"painter": painter, "average": average.module}, optimizer)
    while run.step < schedule.steps:
        rng = random.Random(f"metaquery {folder.name} {seed} {run.step} {process_number()}")
        torch.manual_seed(rng.getrandbits(31))
        mix = schedule.mix(run.step)
        set_rate(optimizer, run.step, schedule.steps, peak, descent=0.4)
        with torch.autocast(trainer.device.type, torch.bfloat16):
            loss, values = trainer.loss(trainer.wanted(rng, mix), mix.draws, rng)
        run.advance(loss, painter, average, **values)
    run.save()


def finished_painter(runs: Path, kind: str) -> tuple[Decoder, Queries]:
    """The averaged diffusion model and queries of a run."""
    painter = finished(Painter(kind), runs / kind)
    return painter.decoder, painter.queries


def main() -> None:
    parser = stage_parser(__doc__, steps=8000, telling=1500, rate=1e-3)
    parser.add_argument("--decoder", choices=DECODERS, default="sana")
    parser.add_argument("--tuned", type=int, help="of the steps the last ones, on instructions (default: half)")
    arguments = begin(parser)
    join_processes()
    tuned = arguments.steps // 2 if arguments.tuned is None else arguments.tuned
    schedule = Schedule(arguments.steps, arguments.telling, tuned)
    runs, kind, device = arguments.runs, arguments.decoder, arguments.device
    torch.manual_seed(arguments.seed)
    mllm, chat = finished_mllm(runs)
    painter = Painter(kind).to(device)
    trainer = Trainer(painter, mllm.to(device), chat, Pool.load(runs / "pictures", kind), device)
    train(runs / kind, painter, trainer, schedule, arguments.rate, arguments.seed)


if __name__ == "__main__":
    main()
