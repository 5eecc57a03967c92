"""A format of one's own: registered once, it is read, offered and asked about like the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nnpcore.errors import DataError
from nnpcore.structures import BadFramesError, Frame, FrameProblem, KeyNames, read_dataset
from nnpcore.structures.readers import registry
from nnpcore.structures.readers.reader import OpenFile, Reader


def read_dots(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """One hydrogen atom a line, at the place it says, in nm where the user says so."""
    scale = 10.0 if file.units == "nm" else 1.0
    for index, line in enumerate(file.stream.readlines()[1:]):
        try:
            place = scale * np.array([[float(word) for word in line.split()]])
            yield Frame(
                np.array([1], dtype=np.int32), place, np.zeros((3, 3)), np.zeros(3, bool), index=index
            )
        except ValueError:
            yield FrameProblem(index, f"line {index + 2} has no three numbers", "Mend it")


DOTS = Reader("dots", read_dots, lambda path, head: head.startswith(b"dots\n"), ("*.dots",), {"nm": "nm"})


@pytest.fixture
def dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("dots\n0 0 0\n1 2 3\n4 5 x\n")
    monkeypatch.setattr(registry, "READERS", [*registry.READERS, DOTS])
    return path


def test_a_registered_format_is_read(dots: Path) -> None:
    with pytest.raises(BadFramesError, match="frame 2: line 4 has no three numbers"):
        read_dataset(dots)
    data = read_dataset(dots, on_bad="skip", keys=KeyNames(units="nm"))
    assert [frame.positions.tolist() for frame in data.frames] == [[[0, 0, 0]], [[10, 20, 30]]]
    assert [problem.index for problem in data.problems] == [2]
    assert read_dataset(f"{dots}@-2").frames[0].positions[0, 2] == 3.0


def test_its_names_and_units_are_offered(dots: Path) -> None:
    assert "*.dots" in registry.name_patterns()
    assert registry.file_units().items() >= {"eV": "eV, Å", "Ha": "Ha, Bohr", "nm": "nm"}.items()


def test_without_it_the_file_is_unknown(dots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "READERS", [reader for reader in registry.READERS if reader is not DOTS])
    with pytest.raises(DataError, match="no structure file that Eatlas knows"):
        read_dataset(dots)


def test_every_format_has_one_reader() -> None:
    names = [reader.name for reader in registry.READERS]
    assert len(set(names)) == len(names) and {"extxyz", "n2p2-data", "cp2k-output", "traj"} <= set(names)
