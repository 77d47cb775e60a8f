"""The deep compression autoencoder of Sana 1.0, decoding 512 × 512 pixels."""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderDC
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds

BLOCKS = ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3


def measure(options: argparse.Namespace) -> list[dict]:
    with no_init_weights():
        network = AutoencoderDC(
            encoder_block_types=BLOCKS,
            decoder_block_types=BLOCKS,
            downsample_block_type="Conv",
            upsample_block_type="interpolate",
        )
    fill(network)
    latents = torch.randn(1, 32, 16, 16)
    decode = samples(options.runs, lambda: seconds(lambda: network.decode(latents)))
    return [measurement("forward", decode, [network])]
