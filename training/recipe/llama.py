"""The small Llama of LlamaFusion and MetaMorph, and what other language models take over from it."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM


def build_text_model(tokenizer: Tokenizer, bos: int, eos: int | list[int]) -> LlamaForCausalLM:
    """A Llama with random weights; `eos` are the tokens that end a reply."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            tie_word_embeddings=False,
            bos_token_id=bos,
            eos_token_id=eos,
            attn_implementation="eager",  # rows are short: plain products beat the fused kernel threefold on a CPU
        )
    )


@torch.no_grad()
def start_from(
    model: nn.Module, tokenizer: Tokenizer, known: LlamaForCausalLM, known_tokenizer: Tokenizer, names: dict[str, str]
) -> None:
    """Gives a Llama (or a Qwen2, whose biases begin as zeros) what another one learned from text with a tokenizer of its own.

    The layers stay as they are. A token that both have keeps its embedding and its row of the head; `names` says which
    special token of the other stands for one of ours. Any other word begins as the mean of its pieces.
    """
    biases = {name: torch.zeros_like(t) for name, t in model.model.layers.state_dict().items() if name.endswith(".bias")}
    model.model.layers.load_state_dict(known.model.layers.state_dict() | biases)
    model.model.norm.load_state_dict(known.model.norm.state_dict())
    specials = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for token, row in tokenizer.get_vocab().items():
        same = known_tokenizer.token_to_id(names.get(token, token))
        if same is not None:
            pieces = [same]
        elif token in specials:
            continue
        else:
            pieces = known_tokenizer.encode(tokenizer.decode([row]), add_special_tokens=False).ids
        model.model.embed_tokens.weight[row] = known.model.embed_tokens.weight[pieces].mean(0)
        model.lm_head.weight[row] = known.lm_head.weight[pieces].mean(0)
