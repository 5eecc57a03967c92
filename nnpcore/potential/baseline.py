"""What lies under networks beyond a linear part: quadratic terms or a kernel, shared by all members.

The linear part of the baseline is ``NetworkWeights.skip``; what is here is added to it. In files the names
begin with ``smooth``, as version 0.2 has written them. Everything works on numpy arrays and torch tensors
alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnpcore.errors import PotentialError

KINDS = ("quadratic", "kernel")
_DIMENSIONS = {
    "quadratic": {"offset": 0, "matrix": 2},
    "kernel": {"offset": 0, "centers": 2, "weights": 1, "length": 0},
}


@dataclass(frozen=True, eq=False)
class NonlinearBaseline:
    """Atomic energies that are a closed-form function of the network inputs x, the same for all members.

    "quadratic": ``E = offset + 1/2 y . matrix y`` with y the first k components of x. "kernel":
    ``E = offset + sum_c weight_c exp(-|x - center_c|² / (2 length²))``.

    Attributes
    ----------
    kind : "quadratic" or "kernel".
    arrays : per element, float64: ``offset`` () eV; ``matrix`` (k, k) symmetric, eV; or ``centers``
        (n_centers, n_inputs), ``weights`` (n_centers,) eV and ``length`` ().
    """

    kind: str
    arrays: dict[str, dict[str, Any]]

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in the order of the species index."""
        return tuple(self.arrays)

    def energies(self, x: Any, species: Any) -> Any:
        """Return the energies (n,), eV, for inputs ``x`` (n, n_inputs) of atoms of ``species`` (n,)."""
        return self.energies_and_gradient(x, species, gradient=False)[0]

    def energies_and_gradient(self, x: Any, species: Any, *, gradient: bool = True) -> tuple[Any, Any]:
        """Return the energies (n,), eV, and dE/dx (n, n_inputs), or None where not wanted."""
        zeros = np.zeros if isinstance(x, np.ndarray) else x.new_zeros
        energies, slopes = zeros((len(x),)), zeros(tuple(x.shape)) if gradient else None
        evaluate = _quadratic if self.kind == "quadratic" else _kernel
        for index, arrays in enumerate(self.arrays.values()):
            chosen = species == index
            energies[chosen], own = evaluate(arrays, x[chosen])
            if slopes is not None:
                slopes[chosen] = own
        return energies, slopes

    def to_torch(self, device: str = "cpu", dtype: Any = None) -> NonlinearBaseline:
        """Return the same part with torch tensors on ``device``, float64 unless ``dtype`` is given."""
        import torch

        return NonlinearBaseline(
            self.kind,
            {
                element: {
                    name: torch.as_tensor(np.asarray(v), dtype=dtype or torch.float64, device=device)
                    for name, v in arrays.items()
                }
                for element, arrays in self.arrays.items()
            },
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers by name, ``smooth.Si.matrix`` and so on, for a tensor file."""
        return {
            f"smooth.{element}.{name}": np.asarray(value, dtype=np.float64)
            for element, arrays in self.arrays.items()
            for name, value in arrays.items()
        }

    @classmethod
    def from_arrays(
        cls, kind: str, elements: Sequence[str], arrays: Mapping[str, np.ndarray]
    ) -> NonlinearBaseline:
        """Rebuild from :meth:`to_arrays`; KeyError for a missing name, PotentialError for an unknown kind."""
        if kind not in KINDS:
            raise PotentialError(f"the baseline is of the unknown kind {kind!r}")
        found: dict[str, dict[str, np.ndarray]] = {}
        for element in elements:
            own = {name: np.asarray(arrays[f"smooth.{element}.{name}"]) for name in _DIMENSIONS[kind]}
            found[element] = {n: v if _DIMENSIONS[kind][n] else v.reshape(()) for n, v in own.items()}
        return cls(kind, found)

    def check(self, n_inputs: int) -> None:
        """Raise :class:`PotentialError` unless shapes fit the networks and every number is finite."""
        for element, arrays in self.arrays.items():
            if self.kind == "quadratic":
                k = arrays["matrix"].shape[-1]
                good = arrays["matrix"].shape == (k, k) and k <= n_inputs
            else:
                n = len(arrays["weights"])
                good = arrays["centers"].shape == (n, n_inputs) and float(arrays["length"]) > 0
            if not good:
                raise PotentialError(f"the baseline of {element} does not fit {n_inputs} network inputs")
            if not all(np.isfinite(v).all() for v in arrays.values()):
                raise PotentialError("the baseline holds values that are not finite numbers")


def _quadratic(arrays: Mapping[str, Any], x: Any) -> tuple[Any, Any]:
    matrix = arrays["matrix"]
    k = matrix.shape[-1]
    pull = x[:, :k] @ matrix
    slopes = x * 0.0
    slopes[:, :k] = pull
    return arrays["offset"] + 0.5 * (pull * x[:, :k]).sum(-1), slopes


def _kernel(arrays: Mapping[str, Any], x: Any) -> tuple[Any, Any]:
    values = gaussians(x, arrays["centers"], arrays["length"]) * arrays["weights"]
    slopes = (values @ arrays["centers"] - values.sum(-1)[:, None] * x) / arrays["length"] ** 2
    return arrays["offset"] + values.sum(-1), slopes


def gaussians(x: Any, centers: Any, length: Any) -> Any:
    """Return exp(-|x - center|² / (2 length²)), (n, n_centers), numpy or torch alike."""
    squares = (x**2).sum(-1)[:, None] + (centers**2).sum(-1) - 2.0 * x @ centers.T
    exponent = -0.5 * squares / length**2
    return np.exp(exponent) if isinstance(exponent, np.ndarray) else exponent.exp()
