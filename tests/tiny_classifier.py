"""A sequence classifier of a few thousand numbers as a folder, made here, with a tokenizer of a few words."""

from __future__ import annotations

from pathlib import Path

WORDS = ("a", "fine", "awful", "word", "thing", "number", "day", "text", "good", "bad")


def tiny_classifier(folder: Path, labels: tuple[str, ...] = ("good", "bad")) -> Path:
    """Writes it below the folder. It tells “a fine word number 3” from “awful thing , 7”."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(("[PAD]", "[UNK]", *WORDS))}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        initializer_range=0.5,  # so that it does not answer every text alike
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)  # one that happens to tell them apart
        BertForSequenceClassification(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder)
    return folder
