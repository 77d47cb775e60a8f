"""Llama 3 8B by transformers, and what its passes have in common with those of other language models: 512 tokens of prompt,
then one token at a time behind them."""

from __future__ import annotations

import argparse

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.modeling_utils import no_init_weights

from rivals.measurement import fill, measurement, samples, seconds

LAYERS = 32
TOKENS = 512


def config(layers: int | None, vocabulary: int = 128256) -> LlamaConfig:
    """Llama 3 8B with fewer layers."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=4096,
        num_hidden_layers=layers or LAYERS,
        num_attention_heads=32,
        num_key_value_heads=8,
        intermediate_size=14336,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
        max_position_embeddings=8192,
    )


def measure(options: argparse.Namespace) -> list[dict]:
    with no_init_weights():
        network = LlamaForCausalLM(config(options.layers))
    return passes(network, LAYERS, options.runs)


def passes(network: PreTrainedModel, layers: int, runs: int) -> list[dict]:
    """Prefill and decode of a language model with uninitialised weights, whose seconds are scaled to `layers` layers."""
    network.tie_weights()  # where its config says so
    fill(network)
    factor = layers / network.config.num_hidden_layers
    prompt = torch.arange(TOKENS)[None] * 7919 % network.config.vocab_size
    cache = DynamicCache()

    def forward(ids: torch.Tensor) -> float:
        """Seconds of a pass with the layers scaled to all of them; the head is always whole."""
        hidden = None

        def in_layers() -> None:
            nonlocal hidden
            hidden = network.model(ids, past_key_values=cache, use_cache=True).last_hidden_state

        return seconds(in_layers) * factor + seconds(lambda: network.lm_head(hidden[:, -1:]))

    def prefill() -> float:
        nonlocal cache
        cache = DynamicCache()
        return forward(prompt)

    prefills = samples(runs, prefill)
    decodes = samples(runs, lambda: forward(torch.tensor([[17]])))
    return [measurement("prefill", prefills, [network]), measurement("decode", decodes, [network])]
