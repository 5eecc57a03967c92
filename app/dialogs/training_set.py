"""File > New Training Set: a structure, a calculator, molecular dynamics."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QCheckBox, QFileDialog

from app.dialogs.calculator_fields import ANY, FOREIGN, add_calculator, chosen
from app.dialogs.elements import first_element, lattice_of, suit_calculator
from app.dialogs.fields import choice, line, muted, number, set_value, whole
from app.dialogs.form import Job
from app.dialogs.making import MakingDialog
from app.session.messages import Notification
from app.workers.new_data import make_training_set
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.structures import Dataset, Role

if TYPE_CHECKING:
    from app.session.session import Session
    from app.workers.foreign import CalculatorChoice
    from nnpcore.reference import Preview, SamplerSettings, StartStructure

LOOK_MS = 250
LATTICES = ("diamond", "fcc", "bcc", "hcp", "sc")
SURFACES = (
    ("(100)-(2×2) dimers", "100"),
    ("(110)-(2×1) chains", "110"),
    ("(111)-(2×1) Pandey chains", "111"),
)
SHOWN = {
    "frame": (),
    "file": ("file",),
    "crystal": ("element", "lattice", "constant", "repeat"),
    "slab": ("surface", "n_layers", "repeat", "vacuum"),
    "cluster": ("n_atoms",),
    "nickel": ("n_atoms",),
}
BUILDERS = (
    ("Crystal", "crystal"),
    ("Silicon slab, reconstructed", "slab"),
    ("Silicon cluster (Wulff)", "cluster"),
    ("Nickel nanocluster", "nickel"),
)
OWN_REFERENCES = {
    "slab": "stillinger-weber",
    "cluster": "stillinger-weber",
    "nickel": "cleri-rosato",
}
REPEAT_TIP = "How often the cell is repeated along its axes, such as 2 2 2 (slabs: 2 1)"
PATH_TIP = "The frames are kept in this file; empty: under a name of their own in Eatlas' data folder"


class TrainingSetDialog(MakingDialog):
    """Draws training frames from molecular dynamics; the data set opens with the role Training."""

    title = "New training set"
    name = "training_set"
    doing = "Making a training set"

    def build(self) -> None:
        """Make the fields."""
        self._kind = self._element = ""
        self._frame = self.session.data.frame
        self._add_structure()
        add_calculator(self.section("Reference"), self)
        self._add_dynamics()
        self.look = muted(self.form)
        self.look.setObjectName("estimate")
        self.body.addWidget(self.look)
        self._timer = QTimer(self, singleShot=True, interval=LOOK_MS)
        self._timer.timeout.connect(self._look_ahead)

    def _add_structure(self) -> None:
        section = self.section("Structure")
        document, items = self.session.data.current, list(BUILDERS)
        if document is not None and self._frame is not None:
            items.insert(0, (f"Frame shown: {document.name}, {document.frame_index + 1}", "frame"))
        items.append(("File…", "file"))
        section.add("start", "Start from", choice(self, items), "Where the dynamics begins", wide=True)
        self.add_place(
            section, "file", "File", lambda: QFileDialog.getOpenFileName(self, "Structure to start from")[0],
            "The first frame is taken; file@7 for another one",
        )  # fmt: skip
        section.add("element", "Element", line(self, first_element(self.session)))
        section.add("lattice", "Lattice", choice(self, [(name, name) for name in LATTICES]))
        section.add("surface", "Surface", choice(self, SURFACES))
        section.add("n_layers", "Layers", whole(self, 16, 2, 200))
        constant = number(self, 0.0, 0.0, 30.0, "Å", 4)
        constant.setSpecialValueText("Equilibrium")
        section.add("constant", "Lattice constant", constant, "Of the cubic cell; equilibrium: as the "
                    "calculator has it")  # fmt: skip
        section.add("repeat", "Repeat", line(self, "2 2 2"), REPEAT_TIP)
        section.add("vacuum", "Vacuum", number(self, 12.0, 6.0, 100.0, "Å", 1), "Between the two faces")
        section.add("n_atoms", "Atoms", whole(self, 239, 10, 5000), "The nearest possible number is taken")

    def _add_dynamics(self) -> None:
        section = self.section("Molecular dynamics")
        ensembles = (("Constant volume (NVT)", "nvt"), ("Constant pressure (NPT)", "npt"))
        section.add("temperatures", "Temperatures", line(self, "300, 1000"), "In K; a series for each",
                    wide=True)  # fmt: skip
        section.add("ensemble", "Ensemble", choice(self, ensembles))
        section.add("pressure_gpa", "Pressure", number(self, 0.0, -1000.0, 1000.0, "GPa", 2))
        section.add("n_frames", "Frames each", whole(self, 50, 1, 100_000), "Frames for each temperature")
        section.add("spacing_fs", "Spacing", number(self, 50.0, 0.1, 1e6, "fs", 1), "Time between frames")
        section.add("equilibration_fs", "Equilibration", number(self, 1000.0, 0.0, 1e7, "fs", 0),
                    "Time before the first frame")  # fmt: skip
        section.add("timestep_fs", "Time step", number(self, 2.0, 0.01, 20.0, "fs", 2),
                    "2 fs for silicon and heavier atoms, 0.5 to 1 fs with hydrogen")  # fmt: skip
        section.add("seed", "Seed", whole(self, 0, 0, 2**31 - 1), "The same seed gives the same frames")
        relax = QCheckBox("Relax the structure first", self)
        relax.setChecked(True)
        section.add("relax", "", relax)
        self.add_path(section, "Keep the frames in", PATH_TIP)

    # fields -------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Show the fields of the builder and of the calculator chosen; look ahead."""
        values = self.values()
        structure, reference, dynamics = self.sections
        wanted = set(SHOWN.get(values["start"], ()))
        every = {name for names in SHOWN.values() for name in names}
        structure.set_shown(every - wanted, False)
        structure.set_shown(wanted, True)
        reference.set_shown(FOREIGN, values["calculator"] == ANY)
        dynamics.widgets["pressure_gpa"].setEnabled(values["ensemble"] == "npt")
        if values["start"] != self._kind:
            self._kind = values["start"]
            self._suit_calculator(values["calculator"])
        self._follow_element(values)
        if self.look.text().startswith("⚠"):
            self.look.setText("…")
        self._timer.start()

    def _suit_calculator(self, chosen_now: str) -> None:
        """Take the reference potential that knows what the builder is made of."""
        wanted = OWN_REFERENCES.get(self._kind)
        if wanted is not None and chosen_now in OWN_REFERENCES.values():
            set_value(self.widgets["calculator"], wanted)

    def restore(self, values: dict[str, Any]) -> None:
        """Fill in what was remembered; elements are those of the data that are open."""
        known = self.session.data.elements()
        if known and values.get("element") not in known:
            values = {name: value for name, value in values.items() if name not in ("element", "lattice")}
        super().restore(values)

    def _follow_element(self, values: dict[str, Any]) -> None:
        """Take the lattice of the element, and leave calculators that know what is to be moved."""
        element = str(values["element"]).capitalize()
        found = lattice_of(element, LATTICES) if values["start"] == "crystal" else None
        if element != self._element and found is not None and self._element:
            set_value(self.widgets["lattice"], found[0])
        self._element = element
        suit_calculator(self.widgets, self._elements(values))

    def _elements(self, values: dict[str, Any]) -> tuple[str, ...]:
        if values["start"] == "frame" and self._frame is not None:
            return tuple(sorted(set(self._frame.to_atoms().get_chemical_symbols())))
        if values["start"] == "file":
            return self.session.data.elements()
        return ({"crystal": self._element, "nickel": "Ni"}.get(values["start"], "Si"),)

    # order --------------------------------------------------------------------------------------------
    def start_of(self, values: dict[str, Any]) -> StartStructure:
        """Return where the dynamics begins; SettingsError where a field cannot be understood."""
        from nnpcore.reference import StartStructure

        kind = values["start"]
        if kind == "frame":
            return StartStructure("frame", self._frame)
        if kind == "file":
            return StartStructure("file", path=values["file"])
        if kind in ("cluster", "nickel"):
            element = "Ni" if kind == "nickel" else "Si"
            return StartStructure("cluster", element=element, n_atoms=values["n_atoms"])
        shape: dict[str, Any] = {"repeat": repeat_of(values["repeat"])}
        if kind == "slab":
            shape |= {name: values[name] for name in ("surface", "n_layers", "vacuum")}
        else:
            shape |= {"element": values["element"].capitalize()}
            shape |= {name: values[name] for name in ("lattice", "constant")}
        return StartStructure(kind, **shape)

    def order(self) -> tuple[StartStructure, CalculatorChoice, SamplerSettings]:
        """Return what the fields ask for; SettingsError where one cannot be understood."""
        from nnpcore.reference import SamplerSettings

        values = self.values()
        numbers = ("pressure_gpa", "timestep_fs", "equilibration_fs", "spacing_fs", "n_frames", "seed")
        settings = SamplerSettings(
            temperatures_of(values["temperatures"]),
            values["ensemble"],
            **{name: values[name] for name in numbers},
        )
        self.target()
        return self.start_of(values), chosen(values), settings

    def job(self) -> Job:
        """Return the sampling."""
        return partial(make_training_set, *self.order(), self.values()["relax"], self.target())

    def apply(self, value: Dataset) -> None:
        """Open the data set; offer to train on it alone where there are others."""
        session = self.session
        others = [document.id for document in session.data.of_role(Role.TRAINING)]
        seen = self.isVisible()
        made = session.data.add_made(value, Role.TRAINING, "new training set", show=seen)
        if not seen:
            session.data.offer(made)
        if others:
            alone = ("Train on It Alone", lambda: only_inspect(session, others))
            text = (
                f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} for training, too. Energies of "
                "different methods have different zeros and must not be mixed."
            )
            title = f"{made} is a further training set"
            session.messages.notify(Notification("warning", title, text, actions=(alone,)))

    # looking ahead ------------------------------------------------------------------------------------
    def _look_ahead(self) -> None:
        if self.task is not None:
            return
        try:
            start, calculator, settings = self.order()
        except EatlasError as error:
            self._show_look(str(self._named(error)), wrong=True)
            return
        from nnpcore.reference import preview

        npt = settings.ensemble == "npt"
        self.session.tasks.run(
            "Looking ahead",
            lambda progress: preview(start, calculator.reference, npt, progress),
            lambda found: self._show_preview(settings, found),
            lambda error: self._show_look(str(self._named(error)), wrong=isinstance(error, EatlasError)),
            key="training set preview",
            quiet=True,
        )

    def _named(self, error: BaseException) -> BaseException:
        """Let the label stand where the message names a field."""
        if isinstance(error, EatlasError) and error.where in self.widgets:
            return type(error)(error.what, where=self.label_of(error.where), fix=error.fix)
        return error

    def _show_preview(self, settings: SamplerSettings, found: Preview) -> None:
        n_frames = len(settings.temperatures) * settings.n_frames
        parts = [f"{found.formula} ({found.n_atoms} atoms)", f"{n_frames} frames"]
        parts.append(f"{settings.n_steps} steps")
        if found.step_seconds is not None:
            parts.append(f"about {words_of(settings.n_steps * found.step_seconds)}")
        else:
            parts.append("the calculator decides how long it takes")
        self._show_look(" · ".join(parts))

    def _show_look(self, text: str, wrong: bool = False) -> None:
        with contextlib.suppress(RuntimeError):  # the dialog is gone
            self.look.setText(("⚠ " if wrong else "") + text)
            self.fit()

    def show_error(self, error: BaseException) -> None:
        """Say it once."""
        super().show_error(error)
        if self.look.text().startswith("⚠"):
            self.look.clear()

    def end(self) -> None:
        """Look ahead no more."""
        self._timer.stop()
        super().end()


def only_inspect(session: Session, names: list[str]) -> None:
    """Give data sets that are open still the role Inspect only."""
    for name in names:
        if name in session.data.datasets:
            session.data.set_role(name, Role.INSPECT)


def temperatures_of(text: str) -> tuple[float, ...]:
    """Return "300, 1000" or "300 1000" as numbers; SettingsError where it is something else."""
    words = text.replace(",", " ").replace(";", " ").replace("K", " ").split()
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        raise SettingsError(
            f"“{text}” are no temperatures", where="temperatures", fix="Write them as 300, 1000"
        ) from None


def repeat_of(text: str) -> tuple[int, int, int]:
    """Return "3", "2 2 1" or "2x2" as three numbers; SettingsError where it is something else."""
    words = text.replace("×", " ").replace("x", " ").replace(",", " ").split()
    try:
        found = [int(word) for word in words]
    except ValueError:
        found = []
    if len(found) == 1:
        found *= 3
    if not 2 <= len(found) <= 3 or min(found) < 1:
        raise SettingsError(f"“{text}” says no repetition", where="repeat", fix="Write it as 2 2 2")
    return found[0], found[1], found[2] if len(found) == 3 else 1


def words_of(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
