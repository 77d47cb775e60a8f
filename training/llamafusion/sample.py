"""The trained model at work in PyTorch: pictures from prompts, answers about pictures, edits. Layouts as served."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

from llamafusion.documents import Sequencer
from llamafusion.image import build_scheduler
from llamafusion.network import LlamaFusion
from recipe.autoencoder import to_pictures, to_tensor
from recipe.context import Context, join


class Sampler:
    """A model with its autoencoder, ready to be asked."""

    def __init__(self, network: LlamaFusion, sequencer: Sequencer, vae: AutoencoderKL, scale: float) -> None:
        self.network = network
        self.sequencer = sequencer
        self.vae = vae
        self.scale = scale

    def text(self, rows: list[list[int]], context: Context | None, lengths: list[int] | None = None) -> Context:
        """Text rows of any lengths become context, padded on the right; `lengths` keeps only the first tokens of each."""
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        real = torch.arange(width) < torch.tensor(lengths or [len(row) for row in rows])[:, None]
        own = self.network.text(ids[:, None], context, real)[1]
        return context.followed_by(own) if context else own

    def seen(self, pictures: np.ndarray) -> Context:
        """`bos boi [picture]` for uint8 pictures [n, side, side, 3]."""
        latents = self.vae.encode(to_tensor(pictures)).latent_dist.mode() * self.scale
        start = self.text([[self.sequencer.bos, self.sequencer.boi]], None).rows(len(pictures))
        still = torch.zeros(len(pictures), 1, dtype=torch.long)
        return start.followed_by(self.network.image(latents[:, None], still, start)[2])

    @torch.no_grad()
    def draw(self, prompts: list[str], steps: int, guidance: float, seed: int = 0) -> np.ndarray:
        """Text → image, uint8 [prompts, side, side, 3]."""
        s = self.sequencer
        full = self.text([[s.bos, *s.ids(p), s.boi] for p in prompts], None)
        null = self.text([[s.bos, s.boi]], None).rows(len(prompts))
        return self._denoise([(full, guidance), (null, 1 - guidance)], steps, seed)

    @torch.no_grad()
    def edit(
        self, pictures: np.ndarray, instructions: list[str], steps: int, guidance: float, image_guidance: float, seed: int = 0
    ) -> np.ndarray:
        """Edits of pictures, uint8 [n, side, side, 3]."""
        s = self.sequencer
        seen = self.seen(pictures)
        full = self.text([[s.eoi, *s.ids(i), s.boi] for i in instructions], seen)
        image = self.text([[s.eoi, s.boi]] * len(instructions), seen)
        null = self.text([[s.bos, s.boi]], None).rows(len(instructions))
        branches = [(full, guidance), (image, image_guidance - guidance), (null, 1 - image_guidance)]
        return self._denoise(branches, steps, seed)

    def _denoise(self, branches: list[tuple[Context, float]], steps: int, seed: int) -> np.ndarray:
        """DDIM from seeded noise; the guided noise is the weighted sum of the branches'."""
        rows = branches[0][0].real.shape[0]
        config = self.network.image_config
        shape = (rows, config.latent_channels, config.latent_size, config.latent_size)
        latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        context = join([context for context, _ in branches])
        scheduler = build_scheduler()
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            times = torch.full((rows * len(branches), 1), int(timestep))
            states, kept, _ = self.network.image(latents.repeat(len(branches), 1, 1, 1)[:, None], times, context)
            parts = self.network.noise(states, kept)[:, 0].float().unflatten(0, (len(branches), rows))
            guided = sum(weight * part for (_, weight), part in zip(branches, parts))
            latents = scheduler.step(guided, timestep, latents).prev_sample
        return to_pictures(self.vae.decode(latents / self.scale).sample)

    @torch.no_grad()
    def answer(self, pictures: np.ndarray, questions: list[str], most: int = 80) -> list[str]:
        """Greedy answers, one question about each picture."""
        s = self.sequencer
        context = self.seen(pictures)
        # Rows differ in length, so each is continued from its own last real token.
        rows = [[s.eoi, *s.ids(q)] for q in questions]
        told: list[list[int]] = [[] for _ in rows]
        context = self.text([row[:-1] or row for row in rows], context, [len(row) - 1 for row in rows])
        last = torch.tensor([[[row[-1]]] for row in rows])
        open_rows = [True] * len(rows)
        for _ in range(most):
            hidden, own = self.network.text(last, context)
            context = context.followed_by(own)
            chosen = self.network.lm_head(hidden[:, 0, -1]).argmax(-1).tolist()
            for i, token in enumerate(chosen):
                open_rows[i] = open_rows[i] and token != s.eos
                if open_rows[i]:
                    told[i].append(token)
            if not any(open_rows):
                break
            last = torch.tensor([[[token]] for token in chosen])
        return [s.tokenizer.decode(ids).strip("\n") for ids in told]
