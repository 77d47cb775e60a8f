"""MetaQuery's connector behind LLaVA-OneVision 0.5B: the 256 queries of both guidance branches, as Qwen2 layers by
transformers whose attention is without a mask and has a norm on every head of queries and keys."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2RMSNorm, Qwen2RotaryEmbedding, apply_rotary_pos_emb

from rivals.measurement import fill, measurement, samples, seconds

LAYERS = 24
WIDTH = 896
CONDITION_WIDTH = 2304
BRANCHES = 2
QUERIES = 256


class HeadNorm(nn.Module):
    def __init__(self, heads: int, head_width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, 1, head_width))
        self.scale = head_width**0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.normalize(x, dim=-1) * self.gamma * self.scale


class Layer(nn.Module):
    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.input_norm = Qwen2RMSNorm(width, eps=config.rms_norm_eps)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.o = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = (HeadNorm(self.heads, width // self.heads) for _ in range(2))
        self.post_norm = Qwen2RMSNorm(width, eps=config.rms_norm_eps)
        self.mlp = Qwen2MLP(config)

    def forward(self, x: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        normed = self.input_norm(x)
        q, k, v = (linear(normed).unflatten(2, (self.heads, -1)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        q, k = apply_rotary_pos_emb(q, k, *rotation)
        attended = functional.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.post_norm(x))


def measure(options: argparse.Namespace) -> list[dict]:
    config = Qwen2Config(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_attention_heads=WIDTH // 64,
        num_key_value_heads=WIDTH // 64,
        num_hidden_layers=options.layers or LAYERS,
    )
    layers = fill(nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)]))
    projection = fill(
        nn.Sequential(
            nn.Linear(WIDTH, CONDITION_WIDTH),
            nn.GELU(approximate="tanh"),
            nn.Linear(CONDITION_WIDTH, CONDITION_WIDTH),
            nn.RMSNorm(CONDITION_WIDTH, eps=1e-5),
        )
    )
    factor = LAYERS / config.num_hidden_layers
    hidden = torch.randn(BRANCHES, QUERIES, WIDTH)
    rotation = Qwen2RotaryEmbedding(config)(hidden, torch.arange(QUERIES)[None])

    def forward() -> float:
        x = hidden

        def encode() -> None:
            nonlocal x
            for layer in layers:
                x = layer(x, rotation)

        in_layers = seconds(encode)
        return in_layers * factor + seconds(lambda: projection(x))

    return [measurement("forward", samples(options.runs, forward), [layers, projection])]
