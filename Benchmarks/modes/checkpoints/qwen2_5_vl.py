"""Qwen2.5-VL 3B at its real dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from modes.checkpoints.decoder import Decoder
from modes.checkpoints.files import write_json
from modes.checkpoints.qwen2 import REGULAR_TOKENS, TURN_END, Qwen2
from modes.checkpoints.values import RandomValues

VISION = {
    "depth": 32,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "tokens_per_second": 2,
    "window_size": 112,
}
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"


class Qwen25VL(Qwen2):
    hub_name = "Qwen/Qwen2.5-VL-3B-Instruct"
    tokenizer = "qwen25"
    decoder = Decoder(
        hidden_size=2048,
        num_hidden_layers=36,
        num_attention_heads=16,
        num_key_value_heads=2,
        intermediate_size=11008,
        vocab_size=151_936,
        has_bias=True,
    )
    text_prefix = "model."

    def tower(self) -> nn.Module:
        return Qwen2_5_VisionTransformerPretrainedModel(Qwen2_5_VLVisionConfig(**VISION))

    def front(self, values: RandomValues) -> Iterator[Callable[[], dict[str, torch.Tensor]]]:
        yield partial(values.weights, self.tower, "visual.")

    def write_configs(self, target: Path, ids: dict[str, int]) -> None:
        config = {
            "architectures": ["Qwen2_5_VLForConditionalGeneration"],
            "bos_token_id": REGULAR_TOKENS,
            "eos_token_id": ids[TURN_END],
            "hidden_act": "silu",
            "image_token_id": ids[IMAGE],
            "max_position_embeddings": 128000,
            "model_type": "qwen2_5_vl",
            "rms_norm_eps": 1e-6,
            "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
            "rope_theta": 1000000.0,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "video_token_id": ids[VIDEO],
            "vision_config": {"in_chans": 3, "model_type": "qwen2_5_vl", "spatial_patch_size": 14, **VISION},
        }
        write_json(target / "config.json", config | self.decoder.config())
        processor = {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "Qwen2VLImageProcessor",
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "max_pixels": 12845056,
            "merge_size": 2,
            "min_pixels": 3136,
            "patch_size": 14,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "temporal_patch_size": 2,
        }
        write_json(target / "preprocessor_config.json", processor)
