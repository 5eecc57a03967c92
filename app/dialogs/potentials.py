"""File > Import Potential and File > External Calculator: potentials made elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QListWidget

from app.dialogs.calculator_fields import KNOWN, add_foreign, spec_of
from app.dialogs.fields import choice, line, muted, whole
from app.dialogs.form import FormDialog, Job, push_button
from app.look import theme
from app.session.messages import Notification
from app.workers.importing import OpenedModel, import_potential, open_model
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.exchange.programs import READ
from nnpcore.foreign_text import one_line
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.structures.frame import Frame

UNITS = (("As the file tells", ""), ("Å and eV", "angstrom-ev"), ("Bohr and Hartree", "bohr-hartree"))
MAX_KNOWN = 12
MOST_SHOWN = 600
"""Characters of a call that are shown before it is agreed to."""
EXTERNAL = (
    "Any ASE calculator: MACE, NequIP, CHGNet, EAM, or one of your own. It runs in a process of its own and "
    "is tried on the structure shown. PCA, distance and connectivity use Eatlas' symmetry functions."
)


def data_text(session: Session) -> str:
    """Say which data a potential is looked at with."""
    documents = session.data.of_role(Role.TRAINING)
    if not documents:
        return "No training data are open: equations of state work; PCA, distance and connectivity need them."
    names = ", ".join(f"{d.name} ({d.n_frames} frames)" for d in documents)
    return f"Mapped against the training data that are open: {names}."


class Surroundings(TypedDict):
    """What a potential from elsewhere is looked at with."""

    data: tuple[Frame, ...]
    valid: tuple[Frame, ...]
    n_threads: int


def surroundings(session: Session) -> Surroundings:
    """Return the open training and validation frames, and the threads for the work."""
    data, valid = (
        tuple(frame for document in session.data.of_role(role) for frame in document.frames)
        for role in (Role.TRAINING, Role.VALIDATION)
    )
    return {"data": data, "valid": valid, "n_threads": session.settings.threads}


def is_potential(path: str) -> bool:
    """Whether a path dropped on the window is to be imported: no trajectory is a folder."""
    return Path(path).is_dir() or Path(path).name.startswith("potential_saved")


class SourceList(QListWidget):
    """Folders and files, dropped or added."""

    def __init__(self, parent: FormDialog) -> None:
        super().__init__(parent)
        self.setObjectName("sources")
        self.setAcceptDrops(True)
        self.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.setFixedHeight(92)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say what belongs here while it is empty."""
        super().paintEvent(event)
        if not self.count():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().muted))
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, "Drop folders here")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept folders and files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Accept them anywhere."""
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add them."""
        self.add([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()

    def add(self, paths: list[str]) -> None:
        """Add what is not there yet."""
        known = self.paths()
        self.addItems([path for path in paths if path and path not in known])

    def paths(self) -> list[str]:
        """Return all of them."""
        return [self.item(row).text() for row in range(self.count())]

    def remove_selected(self) -> None:
        """Take the selected ones off."""
        for item in self.selectedItems():
            self.takeItem(self.row(item))


class ImportDialog(FormDialog):
    """Opens potentials of n2p2, SIMPLE-NN and aenet as read-only runs."""

    title = "Import potential"
    name = "import_potential"
    verb = "Import"
    doing = "Importing a potential"
    forgotten = frozenset({"run_name", "units", "epoch"})

    def build(self) -> None:
        """Make the fields."""
        caption = QLabel("Folders or files of the potential, one for each member of the ensemble", self)
        self.body.addWidget(caption)
        self.sources = SourceList(self)
        self.body.addWidget(self.sources)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(push_button(self, self._add_folder, "Add Folder…"))
        row.addWidget(push_button(self, self._add_files, "Add Files…"))
        row.addWidget(push_button(self, self.sources.remove_selected, "Remove"))
        row.addStretch(1)
        self.body.addLayout(row)
        section = self.section()
        section.add(
            "format",
            "Format",
            choice(self, [("Look what it is", "auto"), *((p.title, p.name) for p in READ)]),
        )
        section.add("units", "Units", choice(self, UNITS), "n2p2 does not write them down")
        epoch = whole(self, -1, -1, 1_000_000)
        epoch.setSpecialValueText("Final")
        section.add("epoch", "Epoch", epoch, "Of n2p2's weights, where those of several epochs were kept")
        section.add("run_name", "Name", line(self, "", "as the folder"), "Of the run in Eatlas")
        self.about = muted(self.form, data_text(self.session))
        self.body.addWidget(self.about)

    def _add_folder(self) -> None:
        start = self.kept.get("folder", "")
        folder = QFileDialog.getExistingDirectory(self, "Folder of the potential", start)
        self.sources.add([folder] if folder else [])
        self.clear_error()

    def _add_files(self) -> None:
        start = self.kept.get("folder", "")
        paths, _ = QFileDialog.getOpenFileNames(self, "Files of the potential", start)
        self.sources.add(paths)
        self.clear_error()

    def job(self) -> Job:
        """Return the import."""
        values, sources = self.values(), self.sources.paths()
        if not sources:
            raise SettingsError(
                "no folder is given", fix="Add the folder of the potential, or drop it on the list"
            )
        return partial(
            import_potential, sources, self.session.settings.runs_folder, name=values["run_name"],
            format=values["format"], units=values["units"], epoch=values["epoch"],
            **surroundings(self.session),
        )  # fmt: skip

    def remember(self) -> None:
        """Keep the folder, too."""
        super().remember()
        self.kept["folder"] = str(Path(self.sources.paths()[0]).parent)

    def apply(self, value: Path) -> None:
        """Open the run."""
        self.session.runs.open(value)


class ExternalDialog(FormDialog):
    """Puts a calculator into the Runs panel."""

    title = "External calculator"
    name = "external_calculator"
    verb = "Try and Open"
    doing = "Trying the calculator"

    def build(self) -> None:
        """Make the fields."""
        self.body.addWidget(muted(self.form, EXTERNAL))
        known = dict.fromkeys([*self._known(), *KNOWN])
        section = self.section()
        add_foreign(section, self, tuple(known))
        section.add("run_name", "Name", line(self, "", "as the calculator calls itself"), wide=True)
        shift = QCheckBox("Shift its zero of energy to the training data's, element by element", self)
        shift.setChecked(True)
        section.add("shift", "", shift, "Without it, energies of other codes differ by large constants",
                    wide=True)  # fmt: skip
        self.about = muted(self.form, data_text(self.session))
        self.body.addWidget(self.about)

    def _known(self) -> list[str]:
        return [path for path in self.kept.get("known", []) if isinstance(path, str)]

    def job(self) -> Job:
        """Return the trial."""
        values, session = self.values(), self.session
        spec, around = spec_of(values, values["run_name"]), surroundings(session)
        return partial(open_model, spec, session.data.frame, shift=values["shift"], **around)

    def remember(self) -> None:
        """Keep the import path among those offered."""
        path, known = self.values()["import_path"], self._known()
        super().remember()
        self.kept["known"] = [path, *(p for p in known if p != path)][:MAX_KNOWN]

    def apply(self, value: OpenedModel) -> None:
        """Put it on the list of runs and tell what it gives."""
        add_model(self.session, value)


def add_model(session: Session, opened: OpenedModel) -> None:
    """Put a calculator that was tried on the list of runs and tell what it gives."""
    session.runs.add_model(opened)
    level = "warning" if opened.model.gives_atomic_energies is False else "info"
    session.messages.notify(Notification(level, f"{opened.model.name} is in Runs", opened.text))


# kept with the session --------------------------------------------------------------------------------
def offer_calculators(session: Session, kept: Sequence[Mapping[str, Any]]) -> None:
    """Offer to start calculators again that were open; nothing of them runs before the user agrees."""
    specs = []
    for values in kept:
        with contextlib.suppress(EatlasError, TypeError):  # written by another version
            specs.append(CalculatorSpec.from_dict(values))
    if not specs:
        return
    start = ("Run This Code", lambda: [start_calculator(session, spec) for spec in specs])
    calls = "\n".join(call_text(spec) for spec in specs)
    text = f"Starting again imports this on this computer and calls it, as the session file says:\n{calls}"
    title = "A calculator was open, too" if len(specs) == 1 else f"{len(specs)} calculators were open, too"
    session.messages.notify(Notification("warning", title, text, actions=(start,)))


def call_text(spec: CalculatorSpec) -> str:
    """Return what a calculator imports and calls, on one line, whatever it calls itself."""
    module, _, name = spec.import_path.partition(":")
    arguments = ", ".join(f"{one_line(key)}={json.dumps(value)}" for key, value in spec.arguments.items())
    call = f"from {module} import {name}; {name}({arguments})"
    return one_line(f"{json.dumps(spec.python)} runs {call}" if spec.python else call, MOST_SHOWN)


def start_calculator(session: Session, spec: CalculatorSpec) -> None:
    """Start a calculator in the background as the dialog would."""
    session.tasks.run(
        f"Starting {spec.title}",
        partial(open_model, spec, session.data.frame, **surroundings(session)),
        lambda opened: add_model(session, opened),
        lambda error: session.messages.notify_error(f"{spec.title} was not started", error),
    )
