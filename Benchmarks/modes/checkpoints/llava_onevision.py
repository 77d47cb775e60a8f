"""LLaVA-OneVision 0.5B at its real dimensions: SigLIP-so400m-384 in front of a Qwen2 0.5B."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from modes.checkpoints.decoder import QUIET, Decoder
from modes.checkpoints.files import write_json
from modes.checkpoints.qwen2 import REGULAR_TOKENS, TURN_END, Qwen2
from modes.checkpoints.values import RandomValues

TILE = 384
"""Pixels a side of what the tower sees."""
GRIDS = [[TILE * rows, TILE * columns] for rows in range(1, 7) for columns in range(1, 7)]
VISION = {
    "hidden_size": 1152,
    "image_size": TILE,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 26,
    "patch_size": 14,
}
IMAGE, VIDEO = "<image>", "<video>"


class LLaVAOneVision(Qwen2):
    hub_name = "llava-hf/llava-onevision-qwen2-0.5b-ov-hf"
    tokenizer = "qwen2"
    decoder = Decoder(
        hidden_size=896,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        intermediate_size=4864,
        vocab_size=152_000,
        has_bias=True,
    )
    text_prefix = "language_model.model."

    def tower(self) -> nn.Module:
        return SiglipVisionModel(SiglipVisionConfig(**VISION, vision_use_head=False))

    def front(self, values: RandomValues) -> Iterator[Callable[[], dict[str, torch.Tensor]]]:
        yield partial(values.weights, self.tower, "vision_tower.")
        yield partial(self.projector, values)

    def projector(self, values: RandomValues) -> dict[str, torch.Tensor]:
        width, seen = self.decoder.hidden_size, VISION["hidden_size"]
        zeros = torch.zeros(width, dtype=values.dtype)
        return {
            "multi_modal_projector.linear_1.weight": values.tensor((width, seen), seen**-0.5),
            "multi_modal_projector.linear_1.bias": zeros,
            "multi_modal_projector.linear_2.weight": values.tensor((width, width), width**-0.5),
            "multi_modal_projector.linear_2.bias": zeros.clone(),
            "image_newline": values.tensor((width,), QUIET),
        }

    def write_configs(self, target: Path, ids: dict[str, int]) -> None:
        text = {
            "bos_token_id": REGULAR_TOKENS,
            "eos_token_id": ids[TURN_END],
            "model_type": "qwen2",
            "rope_theta": 1000000.0,
            "tie_word_embeddings": True,
        }
        config = {
            "architectures": ["LlavaOnevisionForConditionalGeneration"],
            "image_grid_pinpoints": GRIDS,
            "image_token_index": ids[IMAGE],
            "model_type": "llava_onevision",
            "multimodal_projector_bias": True,
            "projector_hidden_act": "gelu",
            "text_config": text | self.decoder.config(),
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "video_token_index": ids[VIDEO],
            "vision_aspect_ratio": "anyres_max_9",
            "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False, **VISION},
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
        }
        write_json(target / "config.json", config)
        processor = {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_grid_pinpoints": GRIDS,
            "image_mean": [0.5] * 3,
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "image_std": [0.5] * 3,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": TILE, "width": TILE},
        }
        write_json(target / "preprocessor_config.json", processor)
