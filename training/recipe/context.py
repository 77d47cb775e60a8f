"""Attention over segments: keys and values of what came before are computed once and shared by everything that follows.

Serves decoder layers of the Llama form, Qwen2's biases included. A segment's tokens attend to those of all earlier segments
(`Context`) and to their own: causally in text, both ways within one picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers.models.llama.modeling_llama import LlamaAttention


@dataclass
class Context:
    """Keys and values of the segments so far, for each layer [rows, heads, tokens, head size], and which are real."""

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    real: torch.Tensor
    """[rows, tokens], false at padding."""

    @property
    def lengths(self) -> torch.Tensor:
        """Real tokens of each row: the position of the token that comes next."""
        return self.real.sum(1)

    def rows(self, count: int) -> Context:
        """A context of one row, repeated."""
        return Context(
            [k.expand(count, -1, -1, -1) for k in self.keys],
            [v.expand(count, -1, -1, -1) for v in self.values],
            self.real.expand(count, -1),
        )

    def pick(self, index: torch.Tensor) -> Context:
        return Context([k[index] for k in self.keys], [v[index] for v in self.values], self.real[index])

    def followed_by(self, other: Context) -> Context:
        return Context(
            [torch.cat(pair, 2) for pair in zip(self.keys, other.keys)],
            [torch.cat(pair, 2) for pair in zip(self.values, other.values)],
            torch.cat([self.real, other.real], 1),
        )


def join(contexts: list[Context]) -> Context:
    """Contexts of different lengths as one batch of rows, padded on the right."""
    width = max(c.real.shape[1] for c in contexts)

    def pad(tensor: torch.Tensor) -> torch.Tensor:
        return F.pad(tensor, (0, 0, 0, width - tensor.shape[2]))

    layers = range(len(contexts[0].keys))
    return Context(
        [torch.cat([pad(c.keys[i]) for c in contexts]) for i in layers],
        [torch.cat([pad(c.values[i]) for c in contexts]) for i in layers],
        torch.cat([F.pad(c.real, (0, width - c.real.shape[1])) for c in contexts]),
    )


def walk(
    model: nn.Module,
    layers: list[nn.Module],
    hidden: torch.Tensor,
    context: Context | None,
    causal: torch.Tensor | None,
    real: torch.Tensor | None,
    norm: nn.Module,
) -> tuple[torch.Tensor, Context]:
    """Walks a segment [rows, variants, length, width] through decoder layers after a context with `rows` rows.

    The variants of a row share its context and do not see each other. `causal` [length, length] says which of the
    segment's own tokens each one sees, all of them if None; `real` [rows, length] marks what is not padding. Positions come
    from `model.rotary_emb`. Returns states after `norm` and the segment's own context.
    """
    rows, variants, length, width = hidden.shape
    start = context.lengths if context else torch.zeros(rows, dtype=torch.long, device=hidden.device)
    positions = start[:, None] + torch.arange(length, device=hidden.device)  # [rows, length]
    cos, sin = model.rotary_emb(hidden, positions)
    cos, sin = (x[:, None, :, None, :].to(hidden.dtype) for x in (cos, sin))  # [rows, 1, length, 1, head size]
    own_mask = None if causal is None else torch.zeros_like(causal, dtype=hidden.dtype).masked_fill(~causal, -1e9)
    past_mask = None
    if context and not bool(context.real.all()):
        past_mask = torch.zeros_like(context.real, dtype=hidden.dtype).masked_fill(~context.real, -1e9)
        past_mask = past_mask[:, None, None, :]  # [rows, 1, 1, past]
    keys, values = [], []
    for index, layer in enumerate(layers):
        past = (context.keys[index], context.values[index]) if context else None
        x = layer.input_layernorm(hidden)
        x, key, value = _attend(layer.self_attn, x, cos, sin, past, past_mask, own_mask)
        hidden = hidden + x
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        keys.append(key)
        values.append(value)
    if variants == 1:
        keys, values = ([t.squeeze(1) for t in tensors] for tensors in (keys, values))
    if real is None:
        real = torch.ones(rows, length, dtype=torch.bool, device=hidden.device)
    return norm(hidden), Context(keys, values, real)


class Causal(nn.Module):
    """A language model that is walked in segments; its decoder is `model`."""

    def walk(
        self, embedded: torch.Tensor, context: Context | None = None, real: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Context]:
        """Inputs [rows, variants, tokens, width] after a context with `rows` rows; the variants of a row share its context
        and do not see each other. `real` [rows, tokens] marks what is not padding (only with one variant, where the tokens
        become context). Returns normed states of the same shape and the tokens' own context."""
        length = embedded.shape[2]
        causal = torch.ones(length, length, dtype=torch.bool, device=embedded.device).tril()
        return walk(self.model, list(self.model.layers), embedded, context, causal, real, self.model.norm)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions in the form of Llama: the halves of the last dimension turn against each other."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _attend(
    attention: LlamaAttention,
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    past: tuple[torch.Tensor, torch.Tensor] | None,
    past_mask: torch.Tensor | None,
    own_mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attention over a shared past and the segment itself. x: [rows, variants, length, width].

    Past keys are shared by a row's variants, so they are multiplied once for all of them. Returns the output and the
    segment's keys and values [rows, variants, heads, length, head size].
    """
    rows, variants, length, _ = x.shape
    size = attention.head_dim
    query = rotate(attention.q_proj(x).unflatten(3, (-1, size)), cos, sin).permute(0, 3, 1, 2, 4)
    key = rotate(attention.k_proj(x).unflatten(3, (-1, size)), cos, sin).permute(0, 3, 1, 2, 4)
    value = attention.v_proj(x).unflatten(3, (-1, size)).permute(0, 3, 1, 2, 4)  # [rows, heads, variants, length, size]
    own_key, own_value = key.transpose(1, 2), value.transpose(1, 2)  # [rows, variants, heads, length, size]
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (t.repeat_interleave(groups, 1) for t in (key, value))
    query = query * size**-0.5
    scores = query @ key.transpose(3, 4)  # [rows, heads, variants, length, length]
    if own_mask is not None:
        scores = scores + own_mask
    if past is None:
        mixed = scores.softmax(-1) @ value
    else:
        past_key, past_value = past
        if groups > 1:
            past_key, past_value = (t.repeat_interleave(groups, 1) for t in past)
        past_scores = query.flatten(2, 3) @ past_key.transpose(2, 3)  # [rows, heads, variants · length, past]
        if past_mask is not None:
            past_scores = past_scores + past_mask
        weights = torch.cat([past_scores.unflatten(2, (variants, length)), scores], -1).softmax(-1)
        weights = weights.to(value.dtype)
        count = past_key.shape[2]
        mixed = weights[..., count:] @ value
        mixed = mixed + (weights[..., :count].flatten(2, 3) @ past_value).unflatten(2, (variants, length))
    mixed = mixed.permute(0, 2, 3, 1, 4).flatten(3)  # [rows, variants, length, width]
    return attention.o_proj(mixed), own_key, own_value
