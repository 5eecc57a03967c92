"""Frames that cannot be used: which, what is wrong with them, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from nnpcore.errors import DataError

_MAX_LISTED = 8


@dataclass(frozen=True)
class FrameProblem:
    """One bad frame: its index in the file, what is wrong, and what to do."""

    index: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"frame {self.index}: {self.what}"


class FrameSyntaxError(ValueError):
    """One frame's text does not follow its format; the message says what is wrong, and in which line."""


class BadFramesError(DataError):
    """Some frames of a file are bad: ``problems`` lists them, ``n_good`` frames are fit for use."""

    def __init__(self, path: str, problems: tuple[FrameProblem, ...], n_good: int) -> None:
        self.problems = problems
        self.n_good = n_good
        listed = "; ".join(str(problem) for problem in problems[:_MAX_LISTED])
        more = f"; and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        count = f"{len(problems)} of {len(problems) + n_good} frames cannot be used"
        fix = problems[0].fix if n_good == 0 else "Mend the file, or skip the bad frames"
        super().__init__(f"{count}: {listed}{more}", where=path, fix=fix)
