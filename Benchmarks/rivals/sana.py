"""Sana's transformer by diffusers: one denoise step at 16 × 16 latents, both guidance branches."""

from __future__ import annotations

import argparse

import torch
from diffusers import SanaTransformer2DModel
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds

# diffusers' defaults are those of Sana 1.6B.
SMALL = {
    "num_layers": 28,
    "num_attention_heads": 36,
    "num_cross_attention_heads": 16,
    "cross_attention_head_dim": 72,
    "cross_attention_dim": 1152,
}


def measure(options: argparse.Namespace) -> list[dict]:
    with no_init_weights():
        network = SanaTransformer2DModel(sample_size=16, **(SMALL if options.shape == "sana-0.6b" else {}))
    fill(network)
    latents = torch.randn(2, 32, 16, 16)
    condition = torch.randn(2, 256, 2304)
    timesteps = torch.tensor([500, 500])
    step = samples(
        options.runs,
        lambda: seconds(lambda: network(latents, encoder_hidden_states=condition, timestep=timesteps)),
    )
    return [measurement("step", step, [network])]
