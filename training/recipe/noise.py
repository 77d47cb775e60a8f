"""How much noise levels, and places in a picture, weigh in the loss of a diffusion model."""

from __future__ import annotations

import functools

import torch
from torch.nn import functional as F

from shapes.world import SIDE, Scene, coverage_index, coverage_table

SNR_CAP = 6.0
MOST_WEIGHT = 300.0


def noise_weights(kept: torch.Tensor) -> torch.Tensor:
    """Weights of a squared error in ε where `kept` of a picture's variance is left (ᾱ): those of a v-prediction,
    min(SNR + 1, cap) / SNR, up to a limit. With plain ε weights the levels near pure noise hardly count, and only there
    does the prompt decide about ground and colours."""
    ratio = kept / (1 - kept)
    return ((ratio + 1).clamp(max=SNR_CAP) / ratio).clamp(max=MOST_WEIGHT)


OBJECT_WEIGHT = 3.0
"""Added to the weight, 1, of an error at an object: most of a picture is plain ground."""


def object_weights(scenes: list[Scene], side: int, device: torch.device) -> torch.Tensor:
    """Weights of errors in latents [scenes, side, side] whose mean is 1. What a place's best prediction is does not depend on its
    weight."""
    table = _occupied(side)
    occupied = torch.stack([table[[coverage_index(thing) for thing in scene.things]].amax(0) for scene in scenes])
    weights = 1 + OBJECT_WEIGHT * occupied
    return (weights / weights.mean()).to(device)


@functools.lru_cache
def _occupied(side: int) -> torch.Tensor:
    """1 at the latents that each row of the coverage table touches, else 0. [rows, side, side]"""
    return (F.max_pool2d(torch.from_numpy(coverage_table()), SIDE // side) > 0).float()
