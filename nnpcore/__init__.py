"""The core of Eatlas: symmetry functions, ensembles of neural-network potentials, atomic-energy mapping.

What most programs begin with is offered here, and loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnpcore.installation import VERSION

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

_ROOMS = {
    "ANALYSES": "nnpcore.analyses.catalogue",
    "Analysis": "nnpcore.analyses",
    "Evaluation": "nnpcore.analyses",
    "Missing": "nnpcore.analyses",
    "Potential": "nnpcore.potential",
    "TrainSettings": "nnpcore.training",
    "Trainer": "nnpcore.training",
    "read_dataset": "nnpcore.structures",
    "study": "nnpcore.analyses",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'nnpcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
