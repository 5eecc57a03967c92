"""Files that cannot be used: what the user is told, and that nothing dangerous is run."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.io.formats import ioformats

from nnpcore.errors import DataError
from nnpcore.structures import (
    BadFramesError,
    Frame,
    check_frame,
    example_path,
    read_dataset,
)
from nnpcore.structures import reading as reading_module
from nnpcore.structures.checking import closest_pair
from nnpcore.structures.readers import ase_formats
from nnpcore.structures.readers.ase_formats import ALLOWED_FORMATS


@pytest.fixture
def eos_lines() -> list[str]:
    """Return the lines of three good frames of eight atoms each."""
    return example_path("eos").read_text().splitlines(keepends=True)[:30]


def fails(path: Path, pattern: str) -> str:
    """Reading fails with a message that names the file, matches the pattern and says what to do."""
    with pytest.raises(DataError) as caught:
        read_dataset(path)
    text = str(caught.value)
    assert str(path) in text
    assert re.search(pattern, text), text
    assert caught.value.fix
    return text


@pytest.mark.parametrize(
    ("name", "content", "pattern"),
    [
        ("empty.xyz", b"", "the file is empty"),
        ("blank.xyz", b" \n\n  \n", "the file is empty"),
        ("garbage.xyz", bytes(range(256)) * 40, "binary data and no structure file"),
        ("garbage", os.urandom(4000) + b"\0", "binary data and no structure file"),
        ("garbage.traj", bytes(range(255, -1, -1)) * 40, "structure file|damaged"),
        ("notes.txt", b"Dear diary,\ntoday I ran a calculation.\n", "no structure file that Eatlas knows"),
        ("notes.xyz", b"Dear diary,\ntoday I ran a calculation.\n", "line 1 is 'Dear diary,'"),
        ("table.csv", b"1,2,3\n4,5,6\n", "no structure file"),
        ("data.json", b'{"a": [1, 2]}', "damaged or not what its name says"),
        ("POSCAR", b"text\n1.0\n1 0\n", "damaged or not what its name says"),
        ("data.db", b"SQLite format 3\0" + b"x" * 500, "damaged or not what its name says"),
        ("a.xyz.gz", b"this is not gzip", "damaged or not what its name says"),
        ("long.xyz", b"1" * 6000 + b"\nx\nSi 0 0 0\n", "not an XYZ file"),
        ("a.cif", b"data_x\n_cell_length_a 5\n", "no frame|damaged"),
    ],
)
def test_file_of_no_use(name: str, content: bytes, pattern: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    fails(tmp_path / name, pattern)


def test_missing_folder_and_device(tmp_path: Path) -> None:
    fails(tmp_path / "nowhere.xyz", "there is no such file")
    fails(tmp_path, "this is a folder")
    os.mkfifo(tmp_path / "pipe.xyz")
    fails(tmp_path / "pipe.xyz", "a device or pipe")


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (PermissionError(13, "Permission denied"), "you may not read this file"),
        (OSError(5, "Input/output error"), "input/output error"),
        (MemoryError(), "does not fit into memory.*FILE@::10"),
    ],
)
def test_errors_of_the_machine(
    error: BaseException, pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nSi 0 0 0\n")

    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(reading_module, "open_stream", fail)
    fails(path, pattern)


def test_memory_error_while_frames_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(reading_module, "check_frame", fail)
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nSi 0 0 0\n")
    fails(path, "does not fit into memory")


@pytest.mark.parametrize("text", ["# Title\n\nSome text\n", "1 2 3\n4 5 6\n7 8 9\n"])
def test_no_reader_takes_or_chokes_on_any_text(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ase_formats, "APART", frozenset())  # the same parsers, sooner
    names = {f"a.{extension}" for form in ioformats.values() for extension in [*form.extensions, form.name]}
    for name in sorted(names | {"POSCAR", "OUTCAR", "XDATCAR", "vasprun.xml", "HISTORY", "coord"}):
        path = tmp_path / name
        path.write_text(text)
        fails(path, "structure file|damaged|XYZ|no frame")
        path.unlink()


@pytest.mark.parametrize("cut", [1, 25, 300, 700])
def test_truncated_file(cut: int, eos_lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "cut.xyz"
    text = "".join(eos_lines)
    path.write_text(text[:-1][:-cut] if cut > 1 else text[:-40])
    text = fails(path, "1 of 3 frames cannot be used: frame 2: ")
    assert re.search("promises 8 atoms, but only . atom lines follow before the file ends|columns", text), (
        text
    )
    dataset = read_dataset(path, on_bad="skip")
    assert [f.index for f in dataset.frames] == [0, 1]
    assert [p.index for p in dataset.problems] == [2]
    assert "1 bad frame left out" in dataset.summary().text


def test_trajectory_cut_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "cut.traj"
    ase.io.write(path, [bulk("Cu")] * 5)
    path.write_bytes(path.read_bytes()[:700])
    fails(path, "damaged")


def replaced(line: int, old: str, new: str) -> Callable[[list[str]], None]:
    """Return an edit of one line of the file."""

    def edit(lines: list[str]) -> None:
        assert old in lines[line]
        lines[line] = lines[line].replace(old, new)

    return edit


def removed(line: int) -> Callable[[list[str]], None]:
    """Return an edit that deletes one line."""
    return lambda lines: lines.pop(line) and None


FORCES = "forces:R:3"
BAD_FRAMES = [
    (replaced(11, "energy=-", "energy=nan_"), "energy is 'nan_"),
    (replaced(11, "energy=-", "energy=nan ignored=-"), "its energy is NaN or infinite"),
    (replaced(11, "energy=-", "energy=-inf ignored=-"), "its energy is NaN or infinite"),
    (replaced(11, "energy=-", "energy=-9e12 ignored=-"), "eV/atom is absurd"),
    (replaced(15, "0.00000000\n", "nan\n"), "the force on atom 3 is NaN or infinite"),
    (replaced(15, "0.00000000\n", "1e6\n"), r"the force of 1e\+06 eV/Å on atom 3 is absurd"),
    (replaced(13, "Si ", "Si inf "), "line 14 has 8 columns where 7 are expected"),
    (replaced(12, "0.00000000 ", "nan        "), "the position of atom 0 is NaN or infinite"),
    (replaced(12, "0.00000000 ", "4e7        "), "atom 0 lies more than 1e"),
    (replaced(12, "0.00000000 ", "abc        "), "line 13 has no valid 'pos' in columns 2 to 4: .*abc"),
    (replaced(12, "Si", "Qq"), "'Qq' is not a chemical element"),
    (replaced(12, "Si", "X "), "atom 0 has no element"),
    (replaced(11, FORCES, "forces:R:2:extra:R:1"), r"forces have the shape \(8, 2\), expected \(8, 3\)"),
    (replaced(11, FORCES, "forces:R:1:extra:R:2"), r"forces have the shape \(8,\), expected \(8, 3\)"),
    (replaced(11, FORCES, "forces:S:3"), "forces are not numbers"),
    (replaced(11, FORCES, "forces:R:9"), "line 13 has 7 columns where 13 are expected"),
    (replaced(11, FORCES, "forces"), "is not a list of name:type:columns"),
    (replaced(11, "species:S:1", "label:S:1"), "neither 'species' nor 'Z'"),
    (replaced(11, "pos:R:3", "where:R:3"), "no 'pos'"),
    (replaced(11, 'stress="', 'stress="1 '), "stress is '1 .*nine numbers"),
    (replaced(11, 'stress="-', 'stress="nan -0 0 0 0 0 0 0 0" old="-'), "its stress is NaN"),
    (replaced(11, 'stress="-', 'stress="500 0 0 0 0 0 0 0 0" old="-'), "eV/Å³ is absurd"),
    (replaced(11, 'Lattice="5', 'Lattice="0 5'), "Lattice is .* nine numbers"),
    (replaced(11, "Lattice=", "Zelle="), "no cell vector .pbc on, cell missing"),
    (replaced(11, 'Lattice="5', 'Lattice="5 0 0 5 0 0 0 0 5" old="5'), "the periodic cell has no volume"),
    (replaced(11, 'Lattice="5', 'Lattice="nan 0 0 0 5 0 0 0 5" old="5'), "the cell is NaN or infinite"),
    (replaced(13, "Si       1.2", "Si       0.0"), "atoms 0 and 1 sit on one spot|absurd"),
    (removed(15), "promises 8 atoms, but only 7 atom lines follow$|only 7 atom lines follow[^b]*$"),
    (lambda lines: lines.insert(15, lines[15]), "promises 8 atoms, but more lines follow: 'Si"),
]


@pytest.mark.parametrize(("edit", "pattern"), BAD_FRAMES, ids=[str(i) for i in range(len(BAD_FRAMES))])
def test_one_bad_frame_among_good_ones(
    edit: Callable[[list[str]], None], pattern: str, eos_lines: list[str], tmp_path: Path
) -> None:
    if "one spot" in pattern:
        eos_lines[13] = eos_lines[12].replace("0.00000000 ", "0.05000000 ", 1)
    else:
        edit(eos_lines)
    path = tmp_path / "bad.xyz"
    path.write_text("".join(eos_lines))
    text = fails(path, "1 of 3 frames cannot be used: frame 1: ")
    assert "Mend the file, or skip the bad frames" in text
    dataset = read_dataset(path, on_bad="skip")
    assert [f.index for f in dataset.frames] == [0, 2]
    (problem,) = dataset.problems
    assert problem.index == 1
    assert re.search(pattern, problem.what), problem.what


def test_all_bad_indices_are_listed(tmp_path: Path) -> None:
    frames = [f"1\nenergy={'nan' if k % 2 else -1.0} step={k}\nSi 0 0 0\n" for k in range(24)]
    path = tmp_path / "bad.xyz"
    path.write_text("".join(frames))
    with pytest.raises(BadFramesError) as caught:
        read_dataset(path)
    assert [p.index for p in caught.value.problems] == list(range(1, 24, 2))
    assert caught.value.n_good == 12
    assert "12 of 24 frames cannot be used: frame 1: " in str(caught.value)
    assert "; frame 15: " in str(caught.value) and "and 4 more" in str(caught.value)
    only_bad = f"{path}@1::2"
    with pytest.raises(BadFramesError, match="12 of 12 frames cannot be used"):
        read_dataset(only_bad, on_bad="skip")


def test_frame_without_atoms(tmp_path: Path) -> None:
    path = tmp_path / "none.xyz"
    path.write_text("0\n\n1\n\nSi 0 0 0\n")
    fails(path, "frame 0: it has no atoms")
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [1]


def test_closest_pair_against_all_images() -> None:
    """Every pair and image, in skewed and partly periodic cells, small frames and large ones (KD-tree)."""
    rng = np.random.default_rng(3)
    for case in range(30):
        n = int(rng.integers(2, 30))
        cell = rng.normal(0, 1.0, (3, 3)) + 4.0 * np.eye(3)
        pbc = rng.random(3) < 0.6
        positions = rng.normal(0, 4.0, (n, 3))
        if case % 3:  # plant a close pair through an image, on the two sides of a face of the cell
            axis = int(pbc.argmax())
            scaled = positions[0] @ np.linalg.inv(cell)
            scaled[axis] = 0.005
            positions[0] = scaled @ cell
            shift = np.where(pbc, rng.integers(-2, 3, 3), 0) @ cell
            positions[-1] = positions[0] + shift - 0.01 * cell[axis] + rng.normal(0, 0.01, 3)
        frame = Frame(np.full(n, 14), positions, cell, pbc)
        shifts = np.array(np.meshgrid(*[np.arange(-6, 7) if p else [0] for p in pbc])).reshape(3, -1).T
        fractional = (positions @ np.linalg.inv(cell))[:, None] - (positions @ np.linalg.inv(cell))[None]
        near = np.where(pbc, np.round(fractional), 0.0)
        delta = positions[:, None] - positions[None] - near @ cell
        distances = np.linalg.norm(delta[:, :, None] - (shifts @ cell)[None, None], axis=3).min(axis=2)
        distances[np.arange(n), np.arange(n)] = np.inf
        expected = distances.min()
        found = closest_pair(frame)
        if expected < 0.1:
            assert found is not None and found[2] == pytest.approx(expected, abs=1e-9)
        else:
            assert found is None


def test_close_atoms_in_a_large_crystal() -> None:
    atoms = bulk("Si", cubic=True).repeat(8)
    frame = Frame.from_atoms(atoms)
    assert frame.n_atoms > 3000 and check_frame(frame) == []
    frame.positions[17] = frame.positions[4000] + frame.cell[1] - frame.cell[2] + 0.03
    assert check_frame(frame) == ["atoms 17 and 4000 sit on one spot (0.052 Å apart)"]


def test_atom_on_its_own_image() -> None:
    cell = np.array([[5.0, 0, 0], [5.0, 0.05, 0], [0, 0, 5.0]])
    frame = Frame(np.array([14]), np.zeros((1, 3)), cell, np.ones(3, bool))
    assert check_frame(frame) == ["atom 0 sits on its own periodic image (0.050 Å): the cell is too short"]


class Bomb:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_never_loaded(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "exploded"
    content = pickle.dumps(Bomb(marker), protocol=protocol)
    names = {f"a.{extension}" for form in ioformats.values() for extension in [*form.extensions, form.name]}
    names |= {"a.pckl", "a.pickle", "a.bundle", "POSCAR", "OUTCAR", "vasprun.xml", "states", "plain"}
    for name in sorted(names - {"a.xyz.gz"}):
        for prefix in (b"", b"PickleTrajectory"):
            path = tmp_path / name
            path.write_bytes(prefix + content)
            fails(path, "pickle|structure file|damaged|XYZ")
            path.unlink()
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()  # the bomb was armed


def test_the_message_names_pickles(tmp_path: Path) -> None:
    path = tmp_path / "old.traj"
    path.write_bytes(pickle.dumps([1, 2], protocol=2))
    fails(path, "this is a Python pickle, which can run any program when opened.*Convert it to extxyz")


def test_formats_we_read_cannot_unpickle_or_evaluate() -> None:
    for name in sorted(ALLOWED_FORMATS):
        form = ioformats[name]
        assert form.can_read, name
        source = inspect.getsource(sys.modules[form.module.__name__])
        found = re.findall(
            r"\b(?:pickle\.loads?|Unpickler|eval\(|exec\(|allow_pickle|urlopen|os\.system)", source
        )
        assert not found, (name, found)
    refused = {"bundletrajectory", "mysql", "postgresql", "gpw", "py"}
    assert not refused & ALLOWED_FORMATS


def test_bundle_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bundle").mkdir()
    (tmp_path / "a.bundle" / "metadata").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    fails(tmp_path / "a.bundle", "this is a folder")
    assert not (tmp_path / "exploded").exists()
