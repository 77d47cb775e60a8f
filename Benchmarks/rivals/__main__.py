"""Measures one piece of work in PyTorch, float32, and prints a JSON list like that of `triptych bench --json`."""

from __future__ import annotations

import argparse
import importlib
import json

import torch

SHAPES = {
    "sd15-unet": "unet",
    "sd15-vae": "autoencoder",
    "sana-1.6b": "sana",
    "sana-0.6b": "sana",
    "dc-ae": "deep_compression",
    "siglip-so400m": "siglip",
    "llama-8b": "llama",
    "qwen2-0.5b": "qwen2",
    "qwen2.5-vl-3b": "qwen2_5_vl",
    "llamafusion-8b": "llamafusion",
    "connector": "connector",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="rivals", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--layers", type=int, help="decoder layers to build; seconds are scaled to all of them")
    parser.add_argument("--runs", type=int, default=5, help="measured runs, after one that is not")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rival = importlib.import_module(f"rivals.{SHAPES[options.shape]}")
    with torch.inference_mode():
        print(json.dumps(rival.measure(options)))


main()
