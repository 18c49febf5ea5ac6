"""A causal student as a folder that `AutoModelForCausalLM.from_pretrained` loads and `generate` runs, with its tokenizer.

It holds plain LLaMA or GPT-2, as transformers would save it. The tokenizer begins every text with the mark for its end, own
token 0, as every window that the student read began. Needs neither torch nor transformers.

A tokenizer that is cut down to a text's own tokens has more beyond them, for other words (`kdlab.models.own_tokens`). To the
model these are nothing: their embeddings are 0, and `generate` never takes one. Their logits are then 0 as well, which tied
embeddings cannot help: who wants the student's probabilities takes the logits of its own tokens, which come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kdlab.models.causal_numpy import head
from kdlab.models.causal_shapes import (
    END,
    GPT2_EPSILON,
    LLAMA_EPSILON,
    ROPE_BASE,
    WINDOW,
    LanguageStudent,
    head_name,
)
from kdlab.models.folder_files import as_json, as_safetensors
from kdlab.models.sizes import HEAD

LINES = '''from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # where this file lies
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
given = tokenizer("It is a truth universally acknowledged, that", return_tensors="pt")
print(tokenizer.decode(model.generate(**given)[0], skip_special_tokens=True))'''
"""How to use the folder, for its card."""


def causal_folder(
    weights: Mapping[str, np.ndarray], shape: LanguageStudent, tokenizer: dict[str, Any]
) -> dict[str, bytes]:
    """The folder's files by name. weights: a student's state; tokenizer: in the form of the library tokenizers, own tokens first,
    0 its end-of-text (`kdlab.models.own_tokens.tokenizer_json`). Raises ValueError where it does not number the student's tokens.
    """
    names = {number: name for name, number in tokenizer["model"]["vocab"].items()}
    names |= {added["id"]: added["content"] for added in tokenizer.get("added_tokens", ())}
    own, known = head(weights, shape), len(names)
    if known < len(own) or set(names) != set(range(known)):
        raise ValueError(f"The student knows the tokens 0 to {len(own) - 1}, and its tokenizer has {known} up to {max(names)}.")
    table = np.concatenate([own, np.zeros((known - len(own), own.shape[1]), own.dtype)])
    return {
        "config.json": as_json(_config(shape, known)),
        "generation_config.json": as_json(_generation(shape, range(len(own), known))),
        "model.safetensors": as_safetensors({**weights, head_name(shape): table}),
        "tokenizer.json": as_json(_beginning(tokenizer, names[END])),
        "tokenizer_config.json": as_json(_tokenizer_config(shape, names[END])),
    }


def _config(shape: LanguageStudent, vocabulary: int) -> dict[str, Any]:
    """What `kdlab.models.causal.causal_config` says."""
    shared = {
        "vocab_size": vocabulary,
        "bos_token_id": END,
        "eos_token_id": END,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }
    if shape.family == "gpt2":
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            **shared,
            "n_positions": WINDOW,
            "n_embd": shape.width,
            "n_layer": shape.layers,
            "n_head": shape.heads,
            "n_inner": shape.inner,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": GPT2_EPSILON,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
        }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **shared,
        "max_position_embeddings": WINDOW,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": HEAD,
        "intermediate_size": shape.inner,
        "hidden_act": "silu",
        "rms_norm_eps": LLAMA_EPSILON,
        "rope_theta": ROPE_BASE,  # where transformers before 5 looks for it
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_BASE},
    }


def _generation(shape: LanguageStudent, others: range) -> dict[str, Any]:
    """Sampling at T = 1 from all own tokens, as the lab does; a GPT-2 ends where its positions do."""
    longest = {"max_length": WINDOW} if shape.family == "gpt2" else {"max_new_tokens": WINDOW}
    ends = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END}
    never = {"suppress_tokens": list(others)} if others else {}
    return {**ends, **longest, "do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, **never}


def _beginning(tokenizer: dict[str, Any], mark: str) -> dict[str, Any]:
    """The tokenizer, which begins each text with its mark."""
    begin = {"SpecialToken": {"id": mark, "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, begin, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {mark: {"id": mark, "ids": [END], "tokens": [mark]}},
    }
    own = tokenizer.get("post_processor")
    return tokenizer | {"post_processor": {"type": "Sequence", "processors": [own, template]} if own else template}


def _tokenizer_config(shape: LanguageStudent, mark: str) -> dict[str, Any]:
    limit = {"model_max_length": WINDOW} if shape.family == "gpt2" else {}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": mark,
        "eos_token": mark,
        "pad_token": mark,
        "padding_side": "left",  # so that what is written follows each text at once
        "clean_up_tokenization_spaces": False,
        # Of token types a GPT-2 would look up embeddings, and a LLaMA takes none.
        "model_input_names": ["input_ids", "attention_mask"],
        **limit,
    }
