"""Stage 4: LLaVA-OneVision learns to see and to talk, then is frozen. The tower is frozen already, and the language model begins
as the Llama that has read the world's text.

Answers are learned in drills: one picture's keys and values serve many questions that do not see each other. And it learns to tell
about pictures that are only asked for, entry by entry, behind the very prompts that the queries will stand behind: a frozen model
draws no better than it understands what is wanted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from llamafusion import documents
from llamafusion.text import finished_text_model
from metaquery import tasks
from metaquery.chat import END_WEIGHT, Chat
from metaquery.network import Mllm, build_mllm, task_pixels
from metaquery.tasks import Task
from metaquery.tokenizer import END_OF_TEXT, TURN_END, TURN_START
from metaquery.tower import finished_tower, pixels_of
from recipe import llama
from recipe.context import Context
from recipe.mastery import Mastery
from recipe.rows import Row, padded, parted, scored
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser
from shapes import captions, edits, frames, knowledge, questions
from shapes.world import Scene


@dataclass(frozen=True)
class Mix:
    """Lessons of a step, in each process."""

    pictures: int = 16
    questions: int = 8
    """Questions about each of the pictures."""
    captions: int = 10
    copies: int = 2
    edits: int = 12
    pairs: int = 4
    entries: int = 8
    """Entries told about the result of each of these tasks."""
    talks: int = 8
    """Descriptions (the most), conversations, questions about several pictures, facts, listings."""


class Teacher:
    """The losses of one step."""

    def __init__(self, mllm: Mllm, chat: Chat, device: torch.device) -> None:
        self.mllm = mllm
        self.chat = chat
        self.device = device
        self.asked, self.listed = Mastery(), Mastery()

    def see(self, scenes: list[Scene]) -> torch.Tensor | None:
        return self.mllm.see(pixels_of(scenes, self.device)) if scenes else None

    def drill_loss(self, rng: random.Random, most: int, mix: Mix) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of many questions about each picture, and the share of right words."""
        scenes = [tasks.some_scene(rng, most) for _ in range(mix.pictures)]
        context = self.mllm.begin([self.chat.look(1)] * len(scenes), self.see(scenes))
        rows = []
        for scene in scenes:
            for question in self.asked.questions(scene, rng, mix.questions):
                row = Row(question.skill).add(self.chat.question(question.text))
                rows.append(self.chat.answer(row, question.answer))
        return self.told(context, rows, mix.questions, self.asked)

    def task_loss(self, rng: random.Random, most: int, mix: Mix) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of what is told about pictures that are asked for, and the share of right words."""
        wanted = self.wanted(rng, most, mix)
        context = self.mllm.prompts(self.chat, wanted, task_pixels(wanted, self.device))
        rows = []
        for task in wanted:
            told = self.listed.entries(task.target, rng, mix.entries, task.kind, task.before)
            rows += [self.chat.entry(entry) for entry in told]
        return self.told(context, rows, mix.entries, self.listed)

    def wanted(self, rng: random.Random, most: int, mix: Mix) -> list[Task]:
        """The tasks of a step."""
        return [
            *(tasks.caption(tasks.some_scene(rng, most), rng) for _ in range(mix.captions)),
            *(tasks.copy(tasks.some_scene(rng, most)) for _ in range(mix.copies)),
            *(tasks.edit(tasks.some_scene(rng, most), rng) for _ in range(mix.edits - mix.edits // 3)),
            *(tasks.edit(tasks.some_scene(rng, most), rng, self.listed.task(edits.KINDS)) for _ in range(mix.edits // 3)),
            *(tasks.pair(rng) for _ in range(mix.pairs)),
        ]

    def talk_loss(self, rng: random.Random, most: int, mix: Mix) -> torch.Tensor:
        """The loss of whole rows."""
        makers = (self._description, self._conversation, self._which, self._fact, self._listing)
        told = [maker(rng, most) for maker in makers]
        told += [self._description(rng, most) for _ in range(mix.talks - len(makers))]
        ids, targets, weights = (tensor.to(self.device) for tensor in padded([row for row, _ in told]))
        seen = self.see([scene for _, scenes in told for scene in scenes])
        hidden, _ = self.mllm.walk(self.mllm.embed(ids, seen)[:, None])
        return self.words(hidden.flatten(0, 2), targets.flatten(), weights.flatten())[0]

    def told(
        self, context: Context, rows: list[Row], variants: int, mastery: Mastery
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of rows after a context that `variants` of them share, and the share of right words."""
        order, batches = parted(rows, variants, 2, self.device)
        parts = []
        for ids, *others in batches:
            embedded = self.mllm.embed(ids).unflatten(0, (len(rows) // variants, -1))
            hidden = self.mllm.walk(embedded, context)[0].flatten(0, 1)
            parts.append((hidden.flatten(0, 1), *(tensor.flatten() for tensor in others)))
        hidden, targets, weights, owners = (torch.cat(tensors) for tensors in zip(*parts))
        loss, right, places = self.words(hidden, targets, weights)
        mastery.record(order, set(owners[places[~right]].tolist()))
        return loss, right.float().mean()

    def words(
        self, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The weighted cross-entropy; of the words, the ends of answers left out, whether each is right, and its place."""
        kept = scored(weights)
        hidden, targets, weights = hidden[kept], targets[kept], weights[kept]
        logits = self.mllm.lm_head(hidden).float()
        losses = F.cross_entropy(logits, targets, reduction="none")
        counted = weights > END_WEIGHT
        right = (logits.detach().argmax(-1) == targets)[counted]
        return (losses * weights).sum() / weights.sum(), right, kept[counted]

    def _description(self, rng: random.Random, most: int) -> tuple[Row, list[Scene]]:
        scene = tasks.some_scene(rng, most)
        return self._asked([scene], questions.ask(scene, rng, "description")), [scene]

    def _conversation(self, rng: random.Random, most: int) -> tuple[Row, list[Scene]]:
        scene = tasks.some_scene(rng, most)
        row = self._asked([scene], questions.ask(scene, rng, rng.choice(questions.DRILLED_KINDS)))
        second = questions.ask(scene, rng, rng.choice(questions.DRILLED_KINDS))
        row.add([self.chat.turn_end, *self.chat.user(0, second.text), *self.chat.assistant])
        return self.chat.answer(row, second.answer), [scene]

    def _which(self, rng: random.Random, most: int) -> tuple[Row, list[Scene]]:
        which = frames.which_frame(rng, "train")
        row = Row().add([*self.chat.look(len(which.frames)), *self.chat.question(which.text)])
        return self.chat.answer(row, which.answer), list(which.frames)

    def _fact(self, rng: random.Random, most: int) -> tuple[Row, list[Scene]]:
        question, color = knowledge.fact_question(rng)
        row = Row().add([*self.chat.user(0, question), *self.chat.assistant])
        return self.chat.answer(row, color), []

    def _listing(self, rng: random.Random, most: int) -> tuple[Row, list[Scene]]:
        """A caption's objects cell by cell."""
        task = tasks.caption(tasks.some_scene(rng, most), rng)
        return self.chat.answer(Row().add([*self.chat.system, *self.chat.task(task)]), captions.notes(task.target)), []

    def _asked(self, scenes: list[Scene], question: questions.Question) -> Row:
        row = Row().add([*self.chat.look(len(scenes)), *self.chat.question(question.text)])
        return self.chat.answer(row, question.answer)


def read_before(mllm: Mllm, chat: Chat, runs: Path) -> None:
    """Lets the language model begin as the Llama that has read the world's text in LlamaFusion's recipe: the forms differ in
    Qwen2's biases only."""
    known, sequencer = finished_text_model(runs / "text")
    names = {TURN_START: documents.BOS, TURN_END: documents.EOS, END_OF_TEXT: documents.EOS}
    llama.start_from(mllm, chat.tokenizer, known, sequencer.tokenizer, names)


def train(runs: Path, steps: int, mix: Mix, peak: float, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    chat = Chat.load(runs)
    mllm = Mllm(build_mllm(chat))
    read_before(mllm, chat, runs)
    mllm.adopt(finished_tower(runs))
    mllm.to(device)
    average = Average(mllm, 0.998)
    trained = [p for p in mllm.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    run = Run(runs / "mllm", {"mllm": mllm, "average": average.module}, optimizer)
    teacher = Teacher(mllm, chat, device)
    while run.step < steps:
        rng = random.Random(f"metaquery mllm {seed} {run.step} {process_number()}")
        most = run.objects(steps, (0.04, 0.12, 0.3))
        set_rate(optimizer, run.step, steps, peak, descent=0.4)
        with torch.autocast(device.type, torch.bfloat16):
            drill, drilled = teacher.drill_loss(rng, most, mix)
            task, right = teacher.task_loss(rng, most, mix)
            talk = teacher.talk_loss(rng, most, mix)
        loss = drill + task + 0.5 * talk
        worst = max(teacher.asked.worst, teacher.listed.worst)
        run.advance(loss, mllm, average, most=most, drill=drill, drilled=drilled, task=task, right=right, talk=talk, worst=worst)
    run.save()


def finished_mllm(runs: Path) -> tuple[Mllm, Chat]:
    """The averaged, frozen LLaVA-OneVision of a run."""
    chat = Chat.load(runs)
    return finished(Mllm(build_mllm(chat)), runs / "mllm"), chat


def main() -> None:
    arguments = begin(stage_parser(__doc__, steps=12000, rate=1.0e-3))
    join_processes()
    train(arguments.runs, arguments.steps, Mix(), arguments.rate, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
