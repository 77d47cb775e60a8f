"""Language models built like Llama, whose layers add next to nothing to the residual stream, whatever they cost: the last
token alone decides the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from modes.checkpoints.values import RandomValues

QUIET = 0.01
"""What attention and feed-forward are scaled by."""


@dataclass(frozen=True)
class Decoder:
    """Sizes as `config.json` names them."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int
    vocab_size: int
    has_bias: bool = False
    """Of queries, keys and values."""

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def config(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if name != "has_bias"}

    def layer(self, prefix: str, values: RandomValues) -> dict[str, torch.Tensor]:
        width, inner = self.hidden_size, self.intermediate_size
        key_width = self.head_size * self.num_key_value_heads
        narrow, wide = width**-0.5, inner**-0.5
        biases = {"q_proj": width, "k_proj": key_width, "v_proj": key_width} if self.has_bias else {}
        ones = torch.ones(width, dtype=values.dtype)
        return {
            f"{prefix}.self_attn.q_proj.weight": values.tensor((width, width), narrow),
            f"{prefix}.self_attn.k_proj.weight": values.tensor((key_width, width), narrow),
            f"{prefix}.self_attn.v_proj.weight": values.tensor((key_width, width), narrow),
            f"{prefix}.self_attn.o_proj.weight": values.tensor((width, width), QUIET * narrow),
            **{
                f"{prefix}.self_attn.{name}.bias": torch.zeros(size, dtype=values.dtype)
                for name, size in biases.items()
            },
            f"{prefix}.mlp.gate_proj.weight": values.tensor((inner, width), narrow),
            f"{prefix}.mlp.up_proj.weight": values.tensor((inner, width), narrow),
            f"{prefix}.mlp.down_proj.weight": values.tensor((width, inner), QUIET * wide),
            f"{prefix}.input_layernorm.weight": ones,
            f"{prefix}.post_attention_layernorm.weight": ones.clone(),
        }

    def speaking_layer(
        self, prefix: str, values: RandomValues, embeddings: torch.Tensor, ids: list[int]
    ) -> dict[str, torch.Tensor]:
        """A last layer that makes each of the tokens the successor of the one before, whether the head is tied to the
        embeddings or not: a unit of the feed-forward knows a token by its embedding and adds the next one's."""
        layer = self.layer(prefix, values)
        for unit, (before, after) in enumerate(zip(ids, ids[1:])):
            # A normed embedding times itself is the width: gate and up are 8 where they know it, and about zero elsewhere.
            known = embeddings[before] * (8 / self.hidden_size)
            layer[f"{prefix}.mlp.gate_proj.weight"][unit] = known
            layer[f"{prefix}.mlp.up_proj.weight"][unit] = known
            # Three times as strong as the token itself.
            layer[f"{prefix}.mlp.down_proj.weight"][:, unit] = embeddings[after] * (3 / 64)
        return layer
