"""Language models that can teach: SmolLM2, the pocket teacher, and any causal language model of the lab's folder; needs no torch.

What is told here is known without the model's weights in memory: `kdlab.models.causal_teacher` loads them. Errors are
ModelFolderError (SmolLM2's are of that kind too), PocketMissing and HomeError, each with what to do.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdlab.data.home import HomeError
from kdlab.models import pocket, smollm2
from kdlab.models.causal_shapes import POCKET as POCKET_SHAPE
from kdlab.models.causal_shapes import parameters as shape_parameters
from kdlab.models.machine import usable
from kdlab.models.model_folder import ModelFolder, ModelFolderError, check_memory
from kdlab.models.smollm2_tokenizer import smollm2_tokenizer
from kdlab.models.student_folder import PREFIX, folder_title, folders_that, model_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What ends a document, where a model that answers in turns has another token for the end of a turn.
_ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>")
_BYTES_A_WEIGHT, _ROOM = 4, 1.25  # float32, and what reading windows takes besides
_KEPT = 4  # tokenizers of folders


@dataclass(frozen=True)
class LanguageTeacher:
    """What a page says of one."""

    name: str
    title: str
    what: str


SMOLLM2 = LanguageTeacher(
    "smollm2",
    "SmolLM2-135M",
    "SmolLM2-135M-Instruct, a LLaMA of 30 layers with 135 million parameters, made by Hugging Face to follow instructions. What it "
    "says of Pride and Prejudice comes with the lab.",
)
POCKET = LanguageTeacher(
    "pocket",
    "Pocket teacher",
    f"{POCKET_SHAPE.what} It was trained here on Jane Austen's novels and is small enough to be asked while its students train.",
)


def language_teachers() -> list[LanguageTeacher]:
    """All that a run can name: the lab's two, then the folders that hold a causal language model."""
    return [SMOLLM2, POCKET, *_folders()[0]]


def refused_folders() -> dict[str, str]:
    """The folders that hold a model which is no such teacher, each with why not."""
    return _folders()[1]


def find_language_teacher(name: str) -> LanguageTeacher | None:
    """The teacher of this name; None where there is none, or its folder cannot teach."""
    if name in (SMOLLM2.name, POCKET.name):
        return SMOLLM2 if name == SMOLLM2.name else POCKET
    try:
        return _told(name, teacher_folder(name)) if name.startswith(PREFIX) else None
    except (ModelFolderError, HomeError, OSError):
        return None


def language_teacher_title(name: str) -> str:
    """What it is called, whether or not it is still here."""
    found = find_language_teacher(name)
    return found.title if found else folder_title(name)


def why_not_here(name: str) -> str | None:
    """Why this teacher cannot be asked on this machine now, and what to do; None where it can.

    What it said of a text before, or what comes with the lab, needs no teacher.
    """
    try:
        if name == SMOLLM2.name:
            return None if smollm2.installed() or smollm2.is_converted() else smollm2.MISSING
        if name == POCKET.name:
            return None if pocket.is_trained() else f"The pocket teacher is not here. {pocket.TRAIN_AGAIN}."
        check_fits(name, usable())
        tokenizer_of(name)
    except (ModelFolderError, HomeError) as error:
        return str(error)
    except OSError as error:
        return f"It cannot be read ({error.strerror}). Copy the model again."
    return None


def teacher_folder(name: str) -> ModelFolder:
    """What the folder of a teacher ``folder:NAME`` holds. Raises ModelFolderError where it is no causal language model that
    the lab can load."""
    found = model_folder(name)
    if not re.fullmatch(r"\w+(ForCausalLM|LMHeadModel)", found.architecture) or found.config.get("is_encoder_decoder"):
        raise ModelFolderError(
            f"It is {found.architecture or 'a model that does not say what it is'}, and no causal language model, which tells from a "
            "text's beginning what follows. Take one that AutoModelForCausalLM saved."
        )
    if "quantization_config" in found.config:
        raise ModelFolderError(
            "Its weights are packed into fewer bits, in a form that the lab does not read. Take the model's unpacked weights."
        )
    if not (found.folder / "tokenizer.json").is_file():
        raise ModelFolderError(
            "It has no tokenizer.json, by which the lab cuts a text into the model's tokens. Save its fast tokenizer beside it: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    return found


def check_fits(name: str, free: int | None, bytes_a_weight: int = _BYTES_A_WEIGHT) -> None:
    """Raises ModelFolderError where so many bytes of memory do not hold the teacher; None: nobody knows how many are free."""
    check_memory(int((parameters(name) or 0) * bytes_a_weight * _ROOM), free)


def parameters(name: str) -> int | None:
    """How many numbers the teacher has; None where its folder is gone."""
    if name == SMOLLM2.name:
        return smollm2.PARAMETERS
    if name == POCKET.name:
        return shape_parameters(POCKET.name, pocket.VOCABULARY)
    try:
        return teacher_folder(name).parameters
    except (ModelFolderError, HomeError, OSError):
        return None


def width(name: str) -> int:
    """The numbers in one of its last hidden states. Raises ModelFolderError where its folder does not say."""
    if name == SMOLLM2.name:
        return smollm2.WIDTH
    if name == POCKET.name:
        return POCKET_SHAPE.width
    config = teacher_folder(name).config
    for key in ("word_embed_proj_dim", "hidden_size", "n_embd", "d_model", "dim"):
        if isinstance(config.get(key), int) and config[key] > 0:
            return int(config[key])
    raise ModelFolderError("Its config.json does not say how wide it is. Save the model again with model.save_pretrained(folder).")


def tokenizer_of(name: str) -> Tokenizer:
    """The teacher's tokenizer, not to be changed: it neither cuts nor pads, and a mark that somebody types is text.

    Encode with ``add_special_tokens=False``. Of SmolLM2 it comes with the lab. Raises ModelFolderError, PocketMissing,
    HomeError; ValueError where the pocket teacher's is damaged.
    """
    if name == SMOLLM2.name:
        return smollm2_tokenizer()
    if name == POCKET.name:
        return pocket.pocket_tokenizer()
    path = teacher_folder(name).folder / "tokenizer.json"
    told = path.stat()
    return _folders_tokenizer(path, told.st_mtime_ns, told.st_size)


@lru_cache(_KEPT)
def _folders_tokenizer(path: Path, _: int, __: int) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.encode("A text.")
    except Exception as error:  # the library raises no class of its own
        raise ModelFolderError(
            "Its tokenizer.json is damaged or of a kind that the lab does not know. Copy or fetch the model again, or save it again "
            "with AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def end_of_text(name: str) -> int:
    """The teacher's id of the token that ends a text, which the lab's own id 0 stands for. Errors as `tokenizer_of`, and
    ModelFolderError where it has none."""
    tokenizer = tokenizer_of(name)
    for mark in _ENDS_OF_TEXT:
        if (found := tokenizer.token_to_id(mark)) is not None:
            return found
    folder = teacher_folder(name)
    said = folder.config.get("eos_token_id")
    first = said[0] if isinstance(said, list) and said else said
    if isinstance(first, int) and tokenizer.id_to_token(first) is not None:
        return first
    if (found := tokenizer.token_to_id(_mark(folder, "eos_token"))) is not None:
        return found
    raise ModelFolderError(
        "It does not say which of its tokens ends a text. Write that token's number into its config.json as eos_token_id."
    )


def start_of_text(name: str) -> int:
    """The teacher's id of what it reads before a text's first token: its own mark where its tokenizer sets one, else the end of
    the text before. Errors as `end_of_text`."""
    tokenizer = tokenizer_of(name)
    marked, plain = (tokenizer.encode("A", add_special_tokens=marks).ids for marks in (True, False))
    return marked[0] if len(marked) > len(plain) and marked[0] not in plain else end_of_text(name)


def _mark(folder: ModelFolder, name: str) -> str:
    """A token that the folder's tokenizer_config.json names; empty where it does not."""
    try:
        told: Any = json.loads((folder.folder / "tokenizer_config.json").read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError, AttributeError):
        return ""
    return str(told.get("content", "") if isinstance(told, dict) else told or "")


def identity(name: str) -> str:
    """What tells a teacher from every other: its name, and a hash of what decides its answers. Errors as `tokenizer_of`."""
    if name == SMOLLM2.name:
        return f"{name} {smollm2.SHA256}"
    if name == POCKET.name:
        return f"{name} {pocket.weights_sha256()} {pocket.tokenizer_sha256()}"
    return f"{name} {teacher_folder(name).sha256}"


def _folders() -> tuple[list[LanguageTeacher], dict[str, str]]:
    return folders_that(lambda name: _told(name, teacher_folder(name)))


def _told(name: str, found: ModelFolder) -> LanguageTeacher:
    what = f"{found.architecture} with {found.parameters:,} parameters, from the lab's folder of models."
    return LanguageTeacher(name, folder_title(name), what)
