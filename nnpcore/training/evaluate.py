"""How well an ensemble reproduces reference data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.training.history import Rmse
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training.data import FitSet, MemberValues


def rmse_report(
    potential: AtomicEnergyModel,
    frames_by_name: Mapping[str, Sequence[Frame]],
    *,
    device: str = "cpu",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the RMSEs of an ensemble by data set.

    Parameters
    ----------
    potential : the ensemble.
    frames_by_name : data sets; frames without a reference value do not count for it.
    device, n_threads, progress : as in :meth:`Potential.predict`.

    Returns
    -------
    report : per data set ``rmse_energy_mev_per_atom``, ``rmse_force_ev_per_ang`` (per component) and
        ``rmse_stress_gpa`` (per component of the 3x3 tensor), each ``{"mean": x, "members": [...]}``; x
        belongs to the mean prediction. Without reference data ``mean`` is None and ``members`` empty.

    Raises
    ------
    PotentialError : an element the potential does not know.
    """
    return {
        name: _report(_errors(potential, list(frames), device, n_threads, progress).rmses())
        for name, frames in frames_by_name.items()
    }


def _report(rmses: dict[str, Rmse]) -> dict[str, Any]:
    report: dict[str, Any] = {q.report_key: {"mean": None, "members": []} for q in QUANTITIES.values()}
    for name, rmse in rmses.items():
        report[QUANTITIES[name].report_key] = {"mean": rmse["mean"], "members": rmse["members"].tolist()}
    return report


def _errors(
    potential: AtomicEnergyModel,
    frames: list[Frame],
    device: str,
    n_threads: int | None,
    progress: Progress | None,
) -> ErrorSums:
    """Predict frame by frame, so that memory stays that of one frame, and sum up the errors."""
    squares, counts = np.zeros((3, potential.n_members + 1)), np.zeros(3)
    for start in range(0, len(frames), 32):
        part = frames[start : start + 32]
        found = potential.predict(
            part,
            forces=any(f.forces is not None for f in part),
            stress=any(f.stress is not None for f in part),
            device=device,
            n_threads=n_threads,
        )
        for k, frame in enumerate(part):
            stress = None if found.stress_members is None else found.stress_members[:, k]
            forces = None if found.forces_members is None else found.forces_members[:, found.atoms_of(k)]
            for q, errors in enumerate(_frame_errors(frame, found.energy_members[:, k], forces, stress)):
                if errors is not None and np.isfinite(errors).all():
                    squares[q, :-1] += (errors**2).sum(axis=1)
                    squares[q, -1] += (errors.mean(axis=0) ** 2).sum()
                    counts[q] += errors.shape[1]
        if progress is not None:
            progress.report((start + len(part)) / len(frames), "evaluating")
    return ErrorSums(squares, counts)


def _frame_errors(
    frame: Frame, energy: np.ndarray, forces: np.ndarray | None, stress: np.ndarray | None
) -> list[np.ndarray | None]:
    """Return the errors (n_members, n) of energy per atom, force components and stress components."""
    found, wanted = (energy[:, None], forces, stress), (frame.energy, frame.forces, frame.stress)
    return [
        None if f is None or w is None else (f - w).reshape(len(energy), -1) / (1 if q else frame.n_atoms)
        for q, (f, w) in enumerate(zip(found, wanted, strict=True))
    ]


def prediction_errors(data: FitSet, found: MemberValues) -> ErrorSums:
    """Sum up the errors of a fused prediction over a set, also weighted where groups have weights."""
    t = data.targets
    if data.added is not None:
        n = found.virials.shape[1]
        more = (found.energies + data.added.energies, found.forces + data.added.forces)
        found = type(found)(*more, found.virials + data.added.virials[:, :n])
    energy = ((found.energies - t.energy[:, None]) / t.n_atoms[:, None])[t.has_energy]
    atoms = np.repeat(t.has_forces, t.n_atoms)
    force = found.forces[atoms].astype(np.float64) - t.forces[atoms][:, None]
    parts = [energy, force.swapaxes(1, 2).reshape(-1, found.energies.shape[1])]
    if found.virials.shape[1]:
        virials = found.virials[t.has_stress].astype(np.float64)
        virials = 0.5 * (virials + virials.swapaxes(2, 3)) / t.volume[t.has_stress][:, None, None, None]
        stress = virials - t.stress[t.has_stress][:, None]
        parts.append(stress.reshape(len(stress), -1, 9).swapaxes(1, 2).reshape(-1, found.energies.shape[1]))
    else:
        parts.append(np.zeros((0, found.energies.shape[1])))
    once = [np.ones(len(p)) for p in parts]
    if (t.weights == 1.0).all():
        return _sums(parts, once)
    times = (
        t.weights[t.has_energy, 0],
        np.repeat(np.repeat(t.weights[:, 1], t.n_atoms)[atoms], 3),
        np.repeat(t.weights[t.has_stress, 2], 9)[: len(parts[2])],
    )
    return replace(_sums(parts, once), weighted=_sums(parts, times))


def _sums(parts: Sequence[np.ndarray], times: Sequence[np.ndarray]) -> ErrorSums:
    """Sum up the squares of errors (n, n_members) and of their means, each so many ``times`` (n,)."""
    pairs = list(zip(parts, times, strict=True))
    squares = [np.append(n @ p**2, n @ p.mean(axis=1) ** 2) for p, n in pairs]
    return ErrorSums(np.array(squares), np.array([n.sum() for n in times]))


def monitored_score(errors: ErrorSums, weights: tuple[float, float, float]) -> np.ndarray | None:
    """Return the score (n_members,) whose smallest value marks a member's best weights.

    It is the mean logarithm of the RMSEs of all quantities with a weight in the loss: a part gained in any
    of them counts the same, whatever its unit. Where groups have weights, the RMSEs are weighted by these.
    NaN where an RMSE is not finite; None without any quantity.
    """
    errors = errors.weighted or errors
    used = [k for k in range(len(QUANTITIES)) if weights[k] > 0 and errors.counts[k]]
    if not used:
        return None
    with np.errstate(all="ignore"):
        mean_squares = errors.squares[used, :-1] / errors.counts[used][:, None]
        return 0.5 * np.log(np.maximum(mean_squares, 1e-30)).mean(axis=0)
