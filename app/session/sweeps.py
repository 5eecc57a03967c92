"""The sweep of a session: starting its trainings one after another, telling when they have ended."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.frame_refs import name_of
from app.session.data import Data
from app.session.messages import Messages, Notification
from app.session.runs import Runs
from app.session.trainings import Trainings

if TYPE_CHECKING:
    from app.documents.sweep import Sweep, SweepPlan, SweepPoint


class Sweeps(QObject):
    """Holds the latest sweep; ``changed`` tells that there is another one."""

    changed = Signal()

    def __init__(self, data: Data, runs: Runs, trainings: Trainings, messages: Messages) -> None:
        super().__init__()
        self._data, self._runs, self._trainings, self._messages = data, runs, trainings, messages
        self.latest: Sweep | None = None
        self._going = False
        trainings.followed.connect(self._on_followed)
        trainings.idle.connect(self._on_idle)

    def start(self, plan: SweepPlan) -> list[str]:
        """Queue a training for every value; TrainingError where there is nothing to train on.

        Returns the runs' ids. All take the data and the regions as they are now.
        """
        from app.documents.sweep import Sweep

        names = plan.names(name_of(self._data.datasets.values()))
        launch = partial(self._trainings.launch, queue=True)
        ids = [launch(settings, name) for name, settings in zip(names, plan.settings, strict=True)]
        folders = [self._runs.documents[run_id].folder for run_id in ids]
        self._set(Sweep(plan.setting, tuple(folder for folder in folders if folder is not None)))
        self._going = True
        self._trainings.show_started(ids[0])
        return ids

    def _set(self, sweep: Sweep) -> None:
        self.latest = sweep
        self.changed.emit()

    def points(self) -> list[SweepPoint]:
        """Return what the runs of the latest sweep have reached, along the axis."""
        if self.latest is None:
            return []
        from app.documents.sweep import sweep_points

        return sweep_points(self.latest.setting, self.latest.runs_of(self._runs.documents.values()))

    def _on_followed(self, ended: str, started: str) -> None:
        if self._runs.current_id == ended:
            self._runs.set_current(started)

    def _on_idle(self) -> None:
        if self._going and self.latest is not None:
            from app.documents.sweep import sentence

            self._going = False
            text = sentence(self.points())
            title = f"Sweep of {_lower(self.latest.setting.shown.label)} has ended"
            self._messages.notify(Notification("info", title, text))

    # keeping ------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return what a session file keeps."""
        if self.latest is None:
            return {}
        return {"setting": self.latest.setting.name, "runs": [str(path) for path in self.latest.folders]}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over a sweep that was kept; one that cannot be understood is left out."""
        if not values:
            return
        from app.documents.sweep import Sweep, setting_named

        try:
            folders = [Path(path) for path in values["runs"]]
            self._set(Sweep(setting_named(values["setting"]), tuple(folders)))
        except (KeyError, TypeError):
            return


def _lower(label: str) -> str:
    return label if label[:2].isupper() or label[1:2].isdigit() else label[0].lower() + label[1:]
