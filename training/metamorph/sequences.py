"""How conversations become token sequences: Llama 3's chat with MetaMorph's deviations and picture markers.

One newline stands after a header, `<|begin_of_text|>` stands twice at the start (the conversation has one, the tokenizer
adds one), pictures come before the text and a newline, each as `<image_start>`, visual tokens, `<image_end>`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from metamorph.tokenizer import BOS, EOS, EOT, HEADER_END, HEADER_START, IMAGE_END, IMAGE_START
from recipe.rows import Row, padded_length

VISUAL = -200
"""Stands in a row of ids for one visual token, as in the official code for a whole picture."""

MARKER_WEIGHT = 0.2
"""Loss weight of the tokens of an answer that are always the same: its end, and the markers around a picture."""

LONG_WEIGHT = 0.25
"""Loss weight of the words of answers that are long, but for the first: many beside the few of the others, which have 1."""

PLACEHOLDER = "<image-placeholder>"


class Lesson(Row):
    """A row with pictures: where each begins, its number in a table of pictures, and whether it belongs to the answer."""

    def __init__(self, skill: str = "") -> None:
        super().__init__(skill)
        self.starts: list[int] = []
        self.pictures: list[int] = []
        self.drawn: list[bool] = []

    def picture(self, number: int, tokens: int, drawn: bool) -> Lesson:
        """Appends the visual tokens of a picture."""
        self.starts.append(len(self.ids))
        self.pictures.append(number)
        self.drawn.append(drawn)
        self.add([VISUAL] * tokens)
        return self


class Chat:
    """Turns of a conversation as token ids."""

    def __init__(self, tokenizer: Tokenizer, visual_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.visual_tokens = visual_tokens
        names = (BOS, EOS, EOT, HEADER_START, HEADER_END, IMAGE_START, IMAGE_END)
        self.bos, self.eos, self.eot, self.header_start, self.header_end, self.image_start, self.image_end = (
            tokenizer.token_to_id(name) for name in names
        )
        self.opening = [self.bos, self.bos]
        self._user, self._assistant = self._header("user"), self._header("assistant")

    def ids(self, text: str) -> list[int]:
        """Token ids without a bos."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids if text else []

    def _header(self, role: str) -> list[int]:
        return [self.header_start, *self.ids(role), self.header_end, *self.ids("\n")]

    def look(self, row: Lesson, picture: int, drawn: bool = False) -> Lesson:
        """Appends a picture between its markers, to read or as a part of the answer."""
        weight = MARKER_WEIGHT if drawn else 0.0
        row.add([self.image_start], weight).picture(picture, self.visual_tokens, drawn)
        return row.add([self.image_end], weight)

    def start(self, pictures: list[int]) -> Lesson:
        """The beginning of a conversation up to the pictures of the first turn: what questions about them share."""
        row = Lesson()
        row.add([*self.opening, *self._user])
        for picture in pictures:
            self.look(row, picture)
        return row

    def question(self, row: Lesson, text: str, pictures: int) -> Lesson:
        """Appends the text of a user's turn, behind its pictures, and the header of the answer."""
        row.add(self.ids("\n" + text if pictures else text))
        return row.add([self.eot, *self._assistant])

    def words(self, row: Lesson, text: str) -> Lesson:
        """Appends words of an answer."""
        ids = self.ids(text)
        return row.add(ids[:1], 1.0).add(ids[1:], 1.0 if len(ids) < 6 else LONG_WEIGHT)

    def finish(self, row: Lesson) -> Lesson:
        """Ends the answer: its last token predicts `<|eot_id|>`."""
        row.close(self.eot, MARKER_WEIGHT)
        return row

    def next_turn(self, row: Lesson) -> Lesson:
        """After `finish`: the `<|eot_id|>` itself and the header of the next turn."""
        return row.add([self.eot, *self._user])

    def prompt(self, pictures: list[int], text: str) -> Lesson:
        """A whole prompt as it is served: pictures at their placeholders, or before the text and a newline."""
        if PLACEHOLDER not in text:
            return self.question(self.start(pictures), text, len(pictures))
        parts = text.split(PLACEHOLDER)
        row = Lesson()
        row.add([*self.opening, *self._user, *self.ids(parts[0])])
        for picture, part in zip(pictures, parts[1:], strict=True):
            self.look(row, picture).add(self.ids(part))
        return row.add([self.eot, *self._assistant])

    def exchange(self, pictures: list[int], text: str, drawn: int | None, words: str) -> Lesson:
        """A prompt with its answer: a picture, words, or a picture and then words."""
        row = self.prompt(pictures, text)
        if drawn is not None:
            self.look(row, drawn, drawn=True)
        if words:
            self.words(row, words)
        return self.finish(row)


@dataclass
class Batch:
    """Lessons padded on the right, each tensor [rows, length] unless it says otherwise."""

    ids: torch.Tensor
    """0 at visual tokens and padding."""
    targets: torch.Tensor
    """The id that each position has to predict."""
    weights: torch.Tensor
    """How much that prediction counts; 0 outside answers."""
    real: torch.Tensor
    """False at padding."""
    visual: torch.Tensor
    """Where visual tokens are read."""
    predicting: torch.Tensor
    """Where the vision head has to predict the visual token that follows."""
    drawn: torch.Tensor
    """Of the visual tokens, in order, which belong to answers. [visual tokens]"""
    follows: torch.Tensor
    """Of the pictures, in order, which have another one before them in the same row. [pictures]"""
    pictures: list[int]
    """The pictures in order of rows and places; each has as many visual tokens."""

    def to(self, device: torch.device) -> Batch:
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return Batch(**tensors, pictures=self.pictures)


def collate(lessons: list[Lesson], visual_tokens: int) -> Batch:
    """Rows as one batch. Causal attention needs no mask for padding on the right."""
    width = padded_length([len(row.ids) for row in lessons])
    size = (len(lessons), width)
    ids, targets = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    weights = torch.zeros(size)
    real, visual, predicting = (torch.zeros(size, dtype=torch.bool) for _ in range(3))
    drawn: list[bool] = []
    for i, row in enumerate(lessons):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        targets[i, :length] = torch.tensor(row.targets)
        weights[i, :length] = torch.tensor(row.weights)
        real[i, :length] = True
        for start, is_drawn in zip(row.starts, row.drawn):
            visual[i, start : start + visual_tokens] = True
            if is_drawn:
                predicting[i, start - 1 : start + visual_tokens - 1] = True
            drawn += [is_drawn] * visual_tokens
    pictures = [picture for row in lessons for picture in row.pictures]
    follows = torch.tensor([number > 0 for row in lessons for number in range(len(row.pictures))], dtype=torch.bool)
    clean = (t.masked_fill(t == VISUAL, 0) for t in (ids, targets))
    return Batch(*clean, weights, real, visual, predicting, torch.tensor(drawn, dtype=torch.bool), follows, pictures)
