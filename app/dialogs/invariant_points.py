"""File > New Invariant Points: perfect crystals along their volume, checked, as an EOS reference."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QFileDialog

from app.dialogs.calculator_fields import ANY, FOREIGN, NONE, add_calculator, chosen
from app.dialogs.elements import (
    SPREAD,
    STRAINED,
    first_element,
    lattice_of,
    suit_calculator,
    volume_of,
)
from app.dialogs.fields import choice, line, muted, number, set_value, whole
from app.dialogs.form import Job
from app.dialogs.making import MakingDialog
from app.workers.new_data import make_invariant_points
from nnpcore.errors import SettingsError
from nnpcore.structures import Dataset, Role

ABOUT = (
    "All atoms of an invariant point are equivalent by symmetry, so that the energy of each is known: E/N. "
    "Crystals whose atoms differ are refused."
)
SOURCES = (("Crystal, built here", "builder"), ("Files with crystals", "file"))
LATTICES = (
    ("Diamond", "diamond"),
    ("Face-centred cubic", "fcc"),
    ("Body-centred cubic", "bcc"),
    ("Hexagonal close-packed", "hcp"),
    ("Simple cubic", "sc"),
)
SPANS = (
    ("± % of the equilibrium volume", "strain"),
    ("Volume of an atom (Å³)", "volume"),
    ("Lattice constant (Å)", "constant"),
)
BUILDER = ("element", "lattice", "span", "low", "high", "n")
SUFFIXES = {"strain": " %", "volume": " Å³", "constant": " Å"}
USUAL = {"strain": (0.0, 5.0), "volume": (17.0, 23.0), "constant": (5.2, 5.7)}


class InvariantPointsDialog(MakingDialog):
    """Makes a volume scan; the data set opens with the role EOS reference."""

    title = "New invariant points"
    name = "invariant_points"
    doing = "Making invariant points"

    def build(self) -> None:
        """Make the fields."""
        self._span, self._suited = "strain", ""
        self.body.addWidget(muted(self.form, ABOUT))
        section = self.section()
        section.add("source", "From", choice(self, SOURCES), wide=True)
        title = "Crystals along their volume"
        self.add_place(
            section, "file", "Files", lambda: "; ".join(QFileDialog.getOpenFileNames(self, title)[0]),
            "Several are separated by semicolons",
        )  # fmt: skip
        section.add("element", "Element", line(self, first_element(self.session)))
        section.add("lattice", "Lattice", choice(self, LATTICES))
        section.add("span", "Range", choice(self, SPANS), wide=True)
        section.add("low", "From", number(self, 0.0, 0.0, 1000.0, "", 4))
        section.add("high", "To", number(self, 5.0, 0.0, 1000.0, "%", 4))
        section.add("n", "Crystals", whole(self, 21, 1, 500))
        add_calculator(self.section(), self, none_text="None: no reference energies")
        self.add_path(self.section(), "Keep the crystals in")

    def refresh(self) -> None:
        """Show the fields that count."""
        values = self.values()
        section, reference, _ = self.sections
        from_file, span = values["source"] == "file", values["span"]
        section.set_shown(("file",), from_file)
        section.set_shown(BUILDER, not from_file)
        section.set_shown(("low",), not from_file and span != "strain")
        reference.set_shown(FOREIGN, values["calculator"] == ANY)
        section.labels["high"].setText("±" if span == "strain" else "To")
        reference.labels["calculator"].setText("Energies by" if not from_file else "Energies")
        box = reference.widgets["calculator"]
        assert isinstance(box, QComboBox)
        box.setItemText(box.findData(NONE), "As in the files" if from_file else "None: no reference energies")
        element = str(values["element"]).capitalize()
        if self._suited and element != self._suited:
            self._suit(element)
        self._show_range(span, renewed=element != self._suited)
        self._suited = element
        elements = self.session.data.elements() if from_file else (element,)
        if values["calculator"] != NONE:
            suit_calculator(self.widgets, elements)

    def _suit(self, element: str) -> None:
        """Take the lattice of the element."""
        found = lattice_of(element, [name for _, name in LATTICES])
        if found is not None:
            set_value(self.widgets["lattice"], found[0])

    def _show_range(self, span: str, renewed: bool) -> None:
        for name, value in zip(("low", "high"), self._usual(span), strict=True):
            box = self.widgets[name]
            assert isinstance(box, QDoubleSpinBox)
            box.setSuffix(SUFFIXES[span])
            if span != self._span or (renewed and self._suited and span != "strain"):
                box.setValue(value)
        self._span = span

    def _usual(self, span: str) -> tuple[float, float]:
        """Return a range around the usual crystal of the element; silicon's where that is not known."""
        found = lattice_of(str(self.values()["element"]).capitalize(), [name for _, name in LATTICES])
        if found is None or span == "strain":
            return USUAL[span]
        share = SPREAD if span == "volume" else STRAINED
        middle = volume_of(*found) if span == "volume" else found[1]
        return round((1 - share) * middle, 2), round((1 + share) * middle, 2)

    def restore(self, values: dict[str, object]) -> None:
        """Fill in what was remembered, the range as it was; elements are those of the data that are open."""
        known = self.session.data.elements()
        if known and values.get("element") not in known:
            self._suit(first_element(self.session))
            kept = ("source", "calculator", "path")
            values = {name: value for name, value in values.items() if name in kept}
        self._span = str(values.get("span", self._span))
        super().restore(values)

    def job(self) -> Job:
        """Return the work."""
        from nnpcore.reference import CrystalRange

        values, target = self.values(), self.target()
        paths = tuple(path.strip() for path in values["file"].split(";") if path.strip())
        if values["source"] == "file" and not paths:
            raise SettingsError("no file is given", where="file", fix="Choose one")
        names = ("lattice", "span", "low", "high", "n")
        crystals = CrystalRange(values["element"].capitalize(), *(values[name] for name in names))
        wanted = paths if values["source"] == "file" else crystals
        return partial(make_invariant_points, wanted, chosen(values), target)

    def apply(self, value: Dataset) -> None:
        """Open them."""
        seen, data = self.isVisible(), self.session.data
        made = data.add_made(value, Role.EOS, "new invariant points", show=seen)
        if not seen:
            data.offer(made)
