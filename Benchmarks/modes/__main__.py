"""Every mode of a model at its real dimensions, through the server: what comes back, how long it takes, how much memory.

The checkpoints have random weights and replies that are known beforehand; see modes/checkpoints.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modes import metamorph, metaquery
from modes.checkpoints.metamorph import write as write_metamorph
from modes.checkpoints.metaquery import SANA, STABLE_DIFFUSION
from modes.checkpoints.metaquery import write as write_metaquery
from modes.server import Server


@dataclass(frozen=True)
class Model:
    write: Callable[[Path, int | None], None]
    entry: dict[str, str]
    """Of the server's settings."""
    modes: type[metamorph.Modes] | type[metaquery.Modes]


MODELS = {
    "metamorph": Model(write_metamorph, metamorph.ENTRY, metamorph.Modes),
    "metaquery-sana": Model(partial(write_metaquery, variant=SANA), metaquery.ENTRY, metaquery.Modes),
    "metaquery-sd": Model(partial(write_metaquery, variant=STABLE_DIFFUSION), metaquery.ENTRY, metaquery.Modes),
}

STAGES = ("encode_image", "prefill", "decode_token", "denoise", "decode_latents")


def written(name: str, models: Path, layers: int | None) -> Path:
    """The folder of a model's checkpoint, which is written unless it is there."""
    folder = models / (f"{name}-{layers}-layers" if layers else name)
    finished = folder / "finished"
    if not finished.exists():
        print(f"Writing the checkpoint to {folder}", flush=True)
        MODELS[name].write(folder, layers)
        finished.touch()
    return folder


def measure(name: str, folder: Path, arguments: argparse.Namespace) -> None:
    model = MODELS[name]
    with Server(arguments.triptych, folder, model.entry, arguments.threads) as server:
        print(f"| mode | seconds | {' | '.join(STAGES)} | peak memory so far | × weights |")
        print(f"| --- |{' ---: |' * (len(STAGES) + 3)}")
        for title, mode in model.modes(server, arguments.steps).all():
            started = time.perf_counter()
            timings = mode()["timings"]
            seconds = time.perf_counter() - started
            stages = [f"{timings[stage]:.1f}" if stage in timings else "" for stage in STAGES]
            peak = server.peak_memory()
            memory = [f"{peak / 1e9:.2f} GB", f"{peak / server.weight_bytes():.2f}"]
            print(f"| {' | '.join([title, f'{seconds:.1f}', *stages, *memory])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--triptych", required=True, help="the program")
    parser.add_argument("--models", type=Path, default=Path(".benchmark-models"), help="where checkpoints are, or come")
    parser.add_argument("--layers", type=int, help="of language model and connector; default: all, of MetaMorph's 32 8")
    parser.add_argument("--steps", type=int, default=4, help="denoise steps a picture")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write-only", action="store_true", help="write the checkpoint and measure nothing")
    arguments = parser.parse_args()
    folder = written(arguments.model, arguments.models, arguments.layers)
    if not arguments.write_only:
        measure(arguments.model, folder, arguments)


if __name__ == "__main__":
    main()
