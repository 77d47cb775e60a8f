"""Stage 5: the folders that Triptych serves, in the official layouts and 16 bits.

    TARGET                config.json, model.safetensors, tokenizer: what the official code's save_pretrained writes, but for
                          the copy of the tower, which no loader reads, and a left-over that nothing reads
    TARGET/siglip         the vision tower
    TARGET/visualizer     unet_checkpoint, adapter_checkpoint, model_config.json
    TARGET/diffusion      Stable Diffusion in diffusers' layout: the UNet's configuration, autoencoder, scheduler
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModel

from metamorph.network import MetaMorph
from metamorph.pool import Pool
from metamorph.sequences import Chat
from metamorph.tokenizer import BOS, EOT, SPECIALS
from metamorph.tower import VISUAL_TOKENS, WIDTH, finished_tower
from metamorph.visualizer import ADAPTER_CONFIG, Visualizer, finished_visualizer
from metamorph.vpit import VISION_WEIGHT, finished_network
from recipe.export import SIGLIP_PROCESSOR, folder_size, write_card, write_json, write_tensors
from recipe.stable_diffusion import build_scheduler
from recipe.vae import finished_vae
from shapes.world import SIDE

CARD = Path(__file__).with_name("card.md")

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama 3's, as official checkpoints carry it. MetaMorph's own code does not use it: it writes one newline for two."""

CONTEXT = 1024
"""Tokens that a conversation may have."""


def config_json(network: MetaMorph, chat: Chat) -> dict[str, object]:
    """The checkpoint's config.json."""
    text = network.config
    return {
        "apply_softmax": False,
        "architectures": ["MetaMorphLlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": chat.bos,
        "eos_token_id": [chat.eos, chat.eot],
        "freeze_mm_mlp_adapter": False,
        "freeze_vision": True,
        "head_dim": text.hidden_size // text.num_attention_heads,
        "hidden_act": text.hidden_act,
        "hidden_size": text.hidden_size,
        "image_aspect_ratio": "square",
        "image_token_reduction": "interpolation",
        "initializer_range": text.initializer_range,
        "intermediate_size": text.intermediate_size,
        "max_position_embeddings": text.max_position_embeddings,
        "mlp_bias": False,
        "mm_hidden_size": WIDTH,
        "mm_patch_merge_type": "flat",
        "mm_projector_type": "mlp2x_gelu",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": True,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -1,
        "mm_vision_tower": "siglip/shapes-patch8-64",
        "model_type": "metamorph_llama",
        "normalize_vision": True,
        "num_attention_heads": text.num_attention_heads,
        "num_hidden_layers": text.num_hidden_layers,
        "num_image_tokens": VISUAL_TOKENS,
        "num_key_value_heads": text.num_key_value_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": text.rms_norm_eps,
        "rope_scaling": None,
        "rope_theta": text.rope_theta,
        "tie_word_embeddings": False,
        "tokenizer_model_max_length": CONTEXT,
        "tokenizer_padding_side": "right",
        "torch_dtype": "float16",
        "transformers_version": "4.45.0",
        "tune_mm_mlp_adapter": False,
        "use_cache": True,
        "use_mm_proj": True,
        "use_vision_ar": True,
        "vision_coef": VISION_WEIGHT,
        "vision_head_type": "mlp",
        "vocab_size": text.vocab_size,
    }


def write_model(network: MetaMorph, chat: Chat, target: Path) -> None:
    """The language model with its projector and vision head, and the tokenizer."""
    write_json(target / "config.json", config_json(network, chat))
    ends = {"bos_token_id": chat.bos, "eos_token_id": [chat.eos, chat.eot]}
    write_json(target / "generation_config.json", {"_from_model_config": True, **ends, "transformers_version": "4.45.0"})
    write_tensors(target / "model.safetensors", network.state_dict())
    chat.tokenizer.save(str(target / "tokenizer.json"))
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    tokens = {
        "added_tokens_decoder": {str(chat.tokenizer.token_to_id(token)): {"content": token, **plain} for token in SPECIALS},
        "bos_token": BOS,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": True,
        "eos_token": EOT,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": CONTEXT,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    write_json(target / "tokenizer_config.json", tokens)
    write_json(target / "special_tokens_map.json", {"bos_token": BOS, "eos_token": EOT})


def write_tower(vision: torch.nn.Module, target: Path) -> None:
    """The vision tower, as SiglipVisionModel's weights are named."""
    names = ("hidden_size", "image_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "patch_size")
    config = {name: getattr(vision.config, name) for name in names}
    config = {"model_type": "siglip_vision_model", **config}
    whole = {"architectures": ["SiglipVisionModel"], "model_type": "siglip", "vision_config": config, "torch_dtype": "float16"}
    write_json(target / "config.json", whole)
    write_tensors(target / "model.safetensors", vision.state_dict())
    processor = SIGLIP_PROCESSOR | {"image_processor_type": "SiglipImageProcessor", "size": {"height": SIDE, "width": SIDE}}
    write_json(target / "preprocessor_config.json", processor)


def write_visualizer(visualizer: Visualizer, target: Path, is_official: bool) -> None:
    """UNet and adapter; `is_official` adds the `.pt` files that the official demo reads."""
    write_json(target / "model_config.json", ADAPTER_CONFIG)
    for name, module in (("unet_checkpoint", visualizer.unet), ("adapter_checkpoint", visualizer.adapter)):
        write_tensors(target / f"{name}.safetensors", module.state_dict())
        if is_official:
            tensors = {key: tensor.to(torch.float16) for key, tensor in module.state_dict().items()}
            torch.save({"model_state_dict": tensors}, target / f"{name}.pt")


def write_diffusion(runs: Path, visualizer: Visualizer, scale: float, target: Path, is_official: bool) -> None:
    """Stable Diffusion's folder. The UNet's weights are the visualizer's; the official demo wants some here as well, and a
    text encoder, which it never asks anything."""
    nothing = [None, None]
    parts = {
        "scheduler": ["diffusers", "PNDMScheduler"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    unused = ("feature_extractor", "image_encoder", "safety_checker", "text_encoder", "tokenizer")
    parts |= {name: nothing for name in unused}
    if is_official:
        parts |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    index = {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": False, **parts}
    write_json(target / "model_index.json", index)
    vae = finished_vae(runs / "vae")
    vae.register_to_config(scaling_factor=scale)
    vae.half().save_pretrained(target / "vae")
    build_scheduler("v_prediction").save_pretrained(target / "scheduler")
    visualizer.unet.save_config(target / "unet")
    if is_official:
        write_tensors(target / "unet" / "diffusion_pytorch_model.safetensors", visualizer.unet.state_dict())
        width = ADAPTER_CONFIG["output_dim"]
        sizes = {"hidden_size": width, "intermediate_size": width, "projection_dim": width, "num_hidden_layers": 1}
        text = CLIPTextConfig(vocab_size=2, num_attention_heads=2, bos_token_id=0, eos_token_id=1, **sizes)
        CLIPTextModel(text).half().save_pretrained(target / "text_encoder")
        write_json(target / "tokenizer" / "vocab.json", {"<|startoftext|>": 0, "<|endoftext|>": 1})
        (target / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")


def export(runs: Path, target: Path, facts: dict[str, str], is_official: bool) -> None:
    """Writes the whole folder; `facts` fill the model card."""
    network, chat = finished_network(runs)
    vision, _ = finished_tower(runs)
    visualizer = finished_visualizer(runs)
    scale = Pool.load(runs / "pictures")[0].scale()
    write_model(network, chat, target)
    write_tower(vision, target / "siglip")
    write_visualizer(visualizer, target / "visualizer", is_official)
    write_diffusion(runs, visualizer, scale, target / "diffusion", is_official)
    write_card(CARD, target, facts)
    counts = {"language model": network, "tower": vision, "UNet": visualizer.unet, "adapter": visualizer.adapter}
    told = ", ".join(f"{name} {sum(p.numel() for p in module.parameters())}" for name, module in counts.items())
    print(f"{target}: {folder_size(target) / 1e6:.2f} MB; parameters: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--scores", type=Path, help="a Markdown table for the model card")
    parser.add_argument("--steps", default="50", help="denoising steps named in the model card")
    parser.add_argument("--guidance", default="3.0", help="guidance named in the model card")
    parser.add_argument("--official", action="store_true", help="also what only the official demo reads")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    scores = arguments.scores.read_text() if arguments.scores else "Not scored yet."
    facts = {"scores": scores, "steps": arguments.steps, "guidance": arguments.guidance}
    export(arguments.runs, arguments.target, facts, arguments.official)


if __name__ == "__main__":
    main()
