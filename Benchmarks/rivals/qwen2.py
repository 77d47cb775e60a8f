"""Qwen2 0.5B by transformers, the language model of LLaVA-OneVision 0.5B."""

from __future__ import annotations

import argparse

from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_utils import no_init_weights

from rivals import llama

LAYERS = 24


def measure(options: argparse.Namespace) -> list[dict]:
    config = Qwen2Config(
        vocab_size=151936,
        hidden_size=896,
        num_hidden_layers=options.layers or LAYERS,
        num_attention_heads=14,
        num_key_value_heads=2,
        intermediate_size=4864,
        rope_theta=1000000.0,
        tie_word_embeddings=True,
    )
    with no_init_weights():
        network = Qwen2ForCausalLM(config)
    return llama.passes(network, LAYERS, options.runs)
