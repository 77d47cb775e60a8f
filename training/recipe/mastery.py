"""What a language model still gets wrong, and lessons chosen by it.

To find one attribute by another ("the color of the star") is a skill for each pair of attributes, and each comes suddenly, out of
a long time at chance. Lessons in what fails end that time; README.md tells how soon.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import TypeVar

from recipe.rows import Row
from shapes import inventory, questions
from shapes.inventory import Entry
from shapes.questions import Question
from shapes.world import Scene

Lesson = TypeVar("Lesson")

CHOICES = 6
"""Lessons that each lesson is chosen from."""

LEAST = 0.015
"""Share of wrong answers that every skill is taken to have at least, so that nothing is forgotten."""

PACE = 0.03
"""Weight of an answer in the running share of wrong ones."""

TERM = 250
"""Batches of answers after which another skill is in focus: enough for one to come out of chance in a term or two."""


class Mastery:
    """The running share of wrong answers by skill. One failing skill after the other is in focus: half of all lessons are in it where
    they can be. Not saved with a run: it is learned again within some steps."""

    def __init__(self) -> None:
        self.failing: dict[str, float] = {}
        self.offered: Counter[str] = Counter()
        """How often there was a lesson in a skill to choose."""
        self.focus = ""
        self._batches = 0
        self._rng = random.Random(0)

    @property
    def worst(self) -> float:
        """The share of wrong answers of the skill that fails most."""
        return max(self.failing.values(), default=1.0)

    def task(self, kinds: tuple[str, ...]) -> str | None:
        """The task that the skill in focus is of ("recolor: color changed"), if it is one of some kinds."""
        kind = self.focus.split(":")[0]
        return kind if kind in kinds else None

    def questions(self, scene: Scene, rng: random.Random, count: int) -> list[Question]:
        """Questions about a scene that have short answers."""
        kinds = rng.choices(questions.DRILLED_KINDS, k=CHOICES * count)
        if self.focus:
            kinds += [self.focus.split()[0]] * (CHOICES * count)
        return self.choose([questions.ask(scene, rng, kind) for kind in kinds], rng, count)

    def entries(self, scene: Scene, rng: random.Random, count: int, task: str, before: Scene | None = None) -> list[Entry]:
        """Entries of the inventory of a scene that a task asks for; their skills are the task's own."""
        return self.choose(inventory.entries(scene, rng, CHOICES * count, task, before), rng, count)

    def choose(
        self, lessons: list[Lesson], rng: random.Random, count: int, skill: Callable[[Lesson], str] = attrgetter("skill")
    ) -> list[Lesson]:
        """Some of the lessons: about half of them in the focus, as far as there are any, the others the sooner the more their
        skill fails; one never tried counts as failing half of the time."""
        skills = [skill(lesson) for lesson in lessons]
        self.offered.update(skills)
        focused = [number for number, name in enumerate(skills) if name == self.focus]
        others = [number for number, name in enumerate(skills) if name != self.focus]
        ranks = {number: rng.random() ** (1 / max(self.failing.get(skills[number], 0.5), LEAST)) for number in others}
        others.sort(key=ranks.__getitem__, reverse=True)
        half = (count + rng.randrange(2)) // 2
        return [lessons[number] for number in [*focused[:half], *others, *focused[half:]][:count]]

    def record(self, rows: list[Row], wrong: set[int]) -> None:
        """Takes the answers of rows that have a skill into account, if any has; `wrong` are the numbers of those that are not right
        to the last word."""
        if not any(row.skill for row in rows):
            return
        for number, row in enumerate(rows):
            if row.skill:
                before = self.failing.get(row.skill, 0.5)
                self.failing[row.skill] = before + PACE * ((number in wrong) - before)
        self._batches += 1
        if self._batches % TERM == 0:
            # What fails in many lessons matters more than what fails in few; the root lets the rare have their turns, too.
            shares = [failing * self.offered[name] ** 0.5 for name, failing in self.failing.items()]
            self.focus = self._rng.choices(list(self.failing), shares)[0]
