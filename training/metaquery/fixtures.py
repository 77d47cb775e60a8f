"""Reference results of an exported folder for the Swift tests, in the layout of Tests/Goldens: what transformers' own
LLaVA-OneVision makes of prompts, and what is drawn from that.

    python -m metaquery.fixtures ../models/metaquery-shapes ../Tests/Goldens/metaquery-shapes
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import LlavaOnevisionForConditionalGeneration

from metaquery import dcae
from metaquery.chat import Chat
from metaquery.decoders import CONDITION_WIDTH, build_decoder
from metaquery.export import official
from metaquery.network import CONNECTOR_LAYERS, QUERIES, WIDTH, Mllm, Queries, build_mllm
from metaquery.sample import Sampler
from metaquery.tower import GENERATION_SIDE
from recipe import vae
from recipe.autoencoder import to_pictures, to_tensor
from recipe.export import write_json
from recipe.rows import padded_ids
from shapes import world
from shapes.world import Scene, Thing

STEPS, GUIDANCE, IMAGE_GUIDANCE, MOST_TOKENS = 12, 4.5, 1.5, 24

STAR = Scene("white", (Thing("star", "red", "large", "center"),))
RING = Scene("gray", (Thing("ring", "blue", "small", "top left"),))


@dataclass(frozen=True)
class Case:
    """Something asked of the model."""

    text: str
    pictures: tuple[Scene, ...] = ()
    is_question: bool = False

    def images(self) -> list[Image.Image]:
        return [Image.fromarray(picture) for picture in world.render_batch(list(self.pictures))] if self.pictures else []


CASES = {
    "t2i": Case("a large red circle at the center on a white background"),
    "edit": Case("make the star blue", (STAR,)),
    "reconstruct": Case("", (RING,)),
    "two_images": Case("the shape of the first in the color of the second", (STAR, RING)),
    "chat_text": Case("what color is grass?", is_question=True),
    "chat_image0": Case("what do you see?", (STAR,), is_question=True),
    "chat_image1": Case("where is the ring?", (RING,), is_question=True),
}


class Reference:
    """An exported folder in PyTorch, float32."""

    def __init__(self, folder: Path) -> None:
        tensors = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        self.kind = "sana" if (folder / "diffusion" / "transformer").is_dir() else "sd"
        self.chat = Chat(Tokenizer.from_file(str(folder / "mllm" / "tokenizer.json")))
        self.llava = self._llava(folder, tensors)
        vocabulary = self.chat.vocabulary
        self.begin, self.queries = vocabulary, range(vocabulary + 2, vocabulary + 2 + QUERIES)
        painter = Queries(WIDTH, QUERIES, CONNECTOR_LAYERS, CONDITION_WIDTH[self.kind])
        self.connector = painter.connector
        decoder = build_decoder(self.kind)
        autoencoder = dcae.build_dcae() if self.kind == "sana" else vae.build_vae()
        parts = {"model.connector.": self.connector, "model.transformer.": decoder.network, "vae.": autoencoder}
        for prefix, module in parts.items():
            fill(module, tensors, prefix)
        scale = json.loads((folder / "diffusion" / "vae" / "config.json").read_text())["scaling_factor"]
        self.sampler = Sampler(Mllm(self.llava), self.chat, painter, decoder, autoencoder, scale)

    def _llava(self, folder: Path, tensors: dict[str, torch.Tensor]) -> LlavaOnevisionForConditionalGeneration:
        """With the query tokens behind its vocabulary."""
        llava = build_mllm(self.chat).eval()
        head = {name: tensor.float() for name, tensor in load_file(folder / "mllm" / "model.safetensors").items()}
        table = "language_model.model.embed_tokens.weight"
        llava.model.language_model.embed_tokens = nn.Embedding(*tensors["model.mllm_backbone." + table].shape)
        own = {name: f"model.mllm_backbone.{official(name)}" for name in llava.state_dict() if not name.startswith("lm_head.")}
        state = {name: tensors[key] for name, key in own.items()}
        llava.load_state_dict(state | {"lm_head.weight": head["language_model.lm_head.weight"]})
        return llava

    def looked_at(self, images: list[Image.Image]) -> dict[str, torch.Tensor]:
        """Pictures as LLaVA-OneVision's processor gives them on: the whole one, and its only tile, which shows the same."""
        if not images:
            return {}
        sides = [(image.height, image.width) for image in images]
        small = [image.resize((world.SIDE, world.SIDE), Image.Resampling.BICUBIC) for image in images]
        pixels = to_tensor(np.stack([np.asarray(image) for image in small]))
        return {"pixel_values": pixels[:, None].repeat(1, 2, 1, 1, 1), "image_sizes": torch.tensor(sides)}

    @torch.no_grad()
    def hidden(self, ids: list[int], images: list[Image.Image]) -> torch.Tensor:
        """What becomes of the queries at the end of a prompt. [1, queries, width]"""
        read = self.llava.model(input_ids=torch.tensor([ids]), **self.looked_at(images)).last_hidden_state
        return read[:, -QUERIES:]

    @torch.no_grad()
    def drawn(self, case: Case, seed: int) -> tuple[dict[str, torch.Tensor], Image.Image]:
        """The tensors of a picture's branches, in the official order, and the picture."""
        images = [image.resize((GENERATION_SIDE, GENERATION_SIDE), Image.Resampling.BILINEAR) for image in case.images()]
        black = [Image.new("RGB", image.size) for image in images]
        branches = [("", black, 1 - IMAGE_GUIDANCE), ("", images, IMAGE_GUIDANCE - GUIDANCE)] if images else [("", [], 1 - GUIDANCE)]
        branches.append((case.text, images, GUIDANCE))
        prompts, hidden, weighed = [], [], []
        for text, seen, weight in branches:
            prompts.append([*self.chat.system, *self.chat.drawing(len(seen), text), self.begin, *self.queries])
            hidden.append(self.hidden(prompts[-1], seen))
            weighed.append((self.connector(hidden[-1]), weight))
        # The official code writes the end of the picture and of the reply behind the queries.
        ids, real = padded_ids([[*prompt, self.begin + 1, self.chat.turn_end] for prompt in prompts], torch.device("cpu"))
        rows = [torch.cat([row[~there], row[there]]) for row, there in zip(ids, real)]
        scheduler = self.sampler.decoder.scheduler()
        scheduler.set_timesteps(STEPS)
        steps = list(self.sampler.denoised(weighed, STEPS, seed))
        latents = torch.stack([latents for _, latents in steps])
        decoded = self.sampler.decoded(latents[-1])
        tensors = {
            "input_ids": torch.stack(rows),
            "attention_mask": real.flip(1).long(),
            "query_hidden": torch.cat(hidden),
            "connector_output": torch.cat([condition for condition, _ in weighed]),
            "initial_latents": self.sampler.noise(1, seed),
            "timesteps": scheduler.timesteps,
            "sigmas": scheduler.sigmas,
            "noise_pred_step0_branches": steps[0][0].flatten(0, 1),
            "latents_all_steps": latents,
            "latents_step1": latents[0],
            "latents_step2": latents[1],
            "latents_last": latents[-1],
            "decoded": decoded,
        }
        return tensors, Image.fromarray(to_pictures(decoded)[0])

    @torch.no_grad()
    def answered(self, case: Case) -> tuple[list[int], int]:
        """The ids of a greedy reply, its end included, and how many stand before it."""
        images = case.images()
        ids = [*self.chat.user(len(images), case.text), *self.chat.assistant]
        told = self.llava.generate(
            input_ids=torch.tensor([ids]),
            **self.looked_at(images),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            eos_token_id=self.chat.turn_end,
            pad_token_id=self.chat.turn_end,
        )
        return told[0, len(ids) :].tolist(), len(ids)


def fill(module: nn.Module, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Loads a module's tensors, all of them and no others."""
    module.load_state_dict({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)})
    module.eval()


def write(reference: Reference, name: str, case: Case, folder: Path) -> None:
    """One case: `case.json`, `expected.safetensors`, and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    images = case.images()
    names = [f"input{number}.png" for number in range(len(images))]
    for file, image in zip(names, images):
        image.save(folder / file)
    if case.is_question:
        ids, before = reference.answered(case)
        parts = [{"type": "image"}] * len(images) + [{"type": "text", "text": case.text}]
        facts = {"messages": [{"role": "user", "content": parts}], "max_new_tokens": MOST_TOKENS, "num_input_tokens": before}
        tensors = {"generated_ids": torch.tensor(ids)}
    else:
        seed = 7
        tensors, picture = reference.drawn(case, seed)
        picture.save(folder / "expected0.png")
        branches, length = tensors["input_ids"].shape
        facts = {"caption": case.text, "negative_prompt": "", "seed": seed, "steps": STEPS, "guidance_scale": GUIDANCE}
        facts |= {"image_guidance_scale": IMAGE_GUIDANCE, "num_images_per_prompt": 1, "width": world.SIDE, "height": world.SIDE}
        facts |= {"branches": branches, "padded_length": length, "expected_images": ["expected0.png"]}
    write_json(folder / "case.json", {"case": name, "images": names, **facts})
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "expected.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    reference = Reference(arguments.model)
    for name in arguments.cases:
        write(reference, name, CASES[name], arguments.target / "cases" / name)


if __name__ == "__main__":
    main()
