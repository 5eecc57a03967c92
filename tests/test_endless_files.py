"""Files that keep foreign parsers busy for ever: huge counts, endless loops, patterns that explode."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.io import write

from nnpcore.errors import Cancelled, DataError
from nnpcore.progress import Progress
from nnpcore.structures import read_dataset
from nnpcore.structures.readers import reading_apart
from nnpcore.structures.readers.guarded_text import GuardedText

CELL = "Si\n1\n 0 2.7 2.7\n 2.7 0 2.7\n 2.7 2.7 0\n Si\n"
FRAME = "Direct configuration= 1\n 0 0 0\n 0.25 0.25 0.25\n"
GAUSSIAN = "#P\n\nTitle\n\n0 1\nO 0 0 0\nH 0 0 1\n\n"


@pytest.fixture(autouse=True)
def ended_in_time() -> Iterator[None]:
    """What would take for ever fails in a minute, not never."""
    import faulthandler

    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_dataset(path)
    assert str(path) in caught.value.where
    return caught.value.what


@pytest.mark.parametrize("count", ["9" * 300, "99999999999999999999"])
def test_an_xdatcar_with_more_atoms_than_there_are_in_the_world(count: str, tmp_path: Path) -> None:
    what = refused(tmp_path / "XDATCAR", f"{CELL} {count}\n{FRAME}")
    assert "the header above it (line 1 on) has no numbers of atoms (configuration of line 8)" in what


def test_frames_before_such_a_count_are_not_taken_for_all(tmp_path: Path) -> None:
    refused(tmp_path / "XDATCAR", f"{CELL} 2\n{FRAME}{CELL} 2000000000\n{FRAME}")


def test_an_element_that_is_a_number_of_atoms(tmp_path: Path) -> None:
    what = refused(tmp_path / "XDATCAR", f"{CELL} 2\n{FRAME}{CELL.replace('Si', '2147483648')} 2\n{FRAME}")
    assert "frame 1: '2147483648' (line 16) is not a chemical element" in what


def test_a_line_of_blanks_in_a_lammps_file(tmp_path: Path) -> None:
    text = f"# data\n\n8 atoms\n{' ' * 19_000}x\n0 5 xlo xhi\n"
    assert "line 4 is longer than 1000 characters" in refused(tmp_path / "a.data", text)


def test_a_pattern_that_explodes_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_apart, "SECONDS", 1.0)
    text = GAUSSIAN.replace("0 1\n", "1 " * 5_000 + "x\n")
    assert "its parser did not come to an end within" in refused(tmp_path / "a.gjf", text)


def test_what_is_read_apart_is_what_is_read_here(tmp_path: Path) -> None:
    water = molecule("H2O")
    write(tmp_path / "a.gjf", water, format="gaussian-in")
    (frame,) = read_dataset(tmp_path / "a.gjf").frames
    assert frame.numbers.tolist() == [8, 1, 1] and np.allclose(frame.positions, water.positions)


def test_reading_apart_is_cancelled_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.gjf"
    path.write_text(GAUSSIAN.replace("0 1\n", "1 " * 5_000 + "x\n"))
    progress = Progress()
    threading.Timer(0.3, progress.cancel).start()
    with pytest.raises(Cancelled):
        read_dataset(path, progress=progress)


def test_a_parser_that_waits_for_a_word_is_ended() -> None:
    import io

    with GuardedText(io.BytesIO(b"one\ntwo\n"), "a.txt") as text, pytest.raises(ValueError, match="2 lines"):
        while "three" not in text.readline():
            pass
    with GuardedText(io.BytesIO(b"one\ntwo\n"), "a.txt") as text:
        assert list(text) == ["one\n", "two\n"] and text.name == "a.txt"


def test_honest_trajectories_are_read_as_before(tmp_path: Path) -> None:
    images = [bulk("Si"), bulk("Si", a=5.5)]
    write(tmp_path / "XDATCAR", images, format="vasp-xdatcar")
    found = read_dataset(tmp_path / "XDATCAR").frames
    assert [frame.volume for frame in found] == pytest.approx([atoms.get_volume() for atoms in images])
