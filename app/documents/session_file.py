"""The session on disk: what was open, so that it can be opened again, also after a crash.

A running window keeps ``session-<pid>.json``; on a clean end it becomes ``session.json``. A file of a process
that is gone tells of a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app.documents.regions import RegionDocument
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat
from nnpcore.structures import KeyNames, Role

FORMAT = FileFormat("", 1, "a session", RunFolderError, "Start with an empty window", version_key="schema")


Entry = TypeVar("Entry")


@dataclass
class SavedDataset:
    """A file with what the user set for it; ValueError for what cannot be, such as a role there is not.

    ``hidden``: its eye is closed. ``keys`` are the names and types it was read with (:class:`KeyNames`).
    ``n_frames`` and ``formula`` say what was in it, 0 and "" where that is not known.
    """

    path: str
    role: str
    color_index: int
    frame_index: int = 0
    hidden: bool = False
    keys: dict[str, Any] | None = None
    n_frames: int = 0
    formula: str = ""

    def __post_init__(self) -> None:
        Role(self.role)
        _path(self.path)
        _text(self.formula)
        for value in (self.color_index, self.frame_index, self.n_frames):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
                raise ValueError(f"{str(value)[:40]!r} is no index")
        if not isinstance(self.hidden, bool):
            raise ValueError("its eye is neither open nor closed")
        self.key_names()

    def change(self, n_frames: int, formula: str) -> str:
        """Return what is another in the file now, in words; "" where nothing is, or nothing was known."""
        if not self.n_frames or (self.n_frames, self.formula) == (n_frames, formula):
            return ""
        then, now = (f"{n:,} {'frame' if n == 1 else 'frames'}" for n in (self.n_frames, n_frames))
        if self.formula != formula:
            then, now = f"{then} of {self.formula}", f"{now} of {formula}"
        return f"{then} when the session was saved, {now} now"

    def key_names(self) -> KeyNames | None:
        """Return how the file was read; ValueError where that cannot be."""
        if self.keys is None:
            return None
        try:
            return KeyNames(**self.keys)
        except (TypeError, EatlasError) as error:
            raise ValueError(str(error)) from None


@dataclass
class SavedSession:
    """What is kept of a session; numbers live in the files and run folders it names.

    ``compared`` names the folders of the runs that are compared; ``regions`` are documents, plain when read.
    ``lost`` says which entries of the file could not be understood when it was read.
    ``calculators`` are specs of calculators from elsewhere: started again only when the user says so, since
    that runs code of their names. ``sweep`` is the latest one: its setting and the folders of its runs.
    ``training`` are those settings of the next training that belong to the data: weights of groups, frames
    left out. ``hidden_groups`` are groups of frames that views leave out.
    ``current`` is the file of the frame shown, ``current_run`` the folder of the run looked at.
    """

    datasets: list[SavedDataset] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    current: str = ""
    coloring: dict[str, Any] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    regions: Sequence[RegionDocument | dict[str, Any]] = ()
    calculators: list[dict[str, Any]] = field(default_factory=list)
    sweep: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    current_run: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    hidden_groups: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to restore."""
        return not (self.datasets or self.runs or self.regions or self.calculators)


def path_of(folder: Path, pid: int) -> Path:
    """Return the file a running window writes to."""
    return folder / f"session-{pid}.json"


def last_path(folder: Path) -> Path:
    """Return the file of the last session that ended well."""
    return folder / "session.json"


def write(path: Path, session: SavedSession) -> None:
    """Write a session; RunFolderError where that is impossible."""
    regions = [r if isinstance(r, dict) else r.to_dict() for r in session.regions]
    content = asdict(replace(session, regions=[])) | {"regions": regions}
    content.pop("lost")
    FORMAT.write(path, content)


def read(path: Path) -> SavedSession:
    """Read a session; RunFolderError where it is unreadable, damaged, or of a newer Eatlas.

    An entry that cannot be understood is left out and told in ``lost``.
    """
    with FORMAT.reading(path) as content:
        lost: list[str] = []
        take = partial(_entries, content, lost)
        current, coloring, sweep = (content.get(key) for key in ("current", "coloring", "sweep"))
        training = content.get("training")
        run = content.get("current_run")
        return SavedSession(
            take("datasets", "a data set", lambda entry: SavedDataset(**entry)),
            take("runs", "a run", _path),
            current if isinstance(current, str) else "",
            dict(coloring) if isinstance(coloring, dict) else {},
            take("compared", "a compared run", _path),
            take("regions", "regions", dict),
            take("calculators", "a calculator", dict),
            dict(sweep) if isinstance(sweep, dict) else {},
            lost,
            run if isinstance(run, str) and "\0" not in run else "",
            dict(training) if isinstance(training, dict) else {},
            take("hidden_groups", "a hidden group", _text),
        )


def _entries(
    content: dict[str, Any], lost: list[str], key: str, noun: str, make: Callable[[Any], Entry]
) -> list[Entry]:
    """Return the entries of a list that can be understood; the others are named in ``lost``."""
    found, listed = [], content.get(key, [])
    if not isinstance(listed, list):
        lost.append(f"all of {key}: no list")
        return []
    for number, entry in enumerate(listed, start=1):
        try:
            found.append(make(entry))
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            lost.append(f"{noun} ({key}, entry {number}: {str(error)[:100]})")
    return found


def _text(entry: Any) -> str:
    if not isinstance(entry, str):
        raise ValueError("no name")
    return entry


def _path(entry: Any) -> str:
    if not isinstance(entry, str) or "\0" in entry:
        raise ValueError("no path")
    return entry


def crashed(folder: Path) -> list[Path]:
    """Return session files whose process is gone, newest first."""
    import psutil

    found = []
    for path in folder.glob("session-*.json"):
        pid = path.stem.removeprefix("session-")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            found.append(path)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
