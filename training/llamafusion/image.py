"""Stage 4: the image modules, trained with the text side frozen: noise prediction and answers at once (LMFusion, section 3).

Before that, and beside it, a picture's tokens learn to tell what is to be drawn, cell by cell (`Telling`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DDIMScheduler
from torch import nn
from torch.nn import functional as F

from llamafusion.documents import Sequencer
from llamafusion.network import LlamaFusion
from llamafusion.patchifier import ImageConfig
from llamafusion.pool import Pool
from llamafusion.text import finished_text_model, start_naming
from recipe.autoencoder import latent_scale
from recipe.context import Context
from recipe.mastery import Mastery
from recipe.noise import noise_weights, object_weights
from recipe.pool import by_count
from recipe.readers import Found, Naming, Telling
from recipe.rows import Row, padded_ids, parted
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser
from shapes import captions, edits, questions
from shapes.world import PLACES, Scene

NOISE_WEIGHT = 1.0
"""λ of Transfusion: the noise loss beside the language loss (5 there, with plain ε weights)."""

TELLING_WEIGHT = 0.3
"""Weight of the telling losses beside the noise losses."""

NAMING_WEIGHT = 1.0
"""Weight of what is read where questions name things, beside the answers."""

NOISY_TIMESTEPS = 0.35
"""Share of timesteps drawn from 750–995 instead of from all."""

CAPTION_DROPOUT = 0.1

NOISY_PICTURES = 0.2
"""Share of pictures that are noised (t ≤ 500, with a noise loss) although a question follows; the others are clean."""

ASKED_COUNTS = (1, 2, 3, 4)
"""How many objects are in a picture that is asked about, each as often as it stands here."""


@dataclass(frozen=True)
class Batch:
    """How many pictures of each task are in a step, and how often each is used."""

    drawn: int = 24
    draws: int = 6
    """Noise draws of each captioned picture."""
    edited: int = 12
    edit_draws: int = 4
    asked: int = 28
    questions: int = 4
    objects: tuple[int, ...] = (1, 1, 1, 2, 2, 3, 4)
    """How many objects are in a picture to draw or to edit, each as often as it stands here."""


TELLING = Batch(drawn=64, draws=1, edited=24, edit_draws=1, asked=20, objects=(1, 2, 2, 3, 3, 4))
"""A step that only tells and answers: many prompts, one draw each."""


class Windows(nn.Module):
    """From a picture's tokens [n, tokens, width] to the cells of the world's grid: each is read from the square of tokens that it
    reaches into."""

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.side = int(tokens**0.5)
        self.window = nn.Conv2d(width, Telling.WIDTH, self.side - int(len(PLACES) ** 0.5) + 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        grid = tokens.transpose(1, 2).unflatten(2, (self.side, self.side))
        return self.window(grid).flatten(2).transpose(1, 2)


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False, prediction_type="epsilon")


def trained_modules(network: LlamaFusion) -> nn.ModuleDict:
    """What is trained: the image side, and what reads it."""
    width = network.config.hidden_size
    cells = Windows(width, network.image_config.tokens)
    return nn.ModuleDict({"image": network.image_model, "telling": Telling(cells), "naming": Naming(width)})


class Painted(NamedTuple):
    """What comes of pictures to be drawn."""

    noise: torch.Tensor
    """The noise loss; 0 while they only tell."""
    told: torch.Tensor
    """The telling loss of their tokens."""
    right: torch.Tensor
    """The share of objects told right in everything."""


class Asked(NamedTuple):
    """What comes of questions about pictures."""

    answer: torch.Tensor
    """The language loss of the answers, and what is read where questions name things."""
    noise: torch.Tensor
    """The noise loss of the noised pictures."""
    seen: torch.Tensor
    """The telling loss of the pictures' tokens."""
    known: float
    """The share of named things read right."""
    right: float
    """The share of right tokens in short answers."""
    described: float
    """The same in descriptions."""


class Trainer:
    """The losses of one step."""

    def __init__(self, network: LlamaFusion, sequencer: Sequencer, pool: Pool, scale: float, device: torch.device) -> None:
        self.network = network
        self.sequencer = sequencer
        self.pool = pool
        self.scale = scale
        self.device = device
        self.scheduler = build_scheduler()
        alphas = self.scheduler.alphas_cumprod.to(device)
        self._signal, self._noise = alphas.sqrt(), (1 - alphas).sqrt()
        self._weights = noise_weights(alphas)
        self.mastery = Mastery()
        self.trained = trained_modules(network).to(device)
        self.telling = self.trained["telling"]
        self.naming = self.trained["naming"]

    def latents(self, index: list[int], edited: bool = False) -> torch.Tensor:
        source = self.pool.edited if edited else self.pool.latents
        return source[index].float().to(self.device) * self.scale

    def noised(self, clean: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [rows, 1 or variants, C, S, S] at timesteps [rows, variants], and the noise added."""
        noise = torch.randn(*timesteps.shape, *clean.shape[2:], device=self.device)
        signal, share = (table[timesteps][..., None, None, None] for table in (self._signal, self._noise))
        return signal * clean + share * noise, noise

    def paint_loss(self, index: list[int], edited: bool, context: Context, draws: int, telling: bool) -> Painted:
        """Pictures to be drawn after their prompts. While they only tell, they are close to pure noise."""
        timesteps = self.timesteps(len(index), draws)
        if telling:
            timesteps = 900 + timesteps // 10
        latents, noise = self.noised(self.latents(index, edited)[:, None], timesteps)
        states, kept, _ = self.network.image(latents, timesteps, context)
        pictures = [(self.pool.results if edited else self.pool.scenes)[i] for i in index]
        told, right = self.telling.loss(states.flatten(0, 1), pictures)
        if telling:
            return Painted(torch.zeros((), device=self.device), told, right)
        places = object_weights(pictures, noise.shape[-1], self.device)[:, None, None]
        errors = ((self.network.noise(states, kept).float() - noise).square() * places).mean((2, 3, 4))
        return Painted((errors * self._weights[timesteps]).mean(), told, right)

    def timesteps(self, rows: int, variants: int) -> torch.Tensor:
        """Random timesteps, spread evenly over each row's variants; a share of them near pure noise."""
        spread = (torch.arange(variants) + torch.rand(rows, variants)) / variants
        noisy = torch.rand(rows, variants) < NOISY_TIMESTEPS
        spread = torch.where(noisy, 0.75 + 0.245 * torch.rand(rows, variants), spread)
        return (spread * 1000).long().clamp(max=999).to(self.device)

    def text_ids(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids [rows, 1, longest] and which are real [rows, longest]."""
        ids, real = padded_ids(rows, self.device)
        return ids[:, None], real

    @torch.no_grad()
    def prefixes(self, prompts: list[str | None]) -> Context:
        """`bos prompt boi` of each prompt, `bos boi` for None."""
        s = self.sequencer
        ids, real = self.text_ids([[s.bos, *(s.ids(p) if p else []), s.boi] for p in prompts])
        return self.network.text(ids, None, real)[1]

    def captioned(self, index: list[int], rng: random.Random) -> Context:
        """Text → image: `bos caption boi` of pictures, some without a caption."""
        prompts: list[str | None] = []
        for scene in (self.pool.scenes[i] for i in index):
            if rng.random() < CAPTION_DROPOUT:
                prompts.append(None)
            else:
                maker = captions.full_caption if rng.random() < 0.8 else captions.open_caption
                prompts.append(maker(scene, rng))
        return self.prefixes(prompts)

    def instructed(self, index: list[int], rng: random.Random) -> Context:
        """Edits: `bos boi [source] eoi instruction boi`, some without an instruction."""
        s = self.sequencer
        start = self.prefixes([None]).rows(len(index))
        still = torch.zeros(len(index), 1, dtype=torch.long, device=self.device)
        context = start.followed_by(self.network.image(self.latents(index)[:, None], still, start)[2])
        kept = [rng.random() >= CAPTION_DROPOUT for _ in index]
        changes = [(self.pool.scenes[i], self.pool.results[i]) for i in index]
        instructions = [s.ids(edits.instruction(*change, rng)) if keep else [] for change, keep in zip(changes, kept)]
        ids, real = self.text_ids([[s.eoi, *words, s.boi] for words in instructions])
        return context.followed_by(self.network.text(ids, context, real)[1])

    def ask_loss(self, index: list[int], rng: random.Random, variants: int) -> Asked:
        """Image → text: questions about pictures, of which some are noised."""
        timesteps = (torch.rand(len(index), 1, device=self.device) * 500).long()
        noisy = torch.rand(len(index), 1, device=self.device) < NOISY_PICTURES
        timesteps = timesteps * noisy
        clean = self.latents(index)[:, None]
        latents, noise = self.noised(clean, timesteps)
        latents = torch.where(noisy[..., None, None, None], latents, clean)
        start = self.prefixes([None]).rows(len(index))
        states, kept, pictures = self.network.image(latents, timesteps, start)
        errors = (self.network.noise(states, kept).float() - noise).square().mean((2, 3, 4)) * self._weights[timesteps] * noisy
        scenes = [self.pool.scenes[i] for i in index]
        seen, _ = self.telling.loss(states.flatten(0, 1), scenes)
        context = start.followed_by(pictures)
        s = self.sequencer
        short, long = [], []
        for row, scene in enumerate(scenes):
            for question in self.mastery.questions(scene, rng, variants):
                short.append(s.turn(Row(question.skill).add([s.eoi]), question.text, question.answer, scene))
            if row < len(index) // 4:
                question = questions.ask(scene, rng, "description")
                long.append(s.turn(Row().add([s.eoi]), question.text, question.answer))
        # Descriptions are much longer than other answers: a batch of their own spares the others the padding.
        subset = context.pick(torch.arange(len(long), device=self.device))
        answered, right, named = self._told(context, short, variants)
        described, described_right, _ = self._told(subset, long, 1)
        read, known = self.naming.loss(named)
        answer = answered + 0.5 * described + NAMING_WEIGHT * read
        return Asked(answer, errors.sum() / noisy.sum().clamp(min=1), seen, known.item(), right, described_right)

    def _told(self, context: Context, rows: list[Row], variants: int) -> tuple[torch.Tensor, float, list[Found]]:
        """The language loss of rows after a context that `variants` of them share, the share of right tokens, and what is to be read
        where things are named."""
        order, batches = parted(rows, variants, 2 if variants > 1 else 1, self.device)
        told, named = [], []
        for ids, targets, weights, owners in batches:
            hidden, own = self.network.text(ids.unflatten(0, (len(rows) // variants, -1)), context)
            named.append(self.naming.found(own, owners, order))
            kept = weights >= 1
            told.append((hidden.flatten(0, 1)[kept], targets[kept], weights[kept], owners[kept]))
        hidden, targets, weights, owners = (torch.cat(tensors) for tensors in zip(*told))
        logits = self.network.lm_head(hidden).float()
        right = logits.detach().argmax(-1) == targets
        self.mastery.record(order, set(owners[~right].tolist()))
        loss = (F.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
        return loss, right.float().mean().item(), named


def pick(scenes_by_count: dict[int, list[int]], count: int, objects: tuple[int, ...], rng: random.Random) -> list[int]:
    """Random indices of scenes with as many objects as one of `objects`."""
    return [rng.choice(scenes_by_count[rng.choice(objects)]) for _ in range(count)]


def train_step(
    trainer: Trainer, groups: dict[int, list[int]], telling: bool, rng: random.Random
) -> tuple[torch.Tensor, dict[str, torch.Tensor | float]]:
    """The whole loss of a step, and what to log of it."""
    batch = TELLING if telling else Batch()
    with torch.autocast(trainer.device.type, torch.bfloat16):
        index = pick(groups, batch.drawn, batch.objects, rng)
        drawn = trainer.paint_loss(index, False, trainer.captioned(index, rng), batch.draws, telling)
        index = pick(groups, batch.edited, batch.objects, rng)
        edited = trainer.paint_loss(index, True, trainer.instructed(index, rng), batch.edit_draws, telling)
        asked = trainer.ask_loss(pick(groups, batch.asked, ASKED_COUNTS, rng), rng, batch.questions)
    noise = drawn.noise + 0.5 * edited.noise + 0.1 * asked.noise
    told = drawn.told + edited.told + 0.5 * asked.seen
    loss = NOISE_WEIGHT * noise + (1.0 if telling else TELLING_WEIGHT) * told + asked.answer
    values = {"noise": drawn.noise, "edit": edited.noise, "told": drawn.right, "changed": edited.right, "answer": asked.answer}
    return loss, values | {"named": asked.known, "right": asked.right, "described": asked.described, "worst": trainer.mastery.worst}


def train(runs: Path, steps: int, telling: int, rate: float, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    text, sequencer = finished_text_model(runs / "text")
    network = LlamaFusion(text, ImageConfig()).to(device)
    network.start_from_text()
    pool, shards = Pool.load(runs / "pool")
    trainer = Trainer(network, sequencer, pool, latent_scale(pool.latents), device)
    trained = trainer.trained
    average = Average(trained, 0.998)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    run = Run(runs / "image", {"trained": trained, "average": average.module}, optimizer)
    if run.step == 0:
        start_naming(trainer.naming, runs / "text")
    groups = by_count(pool.scenes, list(range(len(pool.scenes))))
    torch.manual_seed(seed + run.step + 7919 * process_number())
    while run.step < steps:
        rng = random.Random(f"image {seed} {run.step} {process_number()}")
        set_rate(optimizer, run.step, steps, rate)
        loss, values = train_step(trainer, groups, run.step < telling, rng)
        run.advance(loss, trained, average, **values)
        if run.step % 50 == 0:
            more, shards = Pool.load(runs / "pool", shards)
            if more.scenes:
                pool.extend(more)
                groups = by_count(pool.scenes, list(range(len(pool.scenes))))
    run.save()


def finished_network(runs: Path) -> tuple[LlamaFusion, Sequencer, float]:
    """The averaged model of a run, its sequencer and the latents' scale."""
    text, sequencer = finished_text_model(runs / "text")
    network = LlamaFusion(text, ImageConfig())
    finished(trained_modules(network), runs / "image")
    pool, _ = Pool.load(runs / "pool")
    return network.eval().requires_grad_(False), sequencer, latent_scale(pool.latents)


def main() -> None:
    parser = stage_parser(__doc__, steps=10000, rate=1e-3, telling=2500)
    arguments = begin(parser)
    join_processes()
    train(arguments.runs, arguments.steps, arguments.telling, arguments.rate, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
