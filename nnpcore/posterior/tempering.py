"""How much forces and stresses count: tempered until what they foretell of the energies agrees with them.

What a smooth function gets wrong of forces hangs together, within a frame and from frame to frame, so that
each component counted in full makes the posterior far too sure. The energies of the training frames tell how
much: a posterior of forces *alone* foretells the differences of energies between frames of one
system, with a spread. The likelihood of forces is raised to a power ``b`` in (0, 1]. At the
right one the root mean square error of these differences is r = 1 times the foretold one. Sums over a few
axes tell r to some ten per cent only, and in small sets b to several decades; but it is known that all force
components together count as about :data:`USUAL_COMPONENTS`, to a factor of ten. So b is where

    n/2 (r² - 1 - log r²) + (log b - log b_usual)² / 2 (log 10)²

is least, with n the number of axes that the sums are made of, ``(sum of variances)² / sum of variances²``:
the deviance of an error's size, and what is known before. Signal, noises and length are those of the
untempered evidence. Nothing else is adjusted, and targets are not looked at. Stresses have a power of their
own, found the same way after that of the forces, beside them.

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

from nnpcore.posterior.evidence import Hyperparameters, Solution, rounded
from nnpcore.posterior.factors import solve_triangular
from nnpcore.posterior.moments import FORCES, STRESS, Moments

USUAL_COMPONENTS = 50.0
"""Independent components that the forces of all frames together count as where energies cannot tell, about
what they tell for simple solids; and their stresses, of which nothing better is known."""

USUAL_FACTOR = 10.0
"""To which that is known."""

_FEWEST_AXES = 3
_WEAKEST = 1e-6
_COARSE, _FINE = 1.0, 0.1


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
    energies : of some of the frames; with fewer than four that differ, each kind counts as
        :data:`USUAL_COMPONENTS` in all.
    """
    found: dict[str, float] = {}
    for kind in (FORCES, STRESS):
        if kind in moments:
            others = {k: moments[k] for k in (*found, kind)}
            found[kind] = _power(kind, others, replace(hyper, tempering=dict(found)), energies)
    return found


def _power(kind: str, others: Mapping[str, Moments], hyper: Hyperparameters, energies: EnergyRows) -> float:
    """Return the power of a kind of label beside the other ``others``, whose powers ``hyper`` has."""

    def surprise(log_power: float) -> Surprise | None:
        powers = {**hyper.tempering, kind: float(np.exp(log_power))}
        return energy_surprise(others, replace(hyper, tempering=powers), energies)

    usual = float(np.log(min(1.0, USUAL_COMPONENTS / others[kind].n)))
    if surprise(0.0) is None:
        return float(np.exp(usual))

    def cost(log_power: float) -> float:
        found = surprise(log_power)
        prior = 0.5 * ((log_power - usual) / np.log(USUAL_FACTOR)) ** 2
        return np.inf if found is None else found.deviance + prior

    coarse = np.arange(np.log(_WEAKEST), _COARSE / 2, _COARSE)
    best = float(coarse[np.argmin([cost(p) for p in coarse])])
    fine = np.arange(best - _COARSE, min(best + _COARSE, 0.0) + _FINE / 2, _FINE)
    costs = np.array([cost(p) for p in fine])
    return min(1.0, float(np.exp(rounded(np.array(_lowest(fine, costs))))))


def _lowest(points: np.ndarray, values: np.ndarray) -> float:
    """Return where the parabola through the lowest of evenly spaced points and its neighbors is least."""
    k = int(np.argmin(values))
    near = values[max(k - 1, 0) : k + 2]
    if len(near) < 3 or not np.isfinite(near).all() or near[0] + near[2] <= 2.0 * near[1]:
        return float(points[k])
    step = 0.5 * (near[0] - near[2]) / (near[0] - 2.0 * near[1] + near[2])
    return float(points[k] + step * (points[1] - points[0]))


@dataclass(frozen=True)
class Surprise:
    """Root mean square error over spread of energy differences, and how many axes tell it."""

    ratio: float
    n_axes: float

    @property
    def deviance(self) -> float:
        """Minus the logarithm of the likelihood of this ratio, zero for 1."""
        squared = max(self.ratio**2, 1e-12)
        return 0.5 * self.n_axes * (squared - 1.0 - float(np.log(squared)))


def energy_surprise(
    others: Mapping[str, Moments], hyper: Hyperparameters, energies: EnergyRows
) -> Surprise | None:
    """Return how wrong energy differences are that labels of ``others`` alone foretell.

    None where fewer than three axes of the energies are told by them.
    """
    if len(energies.targets) <= _FEWEST_AXES:
        return None
    rows, targets = energies.differences()
    found = Solution.of(others, hyper)
    half = solve_triangular(found.factor, rows.T, trans=1)
    variances, axes = np.linalg.eigh(half.T @ half)
    opened = rows @ _open_directions(found, hyper)
    from_open = hyper.signal**2 / 1.5 * ((axes.T @ opened) ** 2).sum(1)
    told = (from_open < 0.5 * variances) & (variances > 1e-12 * variances[-1])
    if told.sum() < _FEWEST_AXES:
        return None
    errors = axes.T @ (targets - rows @ found.coefficients)
    total = variances[told].sum()
    ratio = np.sqrt((errors[told] ** 2).sum() / total)
    return Surprise(float(ratio), float(total**2 / (variances[told] ** 2).sum()))


def _open_directions(found: Solution, hyper: Hyperparameters) -> np.ndarray:
    """Return the directions (m, k) of the coefficients in which labels tell less than the prior."""
    values, vectors = np.linalg.eigh(found.precision)
    return vectors[:, values < 2.0 * hyper.signal**-2]
