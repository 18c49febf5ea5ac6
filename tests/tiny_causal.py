"""Causal language models of a few thousand numbers as folders, made here, with a byte-level tokenizer of some 300 tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXT = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. " * 3
END = "<|endoftext|>"
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def tiny_tokenizer(start: str | None = None) -> Any:
    """Byte-level BPE; with a start, one that sets this mark before a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = [END, *([start] if start else [])]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=300, special_tokens=marks, initial_alphabet=alphabet, show_progress=False))
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
        )
    return tokenizer


def tiny_causal(folder: Path, kind: str = "llama", start: str | None = None, **other: Any) -> Path:
    """Writes a model of this kind with random weights, and its tokenizer, into the folder. other: more of its configuration."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = tiny_tokenizer(start)
    end = tokenizer.token_to_id(END)
    about = {"vocab_size": tokenizer.get_vocab_size(), "eos_token_id": end, "bos_token_id": end, "pad_token_id": end}
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2} if kind == "gpt2" else _SMALL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = AutoConfig.for_model(kind, **{**about, **size, "initializer_range": 0.3, **other})
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END).save_pretrained(folder)
    return folder
