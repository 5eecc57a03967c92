"""What a function of this kind gets wrong of a structure's energy: energies left out one by one.

The posterior is one of functions; the truth need not be one of them. What the energies of the training frames
miss by, each foretold by all labels but itself, is the spread of the function and a misfit tau besides. With
h = w v / sigma² for a frame's energy per atom that counts w times and has the spread v^(1/2)

    d = (y - e c) / (1 - h)   is drawn from   N(0, v / (1 - h) + tau²)

and tau has the largest likelihood. It is part of the spread of whatever energy per atom is asked for. Of
differences along one crystal (slopes) it is none: structures that differ by little are missed alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.posterior.factors import solve_triangular
from nnpcore.posterior.moments import ENERGY

if TYPE_CHECKING:
    from nnpcore.posterior.evidence import Hyperparameters, Solution
    from nnpcore.posterior.tempering import EnergyRows

_FEWEST = 4
_SMALLEST, _LARGEST, _STEP = 1e-5, 1.0, 0.05
_TOLD_BY_ITSELF = 0.99


def misfit_of(energies: EnergyRows, hyper: Hyperparameters, solution: Solution) -> float:
    """Return the misfit tau of an energy per atom, eV; 0 where none shows, or fewer than four tell.

    Parameters
    ----------
    energies : rows and targets of training frames that ``solution`` has learned from. Those that nothing else
        tells of are left out.
    """
    if ENERGY not in hyper.noise or len(energies.targets) < _FEWEST:
        return 0.0
    half = solve_triangular(solution.factor, energies.rows.T, trans=1)
    variances = (half**2).sum(axis=0)
    own = energies.weights * variances * hyper.weight(ENERGY)
    told = own < _TOLD_BY_ITSELF
    if told.sum() < _FEWEST:
        return 0.0
    rest = 1.0 - own[told]
    missed = (energies.targets - energies.rows @ solution.coefficients)[told] / rest
    found = np.append(0.0, np.exp(np.arange(np.log(_SMALLEST), np.log(_LARGEST), _STEP)))
    total = variances[told] / rest + found[:, None] ** 2
    surprise = (np.log(total) + missed**2 / total).sum(axis=1)
    return float(found[surprise.argmin()])
