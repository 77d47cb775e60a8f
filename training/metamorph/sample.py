"""The trained model at work in PyTorch, as it is served: replies of words and visual tokens, and visual tokens as pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import SiglipVisionModel

from metamorph.lessons import PROMPT_TEMPLATE
from metamorph.network import MetaMorph
from metamorph.sequences import Chat, Lesson, collate
from metamorph.tower import WIDTH, see
from metamorph.visualizer import Visualizer, render


@dataclass
class Reply:
    """What was written, picture markers left out, and the visual tokens of every picture that was drawn."""

    text: str
    pictures: list[torch.Tensor]
    """Each [tokens, WIDTH]."""
    ids: list[int] = field(default_factory=list)
    """What was written as token ids, picture markers included, without the end of text."""


@dataclass
class _Row:
    """One reply in progress."""

    ids: list[int] = field(default_factory=list)
    visual: list[torch.Tensor] = field(default_factory=list)
    drawing: int = 0
    """Visual tokens still to come."""
    is_open: bool = True


class Sampler:
    """A model with its tower and visualizer, ready to be asked."""

    def __init__(
        self,
        network: MetaMorph,
        chat: Chat,
        vision: SiglipVisionModel,
        visualizer: Visualizer | None,
        vae: AutoencoderKL | None,
        scale: float,
    ) -> None:
        """Without visualizer and autoencoder nothing is rendered, and replies end at visual tokens."""
        self.network = network
        self.chat = chat
        self.vision = vision
        self.visualizer = visualizer
        self.vae = vae
        self.scale = scale

    def reply(self, prompts: list[tuple[list[np.ndarray], str]], is_drawing: bool = False, most: int = 120) -> list[Reply]:
        """Greedy replies to pictures and texts. `is_drawing` lets each begin with a picture, as image generation does."""
        pictures = [picture for seen, _ in prompts for picture in seen]
        device = torch.device("cpu")
        tokens = torch.empty(0, self.chat.visual_tokens, WIDTH)
        if pictures:
            tokens = see(self.vision, np.stack(pictures), device)
        lessons, first = [], 0
        for seen, text in prompts:
            lessons.append(self.chat.prompt(list(range(first, first + len(seen))), text))
            first += len(seen)
        return self.decode(lessons, tokens, is_drawing, most)

    @torch.no_grad()
    def decode(self, lessons: list[Lesson], tokens: torch.Tensor, is_drawing: bool, most: int) -> list[Reply]:
        """Goes on with prompts whose pictures have the visual tokens [pictures, tokens, width], for at most `most` steps."""
        count = self.chat.visual_tokens
        rows = [_Row(drawing=count if is_drawing else 0) for _ in lessons]
        if is_drawing:
            for lesson in lessons:
                lesson.add([self.chat.image_start])
        batch = collate(lessons, count)
        embedded = self.network.embed(batch, tokens[batch.pictures].flatten(0, 1) if batch.pictures else tokens)
        # Rows differ in length: each goes on from its own last token, which is read again with what comes before as context.
        lengths = batch.real.sum(1)
        last = embedded[torch.arange(len(rows)), lengths - 1]
        before = batch.real & (torch.arange(batch.real.shape[1]) < (lengths - 1)[:, None])
        _, context = self.network.walk(embedded[:, None], None, before)
        ends = (self.chat.eos, self.chat.eot)
        for _ in range(most):
            hidden, own = self.network.walk(last[:, None, None], context)
            context = context.followed_by(own)
            hidden = hidden[:, 0, 0]
            drawn = self.network.draw(hidden)
            projected = self.network.project(drawn)
            drawing = torch.tensor([row.drawing > 0 for row in rows])
            # While drawing, the LM head reads the projected token, and an end of text ends the reply even then.
            chosen = self.network.lm_head(torch.where(drawing[:, None], projected, hidden)).argmax(-1).tolist()
            for row, token, visual in zip(rows, chosen, drawn):
                if not row.is_open:
                    continue
                if row.drawing:
                    row.visual.append(visual)
                    row.drawing -= 1
                    row.is_open = token not in ends
                elif token in ends:
                    row.is_open = False
                else:
                    row.ids.append(token)
                    row.drawing = count if token == self.chat.image_start else 0
            if not any(row.is_open for row in rows):
                break
            words = self.network.model.embed_tokens(torch.tensor(chosen))
            last = torch.where(drawing[:, None], projected, words)
        return [self._finished(row) for row in rows]

    def _finished(self, row: _Row) -> Reply:
        text = self.chat.tokenizer.decode(row.ids, skip_special_tokens=True).strip()
        count = self.chat.visual_tokens
        whole = len(row.visual) // count * count
        return Reply(text, [torch.stack(row.visual[i : i + count]) for i in range(0, whole, count)], row.ids)

    @torch.no_grad()
    def render(self, replies: list[Reply], steps: int, guidance: float, seed: int = 0) -> list[np.ndarray | None]:
        """The first picture of each reply, if it has one, uint8 [side, side, 3]."""
        drawn = [reply.pictures[0] for reply in replies if reply.pictures]
        if not drawn:
            return [None] * len(replies)
        tokens = torch.stack(drawn)
        assert self.visualizer and self.vae, "only visual tokens can be had"
        pictures = iter(render(self.visualizer, self.vae, self.scale, tokens, steps, guidance, seed))
        return [next(pictures) if reply.pictures else None for reply in replies]

    def draw(self, prompts: list[str]) -> list[Reply]:
        """Text to image, up to the visual tokens."""
        return self.reply([([], PROMPT_TEMPLATE.format(prompt=prompt)) for prompt in prompts], True, self.chat.visual_tokens)

    def change(self, pictures: list[list[np.ndarray]], instructions: list[str]) -> list[Reply]:
        """Edits and next frames, up to the visual tokens."""
        return self.reply(list(zip(pictures, instructions)), True, self.chat.visual_tokens)
