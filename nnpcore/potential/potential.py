"""An ensemble potential: what predicts energies, forces and stresses, and is kept in two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Potential(Ensemble):
    """An ensemble of potentials: its numbers (see :class:`Ensemble`), and what they predict of structures."""

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

        return cls(**vars(storage.load(path)))
