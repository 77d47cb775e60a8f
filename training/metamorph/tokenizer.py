"""A byte-level BPE in Llama 3's form, with its chat tokens and MetaMorph's picture markers behind the merges."""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import Tokenizer

from recipe.tokenizer import LLAMA3_SPLIT, begin_with, main, train_bpe
from shapes import captions, edits, frames, knowledge, questions, thinking
from shapes.world import random_scene

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
HEADER_START, HEADER_END = "<|start_header_id|>", "<|end_header_id|>"
IMAGE_START, IMAGE_END = "<image_start>", "<image_end>"

SPECIALS = (
    BOS,
    EOS,
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    HEADER_START,
    HEADER_END,
    "<|eom_id|>",
    EOT,
    "<|python_tag|>",
    IMAGE_START,
    IMAGE_END,
)
"""Llama 3's special tokens in their order, then what MetaMorph adds."""

MERGED = 756
"""Tokens before the special ones."""


def train_tokenizer(path: Path, seed: int) -> Tokenizer:
    """Learns the merges on the world's text; like Llama 3's, the tokenizer itself puts one bos in front."""
    rng = random.Random(f"metamorph tokenizer {seed}")
    texts = (text for _ in range(12000) for text in _texts(rng))
    tokenizer = train_bpe(texts, LLAMA3_SPLIT, MERGED, behind=SPECIALS, ignore_merges=True)
    begin_with(tokenizer, BOS)
    tokenizer.save(str(path))
    return tokenizer


def _texts(rng: random.Random) -> list[str]:
    scene = random_scene(rng, part="train")
    question = questions.ask(scene, rng)
    thought = thinking.think(scene, rng)
    fact, color = knowledge.fact_question(rng)
    which = frames.which_frame(rng)
    return [
        "user",
        "assistant",
        "Generate an image of " + captions.full_caption(scene, rng),
        captions.open_caption(scene, rng, text_only=True),
        question.text + "\n" + question.answer,
        thought.question.text if thought else "",
        edits.edit(scene, rng).instruction,
        frames.motion(rng).instruction,
        which.text + "\n" + which.answer,
        fact + "\n" + color,
    ]


if __name__ == "__main__":
    main(__doc__, train_tokenizer)
