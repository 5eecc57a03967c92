"""Structures with what a model says about them: extended XYZ and ASE's .traj, for other programs to use.

Reference values stay what they are under their usual names; everything of the model has a name of its own:
``atomic_energies``, ``atomic_energies_std``, ``predicted_forces``, ``predicted_forces_std`` per atom,
``predicted_energy``, ``predicted_energy_std``, ``predicted_stress`` and ``predicted_by`` per frame, and
``spread_factors`` where spreads were multiplied: by these for energies and forces. A .traj
has no room for such arrays of atoms; there they stand in ``atoms.info`` under the same names.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.files import write_atomically
from nnpcore.potential.spread_factors import SpreadFactors, with_factors
from nnpcore.structures.frame import Frame
from nnpcore.structures.writing import PER_ATOM_NAMES, format_frame

if TYPE_CHECKING:
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.potential.prediction import Prediction
    from nnpcore.progress import Progress

SUFFIXES = (".extxyz", ".xyz", ".traj")
"""Names of files that can be written."""

CHUNK = 32
"""Frames that are predicted at once."""
_KEPT_BY_TRAJ = ("tags", "momenta", "masses", "initial_magmoms", "initial_charges")


def predict_frames(
    model: AtomicEnergyModel,
    frames: Sequence[Frame],
    *,
    factors: SpreadFactors | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> list[Frame]:
    """Return the frames with what the model says about them; ``factors`` are for its spreads.

    Raises
    ------
    PotentialError : an element the model does not know, or a calculator that fails.
    """
    found: list[Frame] = []
    for start in range(0, len(frames), CHUNK):
        part = frames[start : start + CHUNK]
        prediction = model.predict(part, forces=True, stress=True, members=False, n_threads=n_threads)
        if factors is not None:
            prediction = with_factors(prediction, factors)
        found += with_prediction(part, prediction, model.name, factors)
        if progress is not None:
            progress.report(len(found) / len(frames), f"{len(found)} of {len(frames)} frames")
    return found


def with_prediction(
    frames: Sequence[Frame], prediction: Prediction, name: str, factors: SpreadFactors | None = None
) -> list[Frame]:
    """Return copies of the frames that hold the prediction under its own names; ``name`` is the model's.

    A spread is only there for several members; atomic energies are left out where the model gives none,
    forces and stress where they were not asked for.
    """
    try:
        atomic, spread = prediction.atomic_energies, prediction.atomic_energies_std
        several = len(prediction.atomic_energies_members) > 1
    except PotentialError:  # a calculator that only gives totals
        atomic, spread, several = None, None, False
    per_atom = {"atomic_energies": atomic, "predicted_forces": prediction.forces}
    if several:
        per_atom |= {"atomic_energies_std": spread, "predicted_forces_std": prediction.forces_std}
    result = []
    for k, frame in enumerate(frames):
        own = prediction.atoms_of(k)
        arrays = {key: values[own] for key, values in per_atom.items() if values is not None}
        info: dict[str, Any] = {"predicted_by": name, "predicted_energy": float(prediction.energy[k])}
        if several:
            info["predicted_energy_std"] = float(prediction.energy_std[k])
            if factors is not None:
                info["spread_factors"] = np.array([factors.energy, factors.force])
        if prediction.stress is not None and np.isfinite(prediction.stress[k]).all():
            info["predicted_stress"] = prediction.stress[k]
        result.append(replace(frame, arrays=frame.arrays | arrays, info=frame.info | info))
    return result


def write_structures(path: str | Path, frames: Sequence[Frame]) -> None:
    """Write frames as the file's name says, all or nothing.

    Raises
    ------
    SettingsError : another name than ``SUFFIXES``. RunFolderError : the file cannot be written.
    """
    target = Path(path)
    check_suffix(target)
    if target.suffix.lower() == ".traj":
        write_atomically(target, _as_traj(frames))
    else:
        write_atomically(target, "".join(format_frame(frame) for frame in frames).encode())


def check_suffix(target: Path) -> None:
    """Raise SettingsError for a name from which no format follows."""
    if target.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"{target.suffix or 'a name without ending'} says no format that structures are written in",
            where=str(target),
            fix=f"End the name in {', '.join(SUFFIXES)}",
        )


def _as_traj(frames: Sequence[Frame]) -> bytes:
    from ase.io.formats import write

    images = []
    for frame in frames:
        atoms = frame.to_atoms()
        lost = {name: v for name, v in frame.arrays.items() if name not in _KEPT_BY_TRAJ}
        atoms.info |= lost | {PER_ATOM_NAMES: " ".join(lost)}
        images.append(atoms)
    stream = io.BytesIO()
    write(stream, images, format="traj")
    return stream.getvalue()
