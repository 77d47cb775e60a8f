"""Writing a checkpoint's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_shards(target: Path, shards: Sequence[Callable[[], dict[str, torch.Tensor]]]) -> None:
    """`model-…-of-….safetensors` and their index; only one shard is in memory at a time."""
    target.mkdir(parents=True, exist_ok=True)
    index: dict[str, str] = {}
    size = 0
    for number, make in enumerate(shards, 1):
        shard = make()
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, target / name, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, name)
        size += sum(tensor.nbytes for tensor in shard.values())
    write_json(target / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index})
