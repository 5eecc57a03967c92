"""Errors a user may see: what is wrong, where, and what to do about it."""

from __future__ import annotations

__all__ = [
    "AnalysisError",
    "Cancelled",
    "DataError",
    "EatlasError",
    "PotentialError",
    "RunFolderError",
    "SettingsError",
    "TrainingError",
    "UnknownElementError",
]


class EatlasError(Exception):
    """An error with a message made for the user of the window or the command line.

    Parameters
    ----------
    what : str
        What is wrong, in a chemist's words, ending without a full stop.
    where : str
        The file, frame, field or setting it is about; may be empty.
    fix : str
        What to do next; may be empty.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what.rstrip(".")
        self.where = where
        self.fix = fix.rstrip(".")
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.fix}." if self.fix else f"{head}."


class DataError(EatlasError):
    """A file or frame that cannot be read or must not be used."""


class SettingsError(EatlasError):
    """A setting that is out of range or contradicts another."""


class RunFolderError(EatlasError):
    """A run folder that is missing, damaged, foreign or cannot be written."""


class NoRoomError(RunFolderError):
    """There is no room where something is to be written; later there may be."""


class PotentialError(EatlasError):
    """A potential that cannot be loaded or does not fit the structure."""


class UnknownElementError(PotentialError):
    """A structure with an element that the potential does not know: a matter of the structure."""


class TrainingError(EatlasError):
    """A training that cannot start or go on."""


class AnalysisError(EatlasError):
    """An analysis whose input does not allow an answer."""


class Cancelled(Exception):  # noqa: N818 (a request, not an error)
    """Raised inside a task when its user has cancelled it."""
