"""The session on disk: what was open, so that it can be opened again, also after a crash.

A running window keeps ``session-<pid>.json``; on a clean end it becomes ``session.json``. A file of a process
that is gone tells of a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from app.documents.regions import RegionDocument
from nnpcore.errors import RunFolderError
from nnpcore.files import FileFormat
from nnpcore.structures import Role

FORMAT = FileFormat("", 1, "a session", RunFolderError, "Start with an empty window", version_key="schema")


@dataclass
class SavedDataset:
    """A file with what the user set for it; ValueError for a role there is not."""

    path: str
    role: str
    color_index: int
    frame_index: int = 0

    def __post_init__(self) -> None:
        Role(self.role)


@dataclass
class SavedSession:
    """What is kept of a session; numbers live in the files and run folders it names.

    ``compared`` names the folders of the runs that are compared; ``regions`` are documents, plain when read.
    ``calculators`` are specs of calculators from elsewhere: started again only when the user says so, since
    that runs code of their names. ``sweep`` is the latest one: its setting and the folders of its runs.
    """

    datasets: list[SavedDataset] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    current: str = ""
    coloring: dict[str, Any] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    regions: Sequence[RegionDocument | dict[str, Any]] = ()
    calculators: list[dict[str, Any]] = field(default_factory=list)
    sweep: dict[str, Any] = field(default_factory=dict)

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
    FORMAT.write(path, asdict(replace(session, regions=[])) | {"regions": regions})


def read(path: Path) -> SavedSession:
    """Read a session; RunFolderError where it is unreadable, damaged, or of a newer Eatlas."""
    with FORMAT.reading(path) as content:
        return SavedSession(
            [SavedDataset(**entry) for entry in content["datasets"]],
            [str(run) for run in content["runs"]],
            str(content["current"]),
            dict(content["coloring"]),
            [str(run) for run in content.get("compared", [])],
            [dict(regions) for regions in content.get("regions", [])],
            [dict(spec) for spec in content.get("calculators", [])],
            dict(content.get("sweep", {})),
        )


def crashed(folder: Path) -> list[Path]:
    """Return session files whose process is gone, newest first."""
    import psutil

    found = []
    for path in folder.glob("session-*.json"):
        pid = path.stem.removeprefix("session-")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            found.append(path)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
