"""Plain values as bytes: a safetensors file whose header has the tree of values, with the arrays' places.

Numbers come back with all their bits, and arrays in their order in memory, on which sums of products hang;
nothing in such bytes can run code.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

_TREE = "tree"
_ARRAY, _BYTES, _TURNED = "$array", "$bytes", "$turned"
_TREE_KEYS = frozenset({_ARRAY, _BYTES})


def pack(values: Any) -> bytes:
    """Return plain values as bytes; TypeError where they are not plain."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_laid_out(values, arrays))
    return save(arrays, metadata={_TREE: tree})


def unpack(content: bytes) -> Any:
    """Return what :func:`pack` was given; ValueError where these are no such bytes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        end = 8 + int.from_bytes(content[:8], "little")
        tree = json.loads(json.loads(content[8:end])["__metadata__"][_TREE])
        return _put_together(tree, load(content))
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no values of ours ({error})") from error


def content_key(content: bytes) -> str:
    """Return a name for bytes that only these bytes have."""
    return hashlib.sha256(content).hexdigest()[:32]


def _laid_out(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value with its arrays taken out."""
    name = str(len(arrays))
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise TypeError(f"an array of {value.dtype} cannot be sent")
        turned = value.flags.f_contiguous and not value.flags.c_contiguous
        kept = value.T if turned else value
        arrays[name] = np.ascontiguousarray(kept).reshape(kept.shape)
        return {_ARRAY: name, _TURNED: turned}
    if isinstance(value, bytes):
        arrays[name] = np.frombuffer(value, dtype=np.uint8)
        return {_BYTES: name}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value) or _TREE_KEYS & value.keys():
            raise TypeError("names of values must be texts")
        return {key: _laid_out(part, arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_laid_out(part, arrays) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _put_together(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_put_together(part, arrays) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if _ARRAY in tree:
        found = arrays[tree[_ARRAY]].copy()  # aligned as any array is
        return found.T if tree[_TURNED] else found
    if _BYTES in tree:
        return arrays[tree[_BYTES]].tobytes()
    return {key: _put_together(part, arrays) for key, part in tree.items()}
