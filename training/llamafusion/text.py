"""Stage 2: a small Llama (transformers' LlamaForCausalLM), pre-trained on the world's text only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from llamafusion.documents import ANSWER_WEIGHT, Sequencer, some_scene, train_tokenizer
from llamafusion.network import LlamaFusion
from llamafusion.patchifier import ImageConfig
from recipe.llama import build_text_model
from recipe.mastery import Mastery
from recipe.readers import Naming
from recipe.rows import Row, padded, padded_ids, parted
from recipe.run import Average, Run, begin, finished, join_processes, meet, process_number, set_rate, stage_parser
from shapes.world import alike

DRILLS = 8
"""Rows behind each context of a drill."""

NAMING_WEIGHT = 0.5
"""Weight of what is read where things are named, beside the answers."""


def batches(sequencer: Sequencer, rng: random.Random, most: int, tokens: int) -> Iterator[list[Row]]:
    """Batches of about `tokens` tokens, of rows of similar length, in random order."""
    rows = sorted((sequencer.document(rng, most) for _ in range(384)), key=lambda row: len(row.ids))
    groups: list[list[Row]] = [[]]
    for row in rows:
        if (len(groups[-1]) + 1) * len(row.ids) > tokens:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    yield from groups


Drill = tuple[list[list[int]], list[Row]]
"""Contexts, and rows of which as many follow each context, without seeing each other: seen together, questions answer one another, and
the model learns to look there instead of finding out which attribute belongs to which thing."""


def question_drill(sequencer: Sequencer, rng: random.Random, scenes: int, sizes: tuple[int, ...], mastery: Mastery) -> Drill:
    """Questions about descriptions of scenes; each has at most as many objects as one of `sizes`, and in half of them two are more
    alike than by chance."""
    contexts, rows = [], []
    for number in range(scenes):
        scene = some_scene(rng, rng.choice(sizes))
        if number % 2:
            scene = alike(scene, rng)
        contexts.append([sequencer.bos, *sequencer.stand_in(scene, rng)])
        for question in mastery.questions(scene, rng, DRILLS):
            rows.append(sequencer.turn(Row(question.skill), question.text, question.answer, scene))
    return contexts, rows


def drill_loss(
    network: LlamaFusion, sequencer: Sequencer, drill: Drill, mastery: Mastery, naming: Naming, device: torch.device
) -> tuple[torch.Tensor, float, float]:
    """The loss of short answers and of what is read where things are named; the shares of right words and of things read right."""
    contexts, rows = drill
    ids, real = padded_ids(contexts, device)
    _, context = network.text(ids[:, None], None, real)
    order, batches = parted(rows, DRILLS, 4, device)
    words, ends, named = [], [], []
    for ids, targets, weights, owners in batches:
        hidden, own = network.text(ids.unflatten(0, (len(contexts), -1)), context)
        hidden = hidden.flatten(0, 1)
        named.append(naming.found(own, owners, order))
        kept = (weights >= 1) & (targets != sequencer.newline) & (targets != sequencer.eos)
        easy = (weights >= 1) & ~kept
        words.append((hidden[kept], targets[kept], weights[kept], owners[kept]))
        ends.append((hidden[easy], targets[easy]))
    hidden, targets, weights, owners = (torch.cat(tensors) for tensors in zip(*words))
    logits = network.lm_head(hidden).float()
    hits = logits.detach().argmax(-1) == targets
    mastery.record(order, set(owners[~hits].tolist()))
    told = (F.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
    hidden, others = (torch.cat(tensors) for tensors in zip(*ends))
    read, known = naming.loss(named)
    loss = told + 0.2 * F.cross_entropy(network.lm_head(hidden).float(), others) + NAMING_WEIGHT * read
    return loss, hits.float().mean().item(), known.item()


def train(folder: Path, steps: int, rate: float, tokens: int, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    if process_number() == 0 and not (folder / "tokenizer.json").exists():
        train_tokenizer(folder / "tokenizer.json", seed)
    meet()
    model, sequencer = text_model(folder)
    model.to(device)
    average = Average(model, 0.998)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    network = LlamaFusion(model, ImageConfig()).to(device)  # for its way through shared contexts; no pictures here
    mastery = Mastery()
    naming = Naming(model.config.hidden_size).to(device)
    # At a rate of its own: readers are worth most when they have learned what there is to read.
    naming_optimizer = torch.optim.AdamW(naming.parameters(), lr=3e-3, weight_decay=0.0, fused=True)
    drilled = named = 0.0
    run = Run(folder, {"text": model, "average": average.module, "naming": naming}, optimizer)
    rng = random.Random(f"text {seed} {run.step} {process_number()}")
    while run.step < steps:
        most = run.objects(steps, (0.08, 0.5, 0.65))
        for rows in batches(sequencer, rng, most, tokens):
            ids, targets, weights = (tensor.to(device) for tensor in padded(rows))
            set_rate(optimizer, run.step, steps, rate, descent=0.2)
            with torch.autocast(device.type, torch.bfloat16):
                hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
                kept = weights > 0
                logits = model.lm_head(hidden[kept]).float()
                losses = F.cross_entropy(logits, targets[kept], reduction="none")
                # A wrong choice between two objects is the clearest lesson, until it is learned.
                drilled_sizes = (most,) if named > 0.9 else (min(2, most), most)
                asked = question_drill(sequencer, rng, 28, drilled_sizes, mastery)
                drill, right, known = drill_loss(network, sequencer, asked, mastery, naming, device)
            drilled += right / 100
            named += 0.02 * (known - named)
            loss = (losses * weights[kept]).sum() / weights.sum() + drill
            loss.backward()
            run.average_gradients()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for stepped in (optimizer, naming_optimizer):
                stepped.step()
                stepped.zero_grad(set_to_none=True)
            average.update(model, run.step)
            run.step += 1
            if run.step % 100 == 0:
                with torch.no_grad():
                    hits = (logits.argmax(-1) == targets[kept]).float()
                    written, answered = (hits[weights[kept] == w].mean() for w in (1.0, ANSWER_WEIGHT))
                shares = {"written": written, "answered": answered, "drilled": drilled, "named": named}
                run.log(loss=loss.detach(), **shares, most=most, worst=mastery.worst)
                drilled = 0.0
            run.save_if_due()
            if run.step == steps:
                break
    run.save()


def text_model(folder: Path) -> tuple[LlamaForCausalLM, Sequencer]:
    """A text model with random weights, and the tokenizer of a run."""
    sequencer = Sequencer(Tokenizer.from_file(str(folder / "tokenizer.json")))
    return build_text_model(sequencer.tokenizer, sequencer.bos, sequencer.eos), sequencer


def finished_text_model(folder: Path) -> tuple[LlamaForCausalLM, Sequencer]:
    """The averaged text model of a run and its tokenizer."""
    text, sequencer = text_model(folder)
    return finished(text, folder), sequencer


def start_naming(naming: Naming, folder: Path) -> None:
    """Lets readers of names begin as those of a run of this stage."""
    naming.load_state_dict(torch.load(folder / "state.pt", map_location="cpu", weights_only=True)["modules"]["naming"])


def main() -> None:
    parser = stage_parser(__doc__, steps=18000, rate=1.3e-3)
    parser.add_argument("--tokens", type=int, default=1024, help="tokens in a batch")
    a = begin(parser)
    join_processes()
    train(a.runs / "text", a.steps, a.rate, a.tokens, a.seed, a.device)


if __name__ == "__main__":
    main()
