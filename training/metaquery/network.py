"""The networks: LLaVA-OneVision with shared beginnings, the query tokens, and the connector. Names are those of the checkpoint."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, Qwen2Config, SiglipVisionModel
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2Model, Qwen2RMSNorm, Qwen2RotaryEmbedding

from metaquery.chat import GRID, Chat
from metaquery.tasks import Task
from metaquery.tower import build_tower, encode, given, pixels_of
from recipe.context import Causal, Context, rotate
from recipe.rows import padded_ids
from shapes.world import SIDE, Scene

WIDTH = 128
"""Width of the language model and the connector, whose heads are WIDTH / 64."""

QUERIES = 32
"""Query tokens: one for each attribute of each cell (27), and some for the ground."""

CONNECTOR_LAYERS = 2
HEAD_SIZE = 64


def build_mllm(chat: Chat) -> LlavaOnevisionForConditionalGeneration:
    """LLaVA-OneVision at this world's size, with random weights. The language model has the sizes of the other recipes' Llama,
    so that it can begin with what that has read."""
    config = LlavaOnevisionConfig(
        vision_config=build_tower().config.to_dict(),
        text_config={
            "model_type": "qwen2",
            "vocab_size": chat.vocabulary,
            "hidden_size": WIDTH,
            "intermediate_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "bos_token_id": chat.tokenizer.token_to_id("<|endoftext|>"),
            "eos_token_id": chat.turn_end,
        },
        image_token_index=chat.image,
        video_token_index=chat.tokenizer.token_to_id("<video>"),
        image_grid_pinpoints=[[SIDE, SIDE]],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_9",
        attn_implementation="eager",
    )
    llava = LlavaOnevisionForConditionalGeneration(config)
    # Visual tokens begin as long as words: with the usual start they hardly differ, and the language model learns to skip them.
    projector = llava.model.multi_modal_projector
    nn.init.normal_(projector.linear_1.weight, std=projector.linear_1.in_features**-0.5)
    nn.init.normal_(projector.linear_2.weight, std=0.1 * WIDTH**-0.5)
    return llava


class Mllm(Causal):
    """LLaVA-OneVision, walked in segments."""

    def __init__(self, llava: LlavaOnevisionForConditionalGeneration) -> None:
        super().__init__()
        self.llava = llava
        self.image = llava.config.image_token_index

    @property
    def model(self) -> Qwen2Model:
        """The language model, without its head."""
        return self.llava.model.language_model

    @property
    def lm_head(self) -> nn.Linear:
        return self.llava.lm_head

    def adopt(self, vision: SiglipVisionModel) -> None:
        """Takes a finished tower, which stays as it is."""
        self.llava.model.vision_tower.load_state_dict(vision.state_dict())
        self.llava.model.vision_tower.requires_grad_(False)

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 3, SIDE, SIDE] as the language model reads them [n, VISUAL_TOKENS, width]: the whole picture, and its
        only tile, which shows the same, with a newline feature after each row."""
        model = self.llava.model
        with torch.no_grad():
            features = encode(model.vision_tower.vision_model, pixels)
        whole = model.multi_modal_projector(features)  # [n, GRID², width]
        newline = model.image_newline.to(whole.dtype).expand(len(pixels), GRID, 1, -1)
        tile = torch.cat([whole.unflatten(1, (GRID, GRID)), newline], 2)  # [n, GRID, GRID + 1, width]
        return torch.cat([whole, tile.flatten(1, 2)], 1)

    def embed(self, ids: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        """Ids [rows, tokens] with the visual tokens of the rows' pictures in order. [rows, tokens, width]"""
        embedded = self.model.embed_tokens(ids)
        if seen is None or len(seen) == 0:
            return embedded
        places = (ids == self.image).nonzero(as_tuple=True)
        return embedded.index_put(places, seen.flatten(0, 1).to(embedded.dtype))

    def begin(self, rows: list[list[int]], seen: torch.Tensor | None, context: Context | None = None) -> Context:
        """Rows of any lengths as a context for what follows, behind another one of as many rows."""
        ids, real = padded_ids(rows, self.model.embed_tokens.weight.device)
        own = self.walk(self.embed(ids, seen)[:, None], context, real)[1]
        return context.followed_by(own) if context else own

    def prompts(self, chat: Chat, tasks: list[Task], pixels: torch.Tensor | None) -> Context:
        """The prompts for drawing of tasks; `pixels` are those of all their pictures in order. The system's turn is computed
        once for all."""
        system = self.begin([chat.system], None).rows(len(tasks))
        seen = None if pixels is None else self.see(pixels)
        return self.begin([chat.task(task) for task in tasks], seen, system)


def task_pixels(tasks: list[Task], device: torch.device) -> torch.Tensor | None:
    """The pictures of tasks in order, as the official code prepares them for drawing; None without any."""
    scenes: list[Scene] = [scene for task in tasks for scene in task.pictures]
    return given(pixels_of(scenes, device)) if scenes else None


class HeadNorm(nn.Module):
    """Every head's vector at length √size, times a learned γ."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, 1, HEAD_SIZE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [rows, heads, tokens, HEAD_SIZE]"""
        return F.normalize(x, dim=-1) * self.gamma * HEAD_SIZE**0.5


class ConnectorAttention(nn.Module):
    """Qwen2's attention, both ways, with normed queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.o_proj = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = HeadNorm(width // HEAD_SIZE), HeadNorm(width // HEAD_SIZE)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """x: [rows, tokens, width]; the norm comes after the rotation."""
        query, key, value = (
            projection(x).unflatten(2, (-1, HEAD_SIZE)).transpose(1, 2)  # [rows, heads, tokens, size]
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = self.q_norm(rotate(query, cos, sin)), self.k_norm(rotate(key, cos, sin))
        weights = (query @ key.transpose(2, 3) * HEAD_SIZE**-0.5).softmax(-1).to(value.dtype)
        return self.o_proj((weights @ value).transpose(1, 2).flatten(2))


class ConnectorLayer(nn.Module):
    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.self_attn = ConnectorAttention(config.hidden_size)
        self.mlp = Qwen2MLP(config)
        self.input_layernorm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class ConnectorEncoder(nn.Module):
    """Bidirectional layers in Qwen2's form; no norm behind the last."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        heads = width // HEAD_SIZE
        config = Qwen2Config(
            hidden_size=width,
            intermediate_size=4 * width,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            rope_theta=10000.0,
        )
        self.layers = nn.ModuleList(ConnectorLayer(config) for _ in range(layers))
        self.rotary = Qwen2RotaryEmbedding(config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cos, sin = self.rotary(x, torch.arange(x.shape[1], device=x.device)[None])
        for layer in self.layers:
            x = layer(x, cos.to(x.dtype), sin.to(x.dtype))
        return x


class Connector(nn.Sequential):
    """From what the language model makes of the queries to a condition. The encoder runs first, at the language model's width
    (Enc-Proj, the official form), or behind the projection, at the condition's (Proj-Enc, the paper's ablation); the parameters' names
    are the same."""

    def __init__(self, width: int, layers: int, condition_width: int, order: str = "enc_proj") -> None:
        super().__init__(
            ConnectorEncoder(width if order == "enc_proj" else condition_width, layers),
            nn.Linear(width, condition_width),
            nn.GELU(approximate="tanh"),
            nn.Linear(condition_width, condition_width),
            Qwen2RMSNorm(condition_width, eps=1e-5),
        )
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        encoder, *projection = self
        for module in (encoder, *projection) if self.order == "enc_proj" else (*projection, encoder):
            x = module(x)
        return x


class Queries(nn.Module):
    """Learned tokens behind the prompt, and the connector that turns what the frozen language model makes of them into a
    condition."""

    def __init__(self, width: int, count: int, layers: int, condition_width: int, order: str = "enc_proj") -> None:
        super().__init__()
        self.embedded = nn.Parameter(torch.randn(count + 2, width) * 0.08)  # as long as words
        """The new rows of the embedding table: the begin, the end (which nothing reads), then the queries."""
        self.connector = Connector(width, layers, condition_width, order)

    def hidden(self, mllm: Mllm, context: Context) -> torch.Tensor:
        """The language model's output at the queries after prompts. [rows, count, width]"""
        begin, queries = self.embedded[:1], self.embedded[2:]
        rows = len(context.real)
        embedded = torch.cat([begin, queries]).expand(rows, 1, -1, -1)
        return mllm.walk(embedded, context)[0][:, 0, 1:]

    def forward(self, mllm: Mllm, context: Context) -> torch.Tensor:
        """The condition. [rows, count, condition width]"""
        return self.connector(self.hidden(mllm, context))
