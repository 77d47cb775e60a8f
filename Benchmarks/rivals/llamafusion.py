"""A denoise step of LlamaFusion at its paper's dimensions: 256 image tokens behind 64 tokens of text, one branch.

Text and image each have a decoder of Llama 3 8B's dimensions; attention runs over the keys and values of both. The
token embedding is small and there is no head: a step uses neither, and this side fills the memory without them.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import UNet2DModel
from torch import nn
from transformers import DynamicCache, LlamaModel
from transformers.modeling_utils import no_init_weights

from rivals import llama
from rivals.measurement import fill, measurement, samples, seconds

PREFIX = 64


class Patchifier(nn.Module):
    """The halves of diffusers' `UNet2DModel`, with a decoder of `width` where its mid block stood."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unet = UNet2DModel(
            sample_size=32,
            in_channels=8,
            out_channels=8,
            block_out_channels=(512, 1024),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=3,
            attention_head_dim=64,
        )
        self.unet.mid_block = None
        self.proj_in = nn.Conv2d(1024, width, 1)
        self.proj_out = nn.Conv2d(2 * width, 1024, 1)

    def patchify(self, latents: torch.Tensor, timestep: int) -> tuple[torch.Tensor, torch.Tensor, tuple]:
        """Latents [1, 8, 32, 32] → tokens [1, width, 16, 16], the time embedding and the skips."""
        time = self.unet.time_embedding(self.unet.time_proj(torch.tensor([timestep])))
        hidden = self.unet.conv_in(latents)
        skips = (hidden,)
        for block in self.unet.down_blocks:
            hidden, kept = block(hidden_states=hidden, temb=time)
            skips += kept
        return self.proj_in(hidden), time, skips

    def unpatchify(self, hidden: torch.Tensor, tokens: torch.Tensor, time: torch.Tensor, skips: tuple) -> torch.Tensor:
        """The decoder's output and input, both [1, width, 16, 16] → noise [1, 8, 32, 32]"""
        hidden = self.proj_out(torch.cat([hidden, tokens], dim=1))
        for block in self.unet.up_blocks:
            count = len(block.resnets)
            hidden = block(hidden, skips[-count:], time)
            skips = skips[:-count]
        return self.unet.conv_out(self.unet.conv_act(self.unet.conv_norm_out(hidden)))


class Step:
    """One prediction of noise, whose seconds are scaled to all layers: the patchifier runs once whatever their number."""

    def __init__(self, layers: int | None) -> None:
        config = llama.config(layers, vocabulary=128)
        with no_init_weights():
            self.text = LlamaModel(config)
            self.image = LlamaModel(config)
            self.patchifier = Patchifier(config.hidden_size)
        self.modules = [fill(module) for module in (self.text, self.image, self.patchifier)]
        self.factor = llama.LAYERS / config.num_hidden_layers
        self.latents = torch.randn(1, 8, 32, 32)
        self.prompt = torch.arange(PREFIX)[None]
        self.cache = DynamicCache()

    def whole(self) -> float:
        def read_prompt() -> None:
            self.cache = DynamicCache()
            self.text(self.prompt, past_key_values=self.cache, use_cache=True)

        return seconds(read_prompt) * self.factor + self.cached()

    def cached(self) -> float:
        patched = hidden = None

        def patchify() -> None:
            nonlocal patched
            patched = self.patchifier.patchify(self.latents, 500)

        def decode() -> None:
            nonlocal hidden
            tokens = patched[0].flatten(2).transpose(1, 2)  # [1, 256, width]
            everything = torch.zeros(1, 1, tokens.shape[1], PREFIX + tokens.shape[1])  # no key is hidden from any query
            output = self.image(
                inputs_embeds=tokens, attention_mask=everything, past_key_values=self.cache, use_cache=True
            )
            self.cache.crop(PREFIX)
            hidden = output.last_hidden_state.transpose(1, 2).reshape(patched[0].shape)

        def unpatchify() -> None:
            self.patchifier.unpatchify(hidden, *patched)

        return seconds(patchify) + seconds(decode) * self.factor + seconds(unpatchify)


def measure(options: argparse.Namespace) -> list[dict]:
    step = Step(options.layers)
    whole = samples(options.runs, step.whole)
    cached = samples(options.runs, step.cached)
    return [measurement("step", whole, step.modules), measurement("step-cached", cached, step.modules)]
