"""Stage 4: visual-predictive instruction tuning. One Llama, pre-trained on text, learns words by cross-entropy and visual
tokens by cosine, both on answers only, everything but the tower trained at once.

The visual tokens of an answer are fed in a little wrong in half of the lessons: the model reads its own ones when it is
served, and must not take the prompt's word only for the first.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from llamafusion.text import finished_text_model
from metamorph.lessons import Mix, Teacher
from metamorph.network import MetaMorph, build_text_model, pretrained_text_model
from metamorph.pool import Pool
from metamorph.sequences import MARKER_WEIGHT, Batch, Chat, Lesson, collate
from metamorph.tower import VISUAL_TOKENS, WIDTH, finished_tower
from recipe.readers import Readers
from recipe.rows import by_length, scored
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser

VISION_WEIGHT = 3.0
"""Weight of the cosine loss (`vision_coef`; the paper takes 1 with a Llama that can already read)."""

OBJECT_WEIGHT = 6.0
"""Added to the weight, 1, of the visual token of an object: most cells are empty, and easy."""

CHANGED_WEIGHT = 6.0
"""Added to the weight of a visual token that differs from the picture read last: the others are only copied."""

TOKEN_NOISE = 0.6
"""Most noise, relative to their length, on the visual tokens of answers that are read."""

STRAYS = 0.15
"""Share of the visual tokens in noisy answers that are replaced by those of another picture's same cell."""

CALM_MARGIN = 2.0
"""How far below the best token the ends of text have to stay where the model reads a visual token of its own: there the
official loop lets the LM head read the projected token, and stops in the middle of a picture if it says so."""


def disturbed(tokens: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Visual tokens [pictures, tokens, WIDTH] as they are read; half of the `drawn` pictures [pictures] are a little wrong."""
    count = tokens.shape[0]
    chosen = drawn & (torch.rand(count, device=tokens.device) < 0.5)
    amount = TOKEN_NOISE * torch.rand(count, 1, 1, device=tokens.device)
    noisy = F.normalize(tokens + amount * torch.randn_like(tokens) * WIDTH**-0.5, dim=-1)
    stray = torch.rand(tokens.shape[:2], device=tokens.device) < STRAYS
    noisy = torch.where(stray[..., None], tokens[torch.randperm(count, device=tokens.device)], noisy)
    return torch.where(chosen[:, None, None], noisy, tokens)


class Trainer:
    """The losses of one step."""

    def __init__(self, network: MetaMorph, teacher: Teacher, readers: Readers, device: torch.device) -> None:
        self.network = network
        self.teacher = teacher
        self.chat = teacher.chat
        self.readers = readers
        self.device = device

    def batch(self, lessons: list[Lesson]) -> tuple[Batch, torch.Tensor]:
        """Lessons as a batch, and its visual tokens [pictures, tokens, WIDTH]."""
        batch = collate(lessons, VISUAL_TOKENS).to(self.device)
        return batch, self.teacher.pool.tokens[batch.pictures].float().to(self.device)

    def drill_loss(self, beginnings: list[Lesson], asked: list[Lesson]) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of many questions about each picture, and the share of right words."""
        batch, tokens = self.batch(beginnings)
        embedded = self.network.embed(batch, tokens.flatten(0, 1))
        _, context = self.network.walk(embedded[:, None], None, batch.real)
        losses, weights, hits = [], [], []
        order: list[Lesson] = []
        wrong: set[int] = set()
        variants = len(asked) // len(beginnings)
        for part in by_length(asked, variants, 2):
            batch, _ = self.batch(part)
            embedded = self.network.embed(batch, torch.empty(0)).unflatten(0, (len(beginnings), -1))
            hidden, _ = self.network.walk(embedded, context)
            loss, right, owners = self.told(hidden.flatten(0, 1), batch)
            wrong |= {len(order) + owner for owner in owners[~right].tolist()}
            order += part
            losses.append(loss)
            weights.append(batch.weights.sum())
            hits.append(right)
        self.teacher.answers.record(order, wrong)
        shares = torch.stack(weights) / sum(weights)
        return (torch.stack(losses) * shares).sum(), torch.cat(hits).float().mean()

    def lesson_loss(self, lessons: list[Lesson]) -> dict[str, torch.Tensor]:
        """The losses of whole rows, some of which draw: words, visual tokens, and calm while drawing; and what share of words
        and of objects drawn was right."""
        batch, tokens = self.batch(lessons)
        drawn = batch.drawn.unflatten(0, (-1, VISUAL_TOKENS))[:, 0]
        read = disturbed(tokens, drawn)
        hidden, _ = self.network.walk(self.network.embed(batch, read.flatten(0, 1))[:, None])
        hidden = hidden[:, 0]
        words, right, _ = self.told(hidden, batch)
        predicted = self.network.draw(hidden[batch.predicting]).unflatten(0, (-1, VISUAL_TOKENS))
        distance = 1 - (predicted * tokens[drawn]).sum(-1)
        scenes = [self.teacher.pool.scenes[n] for n, is_drawn in zip(batch.pictures, drawn.tolist()) if is_drawn]
        labels = self.readers.labels(scenes)
        right_cells = self.readers.loss(predicted.detach(), labels)[1]
        drawing = [row for row in lessons if any(row.drawn)]
        self.teacher.changes.record(drawing, set((~right_cells.all(1)).nonzero()[:, 0].tolist()))
        occupied = self.readers.occupied(labels).to(self.device)
        share = 1 + OBJECT_WEIGHT * occupied + CHANGED_WEIGHT * self.changed(batch, drawn)
        return {
            "words": words,
            "right": right.float().mean() if len(right) else torch.ones(()),
            "cosine": (distance * share).sum() / share.sum(),
            "calm": self.calm_loss(predicted),
            "shown": right_cells[occupied].float().mean(),
        }

    def changed(self, batch: Batch, drawn: torch.Tensor) -> torch.Tensor:
        """Of the pictures that are drawn, which cells differ from the picture read last; none if there is none. [pictures, cells]"""
        scenes = [self.teacher.pool.scenes[n] for n in batch.pictures]
        before = [scenes[i - 1] if follows else scene for i, (scene, follows) in enumerate(zip(scenes, batch.follows.tolist()))]
        now, then = self.readers.labels(scenes), self.readers.labels(before)
        differs = torch.stack([now[name] != then[name] for name in ("shape", "color", "size", "ground")]).any(0)
        return differs.to(self.device)[drawn]

    def told(self, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The cross-entropy of a batch's words, markers counting less; of the other words, whether each is right, and its row."""
        kept = scored(batch.weights)
        targets, weights = batch.targets.flatten()[kept], batch.weights.flatten()[kept]
        logits = self.network.lm_head(hidden.flatten(0, 1)[kept]).float()
        losses = F.cross_entropy(logits, targets, reduction="none")
        word = weights > MARKER_WEIGHT
        right = (logits.detach().argmax(-1) == targets)[word]
        return (losses * weights).sum() / weights.sum(), right, kept[word] // batch.ids.shape[1]

    def calm_loss(self, predicted: torch.Tensor) -> torch.Tensor:
        """Keeps the ends of text from being the LM head's choice at visual tokens that were just drawn."""
        logits = self.network.lm_head(self.network.project(predicted.detach())).float()
        ends = logits[..., [self.chat.eos, self.chat.eot]]
        others = logits.index_fill(-1, torch.tensor([self.chat.eos, self.chat.eot], device=logits.device), -1e4)
        return F.relu(ends.amax(-1) - others.amax(-1) + CALM_MARGIN).mean()

    def step(self, rng: random.Random, most: int, mix: Mix) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The whole loss of a step, and what to log of it."""
        drill, right = self.drill_loss(*self.teacher.drills(rng, most, mix))
        drawings = self.lesson_loss(self.teacher.drawings(rng, most, mix))
        others = self.lesson_loss([*self.teacher.talks(rng, most, mix), *self.teacher.other(rng, most, mix)])
        share = mix.drawings / (mix.drawings + sum(n for kind, n in mix.other if kind in ("edit", "thought", "motion")))
        cosine = share * drawings["cosine"] + (1 - share) * others["cosine"]
        loss = drill + 0.5 * others["words"] + 0.1 * drawings["words"] + VISION_WEIGHT * cosine
        loss = loss + 0.1 * (drawings["calm"] + others["calm"])
        values = {
            "drill": drill,
            "drilled": right,
            "words": others["words"],
            "right": others["right"],
            "drawn": drawings["cosine"],
            "shown": drawings["shown"],
            "changed": others["cosine"],
            "change_shown": others["shown"],
            "calm": drawings["calm"],
            "worst": torch.tensor(self.teacher.answers.worst),
        }
        return loss, values


def train(runs: Path, steps: int, mix: Mix, peak: float, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    chat = Chat(Tokenizer.from_file(str(runs / "tokenizer.json")), VISUAL_TOKENS)
    network = MetaMorph(pretrained_text_model(chat, *finished_text_model(runs / "text"))).to(device)
    average = Average(network, 0.998)
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    run = Run(runs / "vpit", {"network": network, "average": average.module}, optimizer)
    pool, _ = Pool.load(runs / "pictures")
    trainer = Trainer(network, Teacher(chat, pool), finished_tower(runs)[1].to(device), device)
    while run.step < steps:
        rng = random.Random(f"vpit {seed} {run.step} {process_number()}")
        torch.manual_seed(rng.getrandbits(31))
        most = run.objects(steps, (0.03, 0.08, 0.2))
        set_rate(optimizer, run.step, steps, peak, descent=0.25)
        with torch.autocast(device.type, torch.bfloat16):
            loss, values = trainer.step(rng, most, mix)
        run.advance(loss, network, average, most=most, **values)
    run.save()


def finished_network(runs: Path) -> tuple[MetaMorph, Chat]:
    """The averaged language model of a run, and its way of talking."""
    chat = Chat(Tokenizer.from_file(str(runs / "tokenizer.json")), VISUAL_TOKENS)
    return finished(MetaMorph(build_text_model(chat)), runs / "vpit"), chat


def main() -> None:
    arguments = begin(stage_parser(__doc__, steps=12000, rate=1.3e-3))
    join_processes()
    train(arguments.runs, arguments.steps, Mix(), arguments.rate, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
