"""The group a frame belongs to: what its file says of its kind, or the file itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from nnpcore.errors import DataError
from nnpcore.foreign_text import one_line
from nnpcore.structures.frame import Frame

GROUP_KEYS = ("config_type", "group", "tag")
"""Further values of a frame that say which group it belongs to; the first that is there counts."""

FIRST_FOUND, BY_FILE = "auto", "file"
"""Ways to tell groups beside the name of a further value: the first of ``GROUP_KEYS``, or the file."""

NO_GROUP = "without group"
"""What frames are called that have neither the value nor a file."""

_MOST_NAMED = 12


def group_of(frame: Frame, key: str = FIRST_FOUND) -> str:
    """Return the group a frame belongs to: its value of ``key``, else the name of its file.

    ``key`` : the name of a further value of frames, "auto" for the first of ``GROUP_KEYS`` that the frame
    has, "file" for its file.
    """
    found = next((one_line(str(frame.info[name])).strip() for name in _keys(key) if name in frame.info), "")
    return found or one_line(PurePath(frame.source).name) or NO_GROUP


def groups_of(frames: Iterable[Frame], key: str = FIRST_FOUND) -> list[str]:
    """Return the group of each frame, see :func:`group_of`."""
    names: dict[tuple[object, ...], str] = {}
    keys = _keys(key)
    found = []
    for frame in frames:
        value = next((str(frame.info[name]) for name in keys if name in frame.info), None)
        known = value, frame.source
        if known not in names:
            names[known] = group_of(frame, key)
        found.append(names[known])
    return found


def _keys(key: str) -> tuple[str, ...]:
    return {FIRST_FOUND: GROUP_KEYS, BY_FILE: ()}.get(key, (key,))


def check_group_key(frames: Sequence[Frame], key: str) -> None:
    """Raise DataError where groups are told by a further value that no frame has."""
    if key in (FIRST_FOUND, BY_FILE) or any(key in frame.info for frame in frames):
        return
    there = sorted({name for frame in frames for name in frame.info if isinstance(name, str)})
    known = f"they have {listed(there)}" if there else "they have none; tell groups by file"
    raise DataError(f"no frame has a value {key!r} to tell its group by", fix=f"Choose another: {known}")


def check_groups(frames: Sequence[Frame], key: str, named: Iterable[str], where: str) -> None:
    """Raise DataError where one of the groups ``named`` is that of no frame; ``where`` they were named."""
    check_group_key(frames, key)
    there = Counter(groups_of(frames, key))
    unknown = [name for name in named if name not in there]
    if unknown:
        what = f"no frame is of the group {', '.join(map(repr, unknown))}"
        raise DataError(what, where=where, fix=f"The groups are {listed(there)}")


def listed(names: Iterable[str]) -> str:
    """Return names with commas between them, the first dozen of many."""
    shown = [repr(name) for name in names]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return f"{', '.join(shown[:_MOST_NAMED])}{more}"
