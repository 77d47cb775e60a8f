"""Stage 1: a byte-level BPE in Qwen2's form, with the chat tokens of LLaVA-OneVision behind the merges."""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import Tokenizer, normalizers

from metaquery.tasks import SYSTEM_PROMPT
from recipe.tokenizer import QWEN2_SPLIT, main, train_bpe
from shapes import captions, edits, frames, knowledge, pairs, questions
from shapes.inventory import entries
from shapes.world import random_scene

END_OF_TEXT, TURN_START, TURN_END, IMAGE, VIDEO = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"

SPECIALS = (END_OF_TEXT, TURN_START, TURN_END, IMAGE, VIDEO)
"""Qwen2's special tokens in their order, then what LLaVA adds."""

MERGED = 763
"""Tokens before the special ones."""


def train_tokenizer(path: Path, seed: int) -> Tokenizer:
    """Learns the merges on the world's text."""
    rng = random.Random(f"metaquery tokenizer {seed}")
    texts = (text for _ in range(12000) for text in _texts(rng))
    tokenizer = train_bpe(texts, QWEN2_SPLIT, MERGED, behind=SPECIALS)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(path))
    return tokenizer


def _texts(rng: random.Random) -> list[str]:
    scene = random_scene(rng, part="train")
    question = questions.ask(scene, rng)
    fact, color = knowledge.fact_question(rng)
    which = frames.which_frame(rng)
    return [
        "system \n" + SYSTEM_PROMPT,
        "user \n" + captions.full_caption(scene, rng),
        "assistant\n\n",
        captions.open_caption(scene, rng, text_only=True),
        "\n" + question.text,
        "\n" + question.answer,
        "\n" + edits.edit(scene, rng).instruction,
        "\n" + pairs.pair(rng).instruction,
        "\n" + which.text,
        "\n" + which.answer,
        fact + "\n" + color,
        *(f"{entry.name}: {entry.value}" for entry in entries(scene, rng, 4)),
    ]


if __name__ == "__main__":
    main(__doc__, train_tokenizer)
