"""Symmetry functions flattened to arrays for the kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors.functions import G2, G4, SymmetryFunctions


@dataclass(frozen=True, eq=False)
class FunctionTables:
    """All functions of all central elements, as arrays.

    Attributes
    ----------
    radial_start, angular_start : (n_elements + 1,) int64, rows of each central element.
    radial_index : (n_radial, 2) int64: descriptor column, neighbor species.
    radial_value : (n_radial, 3) float64: eta, r_s, cutoff.
    angular_index : (n_angular, 4) int64: column, species of j, species of k, 1 with r_jk or 0 without.
    angular_value : (n_angular, 4) float64: eta, zeta, lambda, cutoff.
    """

    radial_start: np.ndarray
    radial_index: np.ndarray
    radial_value: np.ndarray
    angular_start: np.ndarray
    angular_index: np.ndarray
    angular_value: np.ndarray

    @classmethod
    def build(cls, functions: SymmetryFunctions) -> FunctionTables:
        """Flatten a set of functions."""
        species = {element: i for i, element in enumerate(functions.elements)}
        radial_start, angular_start = [0], [0]
        radial: list[tuple[tuple[int, ...], tuple[float, ...]]] = []
        angular: list[tuple[tuple[int, ...], tuple[float, ...]]] = []
        for members in functions.functions.values():
            for column, f in enumerate(members):
                if isinstance(f, G2):
                    radial.append(((column, species[f.element]), (f.eta, f.r_s, f.cutoff)))
                else:
                    j, k = (species[e] for e in f.elements)
                    angular.append(
                        ((column, j, k, int(isinstance(f, G4))), (f.eta, f.zeta, f.lambda_, f.cutoff))
                    )
            radial_start.append(len(radial))
            angular_start.append(len(angular))
        return cls(
            np.array(radial_start, dtype=np.int64),
            np.array([r[0] for r in radial], dtype=np.int64).reshape(-1, 2),
            np.array([r[1] for r in radial], dtype=np.float64).reshape(-1, 3),
            np.array(angular_start, dtype=np.int64),
            np.array([a[0] for a in angular], dtype=np.int64).reshape(-1, 4),
            np.array([a[1] for a in angular], dtype=np.float64).reshape(-1, 4),
        )
