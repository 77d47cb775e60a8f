"""What the language model is taught: the paper's mix of about 70 % understanding, 20 % generation and 10 % other.

Understanding is mostly drills: one picture's keys and values serve many questions, each about a single attribute or
relation, that do not see each other (asked together they would answer each other).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from operator import itemgetter

from metamorph.pool import Pool
from metamorph.sequences import PLACEHOLDER, Chat, Lesson
from recipe.mastery import CHOICES, Mastery
from shapes import captions, edits, frames, knowledge, questions, strangers, thinking
from shapes.wording import typed

PROMPT_TEMPLATE = "Generate an image of {prompt}"
"""What the server wraps a text-to-image prompt in."""


@dataclass(frozen=True)
class Mix:
    """Lessons of a step, in each process."""

    pictures: int = 20
    drills: int = 8
    """Questions about each of the pictures."""
    talks: int = 8
    """Descriptions, conversations of two questions, questions around a picture, and prompts that nothing can be drawn for."""
    drawings: int = 48
    other: tuple[tuple[str, int], ...] = (
        ("fact", 1),
        ("notes", 1),
        ("edit", 10),
        ("thought", 5),
        ("motion", 5),
        ("which", 2),
    )


class Teacher:
    """Draws lessons about the pictures of a pool. Pictures are named by their numbers in it."""

    def __init__(self, chat: Chat, pool: Pool) -> None:
        self.chat = chat
        self.pool = pool
        self.groups = pool.by_count()
        self.answers, self.changes = Mastery(), Mastery()
        self._other = {
            "fact": self._fact,
            "notes": self._notes,
            "edit": self._edit,
            "thought": self._thought,
            "motion": self._motion,
            "which": self._which,
        }

    def pick(self, rng: random.Random, most: int) -> int:
        """A plain scene of at most `most` objects."""
        groups = [self.groups[n] for n in (1, 2, 2, 3, 3, 4, 4) if n <= most and self.groups[n]]
        return rng.choice(rng.choice(groups))

    def drills(self, rng: random.Random, most: int, mix: Mix) -> tuple[list[Lesson], list[Lesson]]:
        """Beginnings with a picture, and `mix.drills` questions with answers for each of them."""
        beginnings, asked = [], []
        for _ in range(mix.pictures):
            number = self.pick(rng, most)
            beginnings.append(self.chat.start([number]))
            for question in self.answers.questions(self.pool.scenes[number], rng, mix.drills):
                asked.append(self._turn(Lesson(question.skill), question))
        return beginnings, asked

    def talks(self, rng: random.Random, most: int, mix: Mix) -> list[Lesson]:
        """Descriptions, conversations, questions that a picture stands in the middle of, and polite replies to strange prompts."""
        rows = []
        for i in range(mix.talks):
            number = self.pick(rng, most)
            scene = self.pool.scenes[number]
            if i % 2 == 0:
                rows.append(self._turn(self.chat.start([number]), questions.ask(scene, rng, "description")))
                continue
            question = questions.ask(scene, rng, rng.choice(questions.DRILLED_KINDS))
            if i % 8 == 7 and (prompt := strangers.estranged(captions.description(scene), rng)):
                rows.append(self.chat.exchange([], self._prompt(typed(prompt, rng), rng), None, strangers.REPLY))
            elif i % 4 == 1:
                row = self._turn(self.chat.start([number]), question)
                second = questions.ask(scene, rng, rng.choice(questions.DRILLED_KINDS))
                row = self.chat.question(self.chat.next_turn(row), second.text, 0)
                rows.append(self.chat.finish(self.chat.words(row, second.answer)))
            else:
                lead = rng.choice((f"look at {PLACEHOLDER} and tell me: ", f"{PLACEHOLDER} ", f"in {PLACEHOLDER}, "))
                rows.append(self.chat.exchange([number], lead + question.text, None, question.answer))
        return rows

    def drawings(self, rng: random.Random, most: int, mix: Mix) -> list[Lesson]:
        """Text to image."""
        rows = []
        for _ in range(mix.drawings):
            number = self.pick(rng, most)
            maker = captions.full_caption if rng.random() < 0.85 else captions.open_caption
            rows.append(self.chat.exchange([], self._prompt(maker(self.pool.scenes[number], rng), rng), number, ""))
        return rows

    def other(self, rng: random.Random, most: int, mix: Mix) -> list[Lesson]:
        """Text only, and every other way of pictures in and out."""
        return [self._other[kind](rng, most) for kind, count in mix.other for _ in range(count)]

    def _prompt(self, caption: str, rng: random.Random) -> str:
        """A prompt to draw as the server sends it, or as it stands."""
        return PROMPT_TEMPLATE.format(prompt=caption) if rng.random() < 0.7 else caption

    def _turn(self, row: Lesson, question: questions.Question) -> Lesson:
        """Appends a question about pictures that stand in the row's beginning, and its answer."""
        return self.chat.finish(self.chat.words(self.chat.question(row, question.text, 1), question.answer))

    def _fact(self, rng: random.Random, most: int) -> Lesson:
        question, color = knowledge.fact_question(rng)
        return self.chat.exchange([], question, None, color)

    def _notes(self, rng: random.Random, most: int) -> Lesson:
        """A caption's objects cell by cell: drawing, in words."""
        scene = self.pool.scenes[self.pick(rng, most)]
        return self.chat.exchange([], "list: " + captions.full_caption(scene, rng), None, captions.notes(scene))

    def _edit(self, rng: random.Random, most: int) -> Lesson:
        scenes = self.pool.scenes
        some = [(edits.kind_of(scenes[a], scenes[b]), a, b) for a, b in rng.choices(self.pool.edits, k=CHOICES)]
        ((kind, source, result),) = self.changes.choose(some, rng, 1, itemgetter(0))
        row = self.chat.exchange([source], edits.instruction(scenes[source], scenes[result], rng), result, "")
        row.skill = kind
        return row

    def _thought(self, rng: random.Random, most: int) -> Lesson:
        while True:
            number = self.pick(rng, most)
            thoughts = [thinking.think(self.pool.scenes[number], rng, "train") for _ in range(CHOICES)]
            some = [(f"think {t.question.skill}", t) for t in thoughts if t]
            for skill, thought in self.changes.choose(some, rng, 1, itemgetter(0)):
                part = self.pool.numbers[thought.part]
                row = self.chat.exchange([number], thought.question.text, part, thought.question.answer)
                row.skill = skill
                return row

    def _motion(self, rng: random.Random, most: int) -> Lesson:
        seen, instruction, result = rng.choice(self.pool.motions)
        return self.chat.exchange(list(seen), instruction, result, "")

    def _which(self, rng: random.Random, most: int) -> Lesson:
        while True:
            numbers = [self.pick(rng, min(most, 2)) for _ in range(rng.choice((2, 2, 3)))]
            asked = frames.ask_which(tuple(self.pool.scenes[n] for n in numbers), rng)
            if asked:
                return self.chat.exchange(numbers, asked.text, None, asked.answer)
