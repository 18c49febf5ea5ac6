"""BERT of any size (transformers), which is the glosses' teacher and its students. x holds ids (B, L), 0 for padding.

Without dropout, without buffers and with attention that `torch.func` can follow, so that students can be stacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions as BertOutput

from kdlab.data.word_pieces import PADDING, WINDOW, vocabulary
from kdlab.models.embedding_bag import along_swap, known_to, masked_mean, real_pieces
from kdlab.models.inner_layers import Inner, Parts
from kdlab.models.sizes import HEAD


class BertClassifier(nn.Module):
    """A BERT encoder, the masked mean of its last hidden states, and a linear layer.

    ``bert`` is a plain `BertModel`: embeddings, layers and attention are where transformers has them.
    """

    def __init__(self, config: BertConfig, classes: int) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        for name, _ in list(self.bert.embeddings.named_buffers()):  # constants, which come with each call
            delattr(self.bert.embeddings, name)
        self.output = nn.Linear(config.hidden_size, classes)

    def forward(self, x: Tensor, inside: bool = False, swap: Tensor | None = None, parts: Parts = ()) -> Any:  # (B, L)
        """Logits (B, K); with ``inside`` a pair of them and of `Inner`; with a swap (B, 2) their derivative along it.

        parts: of x, in its order; beyond a part's length there is nothing but padding, and no time is spent on it.
        """
        if swap is not None:
            words = self.bert.embeddings.word_embeddings
            return along_swap(
                lambda embedded: self.judge(self.encode(x, embedded), x), words, known_to(x, words.num_embeddings), swap
            )
        if parts:
            # Looked up at once: each look-up's gradient is as large as the table.
            embedded = self.bert.embeddings.word_embeddings(known_to(x, self.bert.config.vocab_size))
            pieces = zip(x.split([size for size, _ in parts]), embedded.split([size for size, _ in parts]), parts, strict=True)
            said = [self._said(ids[:, :end], inside, words[:, :end]) for ids, words, (_, end) in pieces]
            logits = torch.cat([logits for logits, _ in said])
            return (logits, _one_under_another([inner for _, inner in said], x.shape[-1])) if inside else logits
        logits, inner = self._said(x, inside)
        return (logits, inner) if inside else logits

    def _said(self, x: Tensor, inside: bool, embedded: Tensor | None = None) -> tuple[Tensor, Inner]:
        if not inside:
            return self.judge(self.encode(x, embedded), x), Inner()
        blocks = list(self.bert.encoder.layer)
        heads = [(own.query, own.key, own.value) for own in (block.attention.self for block in blocks)]
        with _overheard([self.bert.embeddings, *blocks, *(part for three in heads for part in three)]) as said:
            logits = self.judge(self.encode(x, embedded), x)
        real = real_pieces(x).unsqueeze(-1)
        hidden = tuple(said[module] * real for module in (self.bert.embeddings, *blocks))
        return logits, Inner(hidden, tuple(torch.cat([said[part] for part in three], dim=-1) for three in heads))

    def judge(self, said: BertOutput, x: Tensor) -> Tensor:
        """Logits (B, K) of what `encode` gave of x."""
        return self.output(masked_mean(said.last_hidden_state, real_pieces(x)))

    def encode(self, x: Tensor, embedded: Tensor | None = None, **asked: bool) -> BertOutput:
        """What `BertModel` says of x (B, L), or of these embeddings of its words (B, L, H).

        asked: `output_hidden_states=True`, `output_attentions=True`.
        """
        hidden = torch.finfo(torch.float32).min
        return self.bert(
            input_ids=known_to(x, self.bert.config.vocab_size) if embedded is None else None,
            inputs_embeds=embedded,
            # As it is added to the scores, (B, 1, 1, L): of a plain mask transformers would look at the values.
            attention_mask=torch.where(real_pieces(x), 0.0, hidden)[:, None, None, :],
            token_type_ids=torch.zeros_like(x),
            position_ids=torch.arange(x.shape[-1], device=x.device).unsqueeze(0),
            **asked,
        )


def _one_under_another(parts: list[Inner], positions: int) -> Inner:
    """The parts' layers (b, fewer positions, C) as whole ones (B, positions, C), 0 at padding."""

    def whole(*layer: Tensor) -> Tensor:
        return torch.cat([pad(part, (0, 0, 0, positions - part.shape[-2])) for part in layer])

    return Inner(*(tuple(map(whole, *layers)) for layers in zip(*parts, strict=True)))


@contextmanager
def _overheard(modules: list[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """What each of these modules gives while this lasts."""
    said: dict[nn.Module, Tensor] = {}
    hooks = [module.register_forward_hook(lambda module, _, given: said.update({module: given})) for module in modules]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def bert_config(vocabulary_size: int, layers: int, width: int, positions: int = WINDOW) -> BertConfig:
    """BERT's configuration in another size, without dropout.

    Eager attention: what is faster gives no attention maps and has no second derivative.
    """
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD,
        intermediate_size=4 * width,
        max_position_embeddings=positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PADDING,
    )
    config._attn_implementation = "eager"
    return config


def minilm(classes: int) -> BertClassifier:
    """MiniLM-L6's shape with fresh weights."""
    return BertClassifier(bert_config(len(vocabulary().pieces), layers=6, width=384, positions=512), classes)
