"""A distilled student as a folder that transformers' `from_pretrained` loads, zipped: of a BERT of the lab's encoder, head,
tokenizer and card, of a model that came as a folder the same folder with the weights that it has now.

The lab's BERT takes the mean of its last hidden states, which no BERT class of transformers does to classify: so the
folder holds a plain `BertModel` and, beside it, the linear layer on that mean; the card has the lines that use both. Pooling as
`BertForSequenceClassification` does (tanh of a layer on the first mark) was tried: validation accuracy .683 against .713 for
the mean at `bert-2x64`, 300 labels, 1,500 transfer texts, 8 epochs; over 3 paired seeds (−4.6, +1.0, −5.4 points) no
difference is shown, so the mean, which is the teacher's too, stayed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

from kdlab.data.registry import get_dataset
from kdlab.data.visitor_sets import pieces_of
from kdlab.data.word_pieces import MARKS, UNKNOWN
from kdlab.models.folder_files import as_json, as_safetensors, zipped
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.sizes import HEAD
from kdlab.models.student_folder import find_folder_student, is_folder_student, model_folder
from kdlab.models.student_inputs import identity_of
from kdlab.runs import artifacts
from kdlab.runs.model_card import model_card
from kdlab.runs.spec import RunSpec
from kdlab.runs.stored import Run

_WORDS = "embeddings.word_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"


def is_transformers_student(spec: RunSpec) -> bool:
    """Whether a run's students are models of transformers, so that `pretrained_zip` can export them."""
    return spec.student.startswith("bert-") or find_folder_student(spec.student) is not None


def pretrained_zip(run: Run, arm: str, seed: int) -> bytes:
    """The folder of one student as a ZIP file. Raises OSError where its weights are gone, TextsGoneError where its pieces are,
    ModelFolderError where the folder that it came from is another now.

    Its tokenizer knows all pieces, as the lab's does; those that the student has no embedding for get that of [UNK].
    """
    tensors = load(artifacts.student_path(run.id, arm, seed).read_bytes())
    card = model_card(run, arm, seed, parameters=sum(t.size for t in tensors.values())).encode()
    if is_folder_student(run.spec.student):
        if identity_of(run.spec.student) != (run.result or {}).get("student"):
            raise ModelFolderError("Its folder has changed since the run: its tokenizer and these weights do not belong together.")
        return zipped(_own_folder(run.spec, tensors) | {"README.md": card})
    encoder = {name.removeprefix("bert."): tensor for name, tensor in tensors.items() if name.startswith("bert.")}
    head = {name: tensors[f"output.{name}"] for name in ("weight", "bias")}
    known, pieces = encoder[_WORDS], pieces_of(run.spec.dataset)
    unknown = np.repeat(known[UNKNOWN : UNKNOWN + 1], len(pieces) - len(known), axis=0)
    window = len(encoder[_POSITIONS])
    files = {
        "config.json": as_json(_config(encoder, len(pieces), get_dataset(run.spec.dataset).classes)),
        "model.safetensors": as_safetensors(encoder | {_WORDS: np.concatenate([known, unknown])}),
        "head.safetensors": as_safetensors(head),
        "vocab.txt": "\n".join(pieces).encode() + b"\n",
        "tokenizer.json": as_json(_tokenizer(pieces)),
        "tokenizer_config.json": as_json(_tokenizer_config(window)),
        "README.md": card,
    }
    return zipped(files)


def _own_folder(spec: RunSpec, tensors: dict[str, np.ndarray]) -> dict[str, bytes]:
    """The folder that the student came from, with the weights that it has now and an output for each class."""
    # transformers takes seconds to import, where it is not loaded yet
    from kdlab.models.folder_tokenizer import tokenizer_of

    found, classes = model_folder(spec.student), get_dataset(spec.dataset).classes
    named = {"id2label": dict(enumerate(classes)), "label2id": {name: k for k, name in enumerate(classes)}}
    config = {key: value for key, value in found.config.items() if key not in ("architectures", "num_labels")}
    tokenizer = tokenizer_of(found.folder)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    return {
        **files,
        "config.json": as_json(config | named | {"pad_token_id": tokenizer.pad_token_id}),
        "model.safetensors": as_safetensors({name.removeprefix("model."): t for name, t in tensors.items()}),
    }


def _config(encoder: dict[str, np.ndarray], pieces: int, classes: tuple[str, ...]) -> dict[str, Any]:
    """What `kdlab.models.bert.bert_config` says, read off the weights, with the classes' names."""
    layers = {name.split(".")[2] for name in encoder if name.startswith("encoder.layer.")}
    width = encoder[_WORDS].shape[1]
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": pieces,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD,
        "intermediate_size": len(encoder["encoder.layer.0.intermediate.dense.weight"]),
        "max_position_embeddings": len(encoder[_POSITIONS]),
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": 0,
        "dtype": "float32",
        "id2label": {str(k): name for k, name in enumerate(classes)},
        "label2id": {name: k for k, name in enumerate(classes)},
    }


def _tokenizer(pieces: tuple[str, ...]) -> dict[str, Any]:
    """BERT's tokenizer (lower case, word pieces) over the lab's numbering, in the form of the library tokenizers."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    begin, end = MARKS[2:]

    def mark(name: str, kind: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": ids[name], "content": name, **plain} for name in (*MARKS, "[MASK]")],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [mark(begin), text("A", 0), mark(end)],
            "pair": [mark(begin), text("A", 0), mark(end), text("B", 1), mark(end, 1)],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (begin, end)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": MARKS[UNKNOWN],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }


def _tokenizer_config(window: int) -> dict[str, Any]:
    names = ("pad_token", "unk_token", "cls_token", "sep_token")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": window,
        "padding_side": "right",
        **dict(zip(names, MARKS, strict=True)),
        "mask_token": "[MASK]",
    }
