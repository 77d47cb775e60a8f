"""MetaMorph's language model: a Llama that reads visual tokens through a projector and writes them through a vision head."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from llamafusion import documents
from metamorph.sequences import Batch, Chat
from metamorph.tokenizer import BOS, EOS, EOT, IMAGE_END, IMAGE_START
from metamorph.tower import WIDTH
from recipe import llama
from recipe.context import Causal


def build_text_model(chat: Chat) -> LlamaForCausalLM:
    return llama.build_text_model(chat.tokenizer, chat.bos, [chat.eos, chat.eot])


def pretrained_text_model(chat: Chat, known: LlamaForCausalLM, sequencer: documents.Sequencer) -> LlamaForCausalLM:
    """The Llama of LlamaFusion's recipe, which has read the world's text, with MetaMorph's tokens: as the paper starts from
    Llama 3."""
    ends = dict.fromkeys((EOS, EOT), documents.EOS)
    names = {BOS: documents.BOS, IMAGE_START: documents.BOI, IMAGE_END: documents.EOI, **ends}
    model = build_text_model(chat)
    llama.start_from(model, chat.tokenizer, known, sequencer.tokenizer, names)
    return model


class MetaMorph(Causal):
    """The Llama with projector (`mlp2x_gelu`) and vision head (`mlp`). Names of parameters are those of the checkpoint."""

    def __init__(self, text: LlamaForCausalLM, vision_width: int = WIDTH) -> None:
        super().__init__()
        width = text.config.hidden_size
        self.config = text.config
        self.model = text.model
        self.lm_head = text.lm_head
        self.model.mm_projector = nn.Sequential(nn.Linear(vision_width, width), nn.GELU(), nn.Linear(width, width))
        self.vision_head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, vision_width))
        # Components of a token of length 1 are small: with the usual start the biases would drown them.
        nn.init.normal_(self.model.mm_projector[0].weight)
        nn.init.zeros_(self.model.mm_projector[0].bias)
        nn.init.zeros_(self.model.mm_projector[2].bias)

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Visual tokens [..., WIDTH] as the Llama reads them [..., width]."""
        return self.model.mm_projector(tokens)

    def draw(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states after the final norm to the visual tokens that follow, of length 1."""
        return F.normalize(self.vision_head(hidden).float(), dim=-1)

    def embed(self, batch: Batch, tokens: torch.Tensor) -> torch.Tensor:
        """A batch's inputs [rows, longest, width]; `tokens` are its visual tokens in order [visual tokens, WIDTH]."""
        embedded = self.model.embed_tokens(batch.ids)
        if len(batch.pictures) == 0:
            return embedded
        places = batch.visual.nonzero(as_tuple=True)
        return embedded.index_put(places, self.project(tokens).to(embedded.dtype))
