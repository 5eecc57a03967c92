"""The part of a session that keeps factors of spreads with runs, and gives them to those who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.session.messages import Messages, Notification
from app.workers.tasks import TaskRunner
from nnpcore.errors import EatlasError

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.analyses.calibration import Calibration
    from nnpcore.potential.spread_factors import SpreadFactors


class Calibrations(QObject):
    """Writes and reads the factors; ``kept`` tells a run's id."""

    kept = Signal(str)

    def __init__(self, tasks: TaskRunner, messages: Messages) -> None:
        super().__init__()
        self._tasks, self._messages = tasks, messages

    def keep(self, run: RunDocument, found: Calibration) -> None:
        """Write the factors of a calibration into the run's folder, in the background."""
        from nnpcore.analyses.calibrating import keep_factors
        from nnpcore.analyses.calibration import FACTOR_NAMES
        from nnpcore.training import RunFolder

        folder, told, run_id = run.folder, found.told_factors, run.id
        if folder is None:
            return

        def done(notes: list[str]) -> None:
            listed = ", ".join(f"{FACTOR_NAMES[name]} × {value:.3g}" for name, value in told.items())
            used = "where calibrated spreads are asked for: Explore, eatlas predict --calibrated"
            text = " ".join([f"{listed}. They are used {used}."] * bool(told) + notes)
            title = f"Factors are kept with {run.name}" if told else "No factor is kept"
            self._messages.notify(Notification("info", title, text))
            self.kept.emit(run_id)

        self._tasks.run(
            "Keeping factors",
            lambda _: keep_factors(RunFolder.open(folder), found),
            done,
            lambda error: self._messages.notify_error("The factors were not kept", error),
        )

    def factors_of(self, run: RunDocument | None) -> SpreadFactors | None:
        """Return the factors kept with a run, None where there are none or they are of other weights."""
        from nnpcore.training import RunFolder

        if run is None or run.folder is None or not (run.folder / "calibration.json").is_file():
            return None
        try:
            return RunFolder.open(run.folder).spread_factors()
        except EatlasError as error:
            self._messages.notify_error("The factors of the spreads cannot be used", error)
            return None
