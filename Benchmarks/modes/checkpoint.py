"""MetaMorph at its real dimensions without anyone's weights: Llama-3.1-8B (fewer layers if wished), SigLIP-so400m-384 and
Stable Diffusion 1.5 in the official layouts, and a reply that is known beforehand.

Random weights would say random words and never draw. Here attention and feed-forward add next to nothing to the residual
stream, whatever they cost, so that the last token alone decides the next: a row of the LM head that equals a token's
embedding makes its own token that one's successor. The chain says a few words, draws a picture, and begins again; only
the limit of tokens ends it. Pictures are noise.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from rivals.measurement import fill
from safetensors.torch import save_file
from torch import nn
from transformers import SiglipConfig, SiglipVisionModel
from transformers.modeling_utils import no_init_weights

WIDTH, HEADS, KEY_VALUE_HEADS, FEED_FORWARD = 4096, 32, 8, 14336
VISION_WIDTH, CONDITION_WIDTH, VISUAL_TOKENS = 1152, 768, 64
REGULAR_TOKENS = 128_000
VOCABULARY = REGULAR_TOKENS + 258
"""Llama 3's: 128,000 byte pairs and 256 special tokens; the two picture markers follow."""
IMAGE_START, IMAGE_END = VOCABULARY - 2, VOCABULARY - 1

WORDS = ("so", "it", "is", "on", "by", "we")
"""What the reply says before each picture: pairs of bytes, one token each."""

QUIET = 0.01
"""What attention and feed-forward are scaled by."""

TOKENIZER = Path(__file__).parents[2] / "Tests/Goldens/metamorph/checkpoint_metamorph"
"""A tiny tokenizer of the same kind: its rules are Llama 3's, its table is replaced."""


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def byte_symbols() -> list[str]:
    """The characters that stand for the 256 bytes in byte-level vocabularies: printable ones for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def write_tokenizer(target: Path) -> dict[str, int]:
    """A tokenizer as large as Llama 3's: all pairs of bytes, and longer words that begin with a space. Returns its table."""
    table = json.loads((TOKENIZER / "tokenizer.json").read_text())
    symbols = byte_symbols()
    space = symbols[ord(" ")]
    pairs = [[a, b] for a, b in product(symbols, symbols)]
    longer = [[space + b, c] for b, c in product(symbols, symbols)]
    merges = (pairs + longer)[: REGULAR_TOKENS - len(symbols)]
    words = {word: number for number, word in enumerate([*symbols, *("".join(merge) for merge in merges)])}
    table["model"] |= {"vocab": words, "merges": merges}
    # The tiny tokenizer has the markers last and the specials in the order of their numbers, as Llama 3's.
    specials = sorted(table["added_tokens"], key=lambda token: token["id"])
    moved = {}
    for number, token in enumerate(specials):
        is_marker = number >= len(specials) - 2
        new = VOCABULARY - len(specials) + number if is_marker else REGULAR_TOKENS + number
        moved[token["id"]] = new
        token["id"] = new
    ids = {token["content"]: token["id"] for token in specials}
    for processor in table["post_processor"]["processors"]:
        for name, special in processor.get("special_tokens", {}).items():
            special["ids"] = [ids[name]]
    write_json(target / "tokenizer.json", table)
    settings = json.loads((TOKENIZER / "tokenizer_config.json").read_text())
    decoder = settings["added_tokens_decoder"]
    settings["added_tokens_decoder"] = {str(moved[int(number)]): token for number, token in decoder.items()}
    write_json(target / "tokenizer_config.json", settings)
    write_json(target / "special_tokens_map.json", json.loads((TOKENIZER / "special_tokens_map.json").read_text()))
    return {**words, **ids}


class Block:
    """Random values, cheap to draw from: rows of a large tensor repeat after a prime number of values."""

    def __init__(self) -> None:
        self.values = torch.randn(16_777_213).to(torch.bfloat16)

    def matrix(self, rows: int, columns: int, scale: float) -> torch.Tensor:
        count = rows * columns
        return self.values.mul(scale).repeat(-(-count // len(self.values)))[:count].view(rows, columns)


def layer(prefix: str, random: Block) -> dict[str, torch.Tensor]:
    """One layer of the Llama."""
    narrow, wide = WIDTH**-0.5, FEED_FORWARD**-0.5
    key_width = WIDTH // HEADS * KEY_VALUE_HEADS
    return {
        f"{prefix}.self_attn.q_proj.weight": random.matrix(WIDTH, WIDTH, narrow),
        f"{prefix}.self_attn.k_proj.weight": random.matrix(key_width, WIDTH, narrow),
        f"{prefix}.self_attn.v_proj.weight": random.matrix(key_width, WIDTH, narrow),
        f"{prefix}.self_attn.o_proj.weight": random.matrix(WIDTH, WIDTH, QUIET * narrow),
        f"{prefix}.mlp.gate_proj.weight": random.matrix(FEED_FORWARD, WIDTH, narrow),
        f"{prefix}.mlp.up_proj.weight": random.matrix(FEED_FORWARD, WIDTH, narrow),
        f"{prefix}.mlp.down_proj.weight": random.matrix(WIDTH, FEED_FORWARD, QUIET * wide),
        f"{prefix}.input_layernorm.weight": torch.ones(WIDTH, dtype=torch.bfloat16),
        f"{prefix}.post_attention_layernorm.weight": torch.ones(WIDTH, dtype=torch.bfloat16),
    }


def outside_layers(random: Block, ids: dict[str, int]) -> dict[str, torch.Tensor]:
    """Everything but the layers: here the reply is decided."""
    embeddings = random.matrix(VOCABULARY, WIDTH, 1.0)
    head = random.matrix(VOCABULARY, WIDTH, 0.1)
    # A visual token goes back into the Llama as little more than this bias.
    visual = torch.randn(WIDTH).to(torch.bfloat16)
    chain = [ids["\u010a"], *(ids[word] for word in WORDS), IMAGE_START]
    for before, after in zip(chain, chain[1:]):
        head[after] = embeddings[before]
    head[IMAGE_END] = visual
    head[chain[1]] += embeddings[IMAGE_END]
    return {
        "model.embed_tokens.weight": embeddings,
        "model.norm.weight": torch.ones(WIDTH, dtype=torch.bfloat16),
        "lm_head.weight": head,
        "model.mm_projector.0.weight": random.matrix(WIDTH, VISION_WIDTH, 1.0),
        "model.mm_projector.0.bias": torch.zeros(WIDTH, dtype=torch.bfloat16),
        "model.mm_projector.2.weight": random.matrix(WIDTH, WIDTH, QUIET * WIDTH**-0.5),
        "model.mm_projector.2.bias": visual,
        "vision_head.0.weight": random.matrix(WIDTH, WIDTH, WIDTH**-0.5),
        "vision_head.0.bias": torch.zeros(WIDTH, dtype=torch.bfloat16),
        "vision_head.2.weight": random.matrix(VISION_WIDTH, WIDTH, WIDTH**-0.5),
        "vision_head.2.bias": torch.zeros(VISION_WIDTH, dtype=torch.bfloat16),
    }


def write_language_model(target: Path, layers: int, ids: dict[str, int]) -> None:
    """Shards of one layer each, and one of all that is outside the layers."""
    random = Block()
    index: dict[str, str] = {}
    size = 0
    for number in range(layers + 1):
        shard = layer(f"model.layers.{number}", random) if number < layers else outside_layers(random, ids)
        name = f"model-{number + 1:05}-of-{layers + 1:05}.safetensors"
        save_file(shard, target / name, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, name)
        size += sum(tensor.nbytes for tensor in shard.values())
    write_json(target / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index})


def write_config(target: Path, layers: int, ids: dict[str, int]) -> None:
    config = json.loads((TOKENIZER / "config.json").read_text())
    ends = [ids["<|end_of_text|>"], ids["<|eot_id|>"]]
    config |= {
        "bos_token_id": ids["<|begin_of_text|>"],
        "eos_token_id": ends,
        "head_dim": WIDTH // HEADS,
        "hidden_size": WIDTH,
        "intermediate_size": FEED_FORWARD,
        "mm_hidden_size": VISION_WIDTH,
        "num_attention_heads": HEADS,
        "num_hidden_layers": layers,
        "num_image_tokens": VISUAL_TOKENS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY,
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


def write_visualizer(visualizer: Path, diffusion: Path) -> None:
    """A tuned UNet and its adapter as training saves them (`.pt`, float32), beside Stable Diffusion's folder in float16."""
    with no_init_weights():
        unet = fill(UNet2DConditionModel(cross_attention_dim=CONDITION_WIDTH))
        sides = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
        widths = (128, 256, 512, 512)
        vae = fill(AutoencoderKL(block_out_channels=widths, layers_per_block=2, sample_size=512, **sides))
    sizes = [VISION_WIDTH, 1024, 1024, CONDITION_WIDTH]
    adapter = nn.ModuleDict({
        "layers": nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])),
        "norms": nn.ModuleList(nn.LayerNorm(size) for size in sizes[1:]),
    })
    shape = {"input_dim": sizes[0], "hidden_dim": sizes[1], "output_dim": sizes[-1], "num_tokens": 77, "num_layers": 3}
    write_json(visualizer / "model_config.json", shape | {"num_heads": 8, "mode": "mlp"})
    torch.save({"model_state_dict": unet.state_dict()}, visualizer / "unet_checkpoint.pt")
    torch.save({"model_state_dict": adapter.state_dict()}, visualizer / "adapter_checkpoint.pt")
    unet.save_config(diffusion / "unet")
    vae.half().save_pretrained(diffusion / "vae", variant="fp16")
    PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    ).save_pretrained(diffusion / "scheduler")
    parts = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "scheduler": "PNDMScheduler"}
    index = {name: ["diffusers", kind] for name, kind in parts.items()}
    write_json(diffusion / "model_index.json", {"_class_name": "StableDiffusionPipeline", **index})


def write(target: Path, layers: int) -> None:
    torch.manual_seed(0)
    target.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(target)
    write_config(target, layers, ids)
    write_language_model(target, layers, ids)
    write_tower(target / "siglip")
    write_visualizer(target / "visualizer", target / "diffusion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=8, help="of the 32 that the Llama has")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    write(arguments.target, arguments.layers)


if __name__ == "__main__":
    main()
