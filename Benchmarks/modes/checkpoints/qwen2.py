"""What multimodal language models on a Qwen2 have in common: words, a tied head, and a reply that is known beforehand: a
few words, and the end of the turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from modes.checkpoints.decoder import Decoder
from modes.checkpoints.files import write_json
from modes.checkpoints.values import RandomValues
from modes.checkpoints.vocabulary import NEWLINE, WORDS, special_tokens, write_tokenizer

REGULAR_TOKENS = 151_643
"""Qwen2's; `<|endoftext|>` and the other special tokens follow."""
TURN_END = "<|im_end|>"

TOKENIZERS = Path(__file__).parents[3] / "Tests/Goldens/units/tokenizers"


class Qwen2:
    """One of them, as transformers 4.49 lays it out."""

    hub_name: str
    tokenizer: str
    """A tiny tokenizer of the same kind, with the chat template."""
    decoder: Decoder
    text_prefix: str
    """Of the language model's tensors."""

    def __init__(self, layers: int | None) -> None:
        """- `layers`: of the language model, all of them where None"""
        self.decoder = replace(self.decoder, num_hidden_layers=layers or self.decoder.num_hidden_layers)

    def front(self, values: RandomValues) -> Iterator[Callable[[], dict[str, torch.Tensor]]]:
        """Shards of what stands in front of the language model."""
        raise NotImplementedError

    def write_configs(self, target: Path, ids: dict[str, int]) -> None:
        """`config.json` and `preprocessor_config.json`."""
        raise NotImplementedError

    def write_folder(self, target: Path) -> dict[str, int]:
        """Everything but weights. Returns the tokenizer's table."""
        tiny = TOKENIZERS / self.tokenizer
        specials = {token: REGULAR_TOKENS + number for number, token in enumerate(special_tokens(tiny))}
        ids = write_tokenizer(tiny, target, REGULAR_TOKENS, specials)
        self.write_configs(target, ids)
        write_json(target / "generation_config.json", {"eos_token_id": [ids[TURN_END], REGULAR_TOKENS]})
        return ids

    def shards(
        self, values: RandomValues, ids: dict[str, int], added_tokens: int
    ) -> Iterator[Callable[[], dict[str, torch.Tensor]]]:
        """Shards of everything; the embedding table has `added_tokens` rows more than the vocabulary."""
        decoder, prefix = self.decoder, self.text_prefix
        yield from self.front(values)
        embeddings = values.tensor((decoder.vocab_size + added_tokens, decoder.hidden_size), 1.0)

        def outside() -> dict[str, torch.Tensor]:
            norm = torch.ones(decoder.hidden_size, dtype=values.dtype)
            return {f"{prefix}embed_tokens.weight": embeddings, f"{prefix}norm.weight": norm}

        def last() -> dict[str, torch.Tensor]:
            chain = [ids[NEWLINE], *(ids[word] for word in WORDS), ids[TURN_END]]
            return decoder.speaking_layer(f"{prefix}layers.{count - 1}", values, embeddings, chain)

        count = decoder.num_hidden_layers
        yield outside
        for number in range(count - 1):
            yield partial(decoder.layer, f"{prefix}layers.{number}", values)
        yield last
