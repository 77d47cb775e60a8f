"""Stage 4: the image modules, trained with the text side frozen: noise prediction and answers at once (LMFusion, section 3)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch.nn import functional as F

from llamafusion.documents import Sequencer
from llamafusion.network import LlamaFusion
from llamafusion.patchifier import ImageConfig
from llamafusion.pool import Pool
from llamafusion.text import finished_text_model
from recipe.autoencoder import latent_scale
from recipe.context import Context
from recipe.mastery import Mastery
from recipe.noise import noise_weights, object_weights
from recipe.pool import by_count
from recipe.rows import Row, padded_ids, parted
from recipe.run import Average, Run, averaged, begin, join_processes, process_number, set_rate, stage_parser
from shapes import captions, edits, questions
from shapes.world import Scene

NOISE_WEIGHT = 1.0
"""λ of Transfusion: the noise loss beside the language loss (5 there, with plain ε weights)."""

NOISY_TIMESTEPS = 0.35
"""Share of timesteps drawn from 750–995 instead of from all."""

CAPTION_DROPOUT = 0.1

NOISY_PICTURES = 0.2
"""Share of pictures that are noised (t ≤ 500, with a noise loss) although a question follows; the others are clean."""


DRAWN_COUNTS = (1, 1, 1, 2, 2, 3, 4)
"""How many objects are in a picture to draw or to edit, each as often as it stands here."""

ASKED_COUNTS = (1, 2, 3, 4)
"""The same of pictures that are asked about."""


@dataclass(frozen=True)
class Batch:
    """How many pictures of each task are in a step, and how often each is used."""

    drawn: int = 24
    draws: int = 4
    """Noise draws of each captioned picture."""
    asked: int = 28
    questions: int = 4
    edited: int = 0
    edit_draws: int = 2


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False, prediction_type="epsilon")


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

    def latents(self, index: list[int], edited: bool = False) -> torch.Tensor:
        source = self.pool.edited if edited else self.pool.latents
        return source[index].float().to(self.device) * self.scale

    def noised(self, clean: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [rows, 1 or variants, C, S, S] at timesteps [rows, variants], and the noise added."""
        noise = torch.randn(*timesteps.shape, *clean.shape[2:], device=self.device)
        signal, share = (table[timesteps][..., None, None, None] for table in (self._signal, self._noise))
        return signal * clean + share * noise, noise

    def noise_loss(
        self, predicted: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, scenes: list[Scene]
    ) -> torch.Tensor:
        """The error of predicted noise [rows, variants, C, S, S]; `scenes` are the rows' pictures."""
        places = object_weights(scenes, noise.shape[-1], self.device)[:, None, None]
        errors = ((predicted.float() - noise).square() * places).mean((2, 3, 4))
        return (errors * self._weights[timesteps]).mean()

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

    def draw_loss(self, index: list[int], rng: random.Random, draws: int) -> torch.Tensor:
        """Text → image: the noise loss of captioned pictures."""
        prompts: list[str | None] = []
        for scene in (self.pool.scenes[i] for i in index):
            if rng.random() < CAPTION_DROPOUT:
                prompts.append(None)
            else:
                maker = captions.full_caption if rng.random() < 0.8 else captions.open_caption
                prompts.append(maker(scene, rng))
        timesteps = self.timesteps(len(index), draws)
        latents, noise = self.noised(self.latents(index)[:, None], timesteps)
        predicted, _ = self.network.image(latents, timesteps, self.prefixes(prompts))
        assert predicted is not None
        return self.noise_loss(predicted, noise, timesteps, [self.pool.scenes[i] for i in index])

    def ask_loss(self, index: list[int], rng: random.Random, variants: int) -> tuple[torch.Tensor, torch.Tensor, tuple[float, float]]:
        """Image → text: the language loss of answers, the noise loss of the noised pictures, and the share of right tokens
        in short answers and in descriptions."""
        timesteps = (torch.rand(len(index), 1, device=self.device) * 500).long()
        noisy = torch.rand(len(index), 1, device=self.device) < NOISY_PICTURES
        timesteps = timesteps * noisy
        clean = self.latents(index)[:, None]
        latents, noise = self.noised(clean, timesteps)
        latents = torch.where(noisy[..., None, None, None], latents, clean)
        start = self.prefixes([None]).rows(len(index))
        predicted, pictures = self.network.image(latents, timesteps, start)
        assert predicted is not None
        errors = (predicted.float() - noise).square().mean((2, 3, 4)) * self._weights[timesteps] * noisy
        context = start.followed_by(pictures)
        s = self.sequencer
        short, long = [], []
        for row, scene in enumerate(self.pool.scenes[i] for i in index):
            for question in self.mastery.questions(scene, rng, variants):
                short.append(s.turn(Row(question.skill).add([s.eoi]), question.text, question.answer))
            if row < len(index) // 4:
                question = questions.ask(scene, rng, "description")
                long.append(s.turn(Row().add([s.eoi]), question.text, question.answer))
        # Descriptions are much longer than other answers: a batch of their own spares the others the padding.
        subset = context.pick(torch.arange(len(long), device=self.device))
        losses, right = zip(self._told(context, short, variants), self._told(subset, long, 1))
        return losses[0] + 0.5 * losses[1], errors.sum() / noisy.sum().clamp(min=1), right

    def _told(self, context: Context, rows: list[Row], variants: int) -> tuple[torch.Tensor, float]:
        """The language loss of rows after a context that `variants` of them share, and the share of right tokens."""
        order, batches = parted(rows, variants, 2 if variants > 1 else 1, self.device)
        told = []
        for ids, targets, weights, owners in batches:
            hidden, _ = self.network.text(ids.unflatten(0, (len(rows) // variants, -1)), context)
            kept = weights >= 1
            told.append((hidden.flatten(0, 1)[kept], targets[kept], weights[kept], owners[kept]))
        hidden, targets, weights, owners = (torch.cat(tensors) for tensors in zip(*told))
        logits = self.network.lm_head(hidden).float()
        right = logits.detach().argmax(-1) == targets
        self.mastery.record(order, set(owners[~right].tolist()))
        loss = (F.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
        return loss, right.float().mean().item()

    def edit_loss(self, index: list[int], rng: random.Random, draws: int) -> torch.Tensor:
        """Edit: the noise loss of the changed picture after `bos boi [source] eoi instruction boi`."""
        s = self.sequencer
        start = self.prefixes([None]).rows(len(index))
        still = torch.zeros(len(index), 1, dtype=torch.long, device=self.device)
        _, source = self.network.image(self.latents(index)[:, None], still, start, predict=False)
        context = start.followed_by(source)
        kept = [rng.random() >= CAPTION_DROPOUT for _ in index]
        changes = [(self.pool.scenes[i], self.pool.results[i]) for i in index]
        instructions = [s.ids(edits.instruction(*change, rng)) if keep else [] for change, keep in zip(changes, kept)]
        ids, real = self.text_ids([[s.eoi, *words, s.boi] for words in instructions])
        context = context.followed_by(self.network.text(ids, context, real)[1])
        timesteps = self.timesteps(len(index), draws)
        latents, noise = self.noised(self.latents(index, edited=True)[:, None], timesteps)
        predicted, _ = self.network.image(latents, timesteps, context)
        assert predicted is not None
        return self.noise_loss(predicted, noise, timesteps, [self.pool.results[i] for i in index])


def pick(
    scenes_by_count: dict[int, list[int]], count: int, objects: tuple[int, ...], most: int, rng: random.Random
) -> list[int]:
    """Random indices of scenes with at most `most` objects, as many as one of `objects`."""
    counts = [n for n in objects if n <= most]
    return [rng.choice(scenes_by_count[rng.choice(counts)]) for _ in range(count)]


def train_step(
    trainer: Trainer, groups: dict[int, list[int]], batch: Batch, most: int, edits: bool, rng: random.Random
) -> tuple[torch.Tensor, dict[str, torch.Tensor | float]]:
    """The whole loss of a step on scenes of at most `most` objects, and what to log of it."""
    with torch.autocast(trainer.device.type, torch.bfloat16):
        drawn = trainer.draw_loss(pick(groups, batch.drawn, DRAWN_COUNTS, most, rng), rng, batch.draws)
        told, noisy, right = trainer.ask_loss(pick(groups, batch.asked, ASKED_COUNTS, most, rng), rng, batch.questions)
        loss = NOISE_WEIGHT * (drawn + 0.1 * noisy) + told
        values = {"noise": drawn, "answer": told, "right": right[0], "described": right[1]}
        if edits:
            changed = trainer.edit_loss(pick(groups, batch.edited, DRAWN_COUNTS, most, rng), rng, batch.edit_draws)
            loss = loss + NOISE_WEIGHT * 0.5 * changed
            values["edit"] = changed
    return loss, values


def train(runs: Path, steps: int, batch: Batch, edits_from: int, peak: float, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    text, sequencer = finished_text_model(runs / "text")
    network = LlamaFusion(text, ImageConfig()).to(device)
    network.start_from_text()
    trained = network.image_model.train().requires_grad_(True)
    average = Average(trained, 0.998)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    run = Run(runs / "image", {"image": trained, "average": average.module}, optimizer)
    pool, shards = Pool.load(runs / "pool")
    trainer = Trainer(network, sequencer, pool, latent_scale(pool.latents), device)
    groups = by_count(pool.scenes, list(range(len(pool.scenes))))
    torch.manual_seed(seed + run.step + 7919 * process_number())
    while run.step < steps:
        rng = random.Random(f"image {seed} {run.step} {process_number()}")
        most = 1 + sum(run.step >= start for start in (600, 1500, 3500))
        set_rate(optimizer, run.step, steps, peak)
        loss, values = train_step(trainer, groups, batch, most, batch.edited > 0 and run.step >= edits_from, rng)
        run.advance(loss, trained, average, most=most, **values)
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
    network.image_model.load_state_dict(averaged(runs / "image"))
    pool, _ = Pool.load(runs / "pool")
    return network.eval().requires_grad_(False), sequencer, latent_scale(pool.latents)


def main() -> None:
    parser = stage_parser(__doc__, steps=20000, rate=7e-4)
    parser.add_argument("--drawn", type=int, default=24, help="captioned pictures in a step")
    parser.add_argument("--asked", type=int, default=28, help="pictures in a step that are asked about")
    parser.add_argument("--edited", type=int, default=0, help="edited pictures in a step")
    parser.add_argument("--edits-from", type=int, default=4000, help="the step at which edits join")
    arguments = begin(parser)
    join_processes()
    batch = Batch(drawn=arguments.drawn, asked=arguments.asked, edited=arguments.edited)
    rate, device = arguments.rate, arguments.device
    train(arguments.runs, arguments.steps, batch, arguments.edits_from, rate, arguments.seed, device)


if __name__ == "__main__":
    main()
