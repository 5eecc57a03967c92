"""The sweep of a session: starting its trainings one after another, telling when they have ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.sweep import Sweep, SweepPlan, SweepPoint, sentence, setting_named, sweep_points
from app.session.notifications import Notification
from app.session.runs import name_of

if TYPE_CHECKING:
    from app.session.session import Session


class Sweeps(QObject):
    """Holds the latest sweep; ``changed`` tells that there is another one."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.latest: Sweep | None = None
        self._going = False
        session.trainings.followed.connect(self._follow)
        session.trainings.idle.connect(self._on_idle)

    def start(self, plan: SweepPlan) -> list[str]:
        """Queue a training for every value; TrainingError where there is nothing to train on.

        Returns the runs' ids. All take the data and the regions as they are now.
        """
        session = self._session
        datasets, regions = list(session.datasets.values()), list(session.region_sets.values())
        ids, folders = [], []
        for name, settings in zip(plan.names(name_of(datasets)), plan.settings, strict=True):
            chosen, folder = session.with_threads(settings), session.settings.runs_folder
            ids.append(session.trainings.start(chosen, datasets, folder, name, regions, queue=True))
            folders.append(session.runs[ids[-1]].folder)
        self._set(Sweep(plan.setting, tuple(folder for folder in folders if folder is not None)))
        self._going = True
        session.show_started(ids[0])
        return ids

    def _set(self, sweep: Sweep) -> None:
        self.latest = sweep
        self.changed.emit()

    def points(self) -> list[SweepPoint]:
        """Return what the runs of the latest sweep have reached, along the axis."""
        if self.latest is None:
            return []
        return sweep_points(self.latest.setting, self.latest.runs_of(self._session.runs.values()))

    def _follow(self, ended: str, started: str) -> None:
        if self._session.current_run_id == ended:
            self._session.set_current_run(started)

    def _on_idle(self) -> None:
        if self._going and self.latest is not None:
            self._going = False
            text = sentence(self.points())
            title = f"Sweep of {_lower(self.latest.setting.shown.label)} has ended"
            self._session.notify(Notification("info", title, text))

    # keeping ------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return what a session file keeps."""
        if self.latest is None:
            return {}
        return {"setting": self.latest.setting.name, "runs": [str(path) for path in self.latest.folders]}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over a sweep that was kept; one that cannot be understood is left out."""
        try:
            folders = [Path(path) for path in values["runs"]]
            self._set(Sweep(setting_named(values["setting"]), tuple(folders)))
        except (KeyError, TypeError):
            return


def _lower(label: str) -> str:
    return label if label[:2].isupper() or label[1:2].isdigit() else label[0].lower() + label[1:]
