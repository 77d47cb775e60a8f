"""Single operations: Triptych beside PyTorch float32 and beside what the machine can do at best.

Both sides stay loaded and take turns, so that a machine whose speed drifts slows both alike. What is compared are
medians over the rounds; peak arithmetic and memory bandwidth are measured in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Work:
    """One operation: its name in the table, its line for Triptych, and what it costs."""

    title: str
    line: str
    flops: float
    bytes: float = 0

    @staticmethod
    def linear(rows: int, inputs: int, outputs: int, dtype: str = "f32") -> Work:
        size = {"f32": 4, "bf16": 2}[dtype]
        return Work(
            f"linear {rows} × {inputs} → {outputs}, {dtype}",
            f"linear {rows} {inputs} {outputs} {dtype}",
            2 * rows * inputs * outputs,
            size * inputs * outputs if rows == 1 else 0,
        )

    @staticmethod
    def convolution(side: int, inputs: int, outputs: int, kernel: int = 3) -> Work:
        return Work(
            f"convolution {kernel}×{kernel}, {side}² × {inputs} → {outputs}",
            f"convolution {side} {inputs} {outputs} {kernel}",
            2 * side**2 * kernel**2 * inputs * outputs,
        )

    @staticmethod
    def attention(rows: int, heads: int, width: int) -> Work:
        return Work(f"attention {rows}, {heads} × {width}", f"attention {rows} {heads} {width}", 4 * rows**2 * heads * width)

    def rival(self) -> Callable[[], object]:
        """The same in PyTorch, float32, in the memory format that suits it best."""
        operation, *words = self.line.split()
        numbers = [int(word) for word in words if word.isdigit()]
        if operation == "linear":
            x, weight = torch.rand(numbers[0], numbers[1]), torch.rand(numbers[2], numbers[1])
            return lambda: functional.linear(x, weight)
        if operation == "convolution":
            side, inputs, outputs, kernel = numbers
            x = torch.rand(1, inputs, side, side).contiguous(memory_format=torch.channels_last)
            weight = torch.rand(outputs, inputs, kernel, kernel).contiguous(memory_format=torch.channels_last)
            return lambda: functional.conv2d(x, weight, padding=kernel // 2)
        x = torch.rand(1, numbers[1], numbers[0], numbers[2])
        return lambda: functional.scaled_dot_product_attention(x, x, x)


WORKS = [
    Work.linear(1, 4096, 14336, "bf16"),
    Work.linear(1, 14336, 4096, "bf16"),
    Work.linear(8, 4096, 14336, "bf16"),
    Work.linear(64, 4096, 4096, "bf16"),
    Work.linear(512, 4096, 4096, "bf16"),
    Work.linear(512, 4096, 14336, "bf16"),
    Work.linear(4096, 320, 320),
    Work.convolution(8, 1280, 1280),
    Work.convolution(16, 1280, 1280),
    Work.convolution(64, 320, 320),
    Work.convolution(128, 512, 512),
    Work.convolution(256, 256, 256),
    Work.convolution(512, 128, 128),
    Work.convolution(64, 640, 320, kernel=1),
    Work.attention(4096, 8, 40),
    Work.attention(4096, 1, 512),
    Work.attention(512, 32, 128),
]


class Kernels:
    """Triptych's side, a process that does what it is told on its standard input."""

    def __init__(self, command: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [command, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        return json.loads(self.process.stdout.readline())


def seconds(body: Callable[[], object]) -> float:
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def compare(work: Work, kernels: Kernels, rounds: int) -> list[str]:
    """One line of the table."""
    kernels.ask(f"work {work.line}")
    rival = work.rival()
    rival()
    ours, theirs, limits = [], [], []
    for _ in range(rounds):
        ours.append(kernels.ask("run")["seconds"])
        theirs.append(seconds(rival))
        limits.append(kernels.ask("limits"))
    time_ours, time_theirs = statistics.median(ours), statistics.median(theirs)
    limit = "bytes" if work.bytes else "flops"
    done = work.bytes or work.flops
    best = statistics.median(entry[limit] for entry in limits)
    return [
        work.title,
        f"{time_ours * 1e3:.2f} ms",
        f"{done / time_ours * 1e-9:.0f} {'GB/s' if work.bytes else 'GFLOP/s'}",
        f"{done / time_ours / best:.2f} of {best * 1e-9:.0f}",
        f"{time_theirs * 1e3:.2f} ms",
        f"{time_theirs / time_ours:.2f} ×",
    ]


HEADINGS = ["operation", "Triptych", "rate", "of the peak", "PyTorch float32", "times as fast"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", required=True, help="the built KernelBenchmark")
    parser.add_argument("--only", help="operations whose line contains this, as `convolution` or `512 4096`")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kernels = Kernels(options.kernels, options.threads)
    print(f"{options.threads} threads, {kernels.ask('limits')['instructions']}, medians of {options.rounds} rounds")
    print("A 3×3 convolution counts all multiplications of the direct sum; Winograd's does 2.25 times fewer.\n")
    for cells in [HEADINGS, ["---"] * len(HEADINGS)]:
        print(f"| {' | '.join(cells)} |")
    with torch.inference_mode():
        for work in WORKS:
            if not options.only or options.only in work.line:
                print(f"| {' | '.join(compare(work, kernels, options.rounds))} |", flush=True)


main()
