"""Stage 5: the checkpoint folder that Triptych serves, in 16 bits."""

from __future__ import annotations

import argparse
from pathlib import Path

from llamafusion.documents import BOS, EOS, Sequencer
from llamafusion.image import build_scheduler, finished_network
from llamafusion.network import LlamaFusion
from recipe.export import folder_size, write_card, write_json, write_tensors
from recipe.vae import finished_vae

CARD = Path(__file__).with_name("card.md")


def config_json(network: LlamaFusion, sequencer: Sequencer) -> dict[str, object]:
    """The checkpoint's config.json."""
    text = network.config
    return {
        "model_type": "llamafusion",
        "separation": "deep",
        "text_config": {
            "model_type": "llama",
            "hidden_size": text.hidden_size,
            "num_attention_heads": text.num_attention_heads,
            "num_key_value_heads": text.num_key_value_heads,
            "intermediate_size": text.intermediate_size,
            "num_hidden_layers": text.num_hidden_layers,
            "rms_norm_eps": text.rms_norm_eps,
            "vocab_size": text.vocab_size,
            "rope_theta": text.rope_theta,
            "max_position_embeddings": text.max_position_embeddings,
            "tie_word_embeddings": False,
            "hidden_act": text.hidden_act,
        },
        "image_config": network.image_config.json(),
        "bos_token_id": sequencer.bos,
        "eos_token_id": sequencer.eos,
        "boi_token_id": sequencer.boi,
        "eoi_token_id": sequencer.eoi,
    }


def export(runs: Path, target: Path, facts: dict[str, str]) -> None:
    """Writes the whole folder; `facts` fill the model card."""
    network, sequencer, scale = finished_network(runs)
    write_json(target / "config.json", config_json(network, sequencer))
    tensors = network.state_dict()
    write_tensors(target / "model.safetensors", tensors)
    sequencer.tokenizer.save(str(target / "tokenizer.json"))
    tokens = {"bos_token": BOS, "eos_token": EOS, "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(target / "tokenizer_config.json", tokens)
    vae = finished_vae(runs / "vae")
    vae.register_to_config(scaling_factor=scale)
    vae.half().save_pretrained(target / "vae")
    build_scheduler().save_pretrained(target / "scheduler")
    write_card(CARD, target, facts)
    print(f"{target}: {folder_size(target) / 1e6:.2f} MB, {sum(t.numel() for t in tensors.values())} parameters beside the autoencoder's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--scores", type=Path, help="a Markdown table for the model card")
    parser.add_argument("--steps", default="50", help="denoising steps named in the model card")
    parser.add_argument("--guidance", default="2.0", help="guidance named in the model card")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    scores = arguments.scores.read_text() if arguments.scores else "Not scored yet."
    facts = {"scores": scores, "steps": arguments.steps, "guidance": arguments.guidance}
    export(arguments.runs, arguments.target, facts)


if __name__ == "__main__":
    main()
