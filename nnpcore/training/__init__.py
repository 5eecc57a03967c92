"""Training: settings, loss, optimizers, trainer, history, checkpoints, evaluation.

Settings, control, history and run folder are light; everything that needs torch, numba or scipy is loaded
when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnpcore.training.control import ControlState, TrainControl
from nnpcore.training.history import EpochRecord, Rmse
from nnpcore.training.run_folder import RunFolder, TrainingValues
from nnpcore.training.settings import DescriptorSettings, KalmanSettings, TrainSettings

if TYPE_CHECKING:
    from nnpcore.training.evaluate import rmse_report
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


def __getattr__(name: str) -> Any:
    if name in ("Trainer", "TrainResult"):
        from nnpcore.training import trainer

        return getattr(trainer, name)
    if name == "rmse_report":
        from nnpcore.training.evaluate import rmse_report

        return rmse_report
    raise AttributeError(f"module 'nnpcore.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
