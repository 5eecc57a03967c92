"""One structure after another, as dynamics and optimisers ask: what a step can use of the last is kept."""

from __future__ import annotations

import numpy as np

from nnpcore.descriptors import NeighborFinder
from nnpcore.descriptors.skin import MOST_ATOMS, SkinList
from nnpcore.errors import DataError
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.inference import Wanted, compiled_networks, predict_with
from nnpcore.potential.prediction import Prediction
from nnpcore.structures.frame import Frame


class Stepping:
    """An ensemble's networks, arranged once, and the neighbors of the last structure.

    A list with a skin is made for a structure that is asked about a second time, moved: the first answer is
    that of ``Potential.predict``, later ones are to rounding.
    """

    def __init__(self, potential: Ensemble) -> None:
        self.potential = potential
        self._networks = compiled_networks(potential)
        self._last: Frame | None = None
        self._skin: SkinList | None = None

    def predict(self, frame: Frame, *, stress: bool, n_threads: int | None = None) -> Prediction:
        """Return energies, forces and, where asked for, the stress; errors as ``Potential.predict``."""
        finder = self._finder(frame)
        wanted = Wanted(forces=True, stress=stress, members=False)
        return predict_with(self.potential, self._networks, [finder], [frame], wanted, n_threads)

    def _finder(self, frame: Frame) -> NeighborFinder | SkinList:
        if self._skin is not None and self._skin.moved_to(frame):
            return self._skin
        last, self._last, self._skin = self._last, frame, None
        cutoff, where = self.potential.cutoff, frame.label(0)
        again = last is not None and last.n_atoms == frame.n_atoms and np.array_equal(last.cell, frame.cell)
        if again and frame.n_atoms <= MOST_ATOMS:
            try:
                self._skin = SkinList(frame, cutoff, where=where)
            except DataError:  # too crowded with the skin, perhaps: the plain search says what is wrong
                return NeighborFinder(frame, cutoff, where=where)
            return self._skin
        return NeighborFinder(frame, cutoff, where=where)
