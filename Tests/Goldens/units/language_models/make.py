"""A plain Llama and a plain Qwen2 of random weights, and what they say: greedy decoding by transformers 4.57.3 with torch
2.13.0 on a CPU, one thread, float32, with and without the repetition penalty of generation_config.json.

The tokenizers are those of ../tokenizers. The Llama has tied embeddings, biases, heads wider than its width divided by
their number, and the rope scaling of Llama 3.1 at lengths where it matters; the Qwen2 has a head of its own. Two tokens
end the replies of each: the tokenizer's own, and one that the first reply comes to.
"""

import json
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

folder = Path(__file__).parent
torch.set_num_threads(1)

NEW_TOKENS = 24
FIRST = [{"role": "user", "content": "What is the capital of France, and why does everybody know it?"}]
SECOND = [
    {"role": "system", "content": "Answer in one word."},
    {"role": "user", "content": "Red and green?"},
    {"role": "assistant", "content": "Yellow, of light."},
    {"role": "user", "content": "And of paint?."},
]


def networks():
    torch.manual_seed(5)
    yield "llama", "llama3", "<|eot_id|>", 1.2, LlamaForCausalLM(
        LlamaConfig(
            vocab_size=960,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            intermediate_size=40,
            max_position_embeddings=512,
            rms_norm_eps=1e-5,
            rope_theta=500.0,
            rope_scaling={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
            tie_word_embeddings=True,
            attention_bias=True,
            bos_token_id=940,
            eos_token_id=941,
        )
    )
    torch.manual_seed(1)
    yield "qwen2", "qwen25", "<|im_end|>", 1.05, Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=928,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=40,
            max_position_embeddings=512,
            rope_theta=10000.0,
            bos_token_id=900,
            eos_token_id=902,
        )
    )


def reply(network, ids, penalty, ends):
    """Generated ids, and the smallest distance between the first and the second choice."""
    configuration = GenerationConfig(
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        repetition_penalty=penalty,
        eos_token_id=ends or None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    prompt = torch.tensor([ids])
    result = network.generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=configuration)
    best = torch.stack(result.scores).topk(2, dim=-1).values
    return result.sequences[0, len(ids) :].tolist(), (best[..., 0] - best[..., 1]).min().item()


for name, kind, end, penalty, network in networks():
    network.eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1 + 0.2 * noise if "norm" in key else 0.4 * noise)
            parameter.copy_(parameter.bfloat16())  # saved in 16 bits, computed in 32
    settings = json.loads((folder / f"../tokenizers/{kind}/tokenizer_config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / f"../tokenizers/{kind}/tokenizer.json"),
        bos_token=settings["bos_token"],
        chat_template=settings["chat_template"],
    )

    def encoded(messages):
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True)

    first, _ = reply(network, encoded(FIRST), 1.0, [])
    ends = [tokenizer.convert_tokens_to_ids(end), first[15]]
    cases = []
    for messages in (FIRST, SECOND):
        for factor in (1.0, penalty):
            ids = encoded(messages)
            generated, margin = reply(network, ids, factor, ends)
            cases.append(
                {
                    "messages": messages,
                    "repetition_penalty": factor,
                    "input_ids": ids,
                    "generated_ids": generated,
                    "min_top1_top2_margin": round(margin, 4),
                }
            )
    network.bfloat16().save_pretrained(folder / name)
    GenerationConfig(do_sample=True, temperature=0.7, eos_token_id=ends).save_pretrained(folder / name)
    description = {"tokenizer": kind, "max_new_tokens": NEW_TOKENS, "cases": cases}
    (folder / name / "cases.json").write_text(json.dumps(description, indent=1) + "\n")
