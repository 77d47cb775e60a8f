"""What a language model still gets wrong, and lessons chosen by it.

To find one attribute by another ("the color of the star") is a skill for each pair of attributes, and each comes suddenly, out of
a long time at chance: after 3,000 steps of lessons drawn evenly, one model named shapes by color in every scene of two objects, and
colors by shape in half of them. Lessons in what fails end that time.
"""

from __future__ import annotations

import random
from typing import TypeVar

from recipe.rows import Row
from shapes import inventory, questions
from shapes.inventory import Entry
from shapes.questions import Question
from shapes.world import Scene

Lesson = TypeVar("Lesson", Entry, Question)

CHOICES = 6
"""Lessons that each lesson is chosen from."""

LEAST = 0.03
"""Share of wrong answers that every skill is taken to have at least, so that nothing is forgotten."""

PACE = 0.03
"""Weight of an answer in the running share of wrong ones."""

TERM = 100
"""Batches of answers after which another skill is in focus."""


class Mastery:
    """The running share of wrong answers by skill. One failing skill after the other is in focus: half of all lessons are in it where
    they can be. Not saved with a run: it is learned again within some steps."""

    def __init__(self) -> None:
        self.failing: dict[str, float] = {}
        self.focus = ""
        self._batches = 0
        self._rng = random.Random(0)

    @property
    def worst(self) -> float:
        """The share of wrong answers of the skill that fails most."""
        return max(self.failing.values(), default=1.0)

    def questions(self, scene: Scene, rng: random.Random, count: int) -> list[Question]:
        """Questions about a scene that have short answers."""
        kinds = rng.choices(questions.DRILLED_KINDS, k=CHOICES * count)
        if self.focus:
            kinds += [self.focus.split()[0]] * (CHOICES * count)
        return self._choose([questions.ask(scene, rng, kind) for kind in kinds], rng, count)

    def entries(self, scene: Scene, rng: random.Random, count: int, task: str, before: Scene | None = None) -> list[Entry]:
        """Entries of the inventory of a scene that a task asks for; their skills are the task's own."""
        return self._choose(inventory.entries(scene, rng, CHOICES * count, task, before), rng, count)

    def record(self, rows: list[Row], wrong: set[int]) -> None:
        """Takes the answers of rows that have a skill into account; `wrong` are the numbers of those that are not right to the
        last word."""
        for number, row in enumerate(rows):
            if row.skill:
                before = self.failing.get(row.skill, 0.5)
                self.failing[row.skill] = before + PACE * ((number in wrong) - before)
        self._batches += 1
        if self._batches % TERM == 0:
            self.focus = self._rng.choices(list(self.failing), list(self.failing.values()))[0]

    def _choose(self, lessons: list[Lesson], rng: random.Random, count: int) -> list[Lesson]:
        """Some of the lessons: up to half of them in the focus, the others the sooner the more their skill fails; one never
        tried counts as failing half of the time."""
        focused = [lesson for lesson in lessons if lesson.skill == self.focus][: count // 2]
        others = [lesson for lesson in lessons if lesson.skill != self.focus]
        weights = [max(self.failing.get(lesson.skill, 0.5), LEAST) for lesson in others]
        ranks = [rng.random() ** (1 / weight) for weight in weights]
        order = sorted(range(len(others)), key=ranks.__getitem__, reverse=True)
        return focused + [others[number] for number in order[: count - len(focused)]]
