"""What suits the elements of the data: calculators that know them, their lattice, and ranges around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QWidget

from app.dialogs.calculator_fields import ANY, KNOWN
from app.dialogs.fields import set_value, value_of

if TYPE_CHECKING:
    from app.session.session import Session

KNOWS = {"stillinger-weber": {"Si"}, "cleri-rosato": {"Ni"}}
"""Elements of our reference potentials."""
EMT = {"H", "C", "N", "O", "Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"}
EMT_PATH, GENERAL_PATH = KNOWN[0], "mace.calculators:mace_mp"
SUITED, BY_US = "suited_to", "chosen_by_elements"
STRAINED, SPREAD = 0.05, 0.15
"""Shares of the lattice constant and of the volume that a range reaches to both sides."""


def first_element(session: Session) -> str:
    """Return the element that the data have most of in the frame shown, silicon where nothing is open."""
    frame = session.data.frame
    if frame is None or not frame.n_atoms:
        return next(iter(session.data.elements()), "Si")
    from ase.data import chemical_symbols

    counts = np.bincount(frame.numbers)
    return chemical_symbols[int(counts.argmax())]


def lattice_of(element: str, known: Iterable[str]) -> tuple[str, float] | None:
    """Return (lattice, constant in Å) of an element's usual crystal, None for others than ``known``."""
    from ase.data import atomic_numbers, reference_states

    number = atomic_numbers.get(element, 0)
    state = reference_states[number] if 0 < number < len(reference_states) else None
    if state is None or state.get("symmetry") not in set(known) or not state.get("a"):
        return None
    return str(state["symmetry"]), float(state["a"])


def volume_of(lattice: str, constant: float) -> float:
    """Return the volume of an atom in Å³ of a lattice."""
    if lattice == "hcp":
        return constant**3 * 2.0**0.5 / 2.0
    return constant**3 / {"diamond": 8, "fcc": 4, "bcc": 2, "sc": 1}[lattice]


def suit_calculator(widgets: dict[str, QWidget], elements: Sequence[str]) -> None:
    """Leave only calculators to choose that know the elements, and choose one that does."""
    from ase.data import atomic_numbers

    box, wanted = widgets["calculator"], set(elements)
    if not isinstance(box, QComboBox) or not wanted:
        return
    if not wanted <= atomic_numbers.keys():  # no element yet: it is being typed
        if box.property(BY_US) and box.currentData() == ANY:
            set_value(box, next(iter(KNOWS)))
        return
    before = box.property(SUITED)
    box.setProperty(SUITED, sorted(wanted))
    model = box.model()
    fits = {name: wanted <= known for name, known in KNOWS.items()}
    for row in range(box.count()):
        if isinstance(model, QStandardItemModel):
            model.item(row).setEnabled(fits.get(box.itemData(row), True))
    by_us = box.property(BY_US) and box.currentData() == ANY
    if by_us or not fits.get(box.currentData(), True):
        own = next((name for name, fit in fits.items() if fit), ANY)
        set_value(box, own)
        box.setProperty(BY_US, own == ANY)
    if box.currentData() == ANY and before != sorted(wanted):
        suit_path(widgets["import_path"], elements)


def suit_path(box: QWidget, elements: Sequence[str]) -> None:
    """Propose a calculator of ASE that knows the elements, where none was written by hand."""
    if value_of(box) in ("", *KNOWN):
        set_value(box, EMT_PATH if set(elements) <= EMT else GENERAL_PATH)
