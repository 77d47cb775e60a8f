"""Linear readers of visual tokens, one token for each cell of the world's grid: they make a tower say what stands where, and what is
drawn from, what is to be drawn where.

Their weights have length 1, so that tokens that differ in one attribute must point in clearly different directions.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from recipe.context import Context
from recipe.rows import Row
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, SIZE_NAMES, Scene, Thing

READER_SCALE = 16.0
"""Factor of the readers' logits, which are cosines."""


class Readers(nn.Module):
    """Linear readers of what the visual token of each cell shows; trained beside a tower."""

    NAMES = {
        "shape": (*SHAPES, None),
        "color": (*COLOR_NAMES, None),
        "size": (*SIZE_NAMES, None),
        "ground": GROUND_NAMES,
        "place": PLACES,
    }

    def __init__(self, width: int) -> None:
        super().__init__()
        self.directions = nn.ParameterDict({
            name: nn.Parameter(torch.randn(len(values), width) * width**-0.5) for name, values in self.NAMES.items()
        })

    def logits(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """[…, width] to the logits of each attribute's values."""
        return {name: READER_SCALE * tokens @ F.normalize(rows, dim=-1).T for name, rows in self.directions.items()}

    def labels(self, scenes: list[Scene]) -> dict[str, torch.Tensor]:
        """What each visual token of scenes shows, as indices of values. [scenes, cells]"""
        cells = [{t.place: t for t in scene.things} for scene in scenes]
        found: dict[str, list[list[int]]] = {}
        for name in ("shape", "color", "size"):
            values = self.NAMES[name]
            found[name] = [[values.index(getattr(cell.get(p), name, None)) for p in PLACES] for cell in cells]
        found["ground"] = [[GROUND_NAMES.index(scene.ground)] * len(PLACES) for scene in scenes]
        found["place"] = [list(range(len(PLACES)))] * len(scenes)
        return {name: torch.tensor(values) for name, values in found.items()}

    @staticmethod
    def occupied(labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Which visual tokens show an object. [scenes, cells]"""
        return labels["shape"] < len(SHAPES)

    def loss(self, tokens: torch.Tensor, labels: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The readers' cross-entropy, and which visual tokens are read right in everything. [scenes, cells]"""
        total = torch.zeros((), device=tokens.device)
        right = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        # Most cells are empty: what stands in the others counts as much as all the empty ones together.
        weight = 1 + 2.0 * self.occupied(labels).flatten().to(tokens.device)
        for name, logits in self.logits(tokens).items():
            label = labels[name].to(tokens.device)
            losses = F.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
            total = total + (losses * weight).sum() / weight.sum()
            right &= logits.argmax(-1) == label
        return total, right

    def scene(self, tokens: torch.Tensor) -> Scene:
        """What the visual tokens of one picture [cells, width] show."""
        chosen = {name: logits.argmax(-1).tolist() for name, logits in self.logits(tokens).items()}
        grounds = [GROUND_NAMES[i] for i in chosen["ground"]]
        things = []
        for cell, place in enumerate(PLACES):
            looks = [self.NAMES[name][chosen[name][cell]] for name in ("shape", "color", "size")]
            if looks[0] is not None:
                things.append(Thing(looks[0], looks[1] or "", looks[2] or "", place))
        return Scene.of(max(set(grounds), key=grounds.count), things)


class Telling(nn.Module):
    """What states tell of a scene, cell by cell; only for training, no checkpoint has it. Which color goes to which object is found
    within a thousand steps of telling; twenty thousand of noise prediction had not found it."""

    WIDTH = 96
    """Components of a cell."""

    def __init__(self, cells: nn.Module) -> None:
        """`cells` makes [n, cells, WIDTH] of what is given to `loss`."""
        super().__init__()
        self.cells = cells
        self.readers = Readers(self.WIDTH)

    def loss(self, states: torch.Tensor, scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor]:
        """The readers' cross-entropy, and the share of objects that are told right in everything. States of one scene, as many of
        each, follow one another."""
        variants = len(states) // len(scenes)
        labels = {name: rows.repeat_interleave(variants, 0) for name, rows in self.readers.labels(scenes).items()}
        loss, right = self.readers.loss(F.normalize(self.cells(states).float(), dim=-1), labels)
        return loss, right[self.readers.occupied(labels).to(right.device)].float().mean()


Found = tuple[torch.Tensor, list[Thing]]
"""States of words that name things [things, width], and what they name."""


class Naming(nn.Module):
    """Linear readers of words that name a thing: what the words after them can know of it there. To look one thing up is learned within
    hundreds of steps then; questions about two things at once ("is the star above the ring") had taken many thousands without."""

    NAMES = {"shape": SHAPES, "color": COLOR_NAMES, "size": SIZE_NAMES, "place": PLACES}

    LAYER = 4
    """The decoder layer, from 0, whose values are read: what its and later layers can make use of."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.readers = nn.ModuleDict({name: nn.Linear(width, len(values)) for name, values in self.NAMES.items()})

    def found(self, own: Context, owners: torch.Tensor, order: list[Row]) -> Found:
        """What is to be read in a batch of rows with the context `own`. `owners` are the numbers of the rows in `order`, for each
        token [rows, length]."""
        values = own.values[self.LAYER]  # [contexts, variants, heads, length, head size], without variants if there is one
        values = values.transpose(-3, -2).flatten(-2).reshape(*owners.shape, -1)
        numbers = enumerate(owners[:, 0].tolist())
        named = [(row, position, thing) for row, number in numbers for position, thing in order[number].named]
        places = torch.tensor([place for *place, _ in named], dtype=torch.long, device=values.device).reshape(-1, 2)
        return values[places[:, 0], places[:, 1]], [thing for *_, thing in named]

    def loss(self, found: list[Found]) -> tuple[torch.Tensor, torch.Tensor]:
        """The readers' cross-entropy, and the share of things read right in everything."""
        states = self.norm(torch.cat([states for states, _ in found]).float())
        things = [thing for _, batch in found for thing in batch]
        total = torch.zeros((), device=states.device)
        right = torch.ones(len(things), dtype=torch.bool, device=states.device)
        for name, values in self.NAMES.items():
            labels = torch.tensor([values.index(getattr(thing, name)) for thing in things], device=states.device)
            logits = self.readers[name](states)
            total = total + F.cross_entropy(logits, labels)
            right &= logits.argmax(-1) == labels
        return total, right.float().mean()
