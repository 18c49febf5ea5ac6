"""A language model that teaches, in memory: what it says of windows in a corpus's own tokens.

It is asked for its last hidden states, after the final norm, and for its output matrix; its logits over the V own tokens are
hidden @ head.T. That is not so of every architecture: where logits are scaled, capped or shifted after the matrix, a model is
refused as it is loaded. It tells by itself, on a few tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from kdlab.models import pocket, smollm2
from kdlab.models.causal import CausalNetwork, causal_config
from kdlab.models.causal_shapes import POCKET, WINDOW
from kdlab.models.folder_tokenizer import SAFE
from kdlab.models.language_teachers import check_fits, start_of_text, teacher_folder
from kdlab.models.machine import usable
from kdlab.models.model_folder import SAVE_AGAIN, ModelFolder, ModelFolderError, read_model_folder
from kdlab.models.quiet import quiet

if TYPE_CHECKING:
    from kdlab.models.own_tokens import OwnTokens

_TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 65_536}  # that one pass reads
_TRIED = 12  # tokens that a model is tried on as it is loaded,
_ROWS_TRIED = 4096  # and how many logits of each are looked at
# Of the largest number: the same sums in another order, and rounded to bfloat16 as a card has them.
_ROUNDING = {torch.float32: 1e-3, torch.bfloat16: 2e-2}

_NOT_LINEAR = (
    "Its logits are not its last hidden states times its output matrix: its architecture scales, caps or shifts them, as Gemma 2, "
    "Granite and Cohere do. The lab's signals have no place for that. Take a model of another architecture."
)


class CausalTeacher:
    """A teacher of `kdlab.models.language_teachers` over own tokens: float32 on the processor; on a card its body is bfloat16.

    say: is told what takes its time. Raises ModelFolderError, SmolLM2's among them, PocketMissing, HomeError, and ValueError
    where the pocket teacher is damaged.
    """

    def __init__(
        self,
        name: str,
        tokens: OwnTokens,
        device: torch.device | str = "cpu",
        say: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.device = torch.device(device)
        teacher_ids = torch.tensor(tokens.teacher_ids, dtype=torch.int64)
        read = teacher_ids.clone()
        read[0] = start_of_text(name)
        if name == pocket.NAME:
            self._body, weights = _pocket()
        else:
            self._body, weights = _transformers(name, read, self.device, say)
        self._head = weights[teacher_ids].to(self.device, torch.float32)
        self._body.to(self.device).eval().requires_grad_(False)
        self._read = read.to(self.device)

    @property
    def head(self) -> Tensor:
        """(V, H) float32: the rows of the output matrix that own tokens have, in their order."""
        return self._head

    @torch.no_grad()
    def hidden(self, x: Tensor) -> Tensor:
        """The last hidden states of windows x (B, L) in own ids, each of which begins with 0: (B, L, H) float32.

        Windows are read in parts, so B may be large. Where own id 0 stands, the model reads the mark that it has for a text's
        beginning.
        """
        at_once = max(1, _TOKENS_AT_ONCE.get(self.device.type, _TOKENS_AT_ONCE["cpu"]) // x.shape[-1])
        ids = self._read[x.to(self.device)]
        return torch.cat([_last_hidden(self._body, part).float() for part in ids.split(at_once)])


def _last_hidden(body: nn.Module, ids: Tensor) -> Tensor:
    """Of a model's body, after its final norm: ids (B, L) → (B, L, H)."""
    return body(ids) if isinstance(body, CausalNetwork) else body(input_ids=ids, use_cache=False).last_hidden_state


def _pocket() -> tuple[nn.Module, Tensor]:
    network = CausalNetwork(causal_config(POCKET, pocket.VOCABULARY, positions=pocket.CONTEXT))
    network.load_state_dict({name: torch.from_numpy(weights.copy()) for name, weights in pocket.pocket_weights().items()})
    return network, network.head.detach()


def _transformers(name: str, read: Tensor, device: torch.device, say: Callable[[str], None]) -> tuple[nn.Module, Tensor]:
    """The body of SmolLM2 or of a folder's model, and its whole output matrix. read: token ids that it can be tried on."""
    on_card = device.type == "cuda"
    if on_card:
        check_fits(name, torch.cuda.mem_get_info(device)[0], bytes_a_weight=2)
    check_fits(name, usable(), bytes_a_weight=2 if on_card else 4)
    found = read_model_folder(smollm2.converted(say)) if name == "smollm2" else teacher_folder(name)
    say("Loading the teacher")
    model = _loaded(found, torch.bfloat16 if on_card else torch.float32).to(device).eval()
    positions = getattr(model.config, "max_position_embeddings", None) or WINDOW
    if positions < WINDOW:
        raise ModelFolderError(f"It reads {positions} tokens at the most, and the lab's windows have {WINDOW}. Take another model.")
    if getattr(model.config, "final_logit_softcapping", None):  # small logits would not show it
        raise ModelFolderError(_NOT_LINEAR)
    head = model.get_output_embeddings()
    body = model.base_model
    if head is None or body is model or not isinstance(getattr(head, "weight", None), Tensor):
        raise ModelFolderError("It has no output matrix that the lab can find. Take a model of another architecture.")
    if getattr(head, "bias", None) is not None:
        raise ModelFolderError(
            "Its output layer adds a number of its own to each token's logit (a bias), which the lab's signals have no place for. Take "
            "a model of another architecture."
        )
    if int(read.max()) >= len(head.weight):
        raise ModelFolderError(
            f"Its tokenizer has a token {int(read.max())}, and the model answers for {len(head.weight)} tokens alone. Save the "
            "tokenizer that belongs to it beside it."
        )
    _try(model, body, head.weight, read[torch.linspace(0, len(read) - 1, _TRIED).long()].to(device))
    return body, head.weight.detach()


def _loaded(found: ModelFolder, dtype: torch.dtype) -> Any:
    """The model as transformers has it, with all its weights. Raises ModelFolderError."""
    try:
        with quiet():
            model, told = AutoModelForCausalLM.from_pretrained(
                found.folder, **SAFE, use_safetensors=True, dtype=dtype, output_loading_info=True
            )
    except Exception as error:
        raise ModelFolderError(
            f"transformers cannot load it as a causal language model ({type(error).__name__}). Save it again with {SAVE_AGAIN}, or "
            "take another."
        ) from error
    if lost := sorted({*told["missing_keys"], *(key[0] for key in told["mismatched_keys"])}):
        raise ModelFolderError(
            f"Its weights lack {lost[0]}, or have it in another size than its config.json says. Save it again with {SAVE_AGAIN}."
        )
    return model


@torch.no_grad()
def _try(model: nn.Module, body: nn.Module, head: Tensor, ids: Tensor) -> None:
    """Raises ModelFolderError where what follows a token changes what is said before it, or logits are not hidden @ head.T.

    ids: (L,) of a text that means nothing.
    """
    other = ids.clone()
    other[-1] = ids[0]
    both = torch.stack([ids, other])
    hidden = _last_hidden(body, both)
    within = _ROUNDING[hidden.dtype]
    if hidden.shape[-1] != head.shape[-1] or not torch.isfinite(hidden).all():
        raise ModelFolderError("Its last hidden states do not fit its output matrix, or are no numbers. Take another model.")
    if _apart(hidden[0, :-1], hidden[1, :-1]) > within:
        raise ModelFolderError(
            "It looks at the tokens that follow before it says what follows, so it is no causal language model. Take one that is."
        )
    some = torch.linspace(0, len(head) - 1, min(len(head), _ROWS_TRIED), device=head.device).long()
    own = model(input_ids=both, use_cache=False).logits[..., some]
    if _apart(own, hidden.float() @ head[some].float().T) > within:
        raise ModelFolderError(_NOT_LINEAR)


def _apart(a: Tensor, b: Tensor) -> float:
    """The largest difference, in units of the largest number."""
    return float((a.float() - b.float()).abs().max() / b.float().abs().max().clamp(min=1e-12))
