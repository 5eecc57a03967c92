"""How well an ensemble reproduces reference data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.structures.groups import FIRST_FOUND, groups_of
from nnpcore.training.frame_errors import FrameErrors
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
    group_key: str = FIRST_FOUND,
) -> dict[str, dict[str, Any]]:
    """Return the RMSEs of an ensemble by data set.

    Parameters
    ----------
    potential : the ensemble.
    frames_by_name : data sets; frames without a reference value do not count for it.
    device, n_threads, progress : as in :meth:`Potential.predict`.
    group_key : by what the groups of frames are told, see :func:`nnpcore.structures.group_of`.

    Returns
    -------
    report : per data set ``rmse_energy_mev_per_atom``, ``rmse_force_ev_per_ang`` (per component) and
        ``rmse_stress_gpa`` (per component of the 3x3 tensor), each ``{"mean": x, "members": [...]}``; x
        belongs to the mean prediction. Without reference data ``mean`` is None and ``members`` empty.
        ``n_frames`` is their number; ``groups``, where there are several, is the same by group.

    Raises
    ------
    PotentialError : an element the potential does not know.
    """
    reports: dict[str, dict[str, Any]] = {}
    for name, given in frames_by_name.items():
        frames = list(given)
        errors = FrameErrors.of(potential, frames, device=device, n_threads=n_threads, progress=progress)
        reports[name] = {"n_frames": len(frames)} | _report(errors.sums().rmses())
        groups = groups_of(frames, group_key)
        number = Counter(groups)
        if len(number) > 1:
            reports[name]["groups"] = {
                group: {"n_frames": number[group]} | _report(sums.rmses())
                for group, sums in errors.by_group(groups).items()
            }
    return reports


def _report(rmses: dict[str, Rmse]) -> dict[str, Any]:
    report: dict[str, Any] = {q.report_key: {"mean": None, "members": []} for q in QUANTITIES.values()}
    for name, rmse in rmses.items():
        report[QUANTITIES[name].report_key] = {"mean": rmse["mean"], "members": rmse["members"].tolist()}
    return report


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
