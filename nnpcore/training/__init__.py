"""Training: settings, loss, optimizers, trainer, history, checkpoints, evaluation.

Every name is loaded when it is first asked for: settings without numpy, the trainer with all it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.training.control import ControlState, TrainControl
    from nnpcore.training.evaluate import rmse_report
    from nnpcore.training.group_weights import read_weights
    from nnpcore.training.history import EpochRecord, Rmse
    from nnpcore.training.learning_curve import LearningPlan, plan_learning
    from nnpcore.training.notes import change_note
    from nnpcore.training.run_folder import RunFolder, TrainingValues
    from nnpcore.training.settings import PRESET_26, DescriptorSettings, KalmanSettings, TrainSettings
    from nnpcore.training.trainer import Trainer, TrainResult
    from nnpcore.training.watching import RunWatch

__all__ = [
    "PRESET_26",
    "ControlState",
    "DescriptorSettings",
    "EpochRecord",
    "KalmanSettings",
    "LearningPlan",
    "Rmse",
    "RunFolder",
    "RunWatch",
    "TrainControl",
    "TrainResult",
    "TrainSettings",
    "Trainer",
    "TrainingValues",
    "change_note",
    "plan_learning",
    "read_weights",
    "rmse_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "control": ("ControlState", "TrainControl"),
        "evaluate": ("rmse_report",),
        "group_weights": ("read_weights",),
        "history": ("EpochRecord", "Rmse"),
        "learning_curve": ("LearningPlan", "plan_learning"),
        "notes": ("change_note",),
        "run_folder": ("RunFolder", "TrainingValues"),
        "settings": ("PRESET_26", "DescriptorSettings", "KalmanSettings", "TrainSettings"),
        "trainer": ("TrainResult", "Trainer"),
        "watching": ("RunWatch",),
    },
)
