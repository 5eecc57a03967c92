"""Cholesky factors and triangular solves that leave Python's lock to others.

Those of scipy are the same routines of the same library, but hold the lock while they compute: with some
thousand unknowns a tenth of a second, in which the window can do nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from nnpcore.threads import lock_free


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _columns(values: np.ndarray) -> np.ndarray:
    """Return a copy of (n, m) numbers column by column."""
    return np.array(values, dtype=np.float64, order="F", ndmin=2)


def cholesky(matrix: np.ndarray) -> np.ndarray:
    """Return the upper factor U of UᵀU (n, n); LinAlgError where the matrix is not positive definite."""
    factor, info = _columns(matrix), ctypes.c_int(0)
    n = len(factor)
    lock_free("cython_lapack", "dpotrf", 5)(
        b"U", _int(n), factor.ctypes.data, _int(max(n, 1)), ctypes.byref(info)
    )
    if info.value:
        raise np.linalg.LinAlgError(f"{info.value}-th leading minor of the array is not positive definite")
    return np.triu(factor)


def solve_triangular(factor: np.ndarray, right: np.ndarray, *, trans: int = 0) -> np.ndarray:
    """Solve Ux = b, or Uᵀx = b with ``trans`` 1, for columns b of (n, m) or one (n,).

    Raises LinAlgError where the diagonal has a zero.
    """
    if not np.diagonal(factor).all():
        raise np.linalg.LinAlgError("singular matrix: a zero on the diagonal")
    upper = np.asarray(factor, dtype=np.float64, order="F")
    found = _columns(right.reshape(len(right), -1))
    n, m = found.shape
    if n and m:
        one = ctypes.byref(ctypes.c_double(1.0))
        sizes = _int(n), _int(m), one
        lock_free("cython_blas", "dtrsm", 11)(
            b"L", b"U", b"T" if trans else b"N", b"N", *sizes,
            upper.ctypes.data, _int(n), found.ctypes.data, _int(n),
        )  # fmt: skip
    return found.reshape(right.shape)


def cho_solve(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve UᵀUx = b for columns b of (n, m) or one (n,)."""
    return solve_triangular(factor, solve_triangular(factor, right, trans=1))
