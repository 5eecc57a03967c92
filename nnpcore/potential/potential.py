"""An ensemble potential: what predicts energies, forces and stresses, and is kept in two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.potential.spread_factors import SpreadFactors
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

    def calculator(
        self, device: str = "cpu", n_threads: int | None = None, factors: SpreadFactors | None = None
    ) -> EatlasCalculator:
        """Return an ASE calculator of this potential; ``factors`` are for its spreads."""
        from nnpcore.potential.calculator import EatlasCalculator

        return EatlasCalculator(self, device=device, n_threads=n_threads, factors=factors)

    def save(self, folder: str | Path) -> Path:
        """Write ``potential.json`` and ``potential.safetensors`` into ``folder``; see ``storage.save``."""
        from nnpcore.potential import storage

        return storage.save(self, folder)

    @classmethod
    def load(cls, path: str | Path) -> Potential:
        """Read a potential from its folder or from a run folder; see ``storage.load``."""
        from nnpcore.potential import storage

        return cls(**vars(storage.load(path)))
