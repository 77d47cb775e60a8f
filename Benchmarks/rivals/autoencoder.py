"""Stable Diffusion 1.5's autoencoder, decoding 512 × 512 pixels."""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds


def measure(options: argparse.Namespace) -> list[dict]:
    with no_init_weights():
        network = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
    fill(network)
    latents = torch.randn(1, 4, 64, 64)
    decode = samples(options.runs, lambda: seconds(lambda: network.decode(latents)))
    return [measurement("forward", decode, [network])]
