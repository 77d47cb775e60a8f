"""Token sequences under construction, and batches of them."""

from __future__ import annotations

import torch


class Row:
    """A token sequence under construction: ids, and for each position what it has to predict and how much that counts."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []
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


def padded_ids(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the right, and which are real. Each [rows, longest]"""
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
    real = torch.arange(width, device=device) < torch.tensor([[len(row)] for row in rows], device=device)
    return ids, real


def padded(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, targets and weights of rows, padded on the right, each [rows, longest]. Causal attention needs no mask then."""
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows])
    targets = torch.tensor([row.targets + [0] * (width - len(row.ids)) for row in rows])
    weights = torch.tensor([row.weights + [0.0] * (width - len(row.ids)) for row in rows])
    return ids, targets, weights


def by_length(rows: list[Row], variants: int, parts: int) -> list[list[Row]]:
    """The `variants` rows of each context as `parts` batches, the short rows in the first: most of a batch of rows of
    all lengths would be padding."""
    sorted_rows = [sorted(rows[i : i + variants], key=lambda row: len(row.ids)) for i in range(0, len(rows), variants)]
    size = variants // parts
    return [[row for of_one in sorted_rows for row in of_one[i : i + size]] for i in range(0, variants, size)]
