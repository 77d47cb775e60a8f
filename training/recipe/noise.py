"""How much the noise levels weigh in a loss on predicted noise."""

from __future__ import annotations

import torch

SNR_CAP = 6.0
MOST_WEIGHT = 300.0


def noise_weights(kept: torch.Tensor) -> torch.Tensor:
    """Weights of a squared error in ε where `kept` of a picture's variance is left (ᾱ): those of a v-prediction,
    min(SNR + 1, cap) / SNR, up to a limit. With plain ε weights the levels near pure noise hardly count, and only there
    does the prompt decide about ground and colours."""
    ratio = kept / (1 - kept)
    return ((ratio + 1).clamp(max=SNR_CAP) / ratio).clamp(max=MOST_WEIGHT)
