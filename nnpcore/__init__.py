"""The core of Eatlas: symmetry functions, ensembles of neural-network potentials, atomic-energy mapping.

What most programs begin with is offered here, and loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.installation import VERSION
from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.analyses import Analysis, Evaluation, Missing, study
    from nnpcore.analyses.catalogue import ANALYSES
    from nnpcore.potential import Potential
    from nnpcore.structures import read_dataset
    from nnpcore.training import Trainer, TrainSettings

__version__ = VERSION
__all__ = [
    "ANALYSES",
    "Analysis",
    "Evaluation",
    "Missing",
    "Potential",
    "TrainSettings",
    "Trainer",
    "__version__",
    "read_dataset",
    "study",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "analyses": ("Analysis", "Evaluation", "Missing", "study"),
        "analyses.catalogue": ("ANALYSES",),
        "potential": ("Potential",),
        "structures": ("read_dataset",),
        "training": ("TrainSettings", "Trainer"),
    },
)
