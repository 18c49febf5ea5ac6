"""A distilled student as a folder that transformers' `from_pretrained` loads, zipped: of a BERT of the lab's encoder, head,
tokenizer and card, of a model that came as a folder the same folder with the weights that it has now, of a language model the
model itself, its teacher's tokenizer cut down to its tokens, and the card.

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
from safetensors import SafetensorError
from safetensors.numpy import load

from kdlab.data.corpora import find_corpus
from kdlab.data.home import HomeError
from kdlab.data.registry import get_dataset
from kdlab.data.visitor_sets import pieces_of
from kdlab.data.word_pieces import MARKS, UNKNOWN
from kdlab.models.causal_folder import causal_folder
from kdlab.models.causal_shapes import get_shape
from kdlab.models.folder_files import as_json, as_safetensors, zipped
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.own_tokens import own_tokens, tokenizer_json, why_not_cut
from kdlab.models.sizes import HEAD
from kdlab.models.student_folder import is_folder_student, model_folder
from kdlab.models.student_inputs import identity_of
from kdlab.runs.model_card import model_card
from kdlab.runs.recorded import student_file
from kdlab.runs.spec import RunSpec, Spec
from kdlab.runs.stored import Run
from kdlab.runs.text_card import text_card
from kdlab.runs.text_spec import TextSpec

_WORDS = "embeddings.word_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"


def is_transformers_student(spec: Spec) -> bool:
    """Whether a run's students are models of transformers, which `pretrained_zip` can export where `why_no_folder` knows of nothing
    against it."""
    return isinstance(spec, TextSpec) or spec.student.startswith("bert-") or is_folder_student(spec.student)


def why_no_folder(spec: Spec) -> str | None:
    """Why a model of transformers cannot leave as a folder now, and what to do, in sentences; None where nothing is known against it.

    What is quickly told: every run of a list is asked.
    """
    try:
        if not isinstance(spec, TextSpec):
            if is_folder_student(spec.student):
                model_folder(spec.student)
        elif find_corpus(spec.dataset) is None:
            return "Its tokenizer has the tokens of its text, and that is not in the lab any more."
        elif is_folder_student(spec.teacher):  # the tokenizers of the lab's own come with it
            return why_not_cut(spec.teacher)
    except (ModelFolderError, HomeError) as error:
        what = "The tokenizer is its teacher's, and that cannot be read now. " if isinstance(spec, TextSpec) else ""
        return f"{what}{error}"
    except OSError as error:
        return f"The model's folder cannot be read ({error.strerror}). Copy the model again."
    return None


def student_weights(run: Run, arm: str, seed: int) -> bytes:
    """The safetensors file of one student. Raises ModelFolderError where it is gone."""
    path = student_file(run, arm, seed)
    try:
        if path is not None:
            return path.read_bytes()
    except FileNotFoundError:
        pass  # its run was deleted at this moment
    raise ModelFolderError("This student's weights are not here any more: its run was deleted, or its folder.")


def pretrained_zip(run: Run, arm: str, seed: int) -> bytes:
    """The folder of one student as a ZIP file. Raises ModelFolderError where its weights are gone or damaged, where what its tokenizer
    is made of is gone, or is not what it was when the student learned; TextsGoneError and PocketMissing likewise.

    A BERT's tokenizer knows all pieces, as the lab's does; those that the student has no embedding for get that of [UNK].
    """
    spec, kept = run.spec, student_weights(run, arm, seed)
    if why := why_no_folder(spec):
        raise ModelFolderError(why)
    try:
        tensors = load(kept)
    except SafetensorError as error:
        raise ModelFolderError("This student's weights are damaged.") from error
    card = text_card if isinstance(spec, TextSpec) else model_card
    readme = {"README.md": card(run, arm, seed, parameters=sum(t.size for t in tensors.values())).encode()}
    if isinstance(spec, TextSpec):
        return zipped(_language_model(run, spec, tensors) | readme)
    if is_folder_student(spec.student):
        if identity_of(spec.student) != (run.result or {}).get("student"):
            raise ModelFolderError("Its folder has changed since the run: its tokenizer and these weights do not belong together.")
        return zipped(_own_folder(spec, tensors) | readme)
    return zipped(_bert(spec, tensors) | readme)


def _language_model(run: Run, spec: TextSpec, tensors: dict[str, np.ndarray]) -> dict[str, bytes]:
    """The language model with the tokens that it learned."""
    own, told = own_tokens(spec.teacher, spec.dataset), (run.result or {}).get("own_tokens")
    if len(own) != spec.vocabulary or told not in (None, own.fingerprint()[:12]):  # an older run does not tell
        raise ModelFolderError("Its text or its teacher has changed since the run: their tokens and these weights do not belong together.")
    weights = {name: t.astype(np.float32) for name, t in tensors.items()}  # a recording's are float16
    return causal_folder(weights, get_shape(spec.student), tokenizer_json(own))


def _bert(spec: RunSpec, tensors: dict[str, np.ndarray]) -> dict[str, bytes]:
    """The lab's BERT, and its head beside it."""
    encoder = {name.removeprefix("bert."): tensor for name, tensor in tensors.items() if name.startswith("bert.")}
    head = {name: tensors[f"output.{name}"] for name in ("weight", "bias")}
    known, pieces = encoder[_WORDS], pieces_of(spec.dataset)
    unknown = np.repeat(known[UNKNOWN : UNKNOWN + 1], len(pieces) - len(known), axis=0)
    window = len(encoder[_POSITIONS])
    return {
        "config.json": as_json(_config(encoder, len(pieces), get_dataset(spec.dataset).classes)),
        "model.safetensors": as_safetensors(encoder | {_WORDS: np.concatenate([known, unknown])}),
        "head.safetensors": as_safetensors(head),
        "vocab.txt": "\n".join(pieces).encode() + b"\n",
        "tokenizer.json": as_json(_tokenizer(pieces)),
        "tokenizer_config.json": as_json(_tokenizer_config(window)),
    }


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
