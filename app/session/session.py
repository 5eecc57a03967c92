"""The session: the one thing panels speak to. It makes its parts and hands each the others it needs."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.session.calibrations import Calibrations
from app.session.coloring import SharedColoring
from app.session.cures import Cures
from app.session.data import Data
from app.session.following import Following
from app.session.groups import Groups
from app.session.invariance import InvarianceChecks
from app.session.learning import Learning
from app.session.memory import FreedMemory
from app.session.messages import Messages
from app.session.notes import RunNotes
from app.session.properties import PropertyStudies
from app.session.regions import Regions
from app.session.runs import Runs
from app.session.scheduler import AnalysisScheduler
from app.session.selection import SharedSelection
from app.session.sweeps import Sweeps
from app.session.told import ToldNumbers
from app.session.trainings import Trainings
from app.session.undo import UndoStack
from app.session.visibility import Visibility
from app.settings import Settings
from app.workers.tasks import TaskRunner


class Session(QObject):
    """Everything one window looks at, part by part; all is for the main thread.

    Attributes
    ----------
    settings : preferences. messages : what the user is told. undo_stack : what can be undone.
    tasks : background work. data : open files and the frame shown. selection : chosen atoms.
    regions : named groups of atoms. groups : groups of frames. runs : trained and imported potentials.
    notes : what users say of runs. trainings : threads that train.
    following : open runs whose folders others train in. coloring : by what atoms are coloured.
    analyses : results of the runs in sight. sweeps : trainings over the values of a setting.
    invariance : whether crystals are invariant points. visibility : which files
        are drawn in maps. cures : frames to add, and adding them. properties : what potentials say
        of a crystal. calibrations : factors of spreads, kept with runs. learning : trainings on ever more
        frames. told : numbers that an example's page tells of. ended : nothing begins any more.
    """

    export_wanted = Signal()
    panel_wanted = Signal(str)
    """A panel leads to another one: its name."""
    closing = Signal()

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings or Settings()
        self.ended = False
        self.messages = Messages()
        self.undo_stack = UndoStack()
        self.tasks = TaskRunner()
        tasks, messages, undo = self.tasks, self.messages, self.undo_stack
        self.data = Data(self.settings, tasks, messages, undo)
        self.selection = SharedSelection(self.data)
        self.groups = Groups(self.settings, self.data, undo)
        self.regions = Regions(self.data, self.groups, self.selection, tasks, messages, undo)
        self.runs = Runs(self.data, self.regions, tasks, messages, undo)
        self.trainings = Trainings(self.settings, self.data, self.regions, self.runs, tasks, messages, undo)
        self.following = Following(self.runs, tasks, messages)
        self.notes = RunNotes(self.runs, tasks, messages, undo)
        self.memory = FreedMemory(self.data, self.runs, self.trainings, tasks)
        self.coloring = SharedColoring(self.data, self.groups, self.runs, undo)
        self.analyses = AnalysisScheduler(
            self.settings, self.data, self.regions, self.runs, self.trainings, self.coloring, tasks, messages
        )
        self.invariance = InvarianceChecks(self.data, tasks)
        self.sweeps = Sweeps(self.data, self.runs, self.trainings, messages)
        self.visibility = Visibility(self.data, undo)
        self.cures = Cures(
            self.settings, self.data, self.selection, self.regions, self.runs, self.trainings, tasks, messages
        )
        self.properties = PropertyStudies(self.settings, self.data, self.runs, tasks, messages)
        self.calibrations = Calibrations(tasks, messages)
        self.learning = Learning(self.settings, self.data, self.runs, self.trainings, tasks, messages)
        self.told = ToldNumbers()
        for part in (
            messages, undo, tasks, self.data, self.selection, self.regions, self.runs, self.trainings,
            self.coloring, self.analyses, self.invariance, self.sweeps, self.visibility, self.cures,
            self.memory, self.properties, self.told, self.following, self.calibrations, self.learning,
            self.groups, self.notes,
        ):  # fmt: skip
            part.setParent(self)
        tasks.failed.connect(messages.notify_error)
        self.trainings.started.connect(lambda _run_id: self.coloring.propose("atomic_energy"))
        self.trainings.settings_changed.connect(self._on_settings)

    def _on_settings(self) -> None:
        self.groups.tell_by(self.trainings.settings.group_key)

    @property
    def empty(self) -> bool:
        """Whether no file and no run is open."""
        return not (self.data.datasets or self.runs.documents)

    def shutdown(self) -> None:
        """Stop everything that runs; no thread is left afterwards."""
        self.ended = True
        self.closing.emit()
        self.learning.shutdown()
        self.following.shutdown()
        self.analyses.shutdown()
        self.trainings.shutdown()
        self.memory.shutdown()
        self.runs.shutdown()
        self.tasks.shutdown()
