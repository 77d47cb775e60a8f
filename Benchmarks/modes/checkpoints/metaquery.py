"""MetaQuery at its real dimensions without anyone's weights, as `MetaQuery.save_pretrained` lays it out: language model,
connector and denoiser in bfloat16, the autoencoder in float32, all in one sharded checkpoint; the folders of the models
that it was made of hold configurations only. Pictures are noise.

    metaquery-sana    LLaVA-OneVision 0.5B, Sana 1.6B with DC-AE
    metaquery-sd      Qwen2.5-VL 3B, Stable Diffusion 1.5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from modes.checkpoints import diffusion
from modes.checkpoints.files import write_json, write_shards
from modes.checkpoints.llava_onevision import LLaVAOneVision
from modes.checkpoints.qwen2 import Qwen2
from modes.checkpoints.qwen2_5_vl import Qwen25VL
from modes.checkpoints.values import RandomValues

CONNECTOR_LAYERS = 24
HEAD_SIZE = 64
"""Of the connector's."""


@dataclass(frozen=True)
class Variant:
    """What a MetaQuery is made of."""

    language_model: type[Qwen2]
    queries: int
    diffusion_id: str
    pipeline: str
    network: str
    """The denoiser's folder."""
    build_network: Callable[[], nn.Module]
    build_autoencoder: Callable[[], nn.Module]
    build_scheduler: Callable[[], object]
    condition_width: int
    downscaling: int


SANA = Variant(
    language_model=LLaVAOneVision,
    queries=256,
    diffusion_id="Efficient-Large-Model/Sana_1600M_512px_diffusers",
    pipeline="SanaPipeline",
    network="transformer",
    build_network=diffusion.sana,
    build_autoencoder=diffusion.deep_compression,
    build_scheduler=diffusion.dpm_solver,
    condition_width=diffusion.CAPTION_WIDTH,
    downscaling=32,
)

STABLE_DIFFUSION = Variant(
    language_model=Qwen25VL,
    queries=77,
    diffusion_id="stable-diffusion-v1-5/stable-diffusion-v1-5",
    pipeline="StableDiffusionPipeline",
    network="unet",
    build_network=diffusion.unet,
    build_autoencoder=diffusion.autoencoder,
    build_scheduler=diffusion.pndm,
    condition_width=diffusion.CLIP_WIDTH,
    downscaling=8,
)


class Connector(nn.Module):
    """The tensors of one, under their names: the encoder at `0`, the projection at `1`, `3` and `4`."""

    def __init__(self, width: int, layers: int, condition_width: int) -> None:
        super().__init__()
        encoder = nn.ModuleDict({"layers": nn.ModuleList(self.layer(width) for _ in range(layers))})
        projection = [nn.Linear(width, condition_width), nn.Linear(condition_width, condition_width)]
        modules = [encoder, projection[0], nn.GELU(approximate="tanh"), projection[1], nn.RMSNorm(condition_width)]
        for place, module in enumerate(modules):
            self.add_module(str(place), module)

    @staticmethod
    def layer(width: int) -> nn.ModuleDict:
        gamma = torch.empty(width // HEAD_SIZE, 1, HEAD_SIZE)
        attention = {
            **{name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj")},
            "o_proj": nn.Linear(width, width, bias=False),
            **{name: nn.ParameterDict({"gamma": gamma}) for name in ("q_norm", "k_norm")},
        }
        sizes = {"gate_proj": (width, 4 * width), "up_proj": (width, 4 * width), "down_proj": (4 * width, width)}
        return nn.ModuleDict({
            "self_attn": nn.ModuleDict(attention),
            "mlp": nn.ModuleDict({name: nn.Linear(*size, bias=False) for name, size in sizes.items()}),
            "input_layernorm": nn.RMSNorm(width),
            "post_attention_layernorm": nn.RMSNorm(width),
        })


def write(target: Path, layers: int | None, variant: Variant) -> None:
    """- `layers`: of language model and connector, all of them where None"""
    torch.manual_seed(0)
    language_model = variant.language_model(layers)
    network, autoencoder = variant.build_network, variant.build_autoencoder
    with torch.device("meta"):
        parts = {variant.network: network(), "vae": autoencoder()}
    parts["scheduler"] = variant.build_scheduler()
    diffusion.write_folder(target / "diffusion", variant.pipeline, parts)
    ids = language_model.write_folder(target / "mllm")
    connector_layers = layers or CONNECTOR_LAYERS
    write_json(target / "config.json", {
        "architectures": ["MetaQueryPipeline"],
        "connector_num_hidden_layers": connector_layers,
        "diffusion_model_id": variant.diffusion_id,
        "in_channels": parts[variant.network].config.in_channels,
        "input_size": parts[variant.network].config.sample_size,
        "loss_type": "flow" if variant is SANA else "diff",
        "max_input_text_tokens": 256,
        "mllm_id": language_model.hub_name,
        "model_type": "metaquery",
        "noise_scheduler_id": variant.diffusion_id,
        "num_metaqueries": variant.queries,
        "scheduler_id": variant.diffusion_id,
        "system_prompt": "You will be given an image or its caption. "
        "Please describe the content of the image in detail in your own words.",
        "torch_dtype": "bfloat16",
        "vae_downsample_f": variant.downscaling,
        "vae_id": variant.diffusion_id,
    })
    values = RandomValues()
    width = language_model.decoder.hidden_size
    connector = partial(Connector, width, connector_layers, variant.condition_width)
    # Begin and end of the queries stand in front of them.
    backbone = language_model.shards(values, ids, variant.queries + 2)
    write_shards(target, [
        *(partial(below, "model.mllm_backbone.", shard) for shard in backbone),
        partial(values.weights, connector, "model.connector."),
        partial(values.weights, network, "model.transformer."),
        partial(RandomValues(torch.float32).weights, autoencoder, "vae."),
    ])


def below(prefix: str, shard: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in shard().items()}
