"""The stages that a checkpoint folder came from, so that training goes on from it: the autoencoder, the text Llama and the image
modules, each as a run that begins with these weights.

    python -m llamafusion.restore --runs runs/llamafusion ../models/llamafusion-shapes

What no checkpoint has begins anew: optimizers, the pool (`llamafusion.pool`) and the readers of `Telling` and `Naming`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from llamafusion.image import trained_modules
from llamafusion.network import LlamaFusion
from llamafusion.patchifier import ImageConfig
from llamafusion.text import text_model
from recipe.readers import Naming
from recipe.run import begin, begin_with, stage_parser


def restore(source: Path, runs: Path, seed: int) -> None:
    """Writes the runs `vae`, `text` and `image` of an exported folder."""
    torch.manual_seed(seed)
    begin_with(runs / "vae", "vae", AutoencoderKL.from_pretrained(source / "vae", low_cpu_mem_usage=False))
    (runs / "text").mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "tokenizer.json", runs / "text")
    text, _ = text_model(runs / "text")
    network = LlamaFusion(text, ImageConfig())
    network.load_state_dict(load_file(source / "model.safetensors"))
    begin_with(runs / "text", "text", text, naming=Naming(text.config.hidden_size))
    begin_with(runs / "image", "trained", trained_modules(network))


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("source", type=Path)
    arguments = begin(parser)
    restore(arguments.source, arguments.runs, arguments.seed)


if __name__ == "__main__":
    main()
