"""Stable Diffusion 1.5's UNet by diffusers: one denoise step at 64 × 64 latents, both guidance branches."""

from __future__ import annotations

import argparse

import torch
from diffusers import UNet2DConditionModel
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds


def measure(options: argparse.Namespace) -> list[dict]:
    with no_init_weights():
        # diffusers' defaults are those of Stable Diffusion 1.5 except for the width of the condition.
        network = UNet2DConditionModel(cross_attention_dim=768)
    fill(network)
    latents = torch.randn(2, 4, 64, 64)
    condition = torch.randn(2, 77, 768)
    step = samples(options.runs, lambda: seconds(lambda: network(latents, 500, encoder_hidden_states=condition)))
    return [measurement("step", step, [network])]
