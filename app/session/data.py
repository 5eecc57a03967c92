"""The part of a session that holds data: open files by role, and the frame shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.documents.counting import from_one
from app.documents.dataset import (
    DatasetDocument,
    free_name,
    guess_role,
    named_as_scan,
    short_name,
)
from app.documents.session_file import SavedDataset
from app.session.comparing import FittingTogether
from app.session.messages import Messages, Notification
from app.session.undo import UndoStack
from app.settings import Settings
from app.workers.reading import ReadFile, describe_problems, find_frames, read, read_with, wants_types
from app.workers.tasks import COMPARE, READ, Task, TaskRunner, TaskState
from app.workers.turns import in_turn
from nnpcore.structures import Dataset, KeyMemory, KeyNames, Role, example_path
from nnpcore.structures.frame import Frame
from nnpcore.structures.frame_index import FrameIndex
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.outputs import LEFT_OUT

_AHEAD = "look ahead"
"""Key of the task that reads a frame before all are read."""

USES = {True: ("Use as EOS Reference", Role.EOS), False: ("Train on It", Role.TRAINING)}
"""What a file would be used for, by whether it is named as a volume scan."""


class Data(QObject):
    """Data sets by role, and which frame is looked at."""

    added = Signal(str)
    changed = Signal(str)
    removed = Signal(str)
    reloaded = Signal(str)
    """A data set has other frames than before; comes before ``changed``."""
    completed = Signal(str)
    """All frames have come of a data set that was shown while it was being read; before ``changed``."""
    found = Signal(str)
    """More frames can be looked at of a data set that is being read."""
    current_changed = Signal()
    _came = Signal(str, object, object)

    def __init__(self, settings: Settings, tasks: TaskRunner, messages: Messages, undo: UndoStack) -> None:
        super().__init__()
        self._settings, self._tasks, self._messages, self._undo = settings, tasks, messages, undo
        self.datasets: dict[str, DatasetDocument] = {}
        self.current_id: str | None = None
        self._n_colors = 0
        self._colors: dict[str, int] = {}
        self.fitting = FittingTogether(tasks, self)
        self.key_memory = KeyMemory(settings.key_names)
        self.ask_types: Callable[[str, Callable[[str], None]], None] | None = None
        """Asked for the elements of a file's numeric types, given its name and what takes the answer,
        "Cu Au", or "" to leave it."""
        self.ask_names: Callable[[ReadFile, Callable[[Dataset], Any]], None] | None = None
        self._previews: dict[str, str] = {}
        self._wanted: tuple[str, int] | None = None
        self._asked_about: Counter[str] = Counter()
        """Files that are open once a question about them is answered."""
        self._came.connect(self._on_news)
        tasks.finished.connect(self._on_task_finished)

    # reading ------------------------------------------------------------------------------------------
    def open_paths(self, paths: Iterable[str], roles: dict[str, Role] | None = None) -> None:
        """Read files in the background ("file.xyz@::10" takes a slice) and add them as data sets."""
        for path in paths:
            role = (roles or {}).get(path)
            self._read(path, lambda found, role=role: self._open(found, role))

    @staticmethod
    def example_roles() -> dict[str, Role]:
        """Return what the files of the bundled silicon data are used for, by their paths."""
        roles = {"nvt": Role.TRAINING, "npt": Role.INSPECT, "eos": Role.EOS}
        return {str(example_path(name)): role for name, role in roles.items()}

    def open_example(self) -> None:
        """Open the bundled silicon data: NVT to train on (it is shown), a volume scan as reference, NPT.

        Files of it that are open get these roles.
        """
        open_now = {document.path: key for key, document in self.datasets.items() if not document.reading}

        def put(dataset_id: str, role: Role) -> None:
            if role is Role.TRAINING:
                self.show(dataset_id)

        for path, role in self.example_roles().items():
            if path in open_now:
                self.set_role(open_now[path], role)
                put(open_now[path], role)
            else:
                self._read(path, lambda found, role=role: put(self.add(found.dataset, role), role))

    def open_missing(
        self, roles: Mapping[str, Role | None], read_with: Mapping[str, str] | None = None
    ) -> None:
        """Open the files, by role, that exist and are neither open, whatever the slice, nor read.

        Without a role, a file is trained on only where it fits to what is there, as any that is opened.
        ``read_with`` has the names of their labels by path (``KeyNames.text``): nobody is asked again.
        """
        opened = {absolute(document.path) for document in self.datasets.values()}
        known = opened | set(self._asked_about) | {absolute(path) for path in self._tasks.being_read()}
        for path, role in roles.items():
            if absolute(path) in known or not Path(path).is_file():
                continue
            keys = None if read_with is None or path not in read_with else KeyNames.from_text(read_with[path])
            self._read(path, lambda found, role=role: self._open(found, role), keys)

    @property
    def reading(self) -> bool:
        """Whether files are being read."""
        return self._tasks.reading()

    def remember_keys(self, signature: str, names: KeyNames) -> None:
        """Read files with these names as the user has confirmed, from now on."""
        self.key_memory = self.key_memory.remember(signature, names)
        self._settings.key_names = self.key_memory.answers

    def _open(self, found: ReadFile, role: Role | None) -> None:
        """Open a file; where its labels stand under other names, after they were confirmed."""
        if found.dataset.problems or found.proposal is not None:
            self._drop_preview(found.dataset.path)
        if found.proposal is not None and self.ask_names is not None:
            self._asked_about[absolute(found.dataset.path)] += 1
            self.ask_names(found, lambda dataset: self._offer(dataset, role))
        else:
            self._offer(found.dataset, role)

    def names_answered(self, found: ReadFile) -> None:
        """The question about the names in a file has been answered, or will not be."""
        self._asked_about -= Counter([absolute(found.dataset.path)])

    def _read(
        self,
        path: str,
        on_done: Callable[[ReadFile], Any],
        keys: KeyNames | None = None,
        preview: bool = True,
        again: bool = False,
    ) -> None:
        """Read a file in the background; one that is being read is begun anew, or ``again`` beside it."""
        name, memory, key = Path(path).name, self.key_memory, f"read {path}"
        if again and self._tasks.busy(key):
            key, preview = free_name(key, [task.key or "" for task in self._tasks.tasks]), False

        def done(found: ReadFile) -> None:
            if found.note:
                self._messages.notify(Notification("info", f"{name}: labels under other names", found.note))
            if found.dataset.notes:
                text = from_one("; ".join(found.dataset.notes))
                self._messages.notify(Notification("info", f"{name}: how it was read", text))
            on_done(found)

        def failed(error: BaseException) -> None:
            def answered(types: str) -> None:
                if types:
                    self._read(path, on_done, KeyNames(types=types))
                else:
                    self._messages.notify_error(f"{name} was not opened", error)

            if self.ask_types is not None and wants_types(error):
                self.ask_types(name, answered)
            else:
                answered("")

        def came(dataset: Dataset, index: FrameIndex | None) -> None:
            self._came.emit(path, dataset, index)

        self._tasks.run(
            f"Reading {name}",
            lambda progress: read(path, progress, memory, keys, came if preview else None),
            done,
            failed,
            key=key,
            lane=READ,
        )

    # what is shown while it is read -------------------------------------------------------------------
    def _on_news(self, path: str, dataset: Dataset, index: FrameIndex | None) -> None:
        in_turn(self, lambda: self._on_came(path, dataset, index))

    def _on_came(self, path: str, dataset: Dataset, index: FrameIndex | None) -> None:
        """Show what a long file has so far; it is only looked at until all of it is there."""
        if not self._tasks.busy(f"read {path}"):
            if index is not None:
                index.close()
            return
        document = self._preview(dataset.path)
        if document is not None:
            document.replace(dataset)
            self.changed.emit(document.id)
            if document is self.current:
                self.current_changed.emit()
            return
        dataset_id = self.add(dataset, Role.INSPECT)
        self.datasets[dataset_id].reading = True
        self.datasets[dataset_id].index = index
        self._previews[path] = dataset_id
        self.changed.emit(dataset_id)
        if index is not None:
            self._find_frames(dataset_id, index)

    def _find_frames(self, dataset_id: str, index: FrameIndex) -> None:
        """Find where the frames of a file lie, so that any can be looked at while they are read."""
        self._tasks.run(
            "Finding frames",
            lambda progress: find_frames(index, lambda: self.found.emit(dataset_id), progress),
            lambda _: self.found.emit(dataset_id),
            lambda _: None,  # what is wrong with the file is told when it has been read
            key=f"find {dataset_id}",
            quiet=True,
        )

    def _look_ahead(self, document: DatasetDocument, position: int) -> None:
        """Read a frame that has not come yet, and show it; of several asked for meanwhile the last one."""
        index = document.index
        self._wanted = document.id, position
        if index is None or self._tasks.busy(_AHEAD):
            return

        def show_wanted() -> None:
            wanted, self._wanted = self._wanted, None
            if wanted is not None and wanted != (document.id, position) and wanted[0] in self.datasets:
                self.show(*wanted)

        def done(item: Frame | FrameProblem) -> None:
            wanted = self._wanted
            if wanted is not None and wanted[0] == document.id and document.id in self.datasets:
                if isinstance(item, Frame):
                    self._put(document, position, item)
                elif wanted[1] == position:
                    title = f"{document.name}, frame {position + 1} cannot be used"
                    self._messages.notify(
                        Notification("warning", title, from_one(f"{item.what}. {item.fix}."))
                    )
                self._wanted = wanted
            show_wanted()

        def failed(error: BaseException) -> None:
            if document.index is index:
                self._messages.notify_error(f"Frame {position + 1} of {document.name} cannot be shown", error)
            show_wanted()

        self._tasks.run(
            "Reading a frame", lambda _: index.get(position), done, failed, key=_AHEAD, quiet=True
        )

    def _preview(self, path: str) -> DatasetDocument | None:
        shown = (self.datasets.get(dataset_id) for dataset_id in self._previews.values())
        return next((document for document in shown if document and document.path == path), None)

    def share_read(self, dataset_id: str) -> float | None:
        """Return how much of a file has been read, from 0 to 1; None where that is not known."""
        keys = {f"read {path}" for path, key in self._previews.items() if key == dataset_id}
        return next((task.fraction for task in self._tasks.tasks if task.key in keys), None)

    def _drop_preview(self, path: str) -> None:
        document = self._preview(path)
        if document is not None:
            self._remove(document.id)

    def _on_task_finished(self, task: Task) -> None:
        """Take away what was shown of a file whose reading was cancelled or has failed."""
        path = (task.key or "").removeprefix("read ")
        if task.state is not TaskState.DONE:
            dataset_id = self._previews.pop(path, None)
            if dataset_id in self.datasets:
                self._remove(dataset_id)

    def _completed(self, document: DatasetDocument, dataset: Dataset, role: Role, why: str) -> str:
        """Take over all frames of a file of which some were shown."""
        self._previews = {path: key for path, key in self._previews.items() if key != document.id}
        document.replace(dataset)
        self._tasks.cancel(f"find {document.id}")
        document.ended()
        document.role = role
        self.completed.emit(document.id)
        self.changed.emit(document.id)
        if document is self.current:
            self.current_changed.emit()
        if why:
            self._tell_role(document, why)
        return document.id

    def _offer(self, dataset: Dataset, role: Role | None) -> None:
        if not dataset.problems:
            self._take(dataset, role)
            return
        title, text, details = describe_problems(dataset)
        actions: list[tuple[str, Callable[[], Any]]] = []
        actions.append((f"Skip and open {len(dataset.frames)}", lambda: self._take(dataset, role, show=True)))
        if any(problem.fix == LEFT_OUT for problem in dataset.problems):
            actions.append(("Take unconverged steps, too", lambda: self._read_unconverged(dataset, role)))
        self._messages.notify(Notification("warning", title, text, details, actions=tuple(actions)))

    def _take(self, dataset: Dataset, role: Role | None, show: bool = False) -> None:
        """Add a data set; where it has to be compared with others to know its role, that is done before.

        ``show``: somebody has just asked for it.
        """

        def added(dataset_id: str) -> None:
            if show:
                self.show(dataset_id)

        training = self._training_frames()
        if role is not None or not training or not dataset.summary().n_energies:
            added(self.add(dataset, role))
            return

        def done(found: tuple[Role, str]) -> None:
            now = self._training_frames()
            if len(now) == len(training) and all(now.get(name) is mine for name, mine in training.items()):
                added(self._add(dataset, *found))
            else:
                self._take(dataset, None, show)

        def failed(error: BaseException) -> None:
            self._messages.notify_error(f"{dataset.name} is only looked at", error)
            added(self._add(dataset, Role.INSPECT))

        def work(_: object) -> tuple[Role, str]:
            return guess_role(dataset, training)

        key = f"read {dataset.path}"
        self._tasks.run(f"Comparing {dataset.name}", work, done, failed, key=key, lane=COMPARE)

    def _read_unconverged(self, dataset: Dataset, role: Role | None) -> None:
        """Read a file again with the steps whose electrons did not converge."""
        keys = replace(dataset.keys or KeyNames(), unconverged=True)
        self._tasks.run(
            f"Reading {dataset.name}",
            lambda progress: read_with(dataset.path, keys, progress),
            lambda found: self._offer(found, role),
            lambda error: self._messages.notify_error(f"{dataset.name} was not opened", error),
            lane=READ,
        )

    def restore(self, saved: SavedDataset, show: bool, opened: Callable[[str], object]) -> None:
        """Open a file as it was read before, with its role, colour and frame, and tell its id to ``opened``.

        ``show`` makes it the current one.
        """

        def put(found: ReadFile) -> None:
            dataset_id = self.add(found.dataset, Role(saved.role), saved.color_index, saved.frame_index)
            if show:
                self.show(dataset_id, saved.frame_index)
            opened(dataset_id)
            self._tell_changed(saved, found.dataset)

        self._colors[saved.path] = saved.color_index
        self._read(saved.path, put, saved.key_names(), again=True)

    def _tell_changed(self, saved: SavedDataset, dataset: Dataset) -> None:
        """Say what is another in a file since its session was saved, and which frames cannot be used."""
        change = saved.change(len(dataset.frames), dataset.summary().formula)
        if not change:
            return
        document = next((d for d in self.datasets.values() if d.dataset is dataset), None)
        if document is not None:
            document.changed_since = change
            self.changed.emit(document.id)
        text, details = f"{change}: {dataset.path}.", ""
        if dataset.problems:
            problems, _, details = describe_problems(dataset)
            text += f" {problems.removeprefix(f'{dataset.name}: ')}, see Details."
        title = f"{dataset.name} has changed since it was last open"
        self._messages.notify(Notification("warning", title, text, details))

    def reload(self, dataset_id: str) -> None:
        """Read a file again, keeping its role and colour."""

        def put(found: ReadFile) -> None:
            if dataset_id in self.datasets:
                self.datasets[dataset_id].replace(found.dataset)
                self.datasets[dataset_id].changed_since = ""
                self.reloaded.emit(dataset_id)
                self.changed.emit(dataset_id)
                self.current_changed.emit()

        document = self.datasets[dataset_id]
        if not document.reading:
            self._read(document.path, put, document.dataset.keys, preview=False)

    # what is open -------------------------------------------------------------------------------------
    def elements(self) -> tuple[str, ...]:
        """Return the elements of all open data, by atomic number."""
        return self._elements_of(self.datasets.values())

    @staticmethod
    def _elements_of(documents: Iterable[DatasetDocument]) -> tuple[str, ...]:
        from ase.data import atomic_numbers

        found = {element for document in documents for element in document.summary.elements}
        return tuple(sorted(found, key=atomic_numbers.__getitem__))

    def has_eos(self) -> bool:
        """Whether an EOS reference is open."""
        return bool(self.of_role(Role.EOS))

    def add(
        self,
        dataset: Dataset,
        role: Role | None = None,
        color_index: int | None = None,
        frame_index: int = 0,
    ) -> str:
        """Add a data set, show it if nothing is shown, and return its id."""
        guessed = guess_role(dataset, self._training_frames()) if role is None else (role, "")
        return self._add(dataset, *guessed, color_index, frame_index)

    def _add(
        self,
        dataset: Dataset,
        role: Role,
        why: str = "",
        color_index: int | None = None,
        frame_index: int = 0,
    ) -> str:
        shown = self._preview(dataset.path)
        if shown is not None:
            return self._completed(shown, dataset, role, why)
        dataset_id = free_name(short_name(dataset.name), self.datasets)
        if color_index is None:
            color_index = self._colors.get(dataset.path, self._n_colors)
        self._colors[dataset.path] = color_index
        self._n_colors = max(self._n_colors, color_index + 1)
        document = DatasetDocument(dataset_id, dataset, role, color_index)
        document.frame_index = min(frame_index, max(document.n_frames - 1, 0))
        self.datasets[dataset_id] = document
        self.added.emit(dataset_id)
        if self.current_id is None:
            self.show(dataset_id, frame_index)
        if why:
            self._tell_role(document, why)
        return dataset_id

    def _training_frames(self) -> dict[str, Sequence[Frame]]:
        return {document.name: document.frames for document in self.trained_on()}

    def _tell_role(self, document: DatasetDocument, why: str) -> None:
        """Say what an opened file is used for; one that is only looked at can be used all the same."""
        kept_out = document.role is Role.INSPECT
        text, role = USES[named_as_scan(document.name)]
        use = (text, lambda: self.set_role(document.id, role))
        title = f"{document.name} is only looked at" if kept_out else f"{document.name} is open"
        level = "warning" if kept_out else "info"
        self._messages.notify(Notification(level, title, why, actions=(use,) if kept_out else ()))

    def trained_on(self) -> list[DatasetDocument]:
        """Return the data sets that a training would use now."""
        return self.of_role(Role.TRAINING)

    def training_text(self) -> str:
        """Return what would be trained on now, such as "191 frames of Si in 2 files", or nothing."""
        documents = self.trained_on()
        if not documents:
            return ""
        n_files, n_frames = len(documents), sum(document.n_frames for document in documents)
        files = "1 file" if n_files == 1 else f"{n_files} files"
        frames = "1 frame" if n_frames == 1 else f"{n_frames} frames"
        return f"{frames} of {'-'.join(self._elements_of(documents))} in {files}"

    def training_warnings(self) -> tuple[str, ...]:
        """Say why the files that would be trained on do not fit together; known until they change."""
        return self.fitting.now(*self._compared_frames())

    def known_warnings(self) -> tuple[str, ...]:
        """Return the same; nothing yet where files have just come, until ``fitting.known``."""
        return self.fitting.so_far(*self._compared_frames())

    def _compared_frames(self) -> tuple[Mapping[str, Sequence[Frame]], Mapping[str, Sequence[Frame]]]:
        """Return the frames that would be trained on, and those of the validation, by the names of files."""
        validation = {document.name: document.frames for document in self.of_role(Role.VALIDATION)}
        return self._training_frames(), validation

    def add_made(self, dataset: Dataset, role: Role, text: str, *, show: bool) -> str:
        """Add a data set that was made here and return its id (can be undone; the file stays).

        It is shown where ``show`` says that somebody waits for it. Who looks at something else meanwhile is
        not drawn away from it: there :meth:`offer` it.
        """
        dataset_id = self.add(dataset, role)
        if show:
            self.show(dataset_id, 0)
        self._undo.change(text, self._toggle(dataset_id), False, True, done=True)
        return dataset_id

    def offer(self, dataset_id: str) -> None:
        """Offer to show a data set that was made while something else is looked at."""

        def show() -> None:
            if dataset_id in self.datasets:  # a message's button may outlive it
                self.show(dataset_id, 0)

        document = self.datasets[dataset_id]
        title = f"{document.name} is ready"
        self._messages.notify(
            Notification("info", title, document.summary.text, actions=(("Show It", show),))
        )

    def remove(self, dataset_id: str) -> None:
        """Close a data set; undo reads the file again."""
        if self.datasets[dataset_id].reading:
            path = next(path for path, key in self._previews.items() if key == dataset_id)
            self._tasks.cancel(f"read {path}")
            self._remove(dataset_id)
            return
        toggle, name = self._toggle(dataset_id), self.datasets[dataset_id].name
        self._remove(dataset_id)
        self._undo.change(f"closing {name}", toggle, True, False, done=True)

    def _toggle(self, dataset_id: str) -> Callable[[bool], None]:
        """Return what opens a data set's file again (True) or closes it (False)."""
        document = self.datasets[dataset_id]
        path, role, keys = document.path, document.role, document.dataset.keys

        def toggle(is_open: bool) -> None:
            if is_open:
                self._read(path, lambda found: self._open(found, role), keys, again=True)
            elif dataset_id in self.datasets:
                self._remove(dataset_id)

        return toggle

    def _remove(self, dataset_id: str) -> None:
        self._tasks.cancel(f"find {dataset_id}")
        self.datasets.pop(dataset_id).ended()
        if self.current_id == dataset_id:
            self.current_id = next(iter(self.datasets), None)
            self.current_changed.emit()
        self.removed.emit(dataset_id)

    def set_role(self, dataset_id: str, role: Role) -> None:
        """Give a data set a role (can be undone); nothing happens where it was closed."""
        document = self.datasets.get(dataset_id)  # a message's button may outlive it
        if document is not None and document.role != role:
            text = f"role of {document.name}"
            self._undo.change(text, lambda r: self._set_role(dataset_id, r), document.role, role)

    def _set_role(self, dataset_id: str, role: Role) -> None:
        if dataset_id in self.datasets:
            self.datasets[dataset_id].role = role
            self.changed.emit(dataset_id)

    def of_role(self, role: Role) -> list[DatasetDocument]:
        """Return the data sets of one role, in the order they were opened."""
        return [document for document in self.datasets.values() if document.role == role]

    # what is shown ------------------------------------------------------------------------------------
    @property
    def current(self) -> DatasetDocument | None:
        """The data set shown, or None."""
        return self.datasets.get(self.current_id or "")

    @property
    def frame_index(self) -> int:
        """Index of the frame shown (0 when nothing is)."""
        document = self.current
        return document.frame_index if document else 0

    @property
    def frame(self) -> Frame | None:
        """The frame shown, or None."""
        document = self.current
        return document.at_hand(document.frame_index) if document else None

    def show(self, dataset_id: str, frame_index: int | None = None) -> None:
        """Show a frame of a data set (its last one shown when no index is given; clipped to the range).

        One that has not been read yet comes a little later.
        """
        document = self.datasets[dataset_id]
        index = document.frame_index if frame_index is None else frame_index
        index = min(max(index, 0), max(document.n_found - 1, 0))
        if document.index is not None and document.at_hand(index) is None:
            self._look_ahead(document, index)
        elif (dataset_id, index) != (self.current_id, document.frame_index):
            self._put(document, index)

    def _put(self, document: DatasetDocument, index: int, frame: Frame | None = None) -> None:
        self._wanted = None
        self.current_id = document.id
        document.look_at(index, frame)
        self.current_changed.emit()


def absolute(path: str) -> str:
    """Return the file of a path, without the slice of it, so that two ways to name it are seen as one."""
    return str(Path(path.partition("@")[0]).absolute())
