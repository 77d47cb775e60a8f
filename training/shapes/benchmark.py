"""The scored test: prompts, questions and edits about scenes that training never saw, half of them in wordings it never saw.

Anything that can draw, answer and edit can be scored: the PyTorch model (`llamafusion.evaluate`) and a running server
(`shapes.served`) share these cases and this table.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from shapes import captions, edits, questions
from shapes.scorer import read_picture, score_scene
from shapes.world import Scene, random_scene, render


@dataclass(frozen=True)
class DrawingCase:
    prompt: str
    scene: Scene


@dataclass(frozen=True)
class QuestionCase:
    scene: Scene
    question: questions.Question


@dataclass(frozen=True)
class EditCase:
    scene: Scene
    edit: edits.Edit


@dataclass
class Cases:
    """One test. The same seed and number of scenes always give the same cases."""

    single: list[DrawingCase]
    several: list[DrawingCase]
    questions: list[QuestionCase]
    edits: list[EditCase]

    @staticmethod
    def make(scenes: int, part: str = "test", seed: int = 0, questions_each: int = 3) -> Cases:
        """`scenes` scenes to draw (half with one object, half with two or three), as many to ask about, a third to edit."""
        rng = random.Random(f"{part} {seed}")
        half = (scenes + 1) // 2
        single = [_drawing(random_scene(rng, 1, part), rng, i) for i in range(half)]
        several = [_drawing(random_scene(rng, 2 + i % 2, part), rng, i) for i in range(scenes - half)]
        asked = []
        for i in range(scenes):
            scene = random_scene(rng, 1 + i % 4, part)
            for turn in range(questions_each):
                kind = questions.KINDS[(i * questions_each + turn) % len(questions.KINDS)]
                asked.append(QuestionCase(scene, questions.ask(scene, rng, kind, held_out=bool((i + turn) % 2))))
        changed = []
        for i in range((scenes + 2) // 3):
            scene = random_scene(rng, 1 + i % 3, part)
            changed.append(EditCase(scene, edits.edit(scene, rng, edits.KINDS[i % len(edits.KINDS)], held_out=bool(i % 2))))
        return Cases(single, several, asked, changed)


def _drawing(scene: Scene, rng: random.Random, number: int) -> DrawingCase:
    return DrawingCase(captions.full_caption(scene, rng, held_out=bool(number % 2)), scene)


@dataclass
class Tally:
    """Counts of right and asked by name, printed as one table."""

    right: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, right: bool) -> None:
        self.right[name] = self.right.get(name, 0) + right
        self.asked[name] = self.asked.get(name, 0) + 1

    def share(self, name: str) -> float:
        """Right over asked; 0 for what was never asked."""
        return self.right.get(name, 0) / max(1, self.asked.get(name, 0))

    def table(self) -> str:
        lines = ["| scored | right | of | share |", "| --- | ---: | ---: | ---: |"]
        for name, asked in self.asked.items():
            lines.append(f"| {name} | {self.right[name]} | {asked} | {100 * self.share(name):.1f} % |")
        return "\n".join(lines)


Draw = Callable[[list[str]], list[np.ndarray]]
Answer = Callable[[list[np.ndarray], list[str]], list[str]]
Change = Callable[[list[np.ndarray], list[str]], list[np.ndarray]]

SINGLE, SEVERAL, ANSWERS, EDITS = "draw 1 object", "draw 2-3 objects", "answers", "edits"


def run(cases: Cases, draw: Draw | None, answer: Answer | None, change: Change | None) -> Tally:
    """Scores whatever of the three is given."""
    tally = Tally()
    if draw:
        for name, drawings in ((SINGLE, cases.single), (SEVERAL, cases.several)):
            for case, picture in zip(drawings, draw([c.prompt for c in drawings])):
                for attribute, right in score_scene(read_picture(picture), case.scene).items():
                    tally.add(f"{name}: {attribute}", right)
    if answer:
        told = answer([render(c.scene) for c in cases.questions], [c.question.text for c in cases.questions])
        for kind in sorted({c.question.kind for c in cases.questions}, key=questions.KINDS.index):
            for case, text in zip(cases.questions, told):
                if case.question.kind == kind:
                    tally.add(f"{ANSWERS}: {kind}", text == case.question.answer)
        for case, text in zip(cases.questions, told):
            tally.add(f"{ANSWERS}: all", text == case.question.answer)
    if change:
        changed = change([render(c.scene) for c in cases.edits], [c.edit.instruction for c in cases.edits])
        for case, picture in zip(cases.edits, changed):
            tally.add(f"{EDITS}: all", score_scene(read_picture(picture), case.edit.result)["all"])
    return tally


