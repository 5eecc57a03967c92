"""Functions of the network inputs whose coefficients a baseline solves for, one basis per element."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from nnpcore.potential.baseline import gaussians

KERNEL_CENTERS = 100
KERNEL_LENGTH = 1.5
"""Length of the kernel, in units of the root of the number of inputs: the usual distance of two atoms."""


class Basis(Protocol):
    """Functions f_b(x) with mean zero over the training atoms; the first ``n_inputs`` are x itself.

    Attributes
    ----------
    n_inputs, size : inputs and functions.
    """

    n_inputs: int
    size: int

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return f_b(x), (n, size), for inputs (n, n_inputs)."""
        ...

    def slopes(self, x: np.ndarray) -> np.ndarray | None:
        """Return df_b/dx, (n, n_inputs, size); None where it is the unit matrix."""
        ...

    def part(self, coefficients: np.ndarray) -> dict[str, Any] | None:
        """Return what lies beyond the linear part as an element's ``NonlinearBaseline.arrays``, or None."""
        ...


class LinearBasis:
    """The inputs themselves. A :class:`Basis`."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = self.size = n_inputs

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return x."""
        return x

    def slopes(self, x: np.ndarray) -> None:
        """Return None: the unit matrix."""
        return

    def part(self, coefficients: np.ndarray) -> None:
        """Return None: nothing lies beyond."""
        return


class QuadraticBasis:
    """The inputs, and products of the first ``n_components``, of unit variance for Gaussian inputs.

    A :class:`Basis`. ``x`` (n_atoms, n_inputs) are the training atoms, over which the products' means vanish.
    """

    def __init__(self, x: np.ndarray, n_components: int) -> None:
        self.n_inputs = x.shape[1]
        self._k = min(n_components, self.n_inputs)
        self._rows, self._columns = np.triu_indices(self._k)
        self._scale = np.where(self._rows == self._columns, np.sqrt(0.5), 1.0)
        self.size = self.n_inputs + len(self._rows)
        products = self._products(x)
        self._mean = products.mean(axis=0) if len(x) else np.zeros(len(self._rows))

    def _products(self, x: np.ndarray) -> np.ndarray:
        return x[:, self._rows] * x[:, self._columns] * self._scale

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return inputs and products, (n, size)."""
        return np.concatenate([x, self._products(x) - self._mean], axis=1)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Return their derivatives, (n, n_inputs, size)."""
        found = np.zeros((len(x), self.n_inputs, self.size))
        inputs = np.arange(self.n_inputs)
        found[:, inputs, inputs] = 1.0
        products = self.n_inputs + np.arange(len(self._rows))
        found[:, self._rows, products] += x[:, self._columns] * self._scale
        found[:, self._columns, products] += x[:, self._rows] * self._scale
        return found

    def part(self, coefficients: np.ndarray) -> dict[str, Any]:
        """Return the offset and the matrix of the products."""
        own = coefficients[self.n_inputs :] * self._scale
        matrix = np.zeros((self._k, self._k))
        matrix[self._rows, self._columns] = own
        return {
            "offset": np.array(-coefficients[self.n_inputs :] @ self._mean),
            "matrix": matrix + matrix.T,
        }


class KernelBasis:
    """The inputs, and Gaussians about chosen training atoms, turned so that a plain ridge is their kernel's.

    A :class:`Basis`: with K the kernel matrix of the centers, its functions are ``k(x) K^(-1/2)``, the
    subset of regressors of a Gaussian process. Centers are training atoms far from each other.
    """

    def __init__(self, x: np.ndarray, n_centers: int = KERNEL_CENTERS, length: float = KERNEL_LENGTH) -> None:
        self.n_inputs = x.shape[1]
        self._length = length * np.sqrt(self.n_inputs)
        self._centers = _far_apart(x, n_centers)
        overlap = gaussians(self._centers, self._centers, self._length)
        values, vectors = np.linalg.eigh(overlap)
        kept = values > 1e-8 * max(values.max(initial=0.0), 1e-30)
        self._turn = vectors[:, kept] / np.sqrt(values[kept])
        self.size = self.n_inputs + self._turn.shape[1]
        self._mean = np.zeros(self._turn.shape[1])
        if len(x):
            self._mean = self._turned(x).mean(axis=0)

    def _turned(self, x: np.ndarray) -> np.ndarray:
        return gaussians(x, self._centers, self._length) @ self._turn

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return inputs and turned Gaussians, (n, size)."""
        return np.concatenate([x, self._turned(x) - self._mean], axis=1)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Return their derivatives, (n, n_inputs, size)."""
        values = gaussians(x, self._centers, self._length) / self._length**2
        weighted = values[:, :, None] * self._turn
        slopes = np.einsum("cd,ncb->ndb", self._centers, weighted, optimize=True)
        slopes -= x[:, :, None] * weighted.sum(axis=1)[:, None, :]
        unit = np.broadcast_to(np.eye(self.n_inputs), (len(x), self.n_inputs, self.n_inputs))
        return np.concatenate([unit, slopes], axis=2)

    def part(self, coefficients: np.ndarray) -> dict[str, Any]:
        """Return the offset, centers, weights and length of the Gaussians."""
        own = coefficients[self.n_inputs :]
        return {
            "offset": np.array(-own @ self._mean),
            "centers": self._centers,
            "weights": self._turn @ own,
            "length": np.array(self._length),
        }


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
