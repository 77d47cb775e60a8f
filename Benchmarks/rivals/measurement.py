"""Clock, memory and random weights, as `triptych bench` has them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn


def samples(runs: int, body: Callable[[], float]) -> list[float]:
    """What `body` returns over `runs` calls, after one that doesn't count."""
    body()
    return [body() for _ in range(runs)]


def seconds(body: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def measurement(name: str, samples: list[float], modules: list[nn.Module]) -> dict:
    """One entry of the list that is printed."""
    return {
        "name": name,
        "seconds": {"median": statistics.median(samples), "min": min(samples), "max": max(samples)},
        "peak_memory_bytes": peak_resident_bytes(),
        "weight_bytes": sum(p.numel() * p.element_size() for module in modules for p in module.parameters()),
    }


def peak_resident_bytes() -> int:
    """`VmHWM` of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def fill(module: nn.Module) -> nn.Module:
    """Random weights in place of uninitialised ones: variance 1 / fan-in; norms are one, biases zero."""
    pattern = torch.rand(65521).mul_(2).sub_(1)  # a prime length, so that no two rows of a matrix are alike
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1:
            parameter.data.fill_(1 if name.endswith("weight") else 0)
            continue
        scaled = pattern * (3 / parameter[0].numel()) ** 0.5
        for piece in parameter.data.view(-1).split(len(pattern)):
            piece.copy_(scaled[: len(piece)])
    return module.eval()
