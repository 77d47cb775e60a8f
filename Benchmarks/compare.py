"""Triptych beside PyTorch float32: the same shapes, random weights and threads, processes of both in turn.

Every round measures each side in a process of its own, so that memory is theirs alone and a machine whose speed drifts
slows both alike. What is compared are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """One `--shape` of `triptych bench`."""

    title: str
    shape: str
    dtype: str
    runs: int
    is_decoder: bool = True
    """A language model, whose passes are measured one by one."""
    is_large: bool = False
    """In float32 more than this memory: fewer layers stand for all of them."""
    is_transformer: bool = True
    """Weights are most of its memory, which is held against them."""
    speed: float = 1.0
    """How many times as fast as PyTorch it has to be."""
    rival_memory: float = 1.0
    """The part of PyTorch's peak memory that it may take, where convolutions do the work."""

    def arguments(self, options: argparse.Namespace) -> list[str]:
        layers = ["--layers", str(options.layers)] if self.is_large else []
        return ["--shape", self.shape, "--runs", str(self.runs), "--threads", str(options.threads), *layers]

    def run_triptych(self, options: argparse.Namespace) -> list[dict]:
        return run([options.triptych, "bench", "--json", "--dtype", self.dtype, *self.arguments(options)])

    def run_rival(self, options: argparse.Namespace) -> list[dict]:
        return run([sys.executable, "-m", "rivals", *self.arguments(options)], cwd=Path(__file__).parent)


WORKS = [
    Work("SD 1.5 UNet, step", "sd15-unet", "f32", runs=1, is_decoder=False, is_transformer=False, speed=1.3),
    Work(
        "SD 1.5 VAE, decode 512²",
        "sd15-vae",
        "f32",
        runs=1,
        is_decoder=False,
        is_transformer=False,
        speed=1.3,
        rival_memory=0.5,
    ),
    Work("Sana 1.6B, step", "sana-1.6b", "bf16", runs=1, is_decoder=False, speed=1.3),
    Work("Sana 0.6B, step", "sana-0.6b", "bf16", runs=1, is_decoder=False, speed=1.3),
    Work(
        "DC-AE, decode 512²",
        "dc-ae",
        "f32",
        runs=1,
        is_decoder=False,
        is_transformer=False,
        speed=1.3,
        rival_memory=0.5,
    ),
    Work("SigLIP so400m, 384²", "siglip-so400m", "f32", runs=1, is_decoder=False),
    Work("Llama 8B", "llama-8b", "bf16", runs=3, is_large=True),
    Work("LlamaFusion 8B", "llamafusion-8b", "bf16", runs=1, is_large=True),
    Work("Qwen2 0.5B", "qwen2-0.5b", "bf16", runs=5),
    Work("Qwen2.5-VL 3B", "qwen2.5-vl-3b", "bf16", runs=3, is_large=True),
    Work("MetaQuery connector, 2 × 256 queries", "connector", "f32", runs=3, is_decoder=False),
]
# The weights of a transformer, and what it may need beside them.
TRANSFORMER_MEMORY = 1.25
DECODE_BANDWIDTH = 0.85


def run(command: list[str], cwd: Path | None = None) -> list[dict]:
    return json.loads(subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE).stdout)


@dataclass
class Side:
    """What one side measured of one name, over all rounds."""

    seconds: list[float]
    peak_memory: int
    weight_bytes: int

    @staticmethod
    def gather(rounds: list[list[dict]]) -> dict[str, Side]:
        sides: dict[str, Side] = {}
        for entry in (entry for entries in rounds for entry in entries):
            side = sides.setdefault(entry["name"], Side([], 0, entry["weight_bytes"]))
            side.seconds.append(entry["seconds"]["median"])
            side.peak_memory = max(side.peak_memory, entry["peak_memory_bytes"])
        return sides

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass
class Row:
    """One line of the table."""

    work: Work
    name: str
    triptych: Side
    rival: Side
    memory_read: Side | None

    @property
    def speed(self) -> float:
        """How many times as fast as PyTorch."""
        return self.rival.median / self.triptych.median

    @property
    def bandwidth(self) -> float | None:
        """The part of the memory's bandwidth that decoding a token reaches."""
        return self.memory_read.median / self.triptych.median if self.memory_read else None

    @property
    def memory(self) -> float:
        """Peak memory as a multiple of the weights, or of PyTorch's peak where convolutions do the work."""
        beside = self.triptych.weight_bytes if self.work.is_transformer else self.rival.peak_memory
        return self.triptych.peak_memory / beside

    @property
    def missed(self) -> list[str]:
        """The bars that this row doesn't reach."""
        missed = []
        if self.speed < self.work.speed:
            missed.append("slower than PyTorch" if self.speed < 1 else "speed")
        if self.memory > (TRANSFORMER_MEMORY if self.work.is_transformer else self.work.rival_memory):
            missed.append("memory")
        if self.bandwidth is not None and self.bandwidth < DECODE_BANDWIDTH:
            missed.append("bandwidth")
        return missed

    @property
    def cells(self) -> list[str]:
        return [
            f"{self.work.title}, {self.name}" if self.work.is_decoder else self.work.title,
            f"{self.triptych.median:.3f} s",
            f"{self.rival.median:.3f} s",
            f"{self.speed:.2f} ×",
            f"{self.triptych.peak_memory / 1e9:.2f} GB, {self.memory:.2f} × {'weights' if self.work.is_transformer else 'PyTorch'}",
            f"{self.rival.peak_memory / 1e9:.2f} GB",
            f"{self.bandwidth:.2f}" if self.bandwidth is not None else "",
            ", ".join(self.missed) or "met",
        ]

    @property
    def entry(self) -> dict:
        return {
            "shape": self.work.shape,
            "name": self.name,
            "triptych": vars(self.triptych),
            "pytorch": vars(self.rival),
            "times_as_fast": self.speed,
            "memory_ratio": self.memory,
            "bandwidth_fraction": self.bandwidth,
            "missed": self.missed,
        }


def compare(work: Work, options: argparse.Namespace) -> list[Row]:
    triptych, rival = [], []
    for number in range(1, options.rounds + 1):
        print(f"{work.title}: round {number} of {options.rounds}", file=sys.stderr, flush=True)
        triptych.append(work.run_triptych(options))
        rival.append(work.run_rival(options))
    ours, theirs = Side.gather(triptych), Side.gather(rival)
    reads = {"decode": ours.get("memory-read")}
    return [Row(work, name, ours[name], theirs[name], reads.get(name)) for name in theirs]


HEADINGS = ["work", "Triptych", "PyTorch float32", "times as fast", "peak memory", "PyTorch's", "of bandwidth", "bars"]


def table(rows: list[Row]) -> str:
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triptych", required=True, help="the built command")
    parser.add_argument("--shape", action="append", choices=[work.shape for work in WORKS], help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=8, help="of the large language models; seconds are scaled to all")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    options = parser.parse_args()
    works = [work for work in WORKS if not options.shape or work.shape in options.shape]
    rows = [row for work in works for row in compare(work, options)]
    print(f"{processor()}, {options.threads} threads, {options.rounds} rounds")
    print(f"{options.layers} layers of the large language models, scaled to all\n")
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([row.entry for row in rows], indent=2) + "\n")


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


main()
