"""Local prediction rigidity: how firmly the training data hold an atomic energy, before anyone knows it.

With the last layer's features φ (see ``last_layer``) and the Gauss-Newton curvature H of the training loss
by the weights behind them, ``LPR_i = 1 / (φ_iᵀ (H + ς² I)⁻¹ φ_i)``: the weight with which a loss term on E_i
alone would have to pull to move it as far as the data let go. The posterior variance is noise² / LPR.
Chong et al., J. Chem. Theory Comput. 19, 8020 (2023); last layers: Bigi et al., Mach. Learn.: Sci. Technol.
5, 045018 (2024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.curvature import ENERGY_AND_FORCES, Curvature, Parts

if TYPE_CHECKING:
    from nnpcore.mapping.last_layer import LastLayer

RIDGE = 1e-6
"""ς², in units of H: weights of about 1 eV against a noise of 1 meV/atom in the energy of a frame."""


class LocalRigidity:
    """Rigidity of atomic energies under one training set and one loss.

    Parameters
    ----------
    curvature : of the training data.
    parts, weights : the parts of the loss that count, and their weights; see :meth:`Curvature.hessian`.
    ridge : ς² > 0: what holds a weight that no datum holds.

    Attributes
    ----------
    hessian : (M, P, P), without the ridge.
    root : (M, P, P) with root rootᵀ = (H + ς² I)⁻¹.
    noise : (M,) eV, standard error of a datum of unit weight, by the residuals; NaN where these are unknown.
    """

    def __init__(
        self,
        curvature: Curvature,
        *,
        parts: Parts = ENERGY_AND_FORCES,
        weights: tuple[float, float, float] | None = None,
        ridge: float = RIDGE,
    ) -> None:
        if not ridge > 0:
            raise AnalysisError(f"the ridge of the rigidity is {ridge:g}", fix="Choose a positive number")
        self.curvature = curvature
        self.ridge = ridge
        self.hessian = curvature.hessian(parts, weights)
        self.noise = curvature.noise(self.hessian, parts, weights)
        values, vectors = np.linalg.eigh(self.hessian)
        self.root = vectors / np.sqrt(np.maximum(values, 0.0) + ridge)[:, None, :]

    @property
    def layer(self) -> LastLayer:
        """The features."""
        return self.curvature.layer

    def rigidity(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return the LPR (M, n) of atoms from their symmetry functions (n, n_descriptors)."""
        return self.of_features(self.layer.features(values, species))

    def of_features(self, features: np.ndarray) -> np.ndarray:
        """Return the rigidity (M, n) of the sums φ · θ with these φ (M, n, P)."""
        return 1.0 / np.maximum(((features @ self.root) ** 2).sum(axis=2), np.finfo(float).tiny)


def mean_of_members(rigidity: np.ndarray) -> np.ndarray:
    """Return the harmonic mean (n,) over the members (M, n): variances, not rigidities, add up."""
    return 1.0 / np.mean(1.0 / rigidity, axis=0)
