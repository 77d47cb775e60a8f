"""The stages that a checkpoint folder came from, so that training goes on from it: the inverse of `metamorph.export`.

    python -m metamorph.restore --runs runs/metamorph ../models/metamorph-shapes

What no checkpoint has begins anew: optimizers, the pool (`metamorph.pool`) and the tower's text side. The readers of visual tokens
are taught again behind the finished tower, which takes a minute.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from metamorph.network import MetaMorph, build_text_model
from metamorph.sequences import Chat
from metamorph.tower import VISUAL_TOKENS, WIDTH, build_tower, encode, visual_tokens
from metamorph.visualizer import Visualizer
from recipe.autoencoder import to_tensor
from recipe.readers import Readers
from recipe.run import begin, begin_with, set_rate, stage_parser
from shapes import world

READING_STEPS = 400
"""Steps that teach the readers."""


def taught_readers(vision: nn.Module, steps: int) -> Readers:
    """Readers of a finished tower's visual tokens."""
    readers = Readers(WIDTH)
    optimizer = torch.optim.AdamW(readers.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    rng = random.Random("readers")
    for step in range(steps):
        scenes = [world.random_scene(rng, part="train") for _ in range(64)]
        with torch.no_grad():
            tokens = visual_tokens(encode(vision, to_tensor(world.render_batch(scenes))))
        loss, right = readers.loss(tokens, readers.labels(scenes))
        set_rate(optimizer, step, steps, 1e-2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"the readers tell {right.float().mean():.3f} of the visual tokens")
    return readers


def restore(source: Path, runs: Path, seed: int, reading_steps: int = READING_STEPS) -> None:
    """Writes the runs `vae`, `tower`, `vpit` and `visualizer` of an exported folder. The text stage, from which the language model
    began, is LlamaFusion's."""
    torch.manual_seed(seed)
    runs.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "tokenizer.json", runs)
    chat = Chat(Tokenizer.from_file(str(runs / "tokenizer.json")), VISUAL_TOKENS)
    begin_with(runs / "vae", "vae", AutoencoderKL.from_pretrained(source / "diffusion" / "vae", low_cpu_mem_usage=False))
    network = MetaMorph(build_text_model(chat))
    network.load_state_dict(load_file(source / "model.safetensors"))
    begin_with(runs / "vpit", "network", network)
    visualizer = Visualizer()
    for name, module in (("unet_checkpoint", visualizer.unet), ("adapter_checkpoint", visualizer.adapter)):
        module.load_state_dict(load_file(source / "visualizer" / f"{name}.safetensors"))
    begin_with(runs / "visualizer", "visualizer", visualizer)
    siglip = build_tower(chat.tokenizer.get_vocab_size())
    seen = load_file(source / "siglip" / "model.safetensors")
    siglip.vision_model.load_state_dict({name.removeprefix("vision_model."): tensor for name, tensor in seen.items()})
    readers = taught_readers(siglip.vision_model.eval(), reading_steps)
    begin_with(runs / "tower", "tower", nn.ModuleDict({"siglip": siglip, "readers": readers}))


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("source", type=Path)
    arguments = begin(parser)
    restore(arguments.source, arguments.runs, arguments.seed)


if __name__ == "__main__":
    main()
