"""Causal language models of any size (transformers' LLaMA and GPT-2): the language page's students and its pocket teacher.

Without dropout, without buffers, with masks and positions given outright and attention that `torch.func` can follow, so that
students can be stacked. The state's names are those of `LlamaForCausalLM` and `GPT2LMHeadModel` as they are saved: the tied
head is no tensor of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model, LlamaConfig, LlamaModel

from kdlab.models.causal_shapes import (
    GPT2_EPSILON,
    LLAMA_EPSILON,
    ROPE_BASE,
    WINDOW,
    LanguageStudent,
    get_shape,
)
from kdlab.models.sizes import HEAD


class CausalNetwork(nn.Module):
    """A LLaMA or GPT-2 up to its last hidden states; their logits are hidden @ head.T.

    ``model`` is a plain `LlamaModel`, ``transformer`` a plain `GPT2Model`: embeddings, layers and norms are where
    transformers has them, only the way through them is laid out here.
    """

    def __init__(self, config: LlamaConfig | GPT2Config) -> None:
        super().__init__()
        self.config = config
        if isinstance(config, GPT2Config):
            self.transformer = GPT2Model(config)
        else:
            self.model = LlamaModel(config)
            del self.model.rotary_emb  # its buffers are constants, which come with each call

    @property
    def head_name(self) -> str:
        """What the head is called among the parameters."""
        return "transformer.wte.weight" if isinstance(self.config, GPT2Config) else "model.embed_tokens.weight"

    @property
    def head(self) -> Tensor:
        """(V, H) the output matrix, which is the table of embeddings too."""
        return self.get_parameter(self.head_name)

    def room(self, positions: int) -> tuple[int, ...]:
        """The shape of what `forward` keeps of one sequence of so many positions: (layers, 2, heads, positions, numbers a head)."""
        keys = getattr(self.config, "num_key_value_heads", self.config.num_attention_heads)
        return self.config.num_hidden_layers, 2, keys, positions, self.config.hidden_size // self.config.num_attention_heads

    def forward(self, x: Tensor, kept: Tensor | None = None, at: int = 0) -> Tensor:
        """x (B, L) own ids → the last hidden states after the final norm, (B, L, H).

        kept: keys and values of the positions before ``at``, (B, *room); those of x, which stands at ``at`` and after, are
        written into it.
        """
        end = at + x.shape[-1]
        places = torch.arange(at, end, device=x.device)
        # As it is added to the scores, (1, 1, L, end): of a plain mask transformers would look at the values.
        mask = torch.full((1, 1, len(places), end), torch.finfo(torch.float32).min, device=x.device).triu(at + 1)
        past = None if kept is None else _Kept(kept, at, end)
        if isinstance(self.config, GPT2Config):
            hidden = self.transformer.wte(x) + self.transformer.wpe(places)
            for block in self.transformer.h:
                hidden = block(hidden, past, mask)
            return self.transformer.ln_f(hidden)
        hidden = self.model.embed_tokens(x)
        rotary = _rotary(places, self.config, hidden.dtype)
        for layer in self.model.layers:
            hidden = layer(hidden, attention_mask=mask, past_key_values=past, position_embeddings=rotary)
        return self.model.norm(hidden)


class _Kept:
    """What transformers' attention asks of a cache, on one tensor that `vmap` can follow."""

    def __init__(self, kept: Tensor, at: int, end: int) -> None:
        self._kept, self._at, self._end = kept, at, end

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Takes keys and values (B, heads, L, d) in; gives those of all positions up to theirs."""
        both = self._kept[:, layer]
        for place, new in enumerate((keys, values)):
            both[:, place, :, self._at : self._end] = new
        return both[:, 0, :, : self._end], both[:, 1, :, : self._end]


def _rotary(places: Tensor, config: LlamaConfig, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of what each position turns each pair of numbers by, (1, L, d) both (Su et al. 2021, arXiv 2104.09864)."""
    d = config.head_dim
    frequencies = 1 / config.rope_parameters["rope_theta"] ** (torch.arange(0, d, 2, device=places.device).float() / d)
    angles = (places.float()[:, None] * frequencies).repeat(1, 2).unsqueeze(0)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def causal_config(
    shape: str | LanguageStudent, vocabulary: int, positions: int = WINDOW
) -> LlamaConfig | GPT2Config:
    """transformers' configuration of a shape over V own tokens, without dropout; 0 begins and ends a text.

    Eager attention: what is faster has no second derivative and cannot be stacked. Raises ValueError for an unknown name.
    """
    shape = get_shape(shape) if isinstance(shape, str) else shape
    shared: dict[str, Any] = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": True}
    config: LlamaConfig | GPT2Config
    if shape.family == "gpt2":
        config = GPT2Config(
            **shared,
            n_positions=positions,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.inner,
            layer_norm_epsilon=GPT2_EPSILON,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    else:
        config = LlamaConfig(
            **shared,
            max_position_embeddings=positions,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            head_dim=HEAD,
            intermediate_size=shape.inner,
            rms_norm_eps=LLAMA_EPSILON,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        )
    config._attn_implementation = "eager"
    return config


def build_causal(name: str, vocabulary: int) -> CausalNetwork:
    """A fresh student over V own tokens, with transformers' initial weights, drawn from the global generator.

    Raises ValueError for an unknown name.
    """
    return CausalNetwork(causal_config(name, vocabulary))
