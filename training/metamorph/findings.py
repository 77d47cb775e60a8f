"""The paper's findings in miniature (MetaMorph, section 4): how many samples of generation are needed with and without
understanding data beside them, and whether what was only ever read comes out in pictures.

    python -m metamorph.findings --runs runs/metamorph --steps 500 ../models/metamorph-shapes

goes on where it stopped and writes findings.md and findings.png, and the table into the model card. Drawings are judged by what the
tower's readers find in their visual tokens, so that no visualizer comes between.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from llamafusion.text import finished_text_model
from metamorph.evaluate import sampler_of
from metamorph.lessons import Mix, Teacher
from metamorph.network import MetaMorph, pretrained_text_model
from metamorph.pool import Pool
from metamorph.sample import Sampler
from metamorph.sequences import Chat, Lesson
from metamorph.tower import VISUAL_TOKENS, finished_tower
from metamorph.vpit import VISION_WEIGHT, Trainer
from recipe.findings import Result, judged, known, write
from recipe.readers import Readers
from recipe.run import Average, Run, averaged, begin, join_processes, process_number, set_rate, stage_parser
from shapes import benchmark, knowledge
from shapes.world import PLACES, SHAPES

SAMPLES = (200, 1000, 5000)
SCENES = 200
MIX = Mix()


@dataclass(frozen=True)
class Variant:
    """A language model that is taught to draw from so many captioned pictures, beside questions about pictures or alone."""

    samples: int
    understands: bool

    @property
    def name(self) -> str:
        return f"{self.samples} {'with' if self.understands else 'without'} understanding"


VARIANTS = [Variant(samples, understands) for understands in (True, False) for samples in SAMPLES]


class FewSamples(Teacher):
    """Draws its drawings from a fixed set."""

    def __init__(self, chat: Chat, pool: Pool, samples: int) -> None:
        super().__init__(chat, pool)
        self._samples = self.drawings(random.Random("samples"), 4, Mix(drawings=samples))

    def few(self, rng: random.Random) -> list[Lesson]:
        return rng.choices(self._samples, k=MIX.drawings)


def loss(trainer: Trainer, teacher: FewSamples, variant: Variant, rng: random.Random) -> torch.Tensor:
    """VPiT's loss on some of the samples, and on questions if there are any."""
    drawings = trainer.lesson_loss(teacher.few(rng))
    total = VISION_WEIGHT * drawings["cosine"] + 0.1 * (drawings["words"] + drawings["calm"])
    if variant.understands:
        total = total + trainer.drill_loss(*teacher.drills(rng, 4, MIX))[0]
    return total


def measure(variant: Variant, runs: Path, steps: int, device: torch.device) -> Result:
    """Trains a variant and draws the validation scenes: shares of scenes of one object and of two or three that are right in
    visual tokens."""
    folder = runs / "findings" / variant.name.replace(" ", "-")
    if found := known(folder):
        return found
    torch.manual_seed(0)
    chat = Chat(Tokenizer.from_file(str(runs / "tokenizer.json")), VISUAL_TOKENS)
    network = MetaMorph(pretrained_text_model(chat, *finished_text_model(runs / "text"))).to(device)
    vision, readers = finished_tower(runs)
    average = Average(network, 0.99)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    run = Run(folder, {"network": network, "average": average.module}, optimizer)
    teacher = FewSamples(chat, Pool.load(runs / "pictures")[0], variant.samples)
    trainer = Trainer(network, teacher, readers.to(device), device)
    while run.step < steps:
        rng = random.Random(f"findings {run.step} {process_number()}")
        torch.manual_seed(rng.getrandbits(31))
        set_rate(optimizer, run.step, steps, 1e-3)
        with torch.autocast(device.type, torch.bfloat16):
            total = loss(trainer, teacher, variant, rng)
        run.advance(total, network, average)
    run.save()

    def judge() -> Result:
        network.load_state_dict(averaged(folder))
        sampler = Sampler(network.cpu().eval(), chat, vision, None, None, 1.0)
        cases = benchmark.Cases.make(SCENES, "validation")
        return {"one": drawn(sampler, readers.cpu(), cases.single), "several": drawn(sampler, readers.cpu(), cases.several)}

    return judged(folder, judge)


def drawn(sampler: Sampler, readers: Readers, cases: list[benchmark.DrawingCase]) -> float:
    """The share of drawings whose visual tokens show the scene."""
    replies = sampler.draw([case.prompt for case in cases])
    shown = [bool(reply.pictures) and readers.scene(reply.pictures[0]) == case.scene for reply, case in zip(replies, cases)]
    return sum(shown) / len(shown)


def colored(runs: Path) -> Result:
    """What the finished model makes of "a star the color of grass": the share of drawings with the color, for facts that came with
    pictures in training and for those that were only ever text."""
    sampler, readers = sampler_of(runs)
    shares = {}
    for name, told in (("facts that came with pictures", False), ("facts that were only ever text", True)):
        facts = [(color, o) for color, known in knowledge.FACTS.items() for o in known if (o in knowledge.TEXT_ONLY) == told]
        asked = [(color, f"a {shape} the color of {o} at the {PLACES[i % 9]}") for i, shape in enumerate(SHAPES) for color, o in facts]
        replies = sampler.draw([prompt for _, prompt in asked])
        hits = [
            bool(reply.pictures) and {thing.color for thing in readers.scene(reply.pictures[0]).things} == {color}
            for reply, (color, _) in zip(replies, asked)
        ]
        shares[name] = sum(hits) / len(hits)
    return shares


def table(results: dict[str, Result], shares: Result, steps: int) -> str:
    lines = [
        f"| after {steps:,} steps | one object | two or three | the same without understanding data | |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for samples in SAMPLES:
        both = [results[Variant(samples, understands).name] for understands in (True, False)]
        cells = " | ".join(f"{result['one']:.0%} | {result['several']:.0%}" for result in both)
        lines.append(f"| {samples:,} samples of generation | {cells} |")
    lines += ["", "| color right in the finished model's drawings | |", "| --- | ---: |"]
    lines += [f"| {name} | {share:.0%} |" for name, share in shares.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = stage_parser(__doc__, steps=500)
    parser.add_argument("target", type=Path)
    arguments = begin(parser)
    join_processes()
    results = {v.name: measure(v, arguments.runs, arguments.steps, arguments.device) for v in VARIANTS}
    if process_number() == 0:
        bars = {}
        for understands, label in ((True, "with understanding"), (False, "without")):
            for key, objects in (("one", "one object"), ("several", "two or three")):
                bars[f"{objects}, {label}"] = [results[Variant(samples, understands).name][key] for samples in SAMPLES]
        told = table(results, colored(arguments.runs), arguments.steps)
        write([arguments.target], told, [f"{samples:,} samples" for samples in SAMPLES], bars)


if __name__ == "__main__":
    main()
