"""The text the Llama is pre-trained on, and how token sequences are laid out.

A description between `boi` and `eoi` stands in for a picture: the Llama learns to answer about what stands there, to
write there what a prompt asks for, and to change it as an instruction says, before it has seen a single pixel. The
image modules then learn to fill the same place with pictures while the Llama stays frozen.
"""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import Tokenizer

from recipe.rows import Row
from recipe.tokenizer import LLAMA3_SPLIT, begin_with, train_bpe
from shapes import captions, edits, knowledge, naming, questions
from shapes.world import Scene, random_scene

BOS, EOS, BOI, EOI = "<|begin_of_text|>", "<|end_of_text|>", "<|begin_of_image|>", "<|end_of_image|>"

VOCABULARY = 768

CONTEXT_WEIGHT = 0.05
"""Loss weight of tokens that nobody could foresee (prompts, questions), beside 1 for those that follow from them."""


ANSWER_WEIGHT = 8.0
"""Loss weight of the tokens of a short answer, and of the first of a long one: few among the many of the descriptions, and the harder lesson."""


def train_tokenizer(path: Path, seed: int) -> Tokenizer:
    """A byte-level BPE in Llama 3's form, trained on the world's text."""
    rng = random.Random(f"tokenizer {seed}")
    texts = (text for _ in range(20000) for text in _texts(rng))
    tokenizer = train_bpe(texts, LLAMA3_SPLIT, VOCABULARY, first=(BOS, EOS, BOI, EOI), ignore_merges=True)
    begin_with(tokenizer, BOS)
    tokenizer.save(str(path))
    return tokenizer


def _texts(rng: random.Random) -> list[str]:
    scene = random_scene(rng, part="train")
    question = questions.ask(scene, rng)
    fact, color = knowledge.fact_question(rng)
    return [
        captions.full_caption(scene, rng),
        captions.open_caption(scene, rng, text_only=True),
        question.text + "\n" + question.answer,
        edits.edit(scene, rng).instruction,
        fact + "\n" + color,
    ]


def some_scene(rng: random.Random, most: int) -> Scene:
    """A training scene of at most `most` objects, sooner many than few."""
    return edits.scene_to_edit(rng, max(rng.randint(1, most), rng.randint(1, most)), part="train")


class Sequencer:
    """Turns texts into token ids, in the layouts that the model is served with."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.bos, self.eos, self.boi, self.eoi = (tokenizer.token_to_id(t) for t in (BOS, EOS, BOI, EOI))
        (self.newline,) = self.ids("\n")

    def ids(self, text: str) -> list[int]:
        """Token ids without a bos."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids if text else []

    def turn(self, row: Row, question: str, answer: str, scene: Scene | None = None) -> Row:
        """Appends a question, a newline, its answer; the end of the answer predicts eos. With the scene that is asked about, what is
        meant where names in the question end."""
        asked = self.tokenizer.encode(question, add_special_tokens=False)
        if scene:
            start, ends = len(row.ids), [end for _, end in asked.offsets]
            row.named += [(start + ends.index(end), thing) for end, thing in naming.named(question, scene) if end in ends]
        told = self.ids("\n" + answer)
        row.add(asked.ids, CONTEXT_WEIGHT).add(told[:2], ANSWER_WEIGHT)
        return row.add(told[2:], ANSWER_WEIGHT if len(told) < 6 else 1.0).close(self.eos)

    def picture(self, scene: Scene) -> list[int]:
        """A picture as text: its canonical description between boi and eoi."""
        return [self.boi, *self.ids(captions.description(scene)), self.eoi]

    def stand_in(self, scene: Scene, rng: random.Random) -> list[int]:
        """Some text about a scene between boi and eoi, where a picture will be."""
        style = rng.random()
        if style < 0.6:
            text = captions.notes(scene)
        else:
            text = captions.description(scene) if style < 0.85 else captions.full_caption(scene, rng)
        return [self.boi, *self.ids(text), self.eoi]

    def document(self, rng: random.Random, most: int) -> Row:
        """One document of the text corpus, about a scene of at most `most` objects."""
        kind = rng.random()
        scene = some_scene(rng, most)
        row = Row().add([self.bos])
        if kind < 0.35:
            return self._asked_about(scene, row, rng)
        if kind < 0.70:
            full = rng.random() < 0.75
            prompt = captions.full_caption(scene, rng) if full else captions.open_caption(scene, rng, text_only=True)
            return row.add(self.ids(prompt), CONTEXT_WEIGHT).add(self.picture(scene), 1.0)
        if kind < 0.95:
            change = edits.edit(scene, rng, part="train")
            row.add(self.picture(scene), CONTEXT_WEIGHT).add(self.ids(change.instruction), CONTEXT_WEIGHT)
            return row.add(self.picture(change.result), 1.0)
        if kind < 0.98:
            return self.turn(row, *knowledge.fact_question(rng))
        return row.add(self.ids(knowledge.fact_sentence(rng)), 1.0).close(self.eos)

    def _asked_about(self, scene: Scene, row: Row, rng: random.Random) -> Row:
        row.add(self.stand_in(scene, rng), CONTEXT_WEIGHT)
        for turn in range(rng.randint(2, 4)):
            if turn:
                row.add(self.ids("\n"))
            question = questions.ask(scene, rng)
            self.turn(row, question.text, question.answer)
        return row
