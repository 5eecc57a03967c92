"""The part of a session that holds data: open files, the frame shown, the selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.documents.dataset import DatasetDocument, free_name, guess_role
from app.session.base import SessionBase
from app.session.notifications import Notification
from app.session.selection import AtomRef, Selection, SelectionMode
from app.shell.commands import Change
from app.workers.reading import ReadFile, describe_problems, read
from app.workers.tasks import READ
from nnpcore.structures import Dataset, KeyMemory, Role
from nnpcore.structures.frame import Frame


class DataSession(SessionBase):
    """Data sets by role, which frame is looked at, which atoms are chosen."""

    dataset_added = Signal(str)
    dataset_changed = Signal(str)
    dataset_removed = Signal(str)
    current_changed = Signal()
    selection_changed = Signal()
    hover_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.datasets: dict[str, DatasetDocument] = {}
        self.current_dataset_id: str | None = None
        self.selection = Selection()
        self.hovered: AtomRef | None = None
        self._n_colors = 0
        self.key_memory = KeyMemory()
        self.ask_names: Callable[[ReadFile, Callable[[Dataset], Any]], None] | None = None

    # data ---------------------------------------------------------------------------------------------
    def open_paths(self, paths: Iterable[str], roles: dict[str, Role] | None = None) -> None:
        """Read files in the background ("file.xyz@::10" takes a slice) and add them as data sets."""
        for path in paths:
            role = (roles or {}).get(path)
            self._read(path, lambda found, role=role: self._open(found, role))

    def _open(self, found: ReadFile, role: Role | None) -> None:
        """Open a file; where its labels stand under other names, after they were confirmed."""
        if found.proposal is not None and self.ask_names is not None:
            self.ask_names(found, lambda dataset: self._offer(dataset, role))
        else:
            self._offer(found.dataset, role)

    def _read(self, path: str, on_done: Callable[[ReadFile], Any]) -> None:
        name, memory = Path(path).name, self.key_memory

        def done(found: ReadFile) -> None:
            if found.note:
                self.notify(Notification("info", f"{name}: labels under other names", found.note))
            on_done(found)

        self.run_task(
            f"Reading {name}",
            lambda progress: read(path, progress, memory),
            done,
            lambda error: self.notify_error(f"{name} was not opened", error),
            key=f"read {path}",
            lane=READ,
        )

    def _offer(self, dataset: Dataset, role: Role | None) -> None:
        if not dataset.problems:
            self.add_dataset(dataset, role)
            return
        title, text, details = describe_problems(dataset)
        skip = (f"Skip and open {len(dataset.frames)}", lambda: self.add_dataset(dataset, role))
        self.notify(Notification("warning", title, text, details, actions=(skip,)))

    def restore_dataset(self, path: str, role: Role, color_index: int, frame_index: int, show: bool) -> None:
        """Open a file with the role, colour and frame it had; ``show`` makes it the current one."""

        def put(found: ReadFile) -> None:
            dataset_id = self.add_dataset(found.dataset, role, color_index, frame_index)
            if show:
                self.set_current(dataset_id)

        self._read(path, put)

    def reload_dataset(self, dataset_id: str) -> None:
        """Read a file again, keeping its role and colour."""

        def put(found: ReadFile) -> None:
            if dataset_id in self.datasets:
                self.datasets[dataset_id].replace(found.dataset)
                self.dataset_changed.emit(dataset_id)
                self.current_changed.emit()

        self._read(self.datasets[dataset_id].path, put)

    def elements(self) -> tuple[str, ...]:
        """Return the elements of all open data, by atomic number."""
        from ase.data import atomic_numbers

        found = {element for document in self.datasets.values() for element in document.summary.elements}
        return tuple(sorted(found, key=atomic_numbers.__getitem__))

    def has_eos(self) -> bool:
        """Whether an EOS reference is open."""
        return bool(self.datasets_of(Role.EOS))

    def add_dataset(
        self,
        dataset: Dataset,
        role: Role | None = None,
        color_index: int | None = None,
        frame_index: int = 0,
    ) -> str:
        """Add a data set, show it if nothing is shown, and return its id."""
        dataset_id = free_name(dataset.name, self.datasets)
        if color_index is None:
            color_index = self._n_colors
        self._n_colors = max(self._n_colors, color_index + 1)
        document = DatasetDocument(dataset_id, dataset, role or guess_role(dataset), color_index)
        document.frame_index = min(frame_index, max(document.n_frames - 1, 0))
        self.datasets[dataset_id] = document
        self.dataset_added.emit(dataset_id)
        if self.current_dataset_id is None:
            self.set_current(dataset_id, frame_index)
        return dataset_id

    def add_made(self, dataset: Dataset, role: Role, text: str) -> str:
        """Add a data set that was made here, show it and return its id (can be undone; the file stays)."""
        dataset_id = self.add_dataset(dataset, role)
        self.set_current(dataset_id, 0)

        def toggle(is_open: bool) -> None:
            if is_open:
                self.open_paths([dataset.path], {dataset.path: role})
            elif dataset_id in self.datasets:
                self._remove(dataset_id)

        self.undo_stack.push(Change(text, toggle, False, True, done=True))
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

    def select_frame(self) -> None:
        """Select all atoms of the frame shown."""
        frame, dataset_id = self.current_frame, self.current_dataset_id
        if frame is not None and dataset_id is not None:
            index = self.current_frame_index
            self.select((dataset_id, index, atom) for atom in range(frame.n_atoms))

    def set_hovered(self, atom: tuple[str, int, int] | None) -> None:
        """Tell every panel which atom the mouse is over (None: none)."""
        hovered = None if atom is None else AtomRef(*atom)
        if hovered != self.hovered:
            self.hovered = hovered
            self.hover_changed.emit()
