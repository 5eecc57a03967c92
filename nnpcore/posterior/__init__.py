"""What training data say about atomic energies, and how far they determine them: a sparse Gaussian process.

``Posterior.fit`` learns from frames; it needs no trained network, and of what it is asked about no labels.
Formulas and sources: docs/science.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
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
    "Target",
    "atom_targets",
    "mean_targets",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "evidence": ("Hyperparameters",),
        "posterior": ("Posterior",),
        "prediction": ("Predicted",),
        "settings": ("PosteriorSettings",),
        "targets": ("Target", "atom_targets", "mean_targets"),
    },
)
