"""The stages that checkpoint folders came from, so that training goes on from them: the inverse of `metaquery.export`.

    python -m metaquery.restore --runs runs/metaquery ../models/metaquery-shapes ../models/metaquery-sd-shapes

Language model and tower are taken from the first folder, a painter and its autoencoder from each. What no checkpoint has begins anew:
optimizers, the pool (`metaquery.pool`), the readers of the tower and of `Telling`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from metaquery.chat import Chat
from metaquery.dcae import build_dcae
from metaquery.diffusion import Painter
from metaquery.export import official
from metaquery.mllm import build_mllm
from metaquery.network import Mllm
from metaquery.tower import WIDTH
from recipe.readers import Readers
from recipe.run import begin, begin_with, stage_parser
from recipe.vae import build_vae


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def restored_mllm(source: Path, backbone: dict[str, torch.Tensor], chat: Chat) -> Mllm:
    """The language model with its tower; the queries' rows of the embedding table are left out."""
    mllm = Mllm(build_mllm(chat))
    head = load_file(source / "mllm" / "model.safetensors")["language_model.lm_head.weight"]
    found = {"lm_head.weight": head}
    for name, tensor in mllm.llava.state_dict().items():
        if name != "lm_head.weight":
            found[name] = backbone[official(name)][: len(tensor)] if name.endswith("embed_tokens.weight") else backbone[official(name)]
    mllm.llava.load_state_dict(found)
    return mllm


def restored_painter(kind: str, tensors: dict[str, torch.Tensor], words: int) -> Painter:
    """Queries, connector and diffusion model; `words` rows of the embedding table come before the queries'."""
    painter = Painter(kind)
    table = tensors["model.mllm_backbone.language_model.model.embed_tokens.weight"]
    with torch.no_grad():
        painter.queries.embedded.copy_(table[words:])
    painter.queries.connector.load_state_dict(part(tensors, "model.connector."))
    painter.decoder.network.load_state_dict(part(tensors, "model.transformer."))
    return painter


def restore(sources: list[Path], runs: Path, seed: int) -> None:
    """Writes the runs `tower` and `mllm` of the first folder, and those of a painter and its autoencoder for each."""
    torch.manual_seed(seed)
    runs.mkdir(parents=True, exist_ok=True)
    shutil.copy(sources[0] / "mllm" / "tokenizer.json", runs)
    chat = Chat.load(runs)
    for number, source in enumerate(sources):
        tensors = load_file(source / "model.safetensors")
        if number == 0:
            mllm = restored_mllm(source, part(tensors, "model.mllm_backbone."), chat)
            begin_with(runs / "mllm", "mllm", mllm)
            vision = mllm.llava.model.vision_tower
            begin_with(runs / "tower", "tower", nn.ModuleDict({"vision": vision, "readers": Readers(WIDTH)}))
        flow = json.loads((source / "config.json").read_text())["loss_type"] == "flow"
        kind, folder, autoencoder = ("sana", "dcae", build_dcae()) if flow else ("sd", "vae", build_vae())
        autoencoder.load_state_dict(part(tensors, "vae."))
        begin_with(runs / folder, "vae", autoencoder)
        begin_with(runs / kind, "painter", restored_painter(kind, tensors, chat.vocabulary))


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    arguments = begin(parser)
    restore(arguments.sources, arguments.runs, arguments.seed)


if __name__ == "__main__":
    main()
