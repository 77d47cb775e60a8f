"""How conversations become token ids: LLaVA-OneVision's chat, and MetaQuery's prompt for drawing.

A role is followed by a space, pictures, then a newline and the text; there is no newline after `<|im_end|>`. Each picture is
`VISUAL_TOKENS` times `<image>`.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from metaquery.tasks import SYSTEM_PROMPT, Task
from metaquery.tokenizer import IMAGE, TURN_END, TURN_START
from recipe.rows import Row
from shapes.inventory import Entry

GRID = 3
"""Patches a side: one for each cell of the world."""

VISUAL_TOKENS = GRID * GRID + GRID * (GRID + 1)
"""Tokens of a picture under any-resolution: the whole picture, then its only tile with a newline feature after each row."""

ANSWER_WEIGHT, LONG_WEIGHT, END_WEIGHT = 1.0, 0.25, 0.2
"""Loss weights of the words of short answers, of long ones (many beside the few), and of an answer's end."""


class Chat:
    """Turns of a conversation as token ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.image, self.turn_start, self.turn_end = (tokenizer.token_to_id(t) for t in (IMAGE, TURN_START, TURN_END))
        self.assistant = [self.turn_start, *self.ids("assistant\n")]
        self.system = [self.turn_start, *self.ids("system \n" + SYSTEM_PROMPT), self.turn_end]
        """The turn that every prompt for drawing begins with."""

    @staticmethod
    def load(runs: Path) -> Chat:
        return Chat(Tokenizer.from_file(str(runs / "tokenizer.json")))

    @property
    def vocabulary(self) -> int:
        return self.tokenizer.get_vocab_size()

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids if text else []

    def look(self, pictures: int) -> list[int]:
        """The beginning of a user's turn up to the end of its pictures: what questions about them share."""
        return [self.turn_start, *self.ids("user "), *[self.image] * (VISUAL_TOKENS * pictures)]

    def user(self, pictures: int, text: str) -> list[int]:
        """A user's turn."""
        if not pictures:
            return [self.turn_start, *self.ids("user \n" + text), self.turn_end]
        return [*self.look(pictures), *self.ids("\n" + text), self.turn_end]

    def question(self, text: str) -> list[int]:
        """What follows `look`: the question, and the header of the answer."""
        return [*self.ids("\n" + text), self.turn_end, *self.assistant]

    def answer(self, row: Row, text: str) -> Row:
        """Appends an answer that is learned; its end predicts the end of the turn."""
        ids = self.ids(text)
        row.add(ids[:1], ANSWER_WEIGHT).add(ids[1:], ANSWER_WEIGHT if len(ids) < 6 else LONG_WEIGHT)
        return row.close(self.turn_end, END_WEIGHT)

    def drawing(self, pictures: int, text: str) -> list[int]:
        """A prompt for drawing behind the system's turn, up to where the queries begin."""
        return [*self.user(pictures, text), self.turn_start, *self.ids("assistant\n\n")]

    def task(self, task: Task) -> list[int]:
        return self.drawing(len(task.pictures), task.text)

    def entry(self, entry: Entry) -> Row:
        """A line about a task's result, behind the prompt for drawing: the value is learned."""
        row = Row(entry.skill).add(self.ids(entry.name + ":")).add(self.ids(" " + entry.value), ANSWER_WEIGHT)
        return row.close(self.turn_end, END_WEIGHT)
