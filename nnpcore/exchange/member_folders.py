"""Where the members of an ensemble go, and where they are found again."""

from __future__ import annotations

import re
from pathlib import Path

from nnpcore.errors import RunFolderError

_NAME = re.compile(r"member-(\d+)")


def member_paths(folder: Path, n_members: int) -> list[Path]:
    """Return the folder of each member: ``folder`` itself for one, else ``member-1`` and so on in it.

    Raises :class:`RunFolderError` where members of a larger ensemble are there already.
    """
    if n_members == 1:
        wanted = [folder]
    else:
        wanted = [folder / f"member-{m}" for m in range(1, n_members + 1)]
    old = [path for path in found_members(folder) if path not in wanted]
    if old:
        raise RunFolderError(
            f"the folder holds {old[0].name} of another ensemble",
            where=str(folder),
            fix="Choose a new folder",
        )
    return wanted


def member_names(n_members: int, last: str) -> list[str]:
    """Where members' files lie in an exported folder: ``last`` itself, or in ``member-1`` and so on."""
    if n_members == 1:
        return [last]
    return [f"member-{m}" if last == "." else f"member-{m}/{last}" for m in range(1, n_members + 1)]


def found_members(folder: Path) -> list[Path]:
    """Return the folders ``member-1``, ``member-2`` and so on in ``folder``, in that order."""
    found = [path for path in folder.glob("member-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))
