"""MetaMorph at its real dimensions without anyone's weights: Llama-3.1-8B (fewer layers if wished), SigLIP-so400m-384 and
Stable Diffusion 1.5 in the official layouts, and a reply that is known beforehand.

Random weights would say random words and never draw. Here a row of the LM head that equals a token's embedding makes its
own token that one's successor. The chain says a few words, draws a picture, and begins again; only the limit of tokens
ends it. Pictures are noise.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from rivals.measurement import fill
from torch import nn
from transformers import SiglipConfig, SiglipVisionModel
from transformers.modeling_utils import no_init_weights

from modes.checkpoints import diffusion
from modes.checkpoints.decoder import QUIET, Decoder
from modes.checkpoints.files import write_json, write_shards
from modes.checkpoints.values import RandomValues
from modes.checkpoints.vocabulary import NEWLINE, WORDS, special_tokens, write_tokenizer

VISION_WIDTH, VISUAL_TOKENS = 1152, 64
REGULAR_TOKENS = 128_000
VOCABULARY = REGULAR_TOKENS + 258
"""Llama 3's: 128,000 byte pairs and 256 special tokens; the two picture markers follow."""
IMAGE_START, IMAGE_END = VOCABULARY - 2, VOCABULARY - 1

LLAMA = Decoder(
    hidden_size=4096,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    intermediate_size=14336,
    vocab_size=VOCABULARY,
)

TOKENIZER = Path(__file__).parents[3] / "Tests/Goldens/metamorph/checkpoint_metamorph"
"""A tiny tokenizer of the same kind."""


def write_words(target: Path) -> dict[str, int]:
    """A tokenizer as large as Llama 3's, the markers last. Returns its table."""
    *specials, start, end = special_tokens(TOKENIZER)
    ids = {token: REGULAR_TOKENS + number for number, token in enumerate(specials)}
    table = write_tokenizer(TOKENIZER, target, REGULAR_TOKENS, {**ids, start: IMAGE_START, end: IMAGE_END})
    write_json(target / "special_tokens_map.json", json.loads((TOKENIZER / "special_tokens_map.json").read_text()))
    return table


def outside_layers(values: RandomValues, ids: dict[str, int]) -> dict[str, torch.Tensor]:
    """Everything but the layers: here the reply is decided."""
    width = LLAMA.hidden_size
    embeddings = values.tensor((VOCABULARY, width), 1.0)
    head = values.tensor((VOCABULARY, width), 0.1)
    # A visual token goes back into the Llama as little more than this bias.
    visual = torch.randn(width).to(torch.bfloat16)
    chain = [ids[NEWLINE], *(ids[word] for word in WORDS), IMAGE_START]
    for before, after in zip(chain, chain[1:]):
        head[after] = embeddings[before]
    head[IMAGE_END] = visual
    head[chain[1]] += embeddings[IMAGE_END]
    return {
        "model.embed_tokens.weight": embeddings,
        "model.norm.weight": torch.ones(width, dtype=torch.bfloat16),
        "lm_head.weight": head,
        "model.mm_projector.0.weight": values.tensor((width, VISION_WIDTH), 1.0),
        "model.mm_projector.0.bias": torch.zeros(width, dtype=torch.bfloat16),
        "model.mm_projector.2.weight": values.tensor((width, width), QUIET * width**-0.5),
        "model.mm_projector.2.bias": visual,
        "vision_head.0.weight": values.tensor((width, width), width**-0.5),
        "vision_head.0.bias": torch.zeros(width, dtype=torch.bfloat16),
        "vision_head.2.weight": values.tensor((VISION_WIDTH, width), width**-0.5),
        "vision_head.2.bias": torch.zeros(VISION_WIDTH, dtype=torch.bfloat16),
    }


def write_config(target: Path, llama: Decoder, ids: dict[str, int]) -> None:
    config = json.loads((TOKENIZER / "config.json").read_text())
    ends = [ids["<|end_of_text|>"], ids["<|eot_id|>"]]
    config |= llama.config() | {
        "bos_token_id": ids["<|begin_of_text|>"],
        "eos_token_id": ends,
        "head_dim": llama.head_size,
        "mm_hidden_size": VISION_WIDTH,
        "num_image_tokens": VISUAL_TOKENS,
        "torch_dtype": "bfloat16",
    }
    config["rope_scaling"]["original_max_position_embeddings"] = 8192
    write_json(target / "config.json", config)
    write_json(target / "generation_config.json", {"bos_token_id": config["bos_token_id"], "eos_token_id": ends})


def write_tower(target: Path) -> None:
    """SigLIP-so400m-patch14-384 in float16."""
    sizes = {"hidden_size": VISION_WIDTH, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    config = SiglipConfig(vision_config={**sizes, "image_size": 384, "patch_size": 14})
    with no_init_weights():
        tower = fill(SiglipVisionModel(config.vision_config))
    tower.half().save_pretrained(target)
    write_json(target / "config.json", {"model_type": "siglip", "vision_config": config.vision_config.to_diff_dict()})
    plain = {"do_rescale": True, "do_resize": True, "do_normalize": True, "resample": 3, "rescale_factor": 1 / 255}
    side = {"size": {"height": 384, "width": 384}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    write_json(target / "preprocessor_config.json", plain | side | {"image_processor_type": "SiglipImageProcessor"})


def write_visualizer(visualizer: Path, folder: Path) -> None:
    """A tuned UNet and its adapter as training saves them (`.pt`, float32), beside Stable Diffusion's folder in float16."""
    with no_init_weights():
        unet: UNet2DConditionModel = fill(diffusion.unet())
        vae = fill(diffusion.autoencoder())
    sizes = [VISION_WIDTH, 1024, 1024, diffusion.CLIP_WIDTH]
    adapter = nn.ModuleDict({
        "layers": nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])),
        "norms": nn.ModuleList(nn.LayerNorm(size) for size in sizes[1:]),
    })
    shape = {"input_dim": sizes[0], "hidden_dim": sizes[1], "output_dim": sizes[-1], "num_tokens": 77, "num_layers": 3}
    write_json(visualizer / "model_config.json", shape | {"num_heads": 8, "mode": "mlp"})
    torch.save({"model_state_dict": unet.state_dict()}, visualizer / "unet_checkpoint.pt")
    torch.save({"model_state_dict": adapter.state_dict()}, visualizer / "adapter_checkpoint.pt")
    vae.half().save_pretrained(folder / "vae", variant="fp16")
    parts = {"unet": unet, "vae": vae, "scheduler": diffusion.pndm()}
    diffusion.write_folder(folder, "StableDiffusionPipeline", parts)


def write(target: Path, layers: int | None) -> None:
    """- `layers`: of the Llama; a quarter of them unless others are wished, which is what its figures stand for."""
    torch.manual_seed(0)
    llama = replace(LLAMA, num_hidden_layers=layers or 8)
    values = RandomValues()
    ids = write_words(target)
    write_config(target, llama, ids)
    shards = [partial(llama.layer, f"model.layers.{number}", values) for number in range(llama.num_hidden_layers)]
    write_shards(target, [*shards, partial(outside_layers, values, ids)])
    write_tower(target / "siglip")
    write_visualizer(target / "visualizer", target / "diffusion")
