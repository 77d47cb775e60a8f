"""LlamaFusion with deep separation: a frozen Llama, and image modules of the same form that share its attention.

A sequence is walked in segments. Each segment's tokens go through the modules of their own kind (text or image) and
attend to the keys and values of all earlier segments (`Context`) and to their own segment: causally in text,
both ways within one picture. Names of parameters are those of the checkpoint.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm

from llamafusion.patchifier import ImageConfig, UNetPatchifier
from recipe.context import Context, walk


class ImageLayer(nn.Module):
    """The image side of one decoder layer."""

    def __init__(self, config: LlamaConfig, index: int) -> None:
        super().__init__()
        self.self_attn = LlamaAttention(config, index)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class ImageModel(nn.Module):
    """Everything that image tokens run through: saved as `image_model.*`."""

    def __init__(self, config: LlamaConfig, image: ImageConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ImageLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.patchifier = UNetPatchifier(image, config.hidden_size)


class LlamaFusion(nn.Module):
    """The text Llama and the image modules."""

    def __init__(self, text: LlamaForCausalLM, image: ImageConfig) -> None:
        super().__init__()
        self.model = text.model
        self.lm_head = text.lm_head
        self.image_model = ImageModel(text.config, image)
        self.config = text.config
        self.image_config = image
        self.text_layers = [self.model.layers[i] for i in range(len(self.model.layers))]

    def start_from_text(self) -> None:
        """Copies the Llama's layers to the image side, as the paper initialises it."""
        self.image_model.layers.load_state_dict(self.model.layers.state_dict())
        self.image_model.norm.load_state_dict(self.model.norm.state_dict())

    def text(
        self, ids: torch.Tensor, context: Context | None, real: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Context]:
        """Text tokens [rows, variants, tokens] after a context with `rows` rows.

        The variants of a row share its context and do not see each other. `real` [rows, tokens] marks what is not padding
        (only with one variant, where the tokens become context). Returns normed states and the tokens' own context.
        """
        hidden = self.model.embed_tokens(ids)
        length = ids.shape[2]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        return walk(self.model, list(self.model.layers), hidden, context, causal, real, self.model.norm)

    def image(self, latents: torch.Tensor, timesteps: torch.Tensor, context: Context) -> tuple[torch.Tensor, list[torch.Tensor], Context]:
        """Pictures' latents [rows, variants, C, S, S] at timesteps [rows, variants] after a context: their tokens' states
        [rows, variants, tokens, width], what `noise` needs beside them, and the pictures' own context."""
        rows, variants = latents.shape[:2]
        tokens, kept = self.image_model.patchifier.down(latents.flatten(0, 1), timesteps.flatten())
        layers = list(self.image_model.layers)
        states, own = walk(self.model, layers, tokens.unflatten(0, (rows, variants)), context, None, None, self.image_model.norm)
        return states, kept, own

    def noise(self, states: torch.Tensor, kept: list[torch.Tensor]) -> torch.Tensor:
        """The noise predicted from what `image` returned. [rows, variants, C, S, S]"""
        return self.image_model.patchifier.up(states.flatten(0, 1), kept).unflatten(0, states.shape[:2])
