"""Arrays in safetensors files, with texts beside them and a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnpcore.files import read_regular, write_atomically

CHECKSUM = "sha256"
_OLD_TEXTS = {"state", "format_version"}
"""What files without a checksum have, those of version 0.2."""
_LENGTH = 8
"""Bytes at the beginning of a safetensors file that hold the length of its header."""


def checksum(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> str:
    """Return a hash of arrays and texts, whatever order they are in."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(json.dumps([name, text]).encode())
    for name, values in sorted(arrays.items()):
        digest.update(json.dumps([name, values.dtype.str, list(values.shape)]).encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def tensor_bytes(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> bytes:
    """Return a safetensors file of arrays and texts, their checksum in its header."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    return save(tensors, metadata={**texts, CHECKSUM: checksum(tensors, texts)})


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> None:
    """Write :func:`tensor_bytes`, whole or not at all; RunFolderError where that is impossible."""
    write_atomically(path, tensor_bytes(arrays, texts))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and texts of a file, see :func:`parse_tensors`; OSError where it cannot be read."""
    return parse_tensors(read_regular(path))


def parse_tensors(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and texts of a safetensors file.

    Files of Eatlas up to version 0.2 have no checksum; theirs is not checked. ValueError says what is wrong.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    texts = header_texts(content)
    try:
        arrays = load(content)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"not a valid safetensors file: {error}") from error
    wanted = texts.pop(CHECKSUM, None)
    checked = wanted is not None or not texts.keys() <= _OLD_TEXTS
    if checked and checksum(arrays, texts) != wanted:
        raise ValueError("its checksum does not fit: it was changed after it was written")
    return arrays, texts


def header_texts(content: bytes) -> dict[str, str]:
    """Return the texts in the header of a safetensors file, the checksum too; ValueError without a header."""
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if not _LENGTH < end <= len(content):
        raise ValueError("not a valid safetensors file, or the beginning of one")
    try:
        header = json.loads(content[_LENGTH:end])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a valid safetensors file: its header is no JSON ({error})") from error
    texts = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("not a valid safetensors file: its header is none")
    return dict(texts)
