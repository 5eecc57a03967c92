"""What a user says of a run: a note and a star, in a file of its own in the run's folder.

No checksum of the run covers it, so that it may be changed at any time; it stays when a training goes on, and
goes with the run when another one begins in its folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nnpcore.errors import RunFolderError
from nnpcore.files import FileFormat, writing_failed
from nnpcore.training.folder_lock import Writer

if TYPE_CHECKING:
    from nnpcore.training.run_folder import RunFolder

MOST = 10_000
"""Characters of a note."""
FILE = "note.json"
_FORMAT = FileFormat(
    "eatlas note",
    1,
    "the note on a run",
    RunFolderError,
    "Delete this file; nothing else of the run needs it",
)


@dataclass(frozen=True)
class RunNote:
    """A free text on a run, and whether it has a star."""

    text: str = ""
    star: bool = False


NO_NOTE = RunNote()


def read_note(folder: RunFolder) -> RunNote:
    """Return the note on a run, an empty one where there is none; RunFolderError where it is damaged."""
    path = folder.path / FILE
    if not path.is_file():
        return NO_NOTE
    with _FORMAT.reading(path) as document:
        text, star, run = document["text"], document["star"], document["run"]
        if not (isinstance(text, str) and isinstance(star, bool)):
            raise RunFolderError("damaged: a note is a text and a star that is true or false")
        if run not in ("", folder.id):
            raise RunFolderError(
                "this note is of another training, of which files have come into this folder"
            )
        return RunNote(text, star)


def write_note(run: str | os.PathLike[str], note: RunNote, *, trained_here: bool = False) -> None:
    """Write the note on a run, whole or not at all; an empty one leaves no file.

    ``trained_here``: it is this process that trains in the folder now, if any.

    Raises
    ------
    RunFolderError : there is no run, another process trains in it, the note is too long, or the folder
        cannot be written.
    """
    from nnpcore.training.run_folder import RunFolder

    folder = RunFolder.open(run)
    if trained_here:
        _write(folder, note)
        return
    with folder.writing(Writer.NOTE):  # what another process trains is only read
        _write(folder, note)


def change_note(run: str | os.PathLike[str], text: str | None = None, star: bool | None = None) -> RunNote:
    """Change a note's text, its star, or both, None staying as it is; return what it is then.

    What somebody else changes at the same time is kept. For errors see :func:`write_note`.
    """
    from nnpcore.training.run_folder import RunFolder

    folder = RunFolder.open(run)

    def changed() -> tuple[RunNote, RunNote]:
        old = read_note(folder)
        new_text, new_star = old.text if text is None else text, old.star if star is None else star
        return old, replace(old, text=new_text, star=new_star)

    before, note = changed()
    if note != before:
        with folder.writing(Writer.NOTE):
            _, note = changed()
            _write(folder, note)
    return note


def _write(folder: RunFolder, note: RunNote) -> None:
    path, run_id = folder.path / FILE, folder.id
    if len(note.text) > MOST:
        what = f"a note of {len(note.text):,} characters is too long"
        raise RunFolderError(what, where=str(path), fix=f"Shorten it to {MOST:,}")
    if note != NO_NOTE:
        _FORMAT.write(path, {"run": run_id, "text": note.text, "star": note.star})
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise writing_failed(error, path) from error
