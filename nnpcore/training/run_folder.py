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

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat, write_atomically, writing_failed
from nnpcore.training.data_sources import ROLES, DataSource, sources_of
from nnpcore.training.history import EpochRecord, history_csv, parse_history_csv
from nnpcore.training.settings import TrainSettings

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_AGAIN = "Choose another run, or start the training again"
FORMAT = FileFormat(
    name="eatlas run", version=1, noun="the record of a run", error=RunFolderError, fix=_AGAIN
)
_OF_A_RUN = (
    "checkpoint.safetensors",
    "history.csv",
    "training_set.safetensors",
    "potential/potential.json",
    "potential/potential.safetensors",
)


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

    @classmethod
    def of_frames(
        cls,
        training: Sequence[Frame],
        validation: Sequence[Frame],
        functions: SymmetryFunctions,
        *,
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> TrainingValues:
        """Describe the atoms of frames."""
        from nnpcore.descriptors import compute_descriptors

        both, n_train = [*training, *validation], len(training)
        found = compute_descriptors(
            both, functions, derivatives=False, n_threads=n_threads, progress=progress
        )
        frame = found.frames_of_atoms
        own = np.where(frame < n_train, frame, frame - n_train).astype(np.int32)
        return cls(found.values, found.species.astype(np.int32), own, frame < n_train)

    def whitening(self, functions: SymmetryFunctions) -> Whitening:
        """Return the whitening that is learned from the training atoms."""
        from nnpcore.descriptors import Whitening

        return Whitening.fit(self.values[self.is_training], self.species[self.is_training], functions)


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

    Attributes
    ----------
    settings, sources : what was trained, and on what.
    imported : the format of the potential another program has trained, such as "n2p2", else empty.
    potential_path : the folder ``Potential.load`` reads; the other paths are those of the table above.
    """

    def __init__(
        self, path: Path, settings: TrainSettings, sources: tuple[DataSource, ...], imported: str = ""
    ) -> None:
        self.path = path
        self.settings = settings
        self.sources = sources
        self.imported = imported
        self.settings_path, self.data_path = path / "settings.toml", path / "data.json"
        self.potential_path, self.history_path = path / "potential", path / "history.csv"
        self.checkpoint_path = path / "checkpoint.safetensors"
        self.training_set_path = path / "training_set.safetensors"

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
        sources = sources_of(frames)
        run = cls(folder, settings, sources, imported)
        for old in map(folder.joinpath, _OF_A_RUN):
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                raise writing_failed(error, old) from error
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
        files: dict[tuple[str, str], dict[int, Frame]] = {}
        for source in self.sources:
            key = (source.path, source.read_with)
            if key not in files:
                files[key] = source.read(self.path)
            found[source.role] += source.pick(files[key])
        return found

    def check_frames(self, frames: Mapping[str, Sequence[Frame]]) -> None:
        """Raise RunFolderError unless these are the frames the run was trained on, in the same order."""
        given = sources_of(frames)
        if [(s.role, s.fingerprint) for s in given] != [(s.role, s.fingerprint) for s in self.sources]:
            raise RunFolderError(
                "the given frames are not those this run was trained on",
                where=str(self.data_path),
                fix="Give the same frames in the same order, or start a new training",
            )


def _read_sources(path: Path) -> tuple[tuple[DataSource, ...], str]:
    """Return the sources, and the format an imported potential came in."""
    with FORMAT.reading(path) as document:
        sources = tuple(DataSource.from_dict(values) for values in document["sources"])
        return sources, str(document.get("imported", ""))


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
