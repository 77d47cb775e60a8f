"""The paper's findings in miniature (LMFusion, sections 4 and 5): what image training costs the text side, by how the modalities are
separated. Three networks start from the same Llama and take the same steps on pictures:

- deep: an attention and a feed-forward network of their own for images, the Llama frozen (LMFusion);
- shallow: a feed-forward network of their own, the Llama's attention shared and frozen;
- dense: the Llama's own layers, trained on (Transfusion from a pre-trained Llama, whose embeddings and head stay).

    python -m llamafusion.findings --runs runs/llamafusion --steps 500 ../models/llamafusion-shapes

goes on where it stopped and writes findings.md and findings.png, and the table into the model card.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from llamafusion.documents import Sequencer
from llamafusion.image import Batch, Trainer, pick, train_step
from llamafusion.network import LlamaFusion
from llamafusion.patchifier import ImageConfig
from llamafusion.pool import Pool
from llamafusion.sample import Sampler
from llamafusion.text import finished_text_model
from recipe.autoencoder import latent_scale
from recipe.findings import Result, judged, known, write
from recipe.llama import build_text_model
from recipe.pool import by_count
from recipe.run import Average, Run, averaged, begin, join_processes, process_number, set_rate, stage_parser
from recipe.vae import finished_vae
from shapes import benchmark

SEPARATIONS = ("deep", "shallow", "dense")
RATE = 1e-3
DOCUMENTS = 200
BATCHES = 20
"""Batches of training pictures that measure the noise loss."""
SCENES = 100
"""Validation scenes that are asked about."""


def separated(separation: str, text: LlamaForCausalLM) -> LlamaFusion:
    """A network whose image side shares with the Llama what the separation says. Its image model is what is to be trained."""
    torch.manual_seed(0)
    network = LlamaFusion(text, ImageConfig())
    network.start_from_text()
    image = network.image_model
    if separation == "shallow":
        for own, shared in zip(image.layers, network.model.layers):
            own.self_attn, own.input_layernorm = shared.self_attn, shared.input_layernorm
    if separation == "dense":
        image.layers, image.norm = network.model.layers.requires_grad_(True), network.model.norm.requires_grad_(True)
    return network


@torch.no_grad()
def text_logits(network: LlamaFusion, documents: list[list[int]]) -> list[torch.Tensor]:
    """The logits of documents, one after the other. Each [tokens, vocabulary]"""
    return [network.lm_head(network.text(torch.tensor([[ids]]), None)[0][0, 0]) for ids in documents]


def text_loss(logits: list[torch.Tensor], documents: list[list[int]]) -> float:
    """The mean loss of a token that follows another."""
    told, wanted = torch.cat([rows[:-1] for rows in logits]), torch.tensor([token for ids in documents for token in ids[1:]])
    return F.cross_entropy(told, wanted).item()


def some_documents(sequencer: Sequencer) -> list[list[int]]:
    rng = random.Random("findings documents")
    return [sequencer.document(rng, 4).ids for _ in range(DOCUMENTS)]


def measure(separation: str, runs: Path, steps: int, device: torch.device) -> Result:
    """Trains a network: the losses of text before and after, whether its logits stayed the same, the noise loss and the share of
    right answers about pictures."""
    folder = runs / "findings" / separation
    if found := known(folder):
        return found
    text, sequencer = finished_text_model(runs / "text")
    documents = some_documents(sequencer)
    network = separated(separation, text)
    before = text_logits(network, documents)
    network.to(device)
    pool, _ = Pool.load(runs / "pool")
    trainer = Trainer(network, sequencer, pool, latent_scale(pool.latents), device)
    groups = by_count(pool.scenes, list(range(len(pool.scenes))))
    trained = trainer.trained
    average = Average(trained, 0.99)
    optimizer = torch.optim.AdamW([p for p in trained.parameters() if p.requires_grad], lr=RATE, betas=(0.9, 0.98), fused=True)
    run = Run(folder, {"trained": trained, "average": average.module}, optimizer)
    while run.step < steps:
        rng = random.Random(f"findings {run.step} {process_number()}")
        torch.manual_seed(rng.getrandbits(31))
        set_rate(optimizer, run.step, steps, RATE)
        loss, values = train_step(trainer, groups, run.step < steps // 3, rng)
        run.advance(loss, trained, average, **values)
    run.save()

    def judge() -> Result:
        trained.load_state_dict(averaged(folder))
        rng = random.Random("findings pictures")
        torch.manual_seed(0)
        noise = 0.0
        with torch.no_grad():
            for _ in range(BATCHES):
                index = pick(groups, Batch.drawn, Batch.objects, rng)
                noise += trainer.paint_loss(index, False, trainer.captioned(index, rng), Batch.draws, False).noise.item() / BATCHES
        network.cpu().eval()
        after = text_logits(network, documents)
        sampler = Sampler(network, sequencer, finished_vae(runs / "vae"), trainer.scale)
        cases = benchmark.Cases.make(SCENES, "validation")
        tally = benchmark.run(cases, None, lambda pictures, asked: sampler.answer(np.stack(pictures), asked), None)
        return {
            "before": text_loss(before, documents),
            "after": text_loss(after, documents),
            "same": all(torch.equal(a, b) for a, b in zip(before, after)),
            "noise": noise,
            "right": tally.share(f"{benchmark.ANSWERS}: all"),
        }

    return judged(folder, judge)


def unchanged(runs: Path, target: Path) -> int:
    """Documents whose logits from an exported model's text side are those of the text checkpoint in 16 bits, bit for bit."""
    text, sequencer = finished_text_model(runs / "text")
    documents = some_documents(sequencer)
    image = ImageConfig()
    text.load_state_dict({name: tensor.half() for name, tensor in text.state_dict().items()})
    exported = LlamaFusion(build_text_model(sequencer.tokenizer, sequencer.bos, sequencer.eos), image)
    exported.load_state_dict(load_file(target / "model.safetensors"))
    networks = (exported, LlamaFusion(text, image))
    return sum(torch.equal(*both) for both in zip(*(text_logits(network, documents) for network in networks)))


def table(results: dict[str, Result], same: int, steps: int) -> str:
    lines = [
        f"| after {steps:,} steps on pictures | text loss before | after | logits of text | noise loss | answers right |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for name, result in results.items():
        kept = "equal to the bit" if result["same"] else "changed"
        losses = f"{result['before']:.6f} | {result['after']:.6f} | {kept} | {result['noise']:.3f}"
        lines.append(f"| {name} | {losses} | {result['right']:.0%} |")
    lines += ["", f"Of {DOCUMENTS} documents, the logits of {same} are the text checkpoint's in the finished model, bit for bit."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = stage_parser(__doc__, steps=500)
    parser.add_argument("target", type=Path)
    arguments = begin(parser)
    join_processes()
    results = {name: measure(name, arguments.runs, arguments.steps, arguments.device) for name in SEPARATIONS}
    if process_number() == 0:
        told = table(results, unchanged(arguments.runs, arguments.target), arguments.steps)
        lost = [result["after"] / result["before"] - 1 for result in results.values()]
        right = [result["right"] for result in results.values()]
        write([arguments.target], told, list(results), {"rise of the text loss": lost, "answers right": right})


if __name__ == "__main__":
    main()
