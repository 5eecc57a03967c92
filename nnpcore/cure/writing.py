"""Structures ready to be computed: one file of all, and a folder each with a POSCAR or the user's input.

A template is the user's own input file. In its text ``{{cell}}`` becomes three lines of cell vectors (Å),
``{{positions}}`` lines of symbol and Cartesian coordinates (Å), ``{{fractional}}`` lines of symbol and
fractional coordinates; ``{{n_atoms}}``, ``{{n_species}}``, ``{{species}}`` and ``{{name}}`` what they say. A
template that is a folder, such as one with INCAR, KPOINTS and POTCAR, is copied beside the POSCAR.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from nnpcore.cure.candidates import Candidate
from nnpcore.errors import SettingsError
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.structures.frame import Frame
from nnpcore.structures.writing import write_frames

FRAMES, LABELLED = "frames.extxyz", "labelled.extxyz"
"""Names of the files of all structures, before they are computed and after."""

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LARGEST = 10_000_000


def write_candidates(
    folder: Path, candidates: Sequence[Candidate], template: str | Path | None = None
) -> list[Path]:
    """Write the structures, best first, without labels; return the files.

    ``folder/frames.extxyz`` holds them all; ``folder/001`` and so on hold one each.

    Raises
    ------
    SettingsError : a template that cannot be read, or that has no place for the atoms.
    RunFolderError : the folder cannot be written.
    """
    pattern = Template.read(template) if template else None
    frames = [_bare(candidate, k) for k, candidate in enumerate(candidates)]
    files = [folder / FRAMES]
    with all_or_nothing(folder) as beside:
        write_frames(beside / FRAMES, frames)
        for k, (candidate, frame) in enumerate(zip(candidates, frames, strict=True), start=1):
            own = f"{k:03d}"
            contents = {"POSCAR": _poscar(frame, candidate.name)}
            if pattern is not None:
                contents = pattern.filled(frame, candidate.name, contents)
            for name, content in contents.items():
                write_atomically(beside / own / name, content)
                files.append(folder / own / name)
    return files


def _bare(candidate: Candidate, index: int) -> Frame:
    frame = candidate.frame
    info = {"name": candidate.name, "kind": candidate.kind}
    return Frame(frame.numbers, frame.positions, frame.cell, frame.pbc, info=info, index=index)


def _poscar(frame: Frame, name: str) -> bytes:
    """A POSCAR; structures that are not periodic stand in a box with 10 Å around them."""
    from ase.io import write

    atoms = frame.to_atoms()
    if not frame.cell.any(axis=1).all():
        atoms.center(vacuum=10.0)
    text = io.StringIO()
    write(text, atoms, format="vasp", direct=True, sort=True)
    return (f"Candidate: {name}\n" + text.getvalue().partition("\n")[2]).encode()


class Template:
    """The user's own input: a text with places for the structure, or files to stand beside the POSCAR.

    Parameters
    ----------
    name : of the file that is made; empty for a folder.
    text : of that file.
    beside : content of other files by name.
    """

    def __init__(self, name: str, text: str, beside: dict[str, bytes]) -> None:
        self.name, self.text, self.beside = name, text, beside

    @classmethod
    def read(cls, path: str | Path) -> Template:
        """Read one; SettingsError says why it cannot be used."""
        path = Path(path)
        try:
            if path.is_dir():
                files = [f for f in sorted(path.iterdir()) if f.is_file() and f.name != "POSCAR"]
                if sum(f.stat().st_size for f in files) > _LARGEST:
                    raise SettingsError(
                        "the folder holds more than 10 MB", where=str(path), fix="Leave inputs in it only"
                    )
                return cls("", "", {file.name: file.read_bytes() for file in files})
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"the template cannot be read ({error})", where=str(path), fix="Give a text file or a folder"
            ) from None
        found = cls(path.name, text, {})
        found.check(str(path))
        return found

    def check(self, where: str) -> None:
        """Raise SettingsError for a place that is unknown, or where the atoms have none."""
        wanted = set(_PLACE.findall(self.text))
        unknown = wanted - set(_PLACES)
        known = ", ".join(f"{{{{{name}}}}}" for name in _PLACES)
        if unknown:
            what = f"{{{{{sorted(unknown)[0]}}}}} is unknown in a template"
            raise SettingsError(what, where=where, fix=f"Use {known}")
        if not wanted & {"positions", "fractional"}:
            raise SettingsError(
                "the template has no place for the atoms",
                where=where,
                fix="Write {{positions}} or {{fractional}} where their lines belong",
            )

    def filled(self, frame: Frame, name: str, others: dict[str, bytes]) -> dict[str, bytes]:
        """Return the files of one structure by name; ``others`` are there where the template is a folder."""
        if not self.name:
            return self.beside | others
        values = _values(frame, name)
        return {self.name: _PLACE.sub(lambda found: values[found.group(1)], self.text).encode()}


_PLACES = ("cell", "positions", "fractional", "n_atoms", "n_species", "species", "name")


def _values(frame: Frame, name: str) -> dict[str, str]:
    symbols = [chemical_symbols[n] for n in frame.numbers]
    species = list(dict.fromkeys(symbols))
    atoms = frame.to_atoms()
    if not frame.cell.any(axis=1).all():
        atoms.center(vacuum=10.0)
    fractional = atoms.get_scaled_positions(wrap=False)
    return {
        "cell": "\n".join(" ".join(f"{x:16.10f}" for x in row) for row in atoms.cell.array),
        "positions": _lines(symbols, atoms.positions),
        "fractional": _lines(symbols, fractional),
        "n_atoms": str(frame.n_atoms),
        "n_species": str(len(species)),
        "species": " ".join(species),
        "name": name,
    }


def _lines(symbols: Sequence[str], values: np.ndarray) -> str:
    rows = zip(symbols, values, strict=True)
    return "\n".join(f"{symbol:2s} " + " ".join(f"{x:16.10f}" for x in row) for symbol, row in rows)
