"""Where a visitor's classifier may come from: a folder below one that the lab's owner names, or the hub.

``KDLAB_MODELS`` names that folder (else it is ``models`` in the home folder); ``KDLAB_MODELS=off`` and ``KDLAB_HUB=off``
close either. Nothing else of the disk is looked at, and the hub is asked without anybody's token.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from kdlab.data.home import home
from kdlab.models.model_folder import TOKENIZER_FILES, ModelFolderError, check_memory

PLACE = "the lab's folder of models (KDLAB_MODELS; else models in its home folder)"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_FOLDER = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")  # no sign that means something on a page
_FILES = ("*.safetensors", "*.json", "*.txt", *(name for name in TOKENIZER_FILES if name.endswith(".model")))
_SECONDS = 20.0


def models_folder() -> Path | None:
    """The folder below which classifiers may lie; None where the owner wants none."""
    named = os.environ.get("KDLAB_MODELS", "")
    if named.strip().casefold() == "off":
        return None
    return Path(named).expanduser() if named else home() / "models"


def hub_allowed() -> bool:
    """Whether models may be fetched from the hub."""
    return os.environ.get("KDLAB_HUB", "").strip().casefold() != "off"


def folders_on_offer() -> list[str]:
    """The names of the model folders, from the folder that may hold them."""
    root = models_folder()
    if root is None or not root.is_dir():
        return []
    found = [path.parent for depth in ("*", "*/*") for path in root.glob(f"{depth}/config.json")]
    named = (path.relative_to(root).as_posix() for path in found if path.resolve().is_relative_to(root.resolve()))
    return sorted(name for name in named if _FOLDER.fullmatch(name))


def local_folder(asked: str) -> Path | None:
    """The model folder of this name; None where it names none that may be read."""
    root = models_folder()
    if root is None or not _FOLDER.fullmatch(asked):
        return None
    path = (root / asked).resolve()
    inside = path.is_relative_to(root.resolve()) and path != root.resolve()
    return path if inside and path.is_dir() else None


def check_source(asked: str) -> None:
    """Raises ModelFolderError where this is neither a folder that may be read nor an id on the hub that may be asked."""
    if local_folder(asked):
        return
    where = (
        "The lab's owner lets no folders be read" if models_folder() is None else f"Put its folder into {PLACE}"
    )
    if not hub_allowed():
        raise ModelFolderError(
            f"There is no such folder, and the lab's owner lets nothing be fetched from the hub. {where}."
        )
    if not _HUB_ID.fullmatch(asked):
        raise ModelFolderError(
            "This is neither a folder that the lab may read nor an id on the hub, such as "
            f"distilbert/distilbert-base-uncased-finetuned-sst-2-english. {where}, or give its id."
        )


def fetch(asked: str, free: int | None, say: Callable[[str], None], endpoint: str | None = None) -> tuple[Path, str]:
    """The model's folder on this disk and what to call where it comes from; from the hub it is fetched first.

    free: bytes of memory that may be taken. endpoint: another hub than the public one. Raises ModelFolderError.
    """
    check_source(asked)
    if folder := local_folder(asked):
        return folder, f"the folder {asked}"
    from huggingface_hub import HfApi, errors, snapshot_download

    try:
        told = HfApi(endpoint=endpoint, token=False).model_info(asked, files_metadata=True, timeout=_SECONDS)
        files = [file for file in told.siblings or [] if "/" not in file.rfilename]
        check_memory(_weights_bytes(files), free)
        size = sum(file.size or 0 for file in files if any(fnmatch(file.rfilename, form) for form in _FILES))
        cache = home() / "cache" / "hub"
        cache.mkdir(parents=True, exist_ok=True)
        if 2 * size > shutil.disk_usage(cache).free:
            raise ModelFolderError(f"It has {size / 1e9:.1f} GB, for which the disk has no room. Take a smaller model.")
        say(f"Fetching {size / 1e6:,.0f} MB from the hub")
        path = snapshot_download(
            asked,
            revision=told.sha,
            allow_patterns=list(_FILES),
            ignore_patterns=["*/*"],
            cache_dir=cache,
            endpoint=endpoint,
            token=False,
            etag_timeout=_SECONDS,
        )
    except ModelFolderError:
        raise
    except errors.GatedRepoError as error:
        raise ModelFolderError(
            f"{asked} is given only to those who accepted its terms. Fetch it yourself and put it where the lab reads folders."
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ModelFolderError(f"The hub has no public model {asked}. Look its id up on the model's page.") from error
    except Exception as error:
        raise ModelFolderError(
            f"The hub cannot be reached from the lab's machine ({type(error).__name__}). Try again later, or put the model's "
            f"folder into {PLACE} and give its name."
        ) from error
    return Path(path), f"the hub, {asked}, revision {str(told.sha)[:8]}"


def _weights_bytes(files: list[Any]) -> int:
    sizes = [file.size or 0 for file in files if file.rfilename.endswith(".safetensors")]
    if not sizes:
        raise ModelFolderError(
            "On the hub it has no weights in safetensors form, and pickles, which can run any program, the lab does not open. "
            "Take another model, or convert it where you trust it and give its folder."
        )
    return sum(sizes)
