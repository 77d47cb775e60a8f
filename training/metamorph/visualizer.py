"""Stage 3: the visualizer. A small Stable Diffusion UNet that reads frozen visual tokens through the official projector.

Noise prediction on SD 1.5's schedule in SD 2.1's form, `v_prediction`; the condition is dropped (zeros) in 10 %. In the ε
form the steps near pure noise, where the condition alone decides about grounds and colors, hardly count in the loss, and a
network this small can't copy its input exactly enough to say anything there.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from metamorph.pool import Pool
from metamorph.tower import WIDTH
from recipe.autoencoder import to_pictures
from recipe.run import Average, Run, begin, finished, join_processes, process_number, set_rate, stage_parser
from recipe.stable_diffusion import build_scheduler, build_unet

CONDITION_TOKENS = 77
"""Tokens of a condition as SD's text encoder makes them; the demo fills up with zeros."""

CONDITION_WIDTH = 96

CONDITION_DROPOUT = 0.1

TOKEN_NOISE = 0.25
"""Half of the visual tokens get noise of up to this length before they are read: the language model's are not exact."""

ADAPTER_CONFIG = {
    "input_dim": WIDTH,
    "hidden_dim": 128,
    "output_dim": CONDITION_WIDTH,
    "num_tokens": CONDITION_TOKENS,
    "num_layers": 3,
    "num_heads": 8,
    "mode": "mlp",
}
"""`model_config.json` of the visualizer."""

NOISY_TIMESTEPS = 0.35
"""Share of timesteps drawn from 750–999 instead of from all."""


class SimplifiedSigLIPProjector(nn.Module):
    """Visual tokens to condition tokens, mode `mlp`: linear layers, each with a norm, ReLU between them."""

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, num_layers: int, **_: object) -> None:
        super().__init__()
        widths = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers[:-1], self.norms[:-1]):
            x = F.relu(norm(layer(x)))
        return self.norms[-1](self.layers[-1](x))


class Visualizer(nn.Module):
    """The UNet and its adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = build_unet(CONDITION_WIDTH)
        self.adapter = SimplifiedSigLIPProjector(**ADAPTER_CONFIG)  # type: ignore[arg-type]
        # Most keys of a condition are zeros: what is read must outweigh them from the start.
        nn.init.constant_(self.adapter.norms[-1].weight, 3.0)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The prediction for noisy latents. `condition` are the adapter's tokens, before any zeros are put behind them.

        Keys and values have no bias, so all the zeros behind a condition are alike: one of them stands for all, with the
        logarithm of their number added to its score.
        """
        zeros = CONDITION_TOKENS - condition.shape[1]
        padded = F.pad(condition, (0, 0, 0, 1))
        score = torch.zeros(padded.shape[:2], device=latents.device)
        score[:, -1] = math.log(zeros)
        mask = 1 + score / 10000  # the UNet makes scores of a mask by (1 − mask) · −10000
        return self.unet(latents, timesteps, padded, encoder_attention_mask=mask, return_dict=False)[0]


class Trainer:
    """The loss of one step."""

    def __init__(self, visualizer: Visualizer, pool: Pool, device: torch.device) -> None:
        self.visualizer = visualizer
        self.pool = pool
        self.scale = pool.scale()
        self.device = device
        alphas = build_scheduler("v_prediction").alphas_cumprod.to(device)
        self._signal, self._noise = alphas.sqrt(), (1 - alphas).sqrt()

    def loss(self, numbers: list[int], draws: int) -> torch.Tensor:
        """The noise loss of pictures, each at several timesteps. The adapter runs once for each picture."""
        count = len(numbers)
        clean = (self.pool.latents[numbers].float() * self.scale).to(self.device)
        tokens = self.pool.tokens[numbers].float().to(self.device)
        noise = torch.randn_like(tokens) * WIDTH**-0.5 * TOKEN_NOISE
        amount = torch.rand(count, 1, 1, device=self.device) * (torch.rand(count, 1, 1, device=self.device) < 0.5)
        condition = self.visualizer.adapter(F.normalize(tokens + noise * amount, dim=-1))
        kept = torch.rand(count, draws, 1, 1, device=self.device) >= CONDITION_DROPOUT
        condition = (condition[:, None] * kept).flatten(0, 1)
        spread = (torch.arange(draws) + torch.rand(count, draws)) / draws
        noisy = torch.rand(count, draws) < NOISY_TIMESTEPS
        spread = torch.where(noisy, 0.75 + 0.25 * torch.rand(count, draws), spread)
        timesteps = (spread.flatten() * 1000).long().clamp(max=999).to(self.device)
        clean = clean.repeat_interleave(draws, 0)
        noise = torch.randn_like(clean)
        signal, share = (table[timesteps][:, None, None, None] for table in (self._signal, self._noise))
        predicted = self.visualizer(signal * clean + share * noise, timesteps, condition)
        return F.mse_loss(predicted.float(), signal * noise - share * clean)


def train(runs: Path, steps: int, batch: int, draws: int, peak: float, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    visualizer = Visualizer().to(device)
    average = Average(visualizer, 0.998)
    optimizer = torch.optim.AdamW(visualizer.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    run = Run(runs / "visualizer", {"visualizer": visualizer, "average": average.module}, optimizer)
    pool, _ = Pool.load(runs / "pictures")
    trainer = Trainer(visualizer, pool, device)
    while run.step < steps:
        key = f"visualizer {seed} {run.step} {process_number()}"
        rng = random.Random(key)
        torch.manual_seed(rng.getrandbits(31))
        numbers = [rng.randrange(len(pool.scenes)) for _ in range(batch)]
        set_rate(optimizer, run.step, steps, peak, descent=0.3)
        with torch.autocast(device.type, torch.bfloat16):
            loss = trainer.loss(numbers, draws)
        run.advance(loss, visualizer, average)
    run.save()


def finished_visualizer(runs: Path) -> Visualizer:
    """The averaged visualizer of a run."""
    return finished(Visualizer(), runs / "visualizer")


@torch.no_grad()
def render(
    visualizer: Visualizer, vae: AutoencoderKL, scale: float, tokens: torch.Tensor, steps: int, guidance: float, seed: int = 0
) -> np.ndarray:
    """Visual tokens [n, tokens, width] to pictures, uint8 [n, side, side, 3]: PNDM with guidance against zeros."""
    count = tokens.shape[0]
    condition = visualizer.adapter(tokens)
    condition = torch.cat([condition, torch.zeros_like(condition)])
    latents = torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    scheduler = build_scheduler("v_prediction")
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        given, dropped = visualizer(latents.repeat(2, 1, 1, 1), timestep.expand(2 * count), condition).chunk(2)
        latents = scheduler.step(dropped + guidance * (given - dropped), timestep, latents).prev_sample
    return to_pictures(vae.decode(latents / scale).sample)


def main() -> None:
    parser = stage_parser(__doc__, steps=5000, batch=24, rate=1.0e-3)
    parser.add_argument("--draws", type=int, default=3, help="timesteps of each picture in a step")
    arguments = begin(parser)
    join_processes()
    rate, device = arguments.rate, arguments.device
    train(arguments.runs, arguments.steps, arguments.batch, arguments.draws, rate, arguments.seed, device)


if __name__ == "__main__":
    main()
