"""Training: settings, loss, optimizers, trainer, history, checkpoints, evaluation.

Every name is loaded when it is first asked for: settings without numpy, the trainer with all it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.training.control import ControlState, TrainControl
    from nnpcore.training.evaluate import rmse_report
    from nnpcore.training.history import EpochRecord, Rmse
    from nnpcore.training.run_folder import RunFolder, TrainingValues
    from nnpcore.training.settings import PRESET_26, DescriptorSettings, KalmanSettings, TrainSettings
    from nnpcore.training.trainer import Trainer, TrainResult

__all__ = [
    "PRESET_26",
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "control": ("ControlState", "TrainControl"),
        "evaluate": ("rmse_report",),
        "history": ("EpochRecord", "Rmse"),
        "run_folder": ("RunFolder", "TrainingValues"),
        "settings": ("PRESET_26", "DescriptorSettings", "KalmanSettings", "TrainSettings"),
        "trainer": ("TrainResult", "Trainer"),
    },
)
