"""An ensemble's numbers: symmetry functions, whitening, networks and reference energies in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.network import NetworkWeights
from nnpcore.potential.short_range import ShortRange

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Numbers of an ensemble: E = sum_i E_i, E_i = element energy + network + skip . x_i + nonlinear part
    + short range.

    Attributes
    ----------
    functions : the symmetry functions G.
    whitening : the map x = (G - mean) @ matrix per element.
    weights : the networks of all members.
    element_energies : reference energy of every element, eV per atom, the same for all members.
    info : name, provenance, settings; anything JSON can hold.
    data_whitening : of imported networks, whose ``whitening`` is only their scaling: the map learned from the
        training data, in which distances are measured. None where ``whitening`` itself is that.
    nonlinear_baseline : quadratic terms or a kernel under the networks, shared by all members; None without.
    short_range : a repulsion of atoms closer than any data, the same for all members; None without.
    """

    functions: SymmetryFunctions
    whitening: Whitening
    weights: NetworkWeights
    element_energies: dict[str, float]
    info: dict[str, Any] = field(default_factory=dict)
    data_whitening: Whitening | None = None
    nonlinear_baseline: NonlinearBaseline | None = None
    short_range: ShortRange | None = None

    @property
    def metric(self) -> Whitening:
        """The whitening in which distances between atoms' symmetry functions are measured."""
        return self.data_whitening or self.whitening

    @property
    def name(self) -> str:
        """What its ``info`` calls it, or "potential"."""
        return str(self.info.get("name") or "potential")

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements it knows, by atomic number."""
        return self.functions.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff radius, Å."""
        return self.functions.cutoff

    @property
    def n_members(self) -> int:
        """Number of ensemble members."""
        return self.weights.n_members

    def member(self, index: int) -> Self:
        """Return the potential of a single member."""
        return replace(self, weights=self.weights.members([index]))

    def element_energy_of(self, species: np.ndarray) -> np.ndarray:
        """Return each atom's reference energy (n,), eV; ``species`` (n,) indexes :attr:`elements`."""
        return np.array([self.element_energies[e] for e in self.elements])[species]

    def atomic_energies_of(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return the atomic energies (n_members, n), eV, for descriptors ``values`` (n, n_descriptors).

        Descriptors do not tell who is near: the short range, zero where data are, is not among them.
        """
        x = self.whitening.transform(values, species)
        more = 0.0 if self.nonlinear_baseline is None else self.nonlinear_baseline.energies(x, species)
        return self.weights.energies(x, species) + self.element_energy_of(species) + more

    def gradients_of(self, values: np.ndarray, species: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the atomic energies (n_members, n), eV, and dE_i/dG_i (n_members, n, n_descriptors), both
        without the short range.
        """
        x = self.whitening.transform(values, species)
        energies, dx = self.weights.energies_and_gradients(x, species)
        if self.nonlinear_baseline is not None:
            more, slopes = self.nonlinear_baseline.energies_and_gradient(x, species)
            energies, dx = energies + more, dx + slopes
        gradients = np.empty(dx.shape)
        for e, matrix in enumerate(self.whitening.matrix):
            chosen = np.flatnonzero(species == e)
            gradients[:, chosen] = dx[:, chosen] @ matrix.T
        return energies + self.element_energy_of(species), gradients

    def check_elements(self, frames: Sequence[Frame]) -> None:
        """Raise :class:`PotentialError` naming the first frame and element the potential does not know."""
        for k, frame in enumerate(frames):
            self.functions.species_index(np.unique(frame.numbers), where=frame.label(k))
