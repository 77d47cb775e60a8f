"""Stage 1: the vision tower, a small SiglipModel trained with its sigmoid loss, and what each visual token shows.

The sigmoid loss looks at a picture's pooled feature, but the language model reads the patches. A second objective makes
every visual token tell what stands in its part of the picture (as SigLIP 2 and its kind add dense objectives): linear
readers of shape, color, size, ground and place, whose weights have length 1, so that tokens that differ in one attribute
must point in clearly different directions. That is what a cosine loss needs.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

from metamorph.claims import false_claim, true_claim
from recipe.autoencoder import to_tensor
from recipe.readers import Readers
from recipe.run import Average, Run, averaged, begin, join_processes, process_number, set_rate, stage_parser
from shapes import world

WIDTH = 96
"""Components of a visual token."""

VISUAL_TOKENS = 9
"""Visual tokens a picture: one for each cell of the world's grid. The official 64 would cost seven times as many steps."""

TEXT_LENGTH = 32
"""Tokens of a caption, padded; SigLIP pads to one length and reads the last token."""

FALSE_CLAIMS = 3
"""Nearly true captions of each picture, beside a true one."""

READER_WEIGHT = 0.3
"""Weight of the visual tokens' own objective beside the sigmoid loss."""


def build_tower(vocabulary: int) -> SiglipModel:
    text = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TEXT_LENGTH,
        "projection_size": WIDTH,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": world.SIDE,
        "patch_size": 8,
    }
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision, attn_implementation="eager"))
    nn.init.constant_(model.logit_scale, np.log(10.0))
    nn.init.constant_(model.logit_bias, -5.0)  # about one caption in a hundred is true
    return model


def encode(vision: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, side, side] in −1…1 to the last hidden state, before the tower's last norm. [n, patches, width]"""
    return vision.encoder(inputs_embeds=vision.embeddings(pixels)).last_hidden_state


def visual_tokens(patches: torch.Tensor, count: int = VISUAL_TOKENS) -> torch.Tensor:
    """The tower's last state [n, patches, width] (before its last norm) as the language model reads it: bilinear to
    `count` tokens, length 1. [n, count, width]"""
    side, wanted = int(patches.shape[1] ** 0.5), int(count**0.5)
    grid = patches.float().transpose(1, 2).unflatten(2, (side, side))
    reduced = F.interpolate(grid, size=(wanted, wanted), mode="bilinear", align_corners=False)
    return F.normalize(reduced.flatten(2).transpose(1, 2), dim=-1)


def caption_ids(tokenizer: Tokenizer, texts: list[str], padding: int) -> torch.Tensor:
    """[texts, TEXT_LENGTH]"""
    rows = [encoding.ids[:TEXT_LENGTH] for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return torch.tensor([row + [padding] * (TEXT_LENGTH - len(row)) for row in rows])


def train(runs: Path, steps: int, batch: int, seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_file(str(runs / "tokenizer.json"))
    padding = tokenizer.token_to_id("<|finetune_right_pad_id|>")
    model, readers = build_tower(tokenizer.get_vocab_size()).to(device), Readers(WIDTH).to(device)
    trained = nn.ModuleDict({"siglip": model, "readers": readers})
    average = Average(trained, 0.998)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    run = Run(runs / "tower", {"tower": trained, "average": average.module}, optimizer)
    while run.step < steps:
        rng = random.Random(f"tower {seed} {run.step} {process_number()}")
        scenes = [world.random_scene(rng, part="train") for _ in range(batch)]
        claims = [make(s, rng) for s in scenes for make in (true_claim, *[false_claim] * FALSE_CLAIMS)]
        truth = torch.tensor([[claim.holds(scene) for claim in claims] for scene in scenes], device=device)
        pixels = to_tensor(world.render_batch(scenes)).to(device)
        ids = caption_ids(tokenizer, [claim.text(rng) for claim in claims], padding).to(device)
        set_rate(optimizer, run.step, steps, 1.5e-3, descent=0.3)
        with torch.autocast(device.type, torch.bfloat16):
            patches = encode(model.vision_model, pixels)
            seen = model.vision_model.head(model.vision_model.post_layernorm(patches)).float()
            told = model.text_model(input_ids=ids).pooler_output.float()
        cosines = F.normalize(seen, dim=-1) @ F.normalize(told, dim=-1).T
        logits = cosines * model.logit_scale.exp() + model.logit_bias
        signs = truth.float() * 2 - 1
        sigmoid = -F.logsigmoid(signs * logits).sum(1).mean()
        reading, right = readers.loss(visual_tokens(patches), readers.labels(scenes))
        own = torch.eye(batch, dtype=torch.bool, device=device).repeat_interleave(1 + FALSE_CLAIMS, 1)
        told_apart = ((logits > 0) == truth)[own].float().mean()
        values = {"sigmoid": sigmoid, "reading": reading, "told_apart": told_apart, "read": right.float().mean()}
        run.advance(sigmoid + READER_WEIGHT * reading, trained, average, **values)
    run.save()


def finished_tower(runs: Path) -> tuple[SiglipVisionModel, Readers]:
    """The averaged vision tower of a run, and the readers of its visual tokens."""
    tokenizer = Tokenizer.from_file(str(runs / "tokenizer.json"))
    modules = nn.ModuleDict({"siglip": build_tower(tokenizer.get_vocab_size()), "readers": Readers(WIDTH)})
    modules.load_state_dict(averaged(runs / "tower"))
    vision = SiglipVisionModel(modules["siglip"].config.vision_config)
    vision.vision_model = modules["siglip"].vision_model
    readers = modules["readers"]
    assert isinstance(readers, Readers)
    return vision.eval().requires_grad_(False), readers.eval().requires_grad_(False)


@torch.no_grad()
def see(vision: SiglipVisionModel, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 pictures [n, side, side, 3] to their visual tokens, float32 [n, VISUAL_TOKENS, WIDTH]."""
    parts = [to_tensor(pictures[i : i + 128]).to(device) for i in range(0, len(pictures), 128)]
    return torch.cat([visual_tokens(encode(vision.vision_model, part)).cpu() for part in parts])


def main() -> None:
    arguments = begin(stage_parser(__doc__, steps=5000, batch=48))
    join_processes()
    train(arguments.runs, arguments.steps, arguments.batch, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
