"""Byte-level BPE in the forms of Llama 3 and Qwen2."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
"""Qwen2 takes digits one by one."""


def train_bpe(
    texts: Iterable[str],
    split: str,
    size: int,
    first: Sequence[str] = (),
    behind: Sequence[str] = (),
    ignore_merges: bool = False,
) -> Tokenizer:
    """Learns merges until there are `size` tokens. Special tokens stand at the `first` ids, or `behind` the merges."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(first),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in behind])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def begin_with(tokenizer: Tokenizer, bos: str) -> None:
    """Lets the tokenizer itself put a token in front of every text, as Llama 3's does."""
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        ),
    ])


def main(description: str | None, train: Callable[[Path, int], object]) -> None:
    """Trains a recipe's tokenizer, if the runs have none yet."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    path = arguments.runs / "tokenizer.json"
    arguments.runs.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        train(path, arguments.seed)
