"""What training data say about atomic energies, and how far they determine them: a sparse Gaussian process.

``Posterior.fit`` learns from frames; it needs no trained network, and of what it is asked about no labels.
Formulas and sources: docs/science.md.
"""

from nnpcore.posterior.choice import Step, choose_greedily, remaining_variances
from nnpcore.posterior.evidence import Hyperparameters
from nnpcore.posterior.posterior import Posterior
from nnpcore.posterior.prediction import Predicted
from nnpcore.posterior.settings import PosteriorSettings
from nnpcore.posterior.targets import Target, atom_targets, mean_targets

__all__ = [
    "Hyperparameters",
    "Posterior",
    "PosteriorSettings",
    "Predicted",
    "Step",
    "Target",
    "atom_targets",
    "choose_greedily",
    "mean_targets",
    "remaining_variances",
]
