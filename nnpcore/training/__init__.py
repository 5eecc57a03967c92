"""Training: settings, loss, optimizers, trainer, history, checkpoints, evaluation.

Every name is loaded when it is first asked for: settings without numpy, the trainer with all it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnpcore.training.control import ControlState, TrainControl
    from nnpcore.training.evaluate import rmse_report
    from nnpcore.training.history import EpochRecord, Rmse
    from nnpcore.training.run_folder import RunFolder, TrainingValues
    from nnpcore.training.settings import DescriptorSettings, KalmanSettings, TrainSettings
    from nnpcore.training.trainer import Trainer, TrainResult

__all__ = [
    "ControlState",
    "DescriptorSettings",
    "EpochRecord",
    "KalmanSettings",
    "Rmse",
    "RunFolder",
    "TrainControl",
    "TrainResult",
    "TrainSettings",
    "Trainer",
    "TrainingValues",
    "rmse_report",
]

_MODULES = {
    "control": ("ControlState", "TrainControl"),
    "evaluate": ("rmse_report",),
    "history": ("EpochRecord", "Rmse"),
    "run_folder": ("RunFolder", "TrainingValues"),
    "settings": ("DescriptorSettings", "KalmanSettings", "TrainSettings"),
    "trainer": ("TrainResult", "Trainer"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"nnpcore.training.{module}"), name)
    raise AttributeError(f"module 'nnpcore.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
