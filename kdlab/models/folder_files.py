"""A folder that leaves the lab, as its files' contents by their names."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import save


def as_json(value: dict[str, Any]) -> bytes:
    """A JSON file for people to read too."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def as_safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """A weights file that transformers takes."""
    return save(dict(tensors), metadata={"format": "pt"})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The folder as a ZIP file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as folder:
        for name, content in files.items():
            folder.writestr(name, content)
    return packed.getvalue()
