"""Random weights that cost little more than writing them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn


class RandomValues:
    """Values of a large tensor, over and over. Its length is a prime, so that no two rows of a matrix are alike, and every
    tensor begins at another place, so that no two tensors are."""

    PERIOD = 16_777_213
    STRIDE = 1_234_577

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        self.dtype = dtype
        self.twice = torch.randn(self.PERIOD).to(dtype).repeat(2)
        self.start = 0

    def tensor(self, shape: Iterable[int], scale: float) -> torch.Tensor:
        shape = tuple(shape)
        count = math.prod(shape)
        self.start = (self.start + self.STRIDE) % self.PERIOD
        values = self.twice[self.start : self.start + min(count, self.PERIOD)] * scale
        return values.repeat(-(-count // self.PERIOD))[:count].view(shape)

    def weights(self, build: Callable[[], nn.Module], prefix: str = "") -> dict[str, torch.Tensor]:
        """What a network's checkpoint holds: variance 1 / fan-in; norms are one, biases zero."""
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in build().state_dict().items()}
        return {prefix + name: self.weight(name, shape) for name, shape in shapes.items()}

    def weight(self, name: str, shape: torch.Size) -> torch.Tensor:
        if len(shape) == 1 or name.endswith("gamma"):
            return torch.full(shape, float(not name.endswith("bias")), dtype=self.dtype)
        return self.tensor(shape, math.prod(shape[1:]) ** -0.5)
