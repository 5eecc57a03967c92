"""The session: the one thing panels speak to. It holds the documents, the selection and the undo stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from app.commands import Change
from app.documents.coloring import LABELS, Coloring
from app.documents.dataset import DatasetDocument
from app.notifications import Notification, from_error
from app.selection import AtomRef, Selection, SelectionMode
from app.workers.reading import describe_problems, read
from app.workers.tasks import Task, TaskRunner
from nnpcore.progress import Progress
from nnpcore.structures import Dataset, Role
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from app.documents.run import RunDocument


class Session(QObject):
    """Data, runs, selection, colouring and tasks of one window; every method is for the main thread."""

    dataset_added = Signal(str)
    dataset_changed = Signal(str)
    dataset_removed = Signal(str)
    current_changed = Signal()
    current_run_changed = Signal()
    run_added = Signal(str)
    run_changed = Signal(str)
    run_removed = Signal(str)
    epoch_finished = Signal(str)
    analysis_changed = Signal(str, str)
    selection_changed = Signal()
    hover_changed = Signal()
    coloring_changed = Signal()
    settings_changed = Signal()
    notified = Signal(object)
    task_started = Signal(object)
    task_progressed = Signal(object)
    task_finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.datasets: dict[str, DatasetDocument] = {}
        self.runs: dict[str, RunDocument] = {}
        self.current_dataset_id: str | None = None
        self.current_run_id: str | None = None
        self.selection = Selection()
        self.hovered: AtomRef | None = None
        self.coloring = Coloring()
        self.undo_stack = QUndoStack(self)
        self.tasks = TaskRunner(self)
        self.tasks.started.connect(self.task_started)
        self.tasks.progressed.connect(self.task_progressed)
        self.tasks.finished.connect(self.task_finished)
        self._n_colors = 0

    # data ---------------------------------------------------------------------------------------------
    def open_paths(self, paths: Iterable[str], roles: dict[str, Role] | None = None) -> None:
        """Read files in the background ("file.xyz@::10" takes a slice) and add them as data sets."""
        for path in paths:
            role = (roles or {}).get(path)
            self.run_task(
                f"Reading {Path(path).name}",
                lambda progress, path=path: read(path, progress),
                lambda dataset, role=role: self._offer(dataset, role),
                lambda error, path=path: self.notify_error(f"{Path(path).name} was not opened", error),
            )

    def _offer(self, dataset: Dataset, role: Role | None) -> None:
        if not dataset.problems:
            self.add_dataset(dataset, role)
            return
        title, text, details = describe_problems(dataset)
        skip = (f"Skip and open {len(dataset.frames)}", lambda: self._add_checked(dataset, role))
        self.notify(Notification("warning", title, text, details, actions=(skip,)))

    def _add_checked(self, dataset: Dataset, role: Role | None) -> None:
        self.add_dataset(dataset, role)

    def add_dataset(self, dataset: Dataset, role: Role | None = None, color_index: int | None = None) -> str:
        """Add a data set, show its first frame if nothing is shown, and return its id."""
        dataset_id = self._free_id(dataset.name)
        if color_index is None:
            color_index = self._n_colors
        self._n_colors = max(self._n_colors, color_index + 1)
        document = DatasetDocument(dataset_id, dataset, role or guess_role(dataset), color_index)
        self.datasets[dataset_id] = document
        self.dataset_added.emit(dataset_id)
        if self.current_dataset_id is None:
            self.set_current(dataset_id, 0)
        return dataset_id

    def _free_id(self, name: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "data"
        number, dataset_id = 1, base
        while dataset_id in self.datasets:
            number += 1
            dataset_id = f"{base}-{number}"
        return dataset_id

    def remove_dataset(self, dataset_id: str) -> None:
        """Close a data set; undo reads the file again."""
        document = self.datasets[dataset_id]
        path, role = document.path, document.role
        self._remove(dataset_id)

        def toggle(is_open: bool) -> None:
            if is_open:
                self.open_paths([path], {path: role})
            elif dataset_id in self.datasets:
                self._remove(dataset_id)

        self.undo_stack.push(Change(f"Close {document.name}", toggle, True, False, done=True))

    def _remove(self, dataset_id: str) -> None:
        del self.datasets[dataset_id]
        if self.current_dataset_id == dataset_id:
            self.current_dataset_id = next(iter(self.datasets), None)
            self.current_changed.emit()
        if self.hovered is not None and self.hovered.dataset_id == dataset_id:
            self.set_hovered(None)
        self._set_selection(self.selection.without_dataset(dataset_id))
        self.dataset_removed.emit(dataset_id)

    def set_role(self, dataset_id: str, role: Role) -> None:
        """Give a data set a role (can be undone)."""
        document = self.datasets[dataset_id]
        if document.role != role:
            self._change(
                f"{document.name}: {role.value}", lambda r: self._set_role(dataset_id, r), document.role, role
            )

    def _set_role(self, dataset_id: str, role: Role) -> None:
        if dataset_id in self.datasets:
            self.datasets[dataset_id].role = role
            self.dataset_changed.emit(dataset_id)

    def datasets_of(self, role: Role) -> list[DatasetDocument]:
        """Return the data sets of one role, in the order they were opened."""
        return [document for document in self.datasets.values() if document.role == role]

    # what is shown ------------------------------------------------------------------------------------
    @property
    def current_dataset(self) -> DatasetDocument | None:
        """The data set shown, or None."""
        return self.datasets.get(self.current_dataset_id or "")

    @property
    def current_frame_index(self) -> int:
        """Index of the frame shown (0 when nothing is)."""
        document = self.current_dataset
        return document.frame_index if document else 0

    @property
    def current_frame(self) -> Frame | None:
        """The frame shown, or None."""
        document = self.current_dataset
        return document.frames[document.frame_index] if document and document.frames else None

    def set_current(self, dataset_id: str, frame_index: int | None = None) -> None:
        """Show a frame of a data set (its last one shown when no index is given; clipped to the range)."""
        document = self.datasets[dataset_id]
        index = document.frame_index if frame_index is None else frame_index
        index = min(max(index, 0), max(document.n_frames - 1, 0))
        if (dataset_id, index) != (self.current_dataset_id, document.frame_index):
            self.current_dataset_id, document.frame_index = dataset_id, index
            self.current_changed.emit()

    def show_atom(self, atom: tuple[str, int, int]) -> None:
        """Show the frame of an atom and select the atom: what a click on a point does."""
        dataset_id, frame, _ = atom
        if dataset_id in self.datasets:
            self.set_current(dataset_id, frame)
            self.select([atom])

    def select(self, atoms: Iterable[tuple[str, int, int]], mode: SelectionMode = "replace") -> None:
        """Replace, extend or reduce the shared selection."""
        self._set_selection(self.selection.combined(atoms, mode))

    def _set_selection(self, selection: Selection) -> None:
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()

    def set_hovered(self, atom: tuple[str, int, int] | None) -> None:
        """Tell every panel which atom the mouse is over (None: none)."""
        hovered = None if atom is None else AtomRef(*atom)
        if hovered != self.hovered:
            self.hovered = hovered
            self.hover_changed.emit()

    # colouring ----------------------------------------------------------------------------------------
    def set_coloring(self, coloring: Coloring | None = None, **changes: Any) -> None:
        """Colour atoms differently (can be undone), e.g. ``set_coloring(kind="force_error")``."""
        wanted = coloring or replace(self.coloring, **changes)
        if wanted != self.coloring:
            text = f"Colour by {LABELS.get(wanted.kind, wanted.kind).lower()}"
            self._change(text, self._set_coloring, self.coloring, wanted)

    def _set_coloring(self, coloring: Coloring) -> None:
        self.coloring = coloring
        self.coloring_changed.emit()

    def coloring_kinds(self) -> list[tuple[str, str]]:
        """Return the (kind, label) pairs the current frame can be coloured by."""
        kinds = [(kind, label) for kind, label in LABELS.items()]
        frame = self.current_frame
        if frame is not None:
            kinds += [(name, name) for name in sorted(frame.arrays) if is_scalar(frame.arrays[name])]
        return kinds

    def atom_values(self) -> tuple[np.ndarray, str, str] | None:
        """Return (values (n_atoms,), label, unit) for the current frame and colouring, or None (elements).

        None also while there is no prediction for this frame yet.
        """
        frame = self.current_frame
        if frame is None or self.coloring.kind == "element":
            return None
        if self.coloring.kind in LABELS:
            return None
        values = frame.arrays.get(self.coloring.kind)
        if values is None or not is_scalar(values):
            return None
        return values.astype(np.float64), self.coloring.kind, ""

    # tasks, messages, undo ----------------------------------------------------------------------------
    def run_task(
        self,
        title: str,
        function: Callable[[Progress], Any],
        on_done: Callable[[Any], None],
        on_failed: Callable[[BaseException], None] | None = None,
        key: str | None = None,
        quiet: bool = False,
    ) -> Task:
        """Run ``function(progress)`` on a background thread; its value or error comes back here.

        A task with a ``key`` cancels its predecessor of the same key. A failure becomes a notification unless
        ``on_failed`` is given. ``quiet`` tasks are not shown in the status bar.
        """
        failed = on_failed or (lambda error: self.notify_error(f"{title} failed", error))
        return self.tasks.run(Task(title, function, on_done, failed, key, quiet))

    def notify(self, notification: Notification) -> None:
        """Show a message to the user."""
        self.notified.emit(notification)

    def notify_error(self, title: str, error: BaseException) -> None:
        """Show an exception to the user, with details to copy."""
        self.notify(from_error(title, error))

    def _change(self, text: str, apply: Callable[[Any], None], old: Any, new: Any) -> None:
        self.undo_stack.push(Change(text, apply, old, new))

    def shutdown(self) -> None:
        """Stop everything that runs; no thread is left afterwards."""
        self.tasks.shutdown()


def guess_role(dataset: Dataset) -> Role:
    """Return the role a newly opened file gets: training if it has energies, else inspect only."""
    summary = dataset.summary()
    if "eos" in dataset.name.lower() and summary.n_energies:
        return Role.EOS
    return Role.TRAINING if summary.n_energies else Role.INSPECT


def is_scalar(values: np.ndarray) -> bool:
    """Whether a per-atom array is one real number an atom."""
    return values.ndim == 1 and values.dtype.kind in "fiub"
