"""The scored test: prompts, questions and edits about scenes that training never saw, half of them in wordings it never saw.

Anything that can draw, answer and edit, think in pictures, tell what comes next, copy and combine pictures can be scored: the
PyTorch models (`llamafusion.evaluate`, `metamorph.evaluate`, `metaquery.evaluate`) and a running server (`shapes.served`) share
these cases and this table.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from shapes import captions, edits, frames, pairs, questions, thinking
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


@dataclass(frozen=True)
class ThinkingCase:
    scene: Scene
    thought: thinking.Thought


@dataclass
class Cases:
    """One test. The same seed and number of scenes always give the same cases."""

    single: list[DrawingCase]
    several: list[DrawingCase]
    questions: list[QuestionCase]
    edits: list[EditCase]
    thoughts: list[ThinkingCase]
    motions: list[frames.Motion]
    copies: list[Scene]
    pairs: list[pairs.Pair]
    strangers: list[QuestionCase]
    confirmations: list[QuestionCase]

    @staticmethod
    def make(scenes: int, part: str = "test", seed: int = 0, questions_each: int = 10) -> Cases:
        """`scenes` scenes to draw (half with one object, half with two or three), as many to edit and to ask one question of
        every kind about, a third each to think about, to foresee, to copy, to combine, to ask about with a word from outside, and to
        ask whether something is so."""
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
        for i in range(scenes):
            scene = random_scene(rng, 1 + i % 3, part)
            changed.append(EditCase(scene, edits.edit(scene, rng, edits.KINDS[i % len(edits.KINDS)], held_out=bool(i % 2))))
        third = (scenes + 2) // 3
        return Cases(
            single,
            several,
            asked,
            changed,
            _thoughts(third, part, seed),
            _motions(third, part, seed),
            _copies(third, part, seed),
            _pairs(third, part, seed),
            _asked(third, part, seed, "stranger"),
            _asked(third, part, seed, "confirmation"),
        )


def _thoughts(count: int, part: str, seed: int) -> list[ThinkingCase]:
    rng = random.Random(f"thoughts {part} {seed}")
    cases: list[ThinkingCase] = []
    while len(cases) < count:
        scene = random_scene(rng, 1 + len(cases) % 4, part)
        if thought := thinking.think(scene, rng, held_out=bool(len(cases) % 2)):
            cases.append(ThinkingCase(scene, thought))
    return cases


def _motions(count: int, part: str, seed: int) -> list[frames.Motion]:
    rng = random.Random(f"motions {part} {seed}")
    return [frames.motion(rng, frames.KINDS[i // 2 % 2], part, held_out=bool(i % 2)) for i in range(count)]


def _copies(count: int, part: str, seed: int) -> list[Scene]:
    rng = random.Random(f"copies {part} {seed}")
    return [random_scene(rng, 1 + i % 3, part) for i in range(count)]


def _pairs(count: int, part: str, seed: int) -> list[pairs.Pair]:
    rng = random.Random(f"pairs {part} {seed}")
    return [pairs.pair(rng, pairs.KINDS[i % len(pairs.KINDS)], part, held_out=bool(i % 2)) for i in range(count)]


def _asked(count: int, part: str, seed: int, kind: str) -> list[QuestionCase]:
    """Questions of a kind of which the pictures are its own."""
    rng = random.Random(f"{kind}s {part} {seed}")
    cases: list[QuestionCase] = []
    while len(cases) < count:
        scene = random_scene(rng, 1 + len(cases) % 4, part)
        question = questions.ask(scene, rng, kind, held_out=bool(len(cases) % 2))
        if question.kind == kind:
            cases.append(QuestionCase(scene, question))
    return cases


def _drawing(scene: Scene, rng: random.Random, number: int) -> DrawingCase:
    return DrawingCase(captions.full_caption(scene, rng, held_out=bool(number % 2)), scene)


@dataclass
class Tally:
    """Counts of right and asked by name, printed as one table."""

    right: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Mean seconds of one reply, by what was asked for, if they were measured."""

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


def side_by_side(tallies: dict[str, Tally]) -> str:
    """One table of several models, with the bars; what a model was not asked stays empty."""
    names = list(dict.fromkeys(name for tally in tallies.values() for name in tally.asked))
    lines = [f"| scored | {' | '.join(tallies)} | to reach |", "| --- |" + " ---: |" * (len(tallies) + 1)]
    for name in names:
        cells = [_cell(tally, name) if name in tally.asked else "" for tally in tallies.values()]
        lines.append(f"| {name} | {' | '.join(cells)} | {f'{BARS[name]:.0%}' if name in BARS else ''} |")
    for name, bar in SECONDS.items():
        cells = [f"{tally.seconds[name]:.3f}" if name in tally.seconds else "" for tally in tallies.values()]
        if any(cells):
            lines.append(f"| seconds: {name} | {' | '.join(cells)} | {bar} |")
    return "\n".join(lines)


def missed(tally: Tally) -> list[str]:
    """The rows in which a model stays below its bar, with both numbers."""
    low = [f"{name} {tally.share(name):.1%} < {bar:.0%}" for name, bar in BARS.items() if name in tally.asked and tally.share(name) < bar]
    return low + [f"{name} {s:.2f} s > {SECONDS[name]} s" for name, s in tally.seconds.items() if s > SECONDS.get(name, s)]


def _cell(tally: Tally, name: str) -> str:
    return f"{tally.right[name]}/{tally.asked[name]} {100 * tally.share(name):.1f} %"


Draw = Callable[[list[str]], list[np.ndarray]]
Answer = Callable[[list[np.ndarray], list[str]], list[str]]
Change = Callable[[list[np.ndarray], list[str]], list[np.ndarray]]
Think = Callable[[list[np.ndarray], list[str]], list[tuple[np.ndarray | None, str]]]
"""Pictures and texts to what was drawn in the reply, if anything, and what was written after it."""
Follow = Callable[[list[list[np.ndarray]], list[str]], list[np.ndarray]]
"""Frames and texts to the next frames."""
Copy = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Pictures to pictures of the same."""
Combine = Callable[[list[list[np.ndarray]], list[str]], list[np.ndarray]]
"""Two pictures each and texts to their combinations."""

SINGLE, SEVERAL, ANSWERS, EDITS = "draw 1 object", "draw 2-3 objects", "answers", "edits"
THINKING, NEXT = "visual thinking", "next frame"
COPIES, PAIRS = "reconstruction", "two pictures"
STRANGERS, CONFIRMATIONS = "words from outside", "yes or no"

BARS = {
    **{f"{SINGLE}: {attribute}": 0.97 for attribute in ("ground", "count", "shape", "color", "size", "place")},
    f"{SINGLE}: all": 0.90,
    f"{SEVERAL}: all": 0.70,
    **{f"{ANSWERS}: {kind}": 0.95 for kind in questions.KINDS},
    f"{ANSWERS}: all": 0.97,
    f"{STRANGERS}: all": 0.95,
    f"{EDITS}: all": 0.80,
}
"""Shares that an embedded model is to reach."""

SECONDS = {"a picture": 3.0, "an answer": 0.5}
"""Seconds that a reply may take on two cores."""


def run(
    cases: Cases,
    draw: Draw | None,
    answer: Answer | None,
    change: Change | None,
    think: Think | None = None,
    follow: Follow | None = None,
    copy: Copy | None = None,
    combine: Combine | None = None,
) -> Tally:
    """Scores whatever of the seven is given."""
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
        for name, others in ((STRANGERS, cases.strangers), (CONFIRMATIONS, cases.confirmations)):
            for case, text in zip(others, answer([render(c.scene) for c in others], [c.question.text for c in others])):
                tally.add(f"{name}: all", text == case.question.answer)
    if change:
        changed = change([render(c.scene) for c in cases.edits], [c.edit.instruction for c in cases.edits])
        for case, picture in zip(cases.edits, changed):
            tally.add(f"{EDITS}: all", score_scene(read_picture(picture), case.edit.result)["all"])
    if think:
        thought = think([render(c.scene) for c in cases.thoughts], [c.thought.question.text for c in cases.thoughts])
        for case, (picture, word) in zip(cases.thoughts, thought):
            shown = picture is not None and read_picture(picture).scene == case.thought.part
            told = word == case.thought.question.answer
            for name, right in (("picture", shown), ("word", told), ("all", shown and told)):
                tally.add(f"{THINKING}: {name}", right)
    if follow:
        followed = follow([[render(f) for f in m.frames] for m in cases.motions], [m.instruction for m in cases.motions])
        for motion, picture in zip(cases.motions, followed):
            tally.add(f"{NEXT}: all", read_picture(picture).scene == motion.result)
    if copy:
        for scene, picture in zip(cases.copies, copy([render(scene) for scene in cases.copies])):
            tally.add(f"{COPIES}: all", read_picture(picture).scene == scene)
    if combine:
        combined = combine([[render(s) for s in p.scenes] for p in cases.pairs], [p.instruction for p in cases.pairs])
        for case, picture in zip(cases.pairs, combined):
            tally.add(f"{PAIRS}: all", read_picture(picture).scene == case.result)
    return tally


