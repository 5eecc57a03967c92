"""How much forces count: tempered until what they foretell of the energies agrees with the energies.

What a smooth function gets wrong of forces hangs together, within a frame and from frame to frame, so that
each component counted in full makes the posterior far too sure. The energies of the training frames tell how
much: a posterior of forces (and stresses) *alone* foretells the differences of energies between frames of one
system, with a spread. The likelihood of forces and stresses is raised to the one power ``b`` in (0, 1] at
which the root mean square error of these differences is the foretold one; to 1 where the untempered spread is
wide enough. Signal, noises and length are those of the untempered evidence. Nothing else is adjusted, and
targets are not looked at.

Frames are of one system where they have the same atoms in the same order: between such frames forces lead.
Differences of composition or order are left to the energies; where too few frames share a system, all are
taken for one. Directions of the energies that forces leave open say nothing about the size of the posterior:
there the error would be drawn from the prior. Of the principal axes of the foretold covariance of energies
those are left out whose variance comes, by more than half, from directions of the coefficients in which the
prior's precision exceeds that of the forces, such as the pressure where only the volume changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from nnpcore.posterior.evidence import Hyperparameters, Solution, rounded
from nnpcore.posterior.moments import ENERGY, FORCES, STRESS, Moments

USUAL_COMPONENTS = 50.0
"""Independent force components that all frames together count as where energies cannot tell; about what the
rule finds for simple solids."""

_FEWEST_AXES = 3
_WEAKEST = 1e-6
_STEPS = 20


@dataclass(frozen=True, eq=False)
class EnergyRows:
    """Rows (n, m) and targets (n,) of the energies per atom of some frames, eV/atom, and systems (n,) int.

    ``weights`` : (n,), how many times each counts.
    """

    rows: np.ndarray
    targets: np.ndarray
    systems: np.ndarray
    weights: np.ndarray

    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and targets less the means of their systems; of all where too few share a system.

        Both are times the root of their weights.
        """
        n_systems = len(np.unique(self.systems))
        enough = len(self.targets) - n_systems > _FEWEST_AXES
        systems = self.systems if enough else np.zeros(len(self.targets), dtype=np.int64)
        rows, targets = self.rows.copy(), self.targets.copy()
        for system in np.unique(systems):
            own = systems == system
            share = self.weights[own] / self.weights[own].sum()
            rows[own] -= share @ rows[own]
            targets[own] -= share @ targets[own]
        roots = np.sqrt(self.weights)
        return roots[:, None] * rows, roots * targets


def found_tempering(
    moments: Mapping[str, Moments], hyper: Hyperparameters, energies: EnergyRows
) -> dict[str, float]:
    """Return the power that forces and stresses are tempered by, by kind; nothing where there are neither.

    Parameters
    ----------
    moments : of all training frames. hyper : by the untempered evidence.
    energies : of some of the frames; with fewer than four that differ, forces count as
        :data:`USUAL_COMPONENTS` in all.
    """
    others = {kind: sums for kind, sums in moments.items() if kind != ENERGY}
    if not others:
        return {}

    def of(power: float) -> dict[str, float]:
        return {kind: power for kind in (FORCES, STRESS) if kind in others}

    def surprise(log_power: float) -> float | None:
        return energy_surprise(others, replace(hyper, tempering=of(float(np.exp(log_power)))), energies)

    untempered = surprise(0.0)
    if untempered is None:
        n = sum(sums.n for sums in others.values())
        return of(min(1.0, USUAL_COMPONENTS / n))
    if untempered <= 1.0:
        return of(1.0)
    low, high = float(np.log(_WEAKEST)), 0.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        value = surprise(middle)
        low, high = (low, middle) if value is not None and value > 1.0 else (middle, high)
    return of(float(np.exp(rounded(np.array(low)))))


def energy_surprise(
    others: Mapping[str, Moments], hyper: Hyperparameters, energies: EnergyRows
) -> float | None:
    """Return root mean square error over spread of energy differences, by labels of ``others`` alone.

    None where fewer than three axes of the energies are told by them.
    """
    if len(energies.targets) <= _FEWEST_AXES:
        return None
    rows, targets = energies.differences()
    found = Solution.of(others, hyper)
    half = solve_triangular(found.factor, rows.T, trans=1, check_finite=False)
    variances, axes = np.linalg.eigh(half.T @ half)
    opened = rows @ _open_directions(found, hyper)
    from_open = hyper.signal**2 / 1.5 * ((axes.T @ opened) ** 2).sum(1)
    told = (from_open < 0.5 * variances) & (variances > 1e-12 * variances[-1])
    if told.sum() < _FEWEST_AXES:
        return None
    errors = axes.T @ (targets - rows @ found.coefficients)
    return float(np.sqrt((errors[told] ** 2).sum() / variances[told].sum()))


def _open_directions(found: Solution, hyper: Hyperparameters) -> np.ndarray:
    """Return the directions (m, k) of the coefficients in which labels tell less than the prior."""
    values, vectors = np.linalg.eigh(found.precision)
    return vectors[:, values < 2.0 * hyper.signal**-2]
