"""By what members differ: as the posterior says, along what counts and costs their fit little.

Networks see forces of single atoms in full, of which the posterior knows that they say little (see
:mod:`nnpcore.posterior.tempering`). Members that are all asked for the same data agree on what the posterior
leaves open, therefore, and are too sure. To differ as draws of the posterior do, each member has to fit the
data *of its draw*: the data, moved by what its draw makes of them beyond the mean draw (randomise, then
optimise: Bardsley et al., SIAM J. Sci. Comput. 36, A1895 (2014)). The members' mean still fits the data.

A whole draw moves forces by more than networks get wrong of them, in hundreds of directions that say nothing
of other structures. So members differ along axes that count: the principal axes of what the posterior leaves
open of the energies of training atoms, where they are and with all lengths a little shorter and longer. Along
an axis the standard deviation of the members is the foretold one, for as many axes as cost a member no more
than a share of what it leaves of the loss (``TrainSettings.spread_cost``; a tenth are 5 % of its errors);
those with the most variance for their cost come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import compute_descriptors
from nnpcore.posterior.draws import balanced_numbers
from nnpcore.posterior.factors import solve_triangular
from nnpcore.potential.pair_forces import add_forces, add_virials, pair_gradients
from nnpcore.training.data import FitSet, MemberValues
from nnpcore.training.windows import PairArrays

if TYPE_CHECKING:
    from nnpcore.posterior import Posterior
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

STRAINS = (0.985, 1.0, 1.015)
"""Lengths at which atoms are asked about; 4.5 % of the volume to both sides."""

_MOST_FRAMES, _MOST_ATOMS = 8, 1000


@dataclass(frozen=True, eq=False)
class OpenAxes:
    """Principal axes of what a posterior leaves open.

    Attributes
    ----------
    coefficients : (m, m) of the posterior's functions, an axis a column, by one standard deviation.
    shares : (m,) in [0, 1], the part of the foretold standard deviation by which the data of members move.
    """

    coefficients: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        frames: Sequence[Frame],
        settings: TrainSettings,
        loss: float,
        n_threads: int | None = None,
    ) -> OpenAxes:
        """Find them for training frames; ``loss`` : what networks have left of it."""
        atoms_each = max(1, max(frame.n_atoms for frame in frames))
        n = min(_MOST_FRAMES, len(frames), max(2, _MOST_ATOMS // atoms_each))
        some = [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, n).round().astype(int))]
        metric = open_energies(posterior, some, n_threads)
        variances, axes = np.linalg.eigh(metric)
        variances, axes = np.maximum(variances[::-1], 0.0), axes[:, ::-1]
        columns = solve_triangular(posterior.solution.factor, axes)
        costs = costs_of(posterior, columns, some, settings)
        return cls(columns, affordable(variances, costs, settings.spread_cost * loss))

    def draws(self, n: int, seed: Sequence[int]) -> np.ndarray:
        """Return balanced numbers (n, m): of zero mean, and of variance one for each axis; zero for n = 1."""
        return balanced_numbers(n, len(self.shares), seed)


def open_energies(posterior: Posterior, frames: Sequence[Frame], n_threads: int | None) -> np.ndarray:
    """Return the second moment (m, m) of what atoms' energies depend on, in units of the posterior's spread.

    Energies of an element count from their mean over the frames as they are.
    """
    factor, basis = posterior.solution.factor, posterior.basis
    found = np.zeros((posterior.size, posterior.size))
    means: dict[int, np.ndarray] = {}
    for strain in sorted(STRAINS, key=lambda s: s != 1.0):
        moved = [replace(f, positions=strain * f.positions, cell=strain * f.cell) for f in frames]
        d = compute_descriptors(moved, basis.functions, derivatives=False, n_threads=n_threads)
        features = basis.features(d.values, d.species)
        for element in np.unique(d.species).tolist():
            own = features[d.species == element]
            own = own - means.setdefault(element, own.mean(axis=0))
            half = solve_triangular(factor, own.T, trans=1)
            found += half @ half.T / len(features)
    return found


def costs_of(
    posterior: Posterior, columns: np.ndarray, frames: Sequence[Frame], settings: TrainSettings
) -> np.ndarray:
    """Return what each axis (m, k) by one standard deviation would add to the loss, (k,)."""
    basis = posterior.basis
    parts: dict[str, list[np.ndarray]] = {"energy": [], "force": [], "stress": []}
    for frame in frames:
        d = compute_descriptors([frame], basis.functions, n_threads=1)
        rows = basis.rows(d, frame.volume if frame.pbc.all() else 0.0)
        parts["energy"].append((rows.energy @ columns) ** 2)
        parts["force"].append(((rows.forces @ columns) ** 2).sum(axis=0) / frame.n_atoms)
        if rows.stress is not None:
            parts["stress"].append(((rows.stress @ columns) ** 2).sum(axis=0))
    pairs = zip(settings.loss_weights, parts.values(), strict=True)
    return sum((w * np.mean(p, axis=0) for w, p in pairs if w and p), np.zeros(columns.shape[1]))


def affordable(variances: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """Return shares (k,) of standard deviations so that the sum of variances is the largest for the budget.

    Whole axes by falling variance for their cost, the last one in part.
    """
    shares, left = np.zeros(len(variances)), budget
    for k in np.argsort(-variances / np.maximum(costs, 1e-300), kind="stable").tolist():
        if costs[k] > left:
            shares[k] = np.sqrt(left / costs[k])
            break
        shares[k], left = 1.0, left - costs[k]
    return shares


def moved_by(posterior: Posterior, deviations: np.ndarray, data: FitSet) -> MemberValues:
    """Return what coefficients (n_members, m) make of energies, forces and virials of all frames of a set."""
    d, basis, n_members = data.descriptors, posterior.basis, len(deviations)
    energies = np.zeros((d.n_frames, n_members))
    forces = np.zeros((d.n_atoms, n_members, 3), dtype=np.float32)
    virials = np.zeros((d.n_frames, n_members, 3, 3), dtype=np.float64)
    for frame in range(d.n_frames):
        a, b = (int(v) for v in d.frame_start[frame : frame + 2])
        values, species = d.values[a:b].astype(np.float64), d.species[a:b]
        energies[frame] = (basis.features(values, species) @ deviations.T).sum(axis=0)
        slopes = np.stack([basis.gradients(own, values, species) for own in deviations], axis=1)
        part, (place,) = data.window(np.array([frame]))
        own = part.descriptors.select(place, place + 1)
        held, start = PairArrays.of(own), own.pair_start
        pairs = pair_gradients(np.ascontiguousarray(slopes, dtype=np.float32), start, held.derivatives)
        add_forces(pairs, 0, start, held.neighbor, forces[a:b])
        add_virials(pairs, held.vector, start, np.full(b - a, frame), virials)
    return MemberValues(energies, forces, virials.astype(np.float32))
