"""Token sequences under construction, and batches of them."""

from __future__ import annotations

import torch

from shapes.world import Thing


class Row:
    """A token sequence under construction: ids, and for each position what it has to predict and how much that counts."""

    def __init__(self, skill: str = "") -> None:
        self.skill = skill
        """What its answer takes, if lessons are chosen by that (`Mastery`)."""
        self.ids: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []
        self.named: list[tuple[int, Thing]] = []
        """Positions at which a name ends, and what it names, if that is to be read there (`Naming`)."""
        self._closed = True

    def add(self, tokens: list[int], weight: float = 0.0) -> Row:
        """Appends tokens; `weight` is the loss weight of predicting each of them."""
        for token in tokens:
            if not self._closed:
                self.targets[-1], self.weights[-1] = token, weight
            self._closed = False
            self.ids.append(token)
            self.targets.append(0)
            self.weights.append(0.0)
        return self

    def close(self, end: int, weight: float = 1.0) -> Row:
        """Lets the last position predict `end` whatever is appended later: an answer ends there."""
        self.targets[-1], self.weights[-1] = end, weight
        self._closed = True
        return self


LENGTH_STEP = 8
"""Batches are as long as a multiple of this. On a CPU every new shape of a 16-bit product costs a kernel compiled for it: 3 ms and
3 MB, many times what the padding costs."""

TOLD_STEP = 64
"""The same of the number of tokens whose prediction is scored."""


def padded_length(lengths: list[int]) -> int:
    """The length of a batch of rows; rows of one length are left as they are."""
    longest = max(lengths)
    return longest if min(lengths) == longest else -(-longest // LENGTH_STEP) * LENGTH_STEP


def scored(weights: torch.Tensor) -> torch.Tensor:
    """Places in the flattened `weights` that have some, and a few others to make their number a multiple of `TOLD_STEP`."""
    flat = weights.flatten()
    kept = flat.nonzero()[:, 0]
    return torch.cat([kept, (flat == 0).nonzero()[: -len(kept) % TOLD_STEP, 0]])


def padded_ids(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the right, and which are real. Each [rows, length]"""
    width = padded_length([len(row) for row in rows])
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
    real = torch.arange(width, device=device) < torch.tensor([[len(row)] for row in rows], device=device)
    return ids, real


def padded(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, targets and weights of rows, padded on the right, each [rows, length]. Causal attention needs no mask then."""
    width = padded_length([len(row.ids) for row in rows])
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows])
    targets = torch.tensor([row.targets + [0] * (width - len(row.ids)) for row in rows])
    weights = torch.tensor([row.weights + [0.0] * (width - len(row.ids)) for row in rows])
    return ids, targets, weights


Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Ids, targets and weights of rows, and the number of the row that each token is of. Each [rows, length]"""


def parted(rows: list[Row], variants: int, parts: int, device: torch.device) -> tuple[list[Row], list[Part]]:
    """The `variants` rows of each context in batches by length, and all rows in the order in which the batches number them."""
    order: list[Row] = []
    batches: list[Part] = []
    for part in by_length(rows, variants, parts):
        ids, targets, weights = (tensor.to(device) for tensor in padded(part))
        numbers = torch.arange(len(order), len(order) + len(part), device=device)[:, None].expand_as(ids)
        batches.append((ids, targets, weights, numbers))
        order += part
    return order, batches


def by_length(rows: list[Row], variants: int, parts: int) -> list[list[Row]]:
    """The `variants` rows of each context as `parts` batches, the short rows in the first: most of a batch of rows of
    all lengths would be padding."""
    sorted_rows = [sorted(rows[i : i + variants], key=lambda row: len(row.ids)) for i in range(0, len(rows), variants)]
    size = variants // parts
    return [[row for of_one in sorted_rows for row in of_one[i : i + size]] for i in range(0, variants, size)]
