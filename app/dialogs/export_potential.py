"""File > Export Potential: for Eatlas, n2p2, SIMPLE-NN, torch, or structures with predictions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from app.dialogs.fields import choice, muted, set_value
from app.dialogs.form import FormDialog, Job
from app.session.messages import Notification
from app.workers.exporting import EATLAS, STRUCTURES, ExportOrder, check_order, export
from nnpcore.errors import SettingsError
from nnpcore.exchange.programs import OWN, PROGRAMS, program_named

OUR_NOTES = {
    EATLAS: "potential.json and potential.safetensors with a README, settings, history and training curves. "
            "Opens again in Eatlas and as an ASE calculator.",
    STRUCTURES: "The frames of a data set with atomic energies, forces and spreads, for OVITO and others.",
}  # fmt: skip
SCALINGS = (
    ("Centred", "center"),
    ("None", "none"),
    ("Minimum to maximum", "scale"),
    ("Minimum to maximum, centred", "scale-center"),
    ("Standard deviation", "sigma"),
)


class ExportDialog(FormDialog):
    """Writes the potential of a run as it is now."""

    title = "Export potential"
    name = "export_potential"
    verb = "Export"
    forgotten = frozenset({"run", "data", "target"})

    def build(self) -> None:
        """Make the fields."""
        session, self._confirmed, self._proposed = self.session, "", ""
        section = self.section()
        runs = [(run.name, key) for key, run in session.runs.documents.items() if run.potential is not None]
        section.add("run", "Run", choice(self, runs), wide=True)
        set_value(section.widgets["run"], session.runs.current_id)
        others = [(program.full_title, program.name) for program in PROGRAMS if program is not OWN]
        formats = [("Eatlas folder", EATLAS), *others, ("Structures with predictions", STRUCTURES)]
        section.add("format", "Format", choice(self, formats), wide=True)
        section.add("scaling", "Scaling", choice(self, SCALINGS), "How n2p2 scales the symmetry functions; "
                    "the potential is the same with each", wide=True)  # fmt: skip
        sets = [(f"{d.name} ({d.n_frames} frames)", key) for key, d in session.data.datasets.items()]
        section.add("data", "Structures", choice(self, sets), wide=True)
        set_value(section.widgets["data"], session.data.current_id)
        self.add_place(section, "target", "Write to", self._ask_place)
        self.about = muted(self.form)
        self.body.addWidget(self.about)

    def refresh(self) -> None:
        """Show what the format needs; propose a place while the user has named none."""
        values, section = self.values(), self.sections[0]
        section.set_shown(
            ("scaling",), values["format"] in [program.name for program in PROGRAMS if program.has_scaling]
        )
        section.set_shown(("data",), values["format"] == STRUCTURES)
        ours = OUR_NOTES.get(values["format"])
        self.about.setText(ours or program_named(values["format"]).about)
        if values["target"] == self._proposed:
            home = Path(self.kept.get("folder") or Path.home())
            self._proposed = self._place(Path(self._proposed).parent if self._proposed else home)
            set_value(section.widgets["target"], self._proposed)

    def _place(self, parent: Path) -> str:
        values = self.values()
        run = self.session.runs.documents.get(values["run"] or "")
        name = run.name if run is not None else "potential"
        if values["format"] == STRUCTURES:
            return str(parent / f"{values['data'] or 'structures'}-{name}.extxyz")
        return str(parent / (name if values["format"] == EATLAS else f"{name}-{values['format']}"))

    def _ask_place(self) -> str:
        values = self.values()
        if values["format"] == STRUCTURES:
            kinds = "*.extxyz;;*.traj"
            path, _ = QFileDialog.getSaveFileName(self, "Write structures to", values["target"], kinds)
            if path:
                path = self._confirmed = path if Path(path).suffix else f"{path}.extxyz"
            return path
        start = str(Path(values["target"]).parent)
        folder = QFileDialog.getExistingDirectory(self, "Make the potential's folder in", start)
        if folder:
            self._proposed = self._place(Path(folder))
        return self._proposed if folder else ""

    def job(self) -> Job:
        """Return the export; SettingsError where it cannot be done."""
        values = self.values()
        run = self.session.runs.documents.get(values["run"] or "")
        if run is None or run.potential is None:
            raise SettingsError("there is no potential yet", where="run", fix="Train or open a run first")
        document = self.session.data.datasets.get(values["data"] or "")
        frames = document.frames if document is not None else ()
        target = Path(values["target"]).expanduser()
        order = ExportOrder.of(run, values["format"], target, values["scaling"], frames)
        check_order(order, self._confirmed)
        self.doing = f"Exporting {target.name}"
        return partial(export, order)

    def remember(self) -> None:
        """Keep the folder, too."""
        super().remember()
        self.kept["folder"] = str(Path(self.values()["target"]).parent)

    def apply(self, value: str) -> None:
        """Tell where it is."""
        target = Path(self.values()["target"]).expanduser()
        folder = target if target.is_dir() else target.parent
        action = ("Show Folder", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
        text = f"{target}. {value}"
        self.session.messages.notify(Notification("info", "Exported", text, actions=(action,)))
