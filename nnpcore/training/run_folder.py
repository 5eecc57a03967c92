"""The folder of one training: settings, potential, history, checkpoint, and where its data came from.

====================================  ==============================================================
``settings.toml``                     :class:`~nnpcore.training.settings.TrainSettings`
``data.json``                         format mark, the run's id, the settings it was started with; files,
                                      frame indices and fingerprints by role
``potential/``                        the best weights so far, as ``Potential.save`` writes them
``history.csv``                       one row an epoch
``checkpoint.safetensors``            all that is needed to go on exactly; its JSON state is in the header
``training_set.safetensors``          descriptors of every training and validation atom
``calibration.json``                  factors of the spreads, where somebody has kept them
``note.json``                         what a user says of the run, see :mod:`nnpcore.training.notes`
``training.lock``                     while a training writes here, see :mod:`nnpcore.training.folder_lock`
====================================  ==============================================================

The folder of an imported potential is marked in data.json, has no checkpoint, and a training set only where
the user has given the data.

Every file is written beside its target and then moved onto it, so that a reader and a crash find the old or
the new one, never a half. Every file knows the run it belongs to and has a checksum: a folder into which two
trainings have written, and a file that was changed, are refused. Runs of version 0.2 have neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat, left_half_written, read_regular, write_atomically, writing_failed
from nnpcore.tensor_files import read_tensors, write_tensors
from nnpcore.training.data_sources import ROLES, DataSource, counts_of, sources_of
from nnpcore.training.folder_lock import LOCK_FILE, FolderLock, Writer
from nnpcore.training.history import EpochRecord, history_csv, parse_history_csv
from nnpcore.training.settings import TrainSettings

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import Potential
    from nnpcore.potential.spread_factors import SpreadFactors
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_AGAIN = "Choose another run, or start the training again"
_GO_ON = "Go on with the training: its checkpoint has the history, too"
FORMAT = FileFormat(
    name="eatlas run", version=1, noun="the record of a run", error=RunFolderError, fix=_AGAIN
)
CALIBRATION = FileFormat(
    name="eatlas calibration",
    version=1,
    noun="a record of factors of spreads",
    error=RunFolderError,
    fix="Calibrate this run again",
)
_OF_A_RUN = (
    "checkpoint.safetensors",
    "history.csv",
    "training_set.safetensors",
    "monitor.json",
    "calibration.json",
    "note.json",
    "potential/potential.json",
    "potential/potential.safetensors",
)
FILES_OF_A_RUN = ("data.json", "settings.toml", *_OF_A_RUN)
"""Names of all files of a run, the lock not among them."""
_NAMES = {"data.json", "settings.toml", *(name.rpartition("/")[2] for name in _OF_A_RUN)}
_MARK = "# Eatlas run "
_RUN, _CHECKSUM, _SETTINGS = "run", "sha256", "settings"
_DRAWN = "drawn"
"""Entries of data.json beside its sources; the first in the headers of arrays, too."""


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

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> TrainingValues:
        """Check and take arrays by name; TypeError or ValueError where they are no such values."""
        found = cls(**arrays)
        n_atoms = len(found.values) if found.values.ndim == 2 else -1
        for name, kind in (("values", "f"), ("species", "i"), ("frame", "i"), ("is_training", "b")):
            part = getattr(found, name)
            if part.dtype.kind != kind or len(part) != n_atoms or (name != "values" and part.ndim != 1):
                raise ValueError(f"'{name}' is {part.dtype} {part.shape}")
        if not np.isfinite(found.values).all() or min(found.species, default=0) < 0:
            raise ValueError("not all of its values are finite numbers")
        return found

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
    id : stands in every file of the run; empty for one of version 0.2.
    imported : the format of the potential another program has trained, such as "n2p2", else empty.
    parent : the folder of the run whose data this one has added to, else empty.
    drawn : whether its validation frames were drawn by its settings, not given; None where nobody said.
    potential_path : the folder ``Potential.load`` reads; the other paths are those of the table above.
    """

    def __init__(
        self,
        path: Path,
        settings: TrainSettings,
        sources: tuple[DataSource, ...],
        imported: str = "",
        run_id: str = "",
        started_with: TrainSettings | None = None,
        parent: str = "",
        drawn: bool | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.sources = sources
        self.imported, self.parent, self.drawn = imported, parent, drawn
        self.id = run_id
        self._started_with = started_with
        self._lock: FolderLock | None = None
        self.settings_path, self.data_path = path / "settings.toml", path / "data.json"
        self.potential_path, self.history_path = path / "potential", path / "history.csv"
        self.checkpoint_path = path / "checkpoint.safetensors"
        self.training_set_path = path / "training_set.safetensors"
        self.calibration_path = path / "calibration.json"

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        settings: TrainSettings,
        frames: Mapping[str, Sequence[Frame]],
        *,
        imported: str = "",
        parent: str = "",
        counts: Sequence[float] = (),
        drawn: bool | None = None,
    ) -> RunFolder:
        """Begin a run folder; an older run in the same folder is given up, a foreign folder is left alone.

        The folder is locked until :meth:`release`. For the parameters see :meth:`claim`.

        Raises
        ------
        RunFolderError : not writable, a folder with something else in it, or one that a training writes into.
        """
        run = cls.claim(path, settings, frames, imported=imported, parent=parent, counts=counts, drawn=drawn)
        try:
            run.begin()
        except BaseException:
            run.release()
            raise
        return run

    @classmethod
    def claim(
        cls,
        path: str | os.PathLike[str],
        settings: TrainSettings,
        frames: Mapping[str, Sequence[Frame]],
        *,
        imported: str = "",
        parent: str = "",
        counts: Sequence[float] = (),
        drawn: bool | None = None,
    ) -> RunFolder:
        """Lock the folder of a new run, in which :meth:`begin` is to write first.

        Parameters
        ----------
        path : the folder; made with its parents where missing.
        settings : kept as settings.toml.
        frames : by role, see ``ROLES``.
        imported : the format of a potential another program has trained.
        parent : the folder of the run whose data this one adds to.
        counts : how many times each training frame counts; once each where there are none.
        drawn : whether the validation frames were drawn by the settings; None where that is unknown.

        Raises
        ------
        RunFolderError : not writable, a folder with something else in it, or one that a training writes into.
        """
        folder = Path(path).absolute()
        refuse_foreign(folder)
        sources = sources_of(frames, counts)
        run = cls(folder, settings, sources, imported, secrets.token_hex(8), parent=parent, drawn=drawn)
        run.lock()
        return run

    def begin(self) -> None:
        """Write what stands before the first epoch, after files of an older run were removed."""
        for old in map(self.path.joinpath, _OF_A_RUN):
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                raise writing_failed(error, old) from error
        self._started_with = self._started_with or self.settings
        self._write_data(self._started_with)
        self.write_settings(self.settings)

    def _write_data(self, started_with: TrainSettings) -> None:
        origins = {"imported": self.imported, "parent": self.parent}
        origin: dict[str, Any] = {name: text for name, text in origins.items() if text}
        origin |= {} if self.drawn is None else {_DRAWN: self.drawn}
        content = {
            "sources": [source.to_dict() for source in self.sources],
            _RUN: self.id,
            _SETTINGS: started_with.model_dump(mode="json", exclude_none=True),
        } | origin
        FORMAT.write(self.data_path, content | {_CHECKSUM: _digest(content)})

    # one writer at a time -----------------------------------------------------------------------------
    def lock(self, writer: Writer = Writer.TRAINING) -> None:
        """Become the only one who writes here, and remove what a killed one left half-written.

        Raises RunFolderError where something else does, or the folder cannot be written.
        """
        if self._lock is None:
            self._lock = FolderLock.acquire(self.path, writer)
            for part in (self.path, self.potential_path):
                for path in left_half_written(part, _NAMES):
                    with suppress(OSError):
                        path.unlink()

    def release(self) -> None:
        """Let others write again."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def writing(self, writer: Writer) -> Iterator[None]:
        """Be the only one who writes here for a block; a folder that is locked already stays so.

        Raises RunFolderError where something else writes there, or the folder cannot be written.
        """
        locked_before = self._lock is not None
        self.lock(writer)
        try:
            yield
        finally:
            if not locked_before:
                self.release()

    @property
    def still_there(self) -> bool:
        """Whether the locked folder still is where it was: not removed, moved or replaced."""
        return self._lock is not None and self._lock.still_there()

    def has_only_its_own(self) -> bool:
        """Whether every file in the folder is one of this run; EatlasError where one cannot be read."""
        from nnpcore.potential import Potential

        if not set(entries_of(self.path)) <= {name.partition("/")[0] for name in FILES_OF_A_RUN}:
            return False
        if os.path.lexists(self.history_path):
            self.read_history()
        for path in (self.checkpoint_path, self.training_set_path):
            if path.is_file():
                self._read_arrays(path)
        of_settings = _id_in_settings(self.settings_path) if self.settings_path.is_file() else self.id
        of_potential = Potential.load(self.path).info.get(_RUN) if self.potential_path.exists() else self.id
        return of_settings == of_potential == self.id

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open a run folder; RunFolderError names the file that is missing, damaged or foreign."""
        folder = Path(path).absolute()
        if not folder.is_dir():
            what = "this is a file" if folder.is_file() else "there is no such folder"
            raise RunFolderError(what, where=str(folder), fix="Choose the folder of a training")
        for name in FILES_OF_A_RUN:
            if (folder / name).is_symlink():
                what = "this is a link, and may lead to anything"
                raise RunFolderError(what, where=str(folder / name), fix="Put the file itself there")
        data = folder / "data.json"
        if not data.is_file():
            raise RunFolderError(
                "this is not the folder of a training: it has no data.json",
                where=str(folder),
                fix="Choose a folder that `eatlas train` or the window has made",
            )
        sources, imported, run_id, started_with, parent, drawn = _read_data(data)
        try:
            settings = TrainSettings.from_toml(folder / "settings.toml")
        except EatlasError as error:
            raise RunFolderError(error.what, where=error.where, fix=error.fix) from None
        if _id_in_settings(folder / "settings.toml") not in ("", run_id):
            what = "it is of another training, of which files have come into this folder"
            raise RunFolderError(what, where=str(folder / "settings.toml"), fix=_AGAIN)
        if started_with is not None:
            _refuse_changes(started_with, settings, str(folder / "settings.toml"))
        return cls(folder, settings, sources, imported, run_id, started_with, parent, drawn)

    def give_id(self) -> None:
        """Give a run of version 0.2 an id and a record of its settings, before it goes on."""
        if not self.id:
            records: list[EpochRecord] = []
            with suppress(RunFolderError):  # the checkpoint, from which it goes on, has it, too
                records = self.read_history()
            self._started_with, self.id = self.started_with(), secrets.token_hex(8)
            self.write_history(records)  # first: without an id its checksum is not looked at
            self._write_data(self._started_with)

    def refuse_changes(self, settings: TrainSettings) -> None:
        """Raise RunFolderError, with their names, where settings have changed that weights hang on."""
        _refuse_changes(self.started_with(), settings, str(self.settings_path))

    def write_settings(self, settings: TrainSettings) -> None:
        """Keep changed settings (more epochs, say)."""
        mark = f"{_MARK}{self.id}\n" if self.id else ""
        write_atomically(self.settings_path, (mark + settings.to_toml()).encode())
        self.settings = settings

    def write_history(self, records: Sequence[EpochRecord]) -> None:
        """Write history.csv, where there are any."""
        if not records:
            return
        write_atomically(self.history_path, history_csv(records, self.id).encode())

    def read_history(self) -> list[EpochRecord]:
        """Read history.csv; empty where no epoch has ended yet. RunFolderError: it is lost or damaged."""
        if not os.path.lexists(self.history_path):
            if self.checkpoint_path.is_file() and self._has_epochs():  # it is written after the history
                raise RunFolderError(
                    "the history of this run is missing", where=str(self.history_path), fix=_GO_ON
                )
            return []
        try:
            return parse_history_csv(read_regular(self.history_path).decode(), self.id)
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else str(error)
            fix = _AGAIN if self.imported else _GO_ON
            raise RunFolderError(
                f"the history cannot be read: {what}", where=str(self.history_path), fix=fix
            ) from None

    def _has_epochs(self) -> bool:
        """Whether an epoch had ended when the checkpoint was written; true where that cannot be read."""
        try:
            return self.read_checkpoint().state.get("history") != []
        except RunFolderError:
            return True

    def refuse_unbegun(self, history: Sequence[EpochRecord]) -> None:
        """Raise RunFolderError where no epoch has ended yet: there are first weights, which know nothing."""
        if not history and not self.imported:
            raise RunFolderError(
                "no epoch of this training has ended yet, and its first weights have learned nothing",
                where=str(self.path),
                fix=f"Go on with it: eatlas train -o {quote(str(self.path))} --resume",
            )

    def started_with(self) -> TrainSettings:
        """Return the settings that weights here were made with, as far as the folder tells."""
        if self._started_with is not None:
            return self._started_with
        from nnpcore.potential import Potential

        try:
            return TrainSettings.model_validate(Potential.load(self.path).info["settings"])
        except (EatlasError, KeyError, TypeError, ValueError):
            return self.settings

    def write_potential(self, potential: Potential) -> None:
        """Write the potential, marked as this run's."""
        replace(potential, info=potential.info | {_RUN: self.id}).save(self.potential_path)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write checkpoint.safetensors."""
        self._write_arrays(self.checkpoint_path, checkpoint.arrays, checkpoint.state)

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
        return Checkpoint(*self._read_arrays(self.checkpoint_path))

    def write_spread_factors(self, factors: SpreadFactors, data: Sequence[str] = ()) -> None:
        """Keep factors of the spreads of the potential as it is now; ``data`` names what they are from.

        RunFolderError where they cannot be written, there is no potential, or something else writes here.
        """
        with self.writing(Writer.CALIBRATION):
            content = {_RUN: self.id, "potential": self._potential_digest(), "data": list(data)}
            CALIBRATION.write(self.calibration_path, content | {"factors": vars(factors)})

    def spread_factors(self) -> SpreadFactors | None:
        """Return the factors of spreads that were kept, or None.

        RunFolderError where they are damaged, or of other weights than the potential has now.
        """
        from nnpcore.potential.spread_factors import SpreadFactors

        if not self.calibration_path.is_file():
            return None
        with CALIBRATION.reading(self.calibration_path) as document:
            if document["run"] != self.id or document["potential"] != self._potential_digest():
                raise RunFolderError(
                    "the spreads were calibrated for other weights than the potential has now"
                )
            factors = document["factors"]
            if missing := [field.name for field in fields(SpreadFactors) if field.name not in factors]:
                raise RunFolderError(f"damaged: the factor {missing[0]!r} is missing")
            return SpreadFactors(**{str(name): value for name, value in factors.items()})

    def _potential_digest(self) -> str:
        """Return a hash of the potential's numbers."""
        from nnpcore.potential.storage import TENSORS_NAME

        path = self.potential_path / TENSORS_NAME
        try:
            return hashlib.sha256(read_regular(path)).hexdigest()
        except OSError as error:
            what = f"the potential cannot be read ({error.strerror})"
            raise RunFolderError(what, where=str(path), fix=_AGAIN) from None

    def write_training_values(self, values: TrainingValues) -> None:
        """Write training_set.safetensors."""
        self._write_arrays(self.training_set_path, vars(values), {"format": FORMAT.name})

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
        arrays, _ = self._read_arrays(self.training_set_path)
        try:
            return TrainingValues.of_arrays(arrays)
        except (TypeError, ValueError) as error:
            raise _damaged(self.training_set_path, error) from None

    @property
    def counts(self) -> tuple[float, ...]:
        """How many times each training frame counts; nothing where all count once."""
        return counts_of(self.sources)

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
        counts = self.counts if len(self.counts) == len(frames.get("training", ())) else ()
        given = sources_of(frames, counts)
        if [(s.role, s.fingerprint) for s in given] != [(s.role, s.fingerprint) for s in self.sources]:
            raise RunFolderError(
                "the given frames are not those this run was trained on",
                where=str(self.data_path),
                fix="Give the same frames in the same order, or start a new training",
            )

    def _write_arrays(self, path: Path, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
        texts = {"state": json.dumps(state), "format_version": str(FORMAT.version), _RUN: self.id}
        write_tensors(path, arrays, texts)

    def _read_arrays(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        try:
            arrays, texts = read_tensors(path)
            FORMAT.check_version(int(texts.get("format_version", "1")))
            if texts.get(_RUN, self.id) != self.id:
                raise ValueError("it is of another training, of which files have come into this folder")
            state = json.loads(texts["state"])
            if not isinstance(state, dict):
                raise ValueError("its state is none")
            return arrays, state
        except RunFolderError as error:
            raise RunFolderError(error.what, where=str(path), fix=error.fix) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(path, error) from None


def _read_data(
    path: Path,
) -> tuple[tuple[DataSource, ...], str, str, TrainSettings | None, str, bool | None]:
    """Return the sources, the format a potential was imported in, the run's id, first settings, parent, and
    whether the validation frames were drawn.
    """
    with FORMAT.reading(path) as document:
        wanted = document.pop(_CHECKSUM, None)
        content = {name: value for name, value in document.items() if name not in FORMAT.mark}
        known = (_digest(content), _digest(content, ())) if wanted is not None or _RUN in content else (None,)
        if wanted not in known:
            raise RunFolderError("damaged: its checksum does not fit, it was changed after it was written")
        sources = tuple(DataSource.from_dict(values) for values in document["sources"])
        started_with = document.get(_SETTINGS)
        settings = None if started_with is None else TrainSettings.model_validate(started_with)
        imported, parent = (str(document.get(name, "")) for name in ("imported", "parent"))
        drawn = document.get(_DRAWN)
        if drawn is not None and not isinstance(drawn, bool):
            raise RunFolderError(f"damaged: {_DRAWN} is {drawn!r}, wanted true or false")
        return sources, imported, str(document.get(_RUN, "")), settings, parent, drawn


def _id_in_settings(path: Path) -> str:
    """Return the id in the first line of settings.toml, which users may edit; empty without one."""
    first = read_regular(path).partition(b"\n")[0].decode(errors="replace")
    return first.removeprefix(_MARK).strip() if first.startswith(_MARK) else ""


def id_of(folder: str | os.PathLike[str]) -> str:
    """Return the id in a run folder's data.json; empty where it has none or cannot be read."""
    try:
        with FORMAT.reading(Path(folder) / "data.json") as document:
            return str(document.get(_RUN, ""))
    except RunFolderError:
        return ""


def _digest(content: Mapping[str, Any], movable: tuple[str, ...] = ("parent",)) -> str:
    """Return the checksum of data.json; what has moved may be named anew: frames have their own.

    Earlier the folder of the run before, if any, was part of it (``movable`` empty).
    """
    sources = [{k: v for k, v in source.items() if k != "path"} for source in content["sources"]]
    kept = {name: value for name, value in content.items() if name not in movable} | {"sources": sources}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _refuse_changes(started_with: TrainSettings, settings: TrainSettings, where: str) -> None:
    """Raise RunFolderError where a setting has changed that gives weights their meaning."""
    names = started_with.changed(settings)
    if names:
        are = "is" if len(names) == 1 else "are"
        raise RunFolderError(
            f"{', '.join(names)} {are} no longer what the run was started with",
            where=where,
            fix="Put back the old value, or start a new training",
        )


def refuse_foreign(folder: Path) -> None:
    """Leave a folder alone that holds something else than a run."""
    names = entries_of(folder)
    if names and "data.json" not in names:
        raise RunFolderError(
            f"this folder holds other things already ({names[0]}, ...)",
            where=str(folder),
            fix="Choose a new or an empty folder",
        )
    if names:
        with FORMAT.reading(folder / "data.json"):
            pass


def entries_of(folder: Path) -> list[str]:
    """Return the names of what is in a folder, less what a killed training left; none without a folder.

    RunFolderError where it cannot be read.
    """
    try:
        names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    except OSError as error:
        raise writing_failed(error, folder) from error
    left = {LOCK_FILE, *(path.name for path in left_half_written(folder, _NAMES))}
    return sorted(set(names) - left)


def _damaged(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(
        f"the file is damaged or not Eatlas's own ({type(error).__name__}: {error})",
        where=str(path),
        fix=_AGAIN,
    )
