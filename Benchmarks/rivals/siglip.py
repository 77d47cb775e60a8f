"""SigLIP so400m by transformers: one picture of 384 × 384 pixels through all layers."""

from __future__ import annotations

import argparse

import torch
from transformers import SiglipVisionConfig, SiglipVisionModel
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds

LAYERS = 27


def measure(options: argparse.Namespace) -> list[dict]:
    config = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=options.layers or LAYERS,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
        vision_use_head=False,
    )
    with no_init_weights():
        network = SiglipVisionModel(config)
    fill(network)
    factor = LAYERS / config.num_hidden_layers
    vision = network.vision_model
    picture = torch.randn(1, 3, config.image_size, config.image_size)
    forwards = samples(
        options.runs, lambda: seconds(lambda: vision.encoder(inputs_embeds=vision.embeddings(picture))) * factor
    )
    return [measurement("forward", forwards, [network])]
