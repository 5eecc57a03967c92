"""The dialogs of the cure: computing the chosen frames by a calculator, and writing them for elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QWidget

from app.dialogs.calculator_fields import ANY, FOREIGN, add_calculator, chosen
from app.dialogs.fields import muted, whole
from app.dialogs.form import FormDialog, Job
from app.workers.curing import LabelledCure, free_folder, label_cure
from nnpcore.errors import SettingsError

if TYPE_CHECKING:
    from app.session.session import Session
    from app.workers.curing import FoundCure

ABOUT_LABELS = (
    "Energies and forces of the chosen structures, computed one after the other. They must come from the "
    "method of the training data, else the energies count from another zero."
)
ABOUT_EXPORT = (
    "One folder a structure, with a POSCAR, or with your own input: a file in which {{positions}} (or "
    "{{fractional}}) and {{cell}} stand where the atoms and the cell belong, or a folder (INCAR, KPOINTS …) "
    "that is copied beside each POSCAR. Leave the results in these folders: they are collected from there."
)


class LabelDialog(FormDialog):
    """Computes the chosen frames; they open as training data."""

    title = "Label the chosen frames"
    name = "label_cure"
    doing = "Labelling frames"
    verb = "Label"
    forgotten = frozenset({"n"})

    def __init__(self, found: FoundCure, session: Session, parent: QWidget | None = None) -> None:
        self.found = found
        super().__init__(session, parent)

    def build(self) -> None:
        """Make the fields."""
        self.body.addWidget(muted(self.form, ABOUT_LABELS))
        section = self.section()
        add_calculator(section, self)
        n = len(self.found.cure.chosen)
        section.add("n", "Frames", whole(self, n, 1, n), "The first ones of the list")

    def refresh(self) -> None:
        """Show the fields of the calculator chosen."""
        self.sections[0].set_shown(FOREIGN, self.values()["calculator"] == ANY)

    def job(self) -> Job:
        """Return the computing."""
        values = self.values()
        return partial(label_cure, self.found, chosen(values), values["n"], self.session.settings.scheduler)

    def apply(self, value: LabelledCure) -> None:
        """Open the frames."""
        self.session.cures.put_labelled(value, show=self.isVisible())


class ExportCureDialog(FormDialog):
    """Writes the chosen structures ready to be computed elsewhere."""

    title = "Export the chosen frames to compute"
    name = "export_cure"
    doing = "Writing structures"
    verb = "Export"
    forgotten = frozenset({"folder"})

    def __init__(self, found: FoundCure, session: Session, parent: QWidget | None = None) -> None:
        self.found = found
        super().__init__(session, parent)

    def build(self) -> None:
        """Make the fields."""
        self.body.addWidget(muted(self.form, ABOUT_EXPORT))
        section = self.section()
        start = str(free_folder(f"{self.found.folder.name}-compute"))
        self.add_place(section, "folder", "Folder", lambda: QFileDialog.getExistingDirectory(self, "Folder"))
        field = section.widgets["folder"]
        field.setProperty("text", start)
        self.add_place(
            section, "template", "Template", lambda: QFileDialog.getOpenFileName(self, "Template")[0],
            "Your input with {{positions}} in it, or a folder; empty: POSCAR alone", "POSCAR alone",
        )  # fmt: skip

    def job(self) -> Job:
        """Return the writing; the structures go into a new or an empty folder."""
        from nnpcore.cure.writing import Template

        values = self.values()
        if not values["folder"]:
            raise SettingsError("no folder is given", where="folder", fix="Choose one")
        folder = Path(values["folder"]).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError("there are files already", where="folder", fix="Choose an empty folder")
        if values["template"]:
            try:
                Template.read(values["template"])
            except SettingsError as error:
                raise SettingsError(error.what, where="template", fix=error.fix) from None
        return lambda _progress: (folder, values["template"])

    def apply(self, value: tuple[Path, str]) -> None:
        """Write them."""
        self.session.cures.export(*value)
