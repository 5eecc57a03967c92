"""The folder of one training: settings, potential, history, checkpoint, and where its data came from.

====================================  ==============================================================
``settings.toml``                     :class:`~nnpcore.training.settings.TrainSettings`
``data.json``                         format mark; files, frame indices and fingerprints by role
``potential/``                        the best weights so far, as ``Potential.save`` writes them
``history.csv``                       one row an epoch
``checkpoint.safetensors``            all that is needed to go on exactly; its JSON state is in the header
``training_set.safetensors``          descriptors of every training and validation atom
====================================  ==============================================================

The folder of an imported potential is marked in data.json, has no checkpoint, and a training set only where
the user has given the data.

Every file is written beside its target and then moved onto it, so that a reader and a crash find the old or
the new one, never a half.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat, write_atomically, writing_failed
from nnpcore.training.history import EpochRecord, history_csv, parse_history_csv
from nnpcore.training.settings import TrainSettings

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

_AGAIN = "Choose another run, or start the training again"
FORMAT = FileFormat(
    name="eatlas run", version=1, noun="the record of a run", error=RunFolderError, fix=_AGAIN
)
ROLES = ("training", "validation")
_OF_A_RUN = (
    "checkpoint.safetensors",
    "history.csv",
    "training_set.safetensors",
    "potential/potential.json",
    "potential/potential.safetensors",
)


def fingerprint(frames: Sequence[Frame]) -> str:
    """Return a hash of everything a training takes from these frames, whatever file they are in."""
    digest = hashlib.sha256()
    for frame in frames:
        for values in (frame.numbers, frame.positions, frame.cell, frame.pbc, frame.forces, frame.stress):
            digest.update(b"-" if values is None else np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(repr(None if frame.energy is None else float(frame.energy)).encode())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class DataSource:
    """Frames of one role from one file.

    Attributes
    ----------
    role : "training" or "validation".
    path : the file, absolute; empty for frames that came from no file.
    indices : frame indices in that file, in the order they were given.
    fingerprint : of these frames, see :func:`fingerprint`.
    read_with : the names its labels were read under, as ``KeyNames.text``; empty for the usual ones.
    """

    role: str
    path: str
    indices: tuple[int, ...]
    fingerprint: str
    read_with: str = ""


@dataclass(frozen=True, eq=False)
class TrainingValues:
    """Descriptors of the atoms a run was trained and validated on.

    Attributes
    ----------
    values : (n_atoms, n_descriptors) float64, before whitening.
    species : (n_atoms,) int32, index into the potential's elements.
    frame : (n_atoms,) int32, index of the frame within its role.
    is_training : (n_atoms,) bool, False for validation atoms.
    """

    values: np.ndarray
    species: np.ndarray
    frame: np.ndarray
    is_training: np.ndarray


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that is needed to go on with a training exactly.

    Attributes
    ----------
    arrays : by name: weights, best weights, the optimizer's state.
    state : plain JSON values: epoch, step, counters, history.
    """

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]

    def named(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays whose names begin with ``prefix``, by the rest of their names."""
        return {name.removeprefix(prefix): v for name, v in self.arrays.items() if name.startswith(prefix)}


class RunFolder:
    """One training's folder. Make it with :meth:`create` or :meth:`open`.

    ``imported`` is the format of the potential another program has trained, such as "n2p2", else empty.
    """

    def __init__(
        self, path: Path, settings: TrainSettings, sources: tuple[DataSource, ...], imported: str = ""
    ) -> None:
        self.path = path
        self.settings = settings
        self.sources = sources
        self.imported = imported

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        settings: TrainSettings,
        frames: Mapping[str, Sequence[Frame]],
        *,
        imported: str = "",
    ) -> RunFolder:
        """Begin a run folder; an older run in the same folder is given up, a foreign folder is left alone.

        Parameters
        ----------
        path : the folder; made with its parents where missing.
        settings : kept as settings.toml.
        frames : by role, "training" and "validation".
        imported : the format of a potential another program has trained.

        Raises
        ------
        RunFolderError : not writable, or a folder with something else in it.
        """
        folder = Path(path).absolute()
        _refuse_foreign(folder)
        sources = tuple(s for role in ROLES for s in _sources_of(role, frames.get(role, ())))
        run = cls(folder, settings, sources, imported)
        for name in _OF_A_RUN:
            _remove(folder / name)
        origin = {"imported": imported} if imported else {}
        FORMAT.write(run.data_path, {"sources": [vars(s) for s in sources], **origin})
        settings.to_toml(run.settings_path)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open a run folder; RunFolderError names the file that is missing, damaged or foreign."""
        folder = Path(path).absolute()
        if not folder.is_dir():
            raise RunFolderError(
                "there is no such folder", where=str(folder), fix="Choose the folder of a training"
            )
        data = folder / "data.json"
        if not data.is_file():
            raise RunFolderError(
                "this is not the folder of a training: it has no data.json",
                where=str(folder),
                fix="Choose a folder that `eatlas train` or the window has made",
            )
        sources, imported = _read_sources(data)
        try:
            settings = TrainSettings.from_toml(folder / "settings.toml")
        except EatlasError as error:
            raise RunFolderError(error.what, where=error.where, fix=error.fix) from None
        return cls(folder, settings, sources, imported)

    @property
    def settings_path(self) -> Path:
        """settings.toml."""
        return self.path / "settings.toml"

    @property
    def data_path(self) -> Path:
        """data.json."""
        return self.path / "data.json"

    @property
    def potential_path(self) -> Path:
        """The folder ``Potential.load`` reads."""
        return self.path / "potential"

    @property
    def checkpoint_path(self) -> Path:
        """checkpoint.safetensors."""
        return self.path / "checkpoint.safetensors"

    @property
    def training_set_path(self) -> Path:
        """training_set.safetensors."""
        return self.path / "training_set.safetensors"

    @property
    def history_path(self) -> Path:
        """history.csv."""
        return self.path / "history.csv"

    def write_settings(self, settings: TrainSettings) -> None:
        """Keep changed settings (more epochs, say)."""
        settings.to_toml(self.settings_path)
        self.settings = settings

    def write_history(self, records: Sequence[EpochRecord]) -> None:
        """Write history.csv."""
        write_atomically(self.history_path, history_csv(records).encode())

    def read_history(self) -> list[EpochRecord]:
        """Read history.csv; empty where no epoch has ended yet."""
        if not self.history_path.is_file():
            return []
        try:
            return parse_history_csv(self.history_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(self.history_path, error) from None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write checkpoint.safetensors."""
        _write_arrays(self.checkpoint_path, checkpoint.arrays, checkpoint.state)

    def read_checkpoint(self) -> Checkpoint:
        """Read checkpoint.safetensors; RunFolderError where it is missing, damaged or was never to be."""
        if self.imported:
            raise RunFolderError(
                f"this potential was imported from {self.imported} and cannot be trained here",
                where=str(self.path),
                fix="Train a new ensemble on its data",
            )
        if not self.checkpoint_path.is_file():
            raise RunFolderError(
                "there is no checkpoint, the training was ended before its first one",
                where=str(self.checkpoint_path),
                fix="Start the training again",
            )
        arrays, state = _read_arrays(self.checkpoint_path)
        return Checkpoint(arrays, state)

    def write_training_values(self, values: TrainingValues) -> None:
        """Write training_set.safetensors."""
        _write_arrays(self.training_set_path, vars(values), {"format": FORMAT.name})

    def training_values(self) -> TrainingValues:
        """Read training_set.safetensors; RunFolderError where it is missing or damaged."""
        if self.imported and not self.training_set_path.is_file():
            raise RunFolderError(
                "this potential was imported without its training data, which this analysis compares with",
                where=str(self.path),
                fix="Import it again with --data FILE",
            )
        if not self.training_set_path.is_file():
            raise RunFolderError(
                "the descriptors of the training atoms are missing",
                where=str(self.training_set_path),
                fix="Train again, or choose another run",
            )
        arrays, _ = _read_arrays(self.training_set_path)
        try:
            return TrainingValues(**arrays)
        except TypeError as error:
            raise _damaged(self.training_set_path, error) from None

    def find_frames(self) -> dict[str, list[Frame]]:
        """Read the run's frames again, by role, in their old order.

        Raises
        ------
        RunFolderError : a file is gone, lacks frames, or its frames are not those the run was trained on.
        """
        found: dict[str, list[Frame]] = {role: [] for role in ROLES}
        files: dict[str, dict[int, Frame]] = {}
        for source in self.sources:
            key = f"{source.path}\n{source.read_with}"
            if key not in files:
                files[key] = self._read_file(source)
            found[source.role] += _pick(source, files[key])
        return found

    def _read_file(self, source: DataSource) -> dict[int, Frame]:
        from nnpcore.structures import KeyNames, read_dataset

        path = self._locate(source)
        keys = KeyNames.from_text(source.read_with) if source.read_with else None
        return {frame.index: frame for frame in read_dataset(str(path), on_bad="skip", keys=keys).frames}

    def _locate(self, source: DataSource) -> Path:
        """Return where the file is now: its old place, or the same name beside the run folder or in it."""
        if not source.path:
            raise RunFolderError(
                f"the {source.role} frames came from no file and cannot be found again",
                where=str(self.data_path),
                fix="Give the frames when you go on with this training",
            )
        old = Path(source.path)
        for path in (old, self.path / old.name, self.path.parent / old.name):
            if path.is_file():
                return path
        raise RunFolderError(
            f"the {source.role} data of this run are gone",
            where=source.path,
            fix="Put the file back where it was",
        )

    def check_frames(self, frames: Mapping[str, Sequence[Frame]]) -> None:
        """Raise RunFolderError unless these are the frames the run was trained on, in the same order."""
        given = tuple(s for role in ROLES for s in _sources_of(role, frames.get(role, ())))
        if [(s.role, s.fingerprint) for s in given] != [(s.role, s.fingerprint) for s in self.sources]:
            raise RunFolderError(
                "the given frames are not those this run was trained on",
                where=str(self.data_path),
                fix="Give the same frames in the same order, or start a new training",
            )


def _sources_of(role: str, frames: Sequence[Frame]) -> list[DataSource]:
    """Group neighboring frames of one file, keeping the order of all frames."""
    sources: list[DataSource] = []
    start = 0
    for end in range(1, len(frames) + 1):
        if end < len(frames) and _same_source(frames[end], frames[start]):
            continue
        part = frames[start:end]
        path = str(Path(part[0].source).absolute()) if part[0].source else ""
        indices = tuple(f.index for f in part)
        sources.append(DataSource(role, path, indices, fingerprint(part), part[0].read_with))
        start = end
    return sources


def _same_source(a: Frame, b: Frame) -> bool:
    return a.source == b.source and a.read_with == b.read_with


def _pick(source: DataSource, frames: dict[int, Frame]) -> list[Frame]:
    missing = [index for index in source.indices if index not in frames]
    if missing:
        raise RunFolderError(
            f"frame {missing[0]} of the {source.role} data is missing or can no longer be used",
            where=source.path,
            fix="Put the file back as it was",
        )
    picked = [frames[index] for index in source.indices]
    if fingerprint(picked) != source.fingerprint:
        raise RunFolderError(
            f"the {source.role} data have changed since the training began",
            where=source.path,
            fix="Put the file back as it was, or start a new training",
        )
    return picked


def _read_sources(path: Path) -> tuple[tuple[DataSource, ...], str]:
    """Return the sources, and the format an imported potential came in."""
    with FORMAT.reading(path) as document:
        sources = tuple(_source_of(values) for values in document["sources"])
        return sources, str(document.get("imported", ""))


def _source_of(values: Mapping[str, Any]) -> DataSource:
    return DataSource(
        str(values["role"]),
        str(values["path"]),
        tuple(int(i) for i in values["indices"]),
        str(values["fingerprint"]),
        str(values.get("read_with", "")),
    )


def _refuse_foreign(folder: Path) -> None:
    """Leave a folder alone that holds something else than a run."""
    try:
        entries = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    except OSError as error:
        raise writing_failed(error, folder) from error
    if entries and "data.json" not in entries:
        raise RunFolderError(
            f"this folder holds other things already ({entries[0]}, ...)",
            where=str(folder),
            fix="Choose a new or an empty folder",
        )
    if entries:
        _read_sources(folder / "data.json")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise writing_failed(error, path) from error


def _write_arrays(path: Path, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    version = {"format_version": str(FORMAT.version)}
    content = save(tensors, metadata={"state": json.dumps(state)} | version)
    write_atomically(path, content)


def _read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            FORMAT.check_version(int(file.metadata().get("format_version", "1")))
            state = json.loads(file.metadata()["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except RunFolderError as error:
        raise RunFolderError(error.what, where=str(path), fix=error.fix) from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(
        f"the file is damaged or not Eatlas's own ({type(error).__name__}: {error})",
        where=str(path),
        fix=_AGAIN,
    )
