"""Where commands write: into a new or empty folder, or over old files only when told so."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from nnpcore.errors import RunFolderError
from nnpcore.files import writing_failed


def refuse_to_replace(folder: Path, overwrite: bool, *, trains: bool = False) -> None:
    """Raise RunFolderError where ``folder`` holds something and the user has not allowed to write over it.

    ``trains``: the command would begin a training there.
    """
    from nnpcore.training.run_folder import entries_of

    if overwrite or not folder.is_dir() or not entries_of(folder):
        return
    if (folder / "data.json").is_file():
        what = "the folder holds a training already"
        fix = (
            "Go on with it by --resume, start it anew by --overwrite, or choose another folder"
            if trains
            else "Choose another folder, or write there all the same by --overwrite"
        )
    else:
        what = "the folder holds files already"
        fix = "Choose another folder, or write over them by --overwrite"
    raise RunFolderError(what, where=str(folder), fix=fix)


def refuse_to_replace_file(path: Path, overwrite: bool) -> None:
    """Raise RunFolderError where there is such a file and the user has not allowed to write over it."""
    if path.exists() and not overwrite:
        fix = "Choose another, or --overwrite"
        raise RunFolderError("there is such a file already", where=str(path), fix=fix)


def output_folder(folder: Path, overwrite: bool) -> Path:
    """Return a folder that can be made and may be written into; RunFolderError says why there is none.

    It is not there yet where it was not: what fails later leaves no empty one behind.
    """
    refuse_to_replace(folder, overwrite)
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(error, folder) from error
    finally:
        for place in missing:
            with suppress(OSError):  # it could not be made
                place.rmdir()
    return folder
