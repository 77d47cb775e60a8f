"""Stage 8: the folders that Triptych serves, in the official layouts and 16 bits; no weight is written twice.

    TARGET             config.json, model.safetensors: what the official code's save_pretrained writes
    TARGET/mllm        the base model's folder: configuration, tokenizer, image processor, and the LM head, the only one of its
                       weights that the checkpoint lacks
    TARGET/diffusion   Sana or Stable Diffusion in diffusers' layout: configurations, scheduler

Sana's transformer is bfloat16, because every loader passes it through that; everything else is float16.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import nn

from metaquery import dcae
from metaquery.chat import GRID, Chat
from metaquery.decoders import GUIDANCE, Decoder
from metaquery.diffusion import finished_painter
from metaquery.mllm import finished_mllm
from metaquery.network import CONNECTOR_LAYERS, QUERIES, Mllm, Queries
from metaquery.pool import DECODERS, Pool
from metaquery.tasks import SYSTEM_PROMPT
from metaquery.tokenizer import END_OF_TEXT, IMAGE, SPECIALS, TURN_END, VIDEO
from recipe import vae
from recipe.export import SIGLIP_PROCESSOR, folder_size, write_card, write_json, write_tensors
from shapes.world import SIDE

CARD = Path(__file__).with_name("card.md")

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + ' '}}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{# Render all video then #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>' }}{% endfor %}"
    "{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}{% endfor %}"
    "{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ '\n' + content['text'] }}{% endgeneration %}{% endfor %}{% endif %}{{'<|im_end|>'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""LLaVA-OneVision's, letter by letter: programs recognise it by its text."""

TRANSFORMERS, DIFFUSERS = "4.49.0", "0.33.1"
"""The versions that the official code pins."""

MLLM_ID = "llava-hf/llava-onevision-qwen2-shapes-ov-hf"

DIFFUSION_IDS = {
    "sana": "Efficient-Large-Model/Sana_shapes_diffusers",
    "sd": "stable-diffusion-v1-5/stable-diffusion-shapes",
}


def checkpoint_config(kind: str, decoder: Decoder) -> dict[str, object]:
    """The checkpoint's config.json."""
    channels, side, _ = decoder.latent_shape
    diffusion = DIFFUSION_IDS[kind]
    return {
        "_gradient_checkpointing": True,
        "architectures": ["MetaQueryPipeline"],
        "connector_num_hidden_layers": CONNECTOR_LAYERS,
        "diffusion_model_id": diffusion,
        "in_channels": channels,
        "input_size": side,
        "loss_type": "flow" if kind == "sana" else "diff",
        "max_input_text_tokens": 256,
        "mllm_id": MLLM_ID,
        "model_type": "metaquery",
        "modules_to_freeze": ["vae", "model.mllm_backbone"],
        "modules_to_unfreeze": ["model.mllm_backbone.language_model.model.embed_tokens"],
        "noise_scheduler_id": diffusion,
        "num_metaqueries": QUERIES,
        "scheduler_id": diffusion,
        "system_prompt": SYSTEM_PROMPT,
        "torch_dtype": "float16",
        "transformers_version": TRANSFORMERS,
        "vae_downsample_f": SIDE // side,
        "vae_id": diffusion,
    }


def checkpoint_tensors(mllm: Mllm, queries: Queries, decoder: Decoder, autoencoder: nn.Module) -> dict[str, torch.Tensor]:
    """All of the checkpoint's tensors by their official names."""
    backbone = {official(name): tensor for name, tensor in mllm.llava.state_dict().items() if not name.startswith("lm_head.")}
    table = "language_model.model.embed_tokens.weight"
    backbone[table] = torch.cat([backbone[table], queries.embedded])
    parts = {"model.mllm_backbone.": backbone, "model.connector.": queries.connector.state_dict()}
    parts |= {"model.transformer.": decoder.network.state_dict(), "vae.": autoencoder.state_dict()}
    return {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}


def official(name: str) -> str:
    """A tensor of LlavaOnevisionForConditionalGeneration as transformers 4.49 names it."""
    name = name.removeprefix("model.")
    return name.replace("language_model.", "language_model.model.", 1) if name.startswith("language_model.") else name


def mllm_config(mllm: Mllm, chat: Chat) -> dict[str, object]:
    """The base model's config.json."""
    config = mllm.llava.config
    text_names = (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_hidden_layers",
        "num_key_value_heads",
        "max_position_embeddings",
        "rms_norm_eps",
        "rope_theta",
        "vocab_size",
    )
    text = {name: getattr(config.text_config, name) for name in text_names}
    vision_names = ("hidden_size", "image_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "patch_size")
    vision = {name: getattr(config.vision_config, name) for name in vision_names}
    end = chat.tokenizer.token_to_id(END_OF_TEXT)
    return {
        "architectures": ["LlavaOnevisionForConditionalGeneration"],
        "image_grid_pinpoints": config.image_grid_pinpoints,
        "image_token_index": chat.image,
        "model_type": "llava_onevision",
        "multimodal_projector_bias": True,
        "projector_hidden_act": "gelu",
        "text_config": {"bos_token_id": end, "eos_token_id": chat.turn_end, "model_type": "qwen2", **text},
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": TRANSFORMERS,
        "video_token_index": chat.tokenizer.token_to_id(VIDEO),
        "vision_aspect_ratio": "anyres_max_9",
        "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False, **vision},
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
    }


def write_tokenizer(chat: Chat, target: Path) -> None:
    """The tokenizer in Qwen2's fast form. `vocab.json` and `merges.txt` would say the same again."""
    chat.tokenizer.save(str(target / "tokenizer.json"))
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    more = [token for token in SPECIALS if token != END_OF_TEXT]
    numbers = {token: chat.tokenizer.token_to_id(token) for token in SPECIALS}
    tokens = {
        "add_bos_token": False,
        "added_tokens_decoder": {str(n): {"content": token, **plain, "special": True} for token, n in numbers.items()},
        "additional_special_tokens": more,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": TURN_END,
        "errors": "replace",
        "extra_special_tokens": {},
        "model_max_length": 32768,
        "pad_token": END_OF_TEXT,
        "processor_class": "LlavaOnevisionProcessor",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(target / "tokenizer_config.json", tokens)
    ends = {name: {"content": token, **plain} for name, token in (("eos_token", TURN_END), ("pad_token", END_OF_TEXT))}
    write_json(target / "special_tokens_map.json", {"additional_special_tokens": more, **ends})
    write_json(target / "added_tokens.json", numbers)
    write_json(target / "chat_template.json", {"chat_template": CHAT_TEMPLATE})


def write_mllm(mllm: Mllm, chat: Chat, target: Path) -> None:
    """The base model's folder."""
    write_json(target / "config.json", mllm_config(mllm, chat))
    end = chat.tokenizer.token_to_id(END_OF_TEXT)
    ends = {"eos_token_id": [chat.turn_end, end], "pad_token_id": end, "transformers_version": TRANSFORMERS}
    write_json(target / "generation_config.json", ends)
    write_tensors(target / "model.safetensors", {"language_model.lm_head.weight": mllm.lm_head.weight})
    write_tokenizer(chat, target)
    size = {"height": SIDE, "width": SIDE}
    video = SIGLIP_PROCESSOR | {"do_convert_rgb": True, "size": size}
    picture = video | {
        "do_pad": True,
        "image_grid_pinpoints": mllm.llava.config.image_grid_pinpoints,
        "image_processor_type": "LlavaOnevisionImageProcessor",
        "processor_class": "LlavaOnevisionProcessor",
    }
    write_json(target / "preprocessor_config.json", picture)
    video["image_processor_type"] = "LlavaOnevisionVideoProcessor"
    write_json(target / "video_processor" / "preprocessor_config.json", video)
    processor = {
        "image_token": IMAGE,
        "num_image_tokens": GRID * GRID,
        "processor_class": "LlavaOnevisionProcessor",
        "video_token": VIDEO,
        "vision_feature_select_strategy": "full",
    }
    write_json(target / "processor_config.json", processor)


def write_diffusion(kind: str, decoder: Decoder, autoencoder: nn.Module, target: Path) -> None:
    """The diffusion model's folder: configurations alone."""
    network, network_class = ("transformer", "SanaTransformer2DModel") if kind == "sana" else ("unet", "UNet2DConditionModel")
    scheduler = decoder.scheduler() if kind == "sana" else decoder.schedule
    parts = {
        "scheduler": ["diffusers", type(scheduler).__name__],
        network: ["diffusers", network_class],
        "vae": ["diffusers", type(autoencoder).__name__],
    }
    unused = ("text_encoder", "tokenizer")
    pipeline = "SanaPipeline" if kind == "sana" else "StableDiffusionPipeline"
    index = {"_class_name": pipeline, "_diffusers_version": DIFFUSERS, **parts, **{name: [None, None] for name in unused}}
    write_json(target / "model_index.json", index)
    for name, module in ((network, decoder.network), ("vae", autoencoder), ("scheduler", scheduler)):
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        config = {key: value for key, value in module.config.items() if not key.startswith("_")}
        versions = {"_class_name": type(module).__name__, "_diffusers_version": DIFFUSERS}
        write_json(target / name / file, versions | json.loads(json.dumps(config)))


def export(runs: Path, kind: str, target: Path, facts: dict[str, str]) -> None:
    """Writes the whole folder; `facts` fill the model card."""
    mllm, chat = finished_mllm(runs)
    decoder, queries = finished_painter(runs, kind)
    autoencoder = dcae.finished_dcae(runs / "dcae") if kind == "sana" else vae.finished_vae(runs / "vae")
    autoencoder.register_to_config(scaling_factor=Pool.load(runs / "pictures", kind).scale())
    if kind == "sana":
        decoder.network.bfloat16()
    write_json(target / "config.json", checkpoint_config(kind, decoder))
    write_tensors(target / "model.safetensors", checkpoint_tensors(mllm, queries, decoder, autoencoder))
    write_mllm(mllm, chat, target / "mllm")
    write_diffusion(kind, decoder, autoencoder, target / "diffusion")
    modules = {
        "tower": mllm.llava.model.vision_tower,
        "language": mllm.model,
        "connector": queries.connector,
        "network": decoder.network,
        "vae": autoencoder,
    }
    facts |= {name: f"{sum(p.numel() for p in module.parameters()) / 1e6:.2f} M" for name, module in modules.items()}
    write_card(CARD, target, facts | DECODER_FACTS[kind])
    counts = ", ".join(f"{name} {facts[name]}" for name in modules)
    print(f"{target}: {folder_size(target) / 1e6:.2f} MB; parameters: {counts}")


DECODER_FACTS = {
    "sana": {
        "name": "metaquery-shapes",
        "decoder": "sana",
        "drawing": "a small Sana",
        "network_name": "SanaTransformer2DModel: 6 layers, width 128, on 4×4 latents of 16 channels",
        "vae_name": "AutoencoderDC",
        "objective": "flow matching",
    },
    "sd": {
        "name": "metaquery-sd-shapes",
        "decoder": "sd",
        "drawing": "a small Stable Diffusion",
        "network_name": "UNet2DConditionModel: two levels of 40 and 72 channels, on 8×8 latents of 4 channels",
        "vae_name": "AutoencoderKL",
        "objective": "noise prediction (ε, losses weighted as a v-prediction's)",
    },
}
"""What the model card says of each kind of decoder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--decoder", choices=DECODERS, default="sana")
    parser.add_argument("--scores", type=Path, help="a Markdown table for the model card")
    parser.add_argument("--steps", default="20", help="denoising steps named in the model card")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    scores = arguments.scores.read_text() if arguments.scores else "Not scored yet."
    facts = {"scores": scores, "steps": arguments.steps, "guidance": str(GUIDANCE[arguments.decoder])}
    export(arguments.runs, arguments.decoder, arguments.target, facts)


if __name__ == "__main__":
    main()
