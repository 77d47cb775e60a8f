"""Qwen2.5-VL 3B by transformers: a photograph of 640 × 480 pixels through the whole vision transformer, then the language
model alone, whose text has one position a token and so is a Qwen2's."""

from __future__ import annotations

import argparse
import gc

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_utils import no_init_weights
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from rivals import llama
from rivals.measurement import fill, measurement, samples, seconds

LAYERS = 36
GRID = [1, 34, 46]
"""Patches of the photograph, which is resized to 644 × 476."""


def vision(runs: int) -> dict:
    config = Qwen2_5_VLVisionConfig(depth=32, hidden_size=1280, out_hidden_size=2048, tokens_per_second=2)
    with no_init_weights():
        network = Qwen2_5_VisionTransformerPretrainedModel(config)
    fill(network)
    grid = torch.tensor([GRID])
    patches = torch.randn(int(grid.prod()), 3 * config.temporal_patch_size * config.patch_size**2)
    forwards = samples(runs, lambda: seconds(lambda: network(patches, grid_thw=grid)))
    return measurement("vision", forwards, [network])


def measure(options: argparse.Namespace) -> list[dict]:
    seen = vision(options.runs)
    gc.collect()  # what the vision transformer took doesn't count for the language model
    config = Qwen2Config(
        vocab_size=151936,
        hidden_size=2048,
        num_hidden_layers=options.layers or LAYERS,
        num_attention_heads=16,
        num_key_value_heads=2,
        intermediate_size=11008,
        rms_norm_eps=1e-6,
        rope_theta=1000000.0,
        tie_word_embeddings=True,
    )
    with no_init_weights():
        network = Qwen2ForCausalLM(config)
    return [seen, *llama.passes(network, LAYERS, options.runs)]
