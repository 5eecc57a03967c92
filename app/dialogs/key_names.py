"""Opening a file whose energies, forces or stresses stand under other names: which name means what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtWidgets import QWidget

from app.dialogs.fields import choice, muted, set_value
from app.dialogs.form import FormDialog, Job
from app.workers.reading import ReadFile, read_with
from nnpcore.errors import EatlasError
from nnpcore.structures import Dataset, KeyNames, KeyProposal, StressKind
from nnpcore.structures.labels.key_names import NONE, QUANTITIES, apply_keys
from nnpcore.structures.labels.stress_kinds import ALL_KINDS
from nnpcore.units import GPA_PER_EV_PER_ANG3

if TYPE_CHECKING:
    from app.dialogs.questions import Questions
    from app.session.session import Session
    from nnpcore.structures.frame import Frame

Put = Callable[[Dataset], Any]
SIGNS = (("Forces", False), ("Gradients: turn the sign", True))


class KeyNamesDialog(FormDialog):
    """Shows what a file's names seem to mean; what is confirmed is remembered for files with the same."""

    title = "Names of energies, forces and stresses"
    name = "key_names"
    verb = "Open"

    def __init__(self, session: Session, found: ReadFile, put: Put, parent: QWidget | None = None) -> None:
        assert found.proposal is not None
        self.found, self.proposal, self._put = found, found.proposal, put
        super().__init__(session, parent)

    def build(self) -> None:
        """Make the fields."""
        dataset, proposal = self.found.dataset, self.proposal
        text = f"{dataset.name} does not use the usual names alone. Which of its values are the reference?"
        self.body.addWidget(muted(self.form, text))
        section = self.section()
        for quantity in QUANTITIES:
            items = _items(dataset.frames, proposal, quantity)
            section.add(quantity, quantity.title(), choice(self, items), wide=True)
            if quantity == "forces":
                section.add("negative_forces", "They are", choice(self, SIGNS), wide=True)
        section.add("stress_kind", "The stress is", choice(self, _kinds(proposal)), wide=True)
        offered = [text for q in proposal.questions if q.quantity == "units" for text, _ in q.choices]
        if offered:
            units = choice(self, [(unit, unit) for unit in offered])
            section.add("units", "Units", units, wide=True)
        for name, value in proposal.names.to_dict().items():
            if name in section.widgets:
                set_value(section.widgets[name], "" if value is None else value)
        self.preview = muted(self.form)
        self.body.addWidget(self.preview)
        shown = {f"{q}: {c.name} ({c.why})" for q, found in proposal.candidates.items() for c in found}
        lines = [text for text in proposal.why if text not in shown]
        lines += [f"please choose: {question.text}" for question in proposal.questions]
        self.why = muted(self.form, "\n".join(f"{text[:1].upper()}{text[1:]}" for text in lines))
        self.body.addWidget(self.why)

    def restore(self, values: dict[str, Any]) -> None:
        """Every file is told of anew."""

    def remember(self) -> None:
        """Only names of files are remembered, once they were read."""

    def refresh(self) -> None:
        """Show what the first frame would be."""
        values = self.values()
        section = self.sections[0]
        section.widgets["negative_forces"].setEnabled(values["forces"] != NONE)
        section.widgets["stress_kind"].setEnabled(values["stress"] != NONE)
        try:
            frame = apply_keys(self.found.dataset.frames[0], self.names())
        except (ValueError, EatlasError) as error:
            self.preview.setText(f"⚠ {error}")
            return
        self.preview.setText("First frame: " + describe(frame))

    def names(self) -> KeyNames:
        """Return what is chosen."""
        values = self.values()
        stress_kind = values["stress_kind"] if values["stress"] != NONE else ""
        return KeyNames(
            energy=values["energy"] or None,
            forces=values["forces"] or None,
            stress=values["stress"] or None,
            stress_kind=stress_kind or "",
            negative_forces=bool(values["negative_forces"]) and values["forces"] != NONE,
            units=values.get("units", ""),
        )

    def job(self) -> Job:
        """Return the reading."""
        names, path = self.names(), self.found.dataset.path
        return lambda progress: read_with(path, names, progress)

    def task_title(self) -> str:
        """What the status line calls it."""
        return f"Reading {self.found.dataset.name}"

    def apply(self, value: Dataset) -> None:
        """Open the file and remember the answer."""
        self.session.data.remember_keys(self.proposal.signature, self.names())
        self._put(value)


def _items(frames: tuple[Frame, ...], proposal: KeyProposal, quantity: str) -> list[tuple[str, str]]:
    """The usual name where the file has it, what looks like it, everything else of its shape, nothing."""
    items: list[tuple[str, str]] = []
    has = any(getattr(frame, quantity) is not None for frame in frames)
    found = proposal.candidates.get(quantity, ())
    items += [(f"{c.name}  ({c.why})", c.name) for c in found]
    known = {c.name for c in found}
    items += [(name, name) for name in _others(frames[0], quantity) if name not in known]
    usual = [(f"{quantity}, the usual name", "")] if has else []
    return [*usual, *items, ("leave it out" if has else "there is none", NONE if has else "")]


def _others(frame: Frame, quantity: str) -> list[str]:
    if quantity == "forces":
        return [name for name, values in frame.arrays.items() if values.shape == (frame.n_atoms, 3)]
    if quantity == "energy":
        return [name for name, value in frame.info.items() if isinstance(value, float)]
    return [name for name, value in frame.info.items() if np.size(value) in (6, 9) and np.ndim(value)]


def _kinds(proposal: KeyProposal) -> list[tuple[str, str]]:
    """What the tensor may be: what the question leaves first, then all others."""
    asked = [
        names.stress_kind
        for question in proposal.questions
        if question.quantity == "stress"
        for _, names in question.choices
        if names.stress_kind
    ]
    ordered = dict.fromkeys([*asked, *(kind.text for kind in ALL_KINDS)])
    items = [(StressKind.from_text(text).words, text) for text in ordered]
    return [("what its name says", ""), *items]


def describe(frame: Frame) -> str:
    """Say what a frame's labels are, in numbers."""
    parts = []
    if frame.energy is not None:
        parts.append(f"energy {frame.energy / frame.n_atoms:.4f} eV/atom")
    if frame.forces is not None:
        parts.append(f"largest force {np.linalg.norm(frame.forces, axis=1).max():.3g} eV/Å")
    if frame.stress is not None:
        pressure = -np.trace(frame.stress) / 3.0 * GPA_PER_EV_PER_ANG3
        parts.append(f"pressure {pressure:.3g} GPa")
    return ", ".join(parts) or "no energy, no forces, no stress"


class KeyAsker:
    """Asks about one file after the other; files with names that were just confirmed are not asked about."""

    def __init__(self, session: Session, questions: Questions, parent: QWidget) -> None:
        self._session, self._questions, self._parent = session, questions, parent
        self.dialog: KeyNamesDialog | None = None

    def ask(self, found: ReadFile, put: Put) -> None:
        """Ask about a file now, or when the ones before are done."""
        self._questions.ask(lambda answered: self._show(found, put, answered))

    def _show(self, found: ReadFile, put: Put, answered: Callable[[], None]) -> None:
        assert found.proposal is not None
        known = self._session.data.key_memory.recall(found.proposal.signature)
        if known is not None:
            self._read(found.dataset, known, put)
            self._session.data.names_answered(found)
            answered()
            return

        def finished(_: int) -> None:
            self.dialog = None
            self._session.data.names_answered(found)
            answered()

        self.dialog = KeyNamesDialog(self._session, found, put, self._parent)
        self.dialog.finished.connect(finished)
        self.dialog.show()

    def _read(self, dataset: Dataset, known: KeyNames, put: Put) -> None:
        name = Path(dataset.path).name
        self._session.tasks.run(
            f"Reading {name}",
            lambda progress: read_with(dataset.path, known, progress),
            put,
            lambda error: self._session.messages.notify_error(f"{name} was not opened", error),
        )
