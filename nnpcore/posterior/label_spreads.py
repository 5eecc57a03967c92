"""How far a posterior leaves open what labels of structures are: energies per atom, force components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.posterior.streaming import each_rows
from nnpcore.structures.frame import Frame
from nnpcore.threads import one_blas_thread

if TYPE_CHECKING:
    from nnpcore.posterior.posterior import Posterior
    from nnpcore.progress import Progress


@one_blas_thread()
def label_spreads(
    posterior: Posterior,
    frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviations of the energies (n_frames,), eV/atom, and forces (n_atoms, 3), eV/Å.

    They are those of what the functions express, without the noise of labels, which are not looked at.
    """
    energies, forces = [], []
    for k, row in enumerate(each_rows(posterior.basis, frames, n_threads, progress)):
        spreads = posterior.spread_of_features(np.concatenate([row.energy[None], row.forces]))
        energies.append(spreads[0])
        forces.append(spreads[1:].reshape(-1, 3))
        if progress is not None:
            progress.report((k + 1) / len(frames), "foretold spreads")
    return np.array(energies), np.concatenate([np.empty((0, 3)), *forces])
