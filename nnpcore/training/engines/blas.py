"""Single-precision BLAS on parts of arrays, in place, without the interpreter lock.

numpy offers no symmetric products and scipy's wrappers hold the lock and copy; these call the same library
(scipy's) through its C pointers. All matrices are row-major here; a symmetric matrix is kept in its upper
triangle.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from nnpcore.threads import lock_free


@cache
def _integer(value: int) -> Any:
    """A reference to a number, which the library only reads; the same ones are needed with every call."""
    return ctypes.byref(ctypes.c_int(value))


def _real(value: float) -> Any:
    return ctypes.byref(ctypes.c_float(value))


_ZERO, _ONE = _real(0.0), _real(1.0)


@cache
def _letter(value: bytes) -> Any:
    return ctypes.byref(ctypes.c_char(value))


def _leading(array: np.ndarray) -> int:
    """Distance of two rows; raises ValueError where the array is not float32 with contiguous rows."""
    if array.dtype != np.float32 or array.ndim != 2 or array.strides[1] != 4:
        raise ValueError(f"need a float32 matrix with contiguous rows, not {array.dtype} {array.strides}")
    return array.strides[0] // 4 if len(array) > 1 else max(1, array.shape[1])


def symmetric_product(symmetric: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Set ``out = rows @ symmetric``: rows and out (k, n), of symmetric (n, n) the upper triangle."""
    k, n = rows.shape
    lock_free("cython_blas", "ssymm", 12)(
        _letter(b"L"), _letter(b"L"), _integer(n), _integer(k), _ONE,
        symmetric.ctypes.data, _integer(_leading(symmetric)), rows.ctypes.data, _integer(_leading(rows)),
        _ZERO, out.ctypes.data, _integer(_leading(out)),
    )  # fmt: skip


def add_outer_squares(symmetric: np.ndarray, rows: np.ndarray, factor: float) -> None:
    """Do ``symmetric += factor * rows.T @ rows`` in the upper triangle: rows (k, n), symmetric (n, n)."""
    k, n = rows.shape
    lock_free("cython_blas", "ssyrk", 10)(
        _letter(b"L"), _letter(b"N"), _integer(n), _integer(k), _real(factor),
        rows.ctypes.data, _integer(_leading(rows)), _ONE,
        symmetric.ctypes.data, _integer(_leading(symmetric)),
    )  # fmt: skip
