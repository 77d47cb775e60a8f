"""The small Llama of LlamaFusion and MetaMorph."""

from __future__ import annotations

from tokenizers import Tokenizer
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
