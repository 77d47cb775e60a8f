"""The trained model at work in PyTorch, as it is served: answers, and pictures with guidance of two or three branches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from metaquery.chat import Chat
from metaquery.decoders import Decoder
from metaquery.network import Mllm, Queries
from metaquery.tower import given
from recipe.autoencoder import to_pictures, to_tensor
from recipe.rows import padded_ids

Prompt = tuple[list[np.ndarray], str]
"""Pictures, uint8 [side, side, 3], and a text."""


Branches = list[tuple[torch.Tensor, float]]
"""Conditions [rows, queries, width] and how much the predictions under them weigh."""


class Sampler:
    """A model with its autoencoder, ready to be asked. Each of the prompts given together must have as many pictures."""

    def __init__(self, mllm: Mllm, chat: Chat, queries: Queries, decoder: Decoder, vae: nn.Module, scale: float) -> None:
        self.mllm = mllm
        self.chat = chat
        self.queries = queries
        self.decoder = decoder
        self.vae = vae
        self.scale = scale

    @torch.no_grad()
    def condition(self, prompts: list[Prompt]) -> torch.Tensor:
        """What the diffusion model is told. [prompts, queries, width]"""
        seen = None
        if prompts[0][0]:
            seen = self.mllm.see(given(to_tensor(np.stack([picture for pictures, _ in prompts for picture in pictures]))))
        system = self.mllm.begin([self.chat.system], None).rows(len(prompts))
        rows = [self.chat.drawing(len(pictures), text) for pictures, text in prompts]
        return self.queries(self.mllm, self.mllm.begin(rows, seen, system))

    @torch.no_grad()
    def draw(self, prompts: list[Prompt], steps: int, guidance: float, image_guidance: float, seed: int = 0) -> np.ndarray:
        """Pictures, uint8 [prompts, side, side, 3]. Guidance goes from black pictures without a text over the pictures alone
        to pictures and text; without pictures from no text to the text."""
        branches = [(self.condition(prompts), guidance)]
        without = self.condition([(pictures, "") for pictures, _ in prompts])
        if prompts[0][0] and image_guidance > 1:
            black = self.condition([([np.zeros_like(picture) for picture in pictures], "") for pictures, _ in prompts])
            branches += [(without, image_guidance - guidance), (black, 1 - image_guidance)]
        else:
            branches.append((without, 1 - guidance))
        return self.denoise(branches, steps, seed)

    @torch.no_grad()
    def denoise(self, branches: Branches, steps: int, seed: int) -> np.ndarray:
        """Pictures from seeded noise."""
        for _, latents in self.denoised(branches, steps, seed):
            pass
        return to_pictures(self.decoded(latents))

    def noise(self, rows: int, seed: int) -> torch.Tensor:
        return torch.randn((rows, *self.decoder.latent_shape), generator=torch.Generator().manual_seed(seed))

    def denoised(self, branches: Branches, steps: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The branches' predictions and the latents after every step of DPM-Solver++; a step follows the predictions' weighted sum."""
        rows = len(branches[0][0])
        condition = torch.cat([condition for condition, _ in branches])
        latents = self.noise(rows, seed)
        scheduler = self.decoder.scheduler()
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            repeated = latents.repeat(len(branches), 1, 1, 1)
            predicted = self.decoder(repeated, timestep.expand(len(repeated)), condition).unflatten(0, (len(branches), rows))
            guided = sum(weight * part for (_, weight), part in zip(branches, predicted))
            latents = scheduler.step(guided, timestep, latents).prev_sample
            yield predicted, latents

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures before they are clamped. [rows, 3, side, side]"""
        return self.vae.decode(latents / self.scale).sample

    @torch.no_grad()
    def answer(self, pictures: np.ndarray, questions: list[str], most: int = 80) -> list[str]:
        """Greedy answers, one question about each picture [n, side, side, 3]."""
        context = self.mllm.begin([self.chat.look(1)] * len(questions), self.mllm.see(to_tensor(pictures)))
        # Rows differ in length, so each is continued from its own last token.
        rows = [self.chat.question(question) for question in questions]
        context = self.mllm.begin([row[:-1] for row in rows], None, context)
        last = [row[-1] for row in rows]
        told: list[list[int]] = [[] for _ in rows]
        is_open = [True] * len(rows)
        for _ in range(most):
            ids, _ = padded_ids([[token] for token in last], torch.device("cpu"))
            hidden, own = self.mllm.walk(self.mllm.embed(ids)[:, None], context)
            context = context.followed_by(own)
            last = self.mllm.lm_head(hidden[:, 0, -1]).argmax(-1).tolist()
            for i, token in enumerate(last):
                is_open[i] = is_open[i] and token != self.chat.turn_end
                if is_open[i]:
                    told[i].append(token)
            if not any(is_open):
                break
        return [self.chat.tokenizer.decode(ids).strip() for ids in told]
