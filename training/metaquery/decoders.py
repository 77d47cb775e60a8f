"""The diffusion models that draw from a condition: Sana by flow matching, Stable Diffusion's UNet by noise prediction."""

from __future__ import annotations

import torch
from diffusers import DPMSolverMultistepScheduler, SanaTransformer2DModel
from diffusers.models.attention_processor import Attention
from torch import nn

from metaquery.dcae import LATENT_CHANNELS, LATENT_SIDE
from recipe.noise import noise_weights
from recipe.stable_diffusion import build_scheduler, build_unet

CONDITION_WIDTH = {"sana": 128, "sd": 96}
"""Width of a condition: Sana's caption channels, the UNet's cross-attention width."""

GUIDANCE = {"sana": 2.0, "sd": 1.5}
"""The guidance that draws best on validation scenes, which config/triptych.yaml names: edits fail with more."""

FLOW_SHIFT = 3.0
"""How far sampling shifts σ towards noise (Esser et al., arXiv 2403.03206, section 5.3.2), as Sana's scheduler has it."""

NOISY_SHARE = 0.35
"""Share of noise levels drawn near pure noise instead of evenly: there the prompt decides about grounds and colors."""


class PlainAttention:
    """Cross-attention by plain products: over so few tokens the fused kernel takes three times as long on a CPU."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        query, key, value = (
            projection(x).unflatten(2, (attn.heads, -1)).transpose(1, 2)  # [rows, heads, tokens, size]
            for projection, x in (
                (attn.to_q, hidden_states),
                (attn.to_k, encoder_hidden_states),
                (attn.to_v, encoder_hidden_states),
            )
        )
        weights = (query * attn.scale @ key.transpose(2, 3)).softmax(-1).to(value.dtype)
        return attn.to_out[0]((weights @ value).transpose(1, 2).flatten(2))


def build_sana() -> SanaTransformer2DModel:
    """Sana at this world's size; without position embedding, as the official one: the depthwise convolutions' zero borders tell
    each of the 4×4 tokens where it stands."""
    sana = SanaTransformer2DModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=4,
        attention_head_dim=32,
        num_layers=6,
        num_cross_attention_heads=4,
        cross_attention_head_dim=32,
        cross_attention_dim=128,
        caption_channels=CONDITION_WIDTH["sana"],
        mlp_ratio=2.5,
        sample_size=LATENT_SIDE,
        patch_size=1,
    )
    for block in sana.transformer_blocks:
        block.attn2.set_processor(PlainAttention())
    return sana


class Decoder(nn.Module):
    """A diffusion model over latents of one shape."""

    latent_shape: tuple[int, int, int]

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The prediction for noisy latents [rows, C, S, S] at timesteps [rows]. condition: [rows, tokens, width]"""
        return self.network(latents, encoder_hidden_states=condition, timestep=timesteps, return_dict=False)[0]

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents at noise levels 0…1 [rows], their timesteps, and what is to be predicted."""
        raise NotImplementedError

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """How much the squared errors at timesteps [rows] count."""
        return torch.ones_like(timesteps)

    def scheduler(self) -> DPMSolverMultistepScheduler:
        """What pictures are sampled with."""
        raise NotImplementedError


class SanaDecoder(Decoder):
    """Flow matching: x = (1 − σ) x₀ + σ ε, the prediction is ε − x₀, all σ weigh alike."""

    latent_shape = (LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)

    def __init__(self) -> None:
        super().__init__(build_sana())

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sigma = levels[:, None, None, None]
        return (1 - sigma) * clean + sigma * noise, (levels * 1000).floor(), noise - clean

    def scheduler(self) -> DPMSolverMultistepScheduler:
        return DPMSolverMultistepScheduler(
            num_train_timesteps=1000, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=FLOW_SHIFT
        )


class StableDiffusionDecoder(Decoder):
    """Noise prediction on SD 1.5's schedule."""

    latent_shape = (4, 8, 8)

    def __init__(self) -> None:
        super().__init__(build_unet(CONDITION_WIDTH["sd"], (40, 72)))
        self.schedule = build_scheduler("epsilon", "linspace")

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        timesteps = (levels * 1000).long().clamp(max=999)
        kept = self.schedule.alphas_cumprod.to(clean.device)[timesteps][:, None, None, None]
        signal, share = kept.sqrt(), (1 - kept).sqrt()
        return signal * clean + share * noise, timesteps, noise

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        return noise_weights(self.schedule.alphas_cumprod).to(timesteps.device)[timesteps]

    def scheduler(self) -> DPMSolverMultistepScheduler:
        names = ("beta_start", "beta_end", "beta_schedule", "prediction_type", "steps_offset", "timestep_spacing")
        return DPMSolverMultistepScheduler(**{name: self.schedule.config[name] for name in names})


def build_decoder(kind: str) -> Decoder:
    return SanaDecoder() if kind == "sana" else StableDiffusionDecoder()


def noise_levels(rows: int, draws: int, device: torch.device) -> torch.Tensor:
    """Levels 0…1, spread evenly over each row's draws, a share of them near pure noise. [rows · draws]"""
    spread = (torch.arange(draws, device=device) + torch.rand(rows, draws, device=device)) / draws
    noisy = torch.rand(rows, draws, device=device) < NOISY_SHARE
    return torch.where(noisy, 0.7 + 0.3 * torch.rand(rows, draws, device=device), spread).flatten()
