"""Functions of the network inputs whose coefficients a baseline solves for, one basis per element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnpcore.potential.baseline import gaussians

KERNEL_CENTERS = 100
KERNEL_LENGTH = 1.5
"""Length of the kernel, in units of the root of the number of inputs: the usual distance of two atoms."""


class Products:
    """Products of the first ``n_components`` inputs, of unit variance for Gaussian inputs.

    Attributes
    ----------
    size : number of functions.
    """

    def __init__(self, n_components: int) -> None:
        self._k = n_components
        self._rows, self._columns = np.triu_indices(n_components)
        self._scale = np.where(self._rows == self._columns, np.sqrt(0.5), 1.0)
        self.size = len(self._rows)

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return the functions (n, size) of inputs (n, n_inputs)."""
        return x[:, self._rows] * x[:, self._columns] * self._scale

    def changes(self, x: np.ndarray, tangents: np.ndarray) -> np.ndarray:
        """Return how they change, (n, n_rows, size), along tangents (n, n_rows, n_inputs) of the inputs."""
        first, second = x[:, None, self._rows], x[:, None, self._columns]
        return (tangents[:, :, self._rows] * second + first * tangents[:, :, self._columns]) * self._scale

    def part(self, coefficients: np.ndarray) -> dict[str, Any]:
        """Return their sum with these coefficients as an element's ``NonlinearBaseline.arrays``."""
        matrix = np.zeros((self._k, self._k))
        matrix[self._rows, self._columns] = coefficients * self._scale
        return {"matrix": matrix + matrix.T}

    def coefficients(self, part: Mapping[str, Any]) -> np.ndarray:
        """Return the coefficients (size,) that :meth:`part` was made of."""
        return np.asarray(part["matrix"])[self._rows, self._columns] * self._scale


class Gaussians:
    """Gaussians about some atoms, turned so that a plain ridge is their kernel's.

    With K the kernel matrix of the centers, the functions are ``k(x) K^(-1/2)``, the subset of regressors of
    a Gaussian process.

    Parameters
    ----------
    centers : (n_centers, n_inputs). length : of the Gaussians.

    Attributes
    ----------
    centers : as given.
    size : number of functions, those K does not determine left out.
    """

    def __init__(self, centers: np.ndarray, length: float) -> None:
        self.centers, self._length = centers, length
        values, vectors = np.linalg.eigh(gaussians(centers, centers, length))
        kept = values > 1e-8 * values.max(initial=1e-30)
        self._turn = vectors[:, kept] / np.sqrt(values[kept])
        self._back = vectors[:, kept] * np.sqrt(values[kept])
        self.size = self._turn.shape[1]

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return the functions (n, size) of inputs (n, n_inputs)."""
        return gaussians(x.astype(np.float64), self.centers, self._length) @ self._turn

    def changes(self, x: np.ndarray, tangents: np.ndarray) -> np.ndarray:
        """Return how they change, (n, n_rows, size), along tangents (n, n_rows, n_inputs) of the inputs."""
        values = gaussians(x.astype(np.float64), self.centers, self._length) / self._length**2
        toward = tangents @ self.centers.T - np.einsum("nqd,nd->nq", tangents, x)[:, :, None]
        return (toward * values[:, None]) @ self._turn

    def part(self, coefficients: np.ndarray) -> dict[str, Any]:
        """Return their sum with these coefficients as an element's ``NonlinearBaseline.arrays``."""
        weights = self._turn @ coefficients
        return {"centers": self.centers, "weights": weights, "length": np.array(self._length)}

    def coefficients(self, part: Mapping[str, Any]) -> np.ndarray:
        """Return the coefficients (size,) that :meth:`part` was made of."""
        return np.asarray(part["weights"]) @ self._back


def functions_of(part: Mapping[str, Any]) -> Products | Gaussians:
    """Return the functions that an element's ``NonlinearBaseline.arrays`` are a sum of."""
    if "matrix" in part:
        return Products(len(part["matrix"]))
    return Gaussians(np.asarray(part["centers"]), float(part["length"]))


class Basis:
    """Functions f_b(x) with mean zero over the training atoms: the inputs x themselves, then ``more``.

    Parameters
    ----------
    x : (n_atoms, n_inputs) of the training atoms, themselves of mean zero.
    kind : "linear", "quadratic" or "kernel".
    n_components : how many inputs quadratic terms are made of. Centers of a kernel are training atoms far
        from each other.

    Attributes
    ----------
    n_inputs, size : inputs and functions.
    more : the functions beyond the inputs, or None.
    """

    def __init__(self, x: np.ndarray, kind: str, n_components: int = 0) -> None:
        self.n_inputs = x.shape[1]
        self.more: Products | Gaussians | None = None
        if kind == "quadratic":
            self.more = Products(min(n_components, self.n_inputs))
        elif kind == "kernel":
            self.more = Gaussians(_far_apart(x, KERNEL_CENTERS), KERNEL_LENGTH * np.sqrt(self.n_inputs))
        n_more = self.more.size if self.more else 0
        self.size = self.n_inputs + n_more
        self._mean = self.more.values(x).mean(axis=0) if self.more and len(x) else np.zeros(n_more)

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return f_b(x), (n, size), for inputs (n, n_inputs)."""
        return np.concatenate([x, self.more.values(x) - self._mean], axis=1) if self.more else x

    def slopes(self, x: np.ndarray) -> np.ndarray | None:
        """Return df_b/dx, (n, n_inputs, size); None where it is the unit matrix."""
        if self.more is None:
            return None
        unit = np.broadcast_to(np.eye(self.n_inputs), (len(x), self.n_inputs, self.n_inputs))
        return np.concatenate([unit, self.more.changes(x, unit)], axis=2)

    def part(self, coefficients: np.ndarray) -> dict[str, Any] | None:
        """Return what lies beyond the linear part as an element's ``NonlinearBaseline.arrays``, or None."""
        own = coefficients[self.n_inputs :]
        return {"offset": np.array(-own @ self._mean)} | self.more.part(own) if self.more else None


def _far_apart(x: np.ndarray, n: int) -> np.ndarray:
    """Return up to ``n`` rows of ``x``, each the farthest from those before; the first nearest to zero."""
    if len(x) <= n:
        return x.copy()
    chosen = [int((x**2).sum(axis=1).argmin())]
    distance = np.full(len(x), np.inf)
    for _ in range(n - 1):
        distance = np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return x[chosen]
