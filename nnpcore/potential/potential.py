"""An ensemble potential: descriptors, whitening, networks and reference energies in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.network import NetworkWeights
from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, Whitening
    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Potential:
    """An ensemble of potentials: E = sum_i E_i, E_i = element energy + network + skip . x_i + nonlinear part.

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
    """

    functions: SymmetryFunctions
    whitening: Whitening
    weights: NetworkWeights
    element_energies: dict[str, float]
    info: dict[str, Any] = field(default_factory=dict)
    data_whitening: Whitening | None = None
    nonlinear_baseline: NonlinearBaseline | None = None

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

    def member(self, index: int) -> Potential:
        """Return the potential of a single member."""
        return replace(self, weights=self.weights.members([index]))

    def element_energy_of(self, species: np.ndarray) -> np.ndarray:
        """Return each atom's reference energy (n,), eV; ``species`` (n,) indexes :attr:`elements`."""
        return np.array([self.element_energies[e] for e in self.elements])[species]

    def atomic_energies_of(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return the atomic energies (n_members, n), eV, for descriptors ``values`` (n, n_descriptors)."""
        x = self.whitening.transform(values, species)
        energies = self.weights.energies(x, species) + self.element_energy_of(species)
        return (
            energies
            if self.nonlinear_baseline is None
            else energies + self.nonlinear_baseline.energies(x, species)
        )

    def gradients_of(self, values: np.ndarray, species: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the atomic energies (n_members, n), eV, and dE_i/dG_i (n_members, n, n_descriptors)."""
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

    def predict(
        self,
        frames: Sequence[Frame],
        *,
        forces: bool = True,
        stress: bool = True,
        members: bool = True,
        device: str = "cpu",
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Predict energies and, where asked for, forces and stresses of frames of any size and composition.

        Parameters
        ----------
        frames : the structures; their reference values are not looked at.
        forces, stress : whether to compute them; without both, no derivatives are computed.
        members : whether to return every member's forces, too; their mean and spread come always.
        device : "cpu" (compiled kernels), or a torch device such as "cuda"; "auto" takes a GPU where present.
        n_threads : threads of the CPU path, None for all cores. The result does not depend on it.
        progress : told the fraction of atoms done; may cancel.

        Raises
        ------
        PotentialError : an element the potential does not know, naming the frame.
        """
        from nnpcore.potential import inference

        self.check_elements(frames)

        wanted = inference.Wanted(forces, stress, members)
        if inference.uses_kernels(device):
            return inference.predict_cpu(self, frames, wanted, n_threads, progress)
        from nnpcore.potential import torch_inference

        return torch_inference.predict_torch(self, frames, wanted, device, progress)

    def evaluate_set(
        self,
        descriptor_set: DescriptorSet,
        volumes: np.ndarray | None = None,
        *,
        forces: bool = True,
        members: bool = True,
        n_threads: int | None = None,
    ) -> Prediction:
        """Predict from stored descriptors and derivatives, without recomputing them.

        Parameters
        ----------
        descriptor_set : descriptors of these frames made with this potential's symmetry functions.
        volumes : (n_frames,) Å³, NaN where a frame has no stress; the stress is left out where this is None.
        forces, members, n_threads : as in :meth:`predict`.

        Raises
        ------
        PotentialError : other symmetry functions, or forces or stress wanted without stored derivatives.
        """
        if descriptor_set.functions != self.functions:
            raise PotentialError(
                "these descriptors were computed with other symmetry functions than the potential's",
                fix="Compute them again with potential.functions",
            )
        if (forces or volumes is not None) and descriptor_set.derivatives is None:
            raise PotentialError(
                "forces and stress need stored derivatives", fix="Compute the descriptors with derivatives"
            )
        from nnpcore.potential import inference

        wanted = inference.Wanted(forces, volumes is not None, members)
        return inference.predict_stored(self, descriptor_set, volumes, wanted, n_threads)

    def check_elements(self, frames: Sequence[Frame]) -> None:
        """Raise :class:`PotentialError` naming the first frame and element the potential does not know."""
        from nnpcore.potential.inference import frame_label

        for k, frame in enumerate(frames):
            self.functions.species_index(np.unique(frame.numbers), where=frame_label(frame, k))

    def calculator(self, device: str = "cpu", n_threads: int | None = None) -> EatlasCalculator:
        """Return an ASE calculator of this potential."""
        from nnpcore.potential.calculator import EatlasCalculator

        return EatlasCalculator(self, device=device, n_threads=n_threads)

    def save(self, folder: str | Path) -> Path:
        """Write ``potential.json`` and ``potential.safetensors`` into ``folder``; see ``storage.save``."""
        from nnpcore.potential import storage

        return storage.save(self, folder)

    @classmethod
    def load(cls, path: str | Path) -> Potential:
        """Read a potential from its folder or from a run folder; see ``storage.load``."""
        from nnpcore.potential import storage

        return storage.load(path)
