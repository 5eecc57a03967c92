"""Any frame of a long file can be had before all are read, and is what reading gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from builders import build_frame

from nnpcore.errors import DataError
from nnpcore.structures import KeyNames, iter_frames, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.structures.frame_index import FrameIndex
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers import counted_lines


@pytest.fixture(autouse=True, params=[64, 1 << 22])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files come in pieces that cut frames, and as a whole."""
    monkeypatch.setattr(counted_lines, "PIECE", request.param)
    monkeypatch.setattr(counted_lines, "_CAREFUL", 2)


def xyz(n_atoms: int, k: int, indent: str = "") -> str:
    rows = "".join(f"{indent}Si {1.5 * j + 0.1 * k} {0.5 * j} 0.0\n" for j in range(n_atoms))
    return f'{n_atoms}\nenergy={-k}.5 my_energy={k}.25 Lattice="9 0 0 0 9 0 0 0 9"\n{rows}'


PLAIN = [xyz(3 + k % 4, k) for k in range(9)]
FILES = {
    "plain": "".join(PLAIN),
    "indented": "".join(xyz(3, k, "   ") for k in range(7)),
    "one atom each": "".join(xyz(1, k) for k in range(7)),
    "too short": "".join(PLAIN[:3]) + "5\nenergy=1\nSi 0 0 0\n" + "".join(PLAIN[3:]),
    "short, then what fits its length": "9\nenergy=1\nSi 0 0 0\n" + "".join(PLAIN),
    "too long": "".join(PLAIN[:3]) + xyz(3, 4) + "Si 4 4 4\n" + "".join(PLAIN[3:]),
    "VEC": PLAIN[0] + "2\n\nSi 0 0 0\nSi 2 2 2\nVEC1 9 0 0\nVEC2 0 9 0\nVEC3 0 0 9\n" + "".join(PLAIN),
    "numbers": "".join(f"1\nProperties=Z:I:1:pos:R:3\n14 {k} 0 0\n" for k in range(5)),
    "blanks": "\n" + PLAIN[0] + "\n\n" + "".join(PLAIN[1:]) + "\n",
    "nonsense": PLAIN[0] + PLAIN[1].replace("Si 0.1", "Si x") + "".join(PLAIN[2:]),
    "one spot": PLAIN[0] + "2\n\nSi 0 0 0\nSi 0 0 0\n" + "".join(PLAIN),
    "short at the end": "".join(PLAIN) + "4\nenergy=1\nSi 0 0 0\n",
    "no end": "".join(PLAIN).rstrip("\n"),
    "cut": "".join(PLAIN)[:-3],
    "mark": "\ufeff" + "".join(PLAIN),
}


def same(a: Frame | FrameProblem, b: Frame | FrameProblem) -> None:
    if isinstance(a, FrameProblem) or isinstance(b, FrameProblem):
        assert a == b
        return
    for field in dataclasses.fields(Frame):
        np.testing.assert_equal(getattr(a, field.name), getattr(b, field.name))


def compare(path: Path | str, keys: KeyNames | None = None) -> list[Frame | FrameProblem]:
    """Compare what an index gives, last frame first, with what reading gives."""
    read = list(iter_frames(path, keys=keys))
    with FrameIndex(path, keys) as index:
        counts = list(index.grow())
        assert counts[-1] == index.count == len(read) and index.complete
        assert counts == sorted(counts)
        for position in reversed(range(len(read))):
            same(index.get(position), read[position])
            assert index.number(position) == read[position].index
        with pytest.raises(IndexError):
            index.get(len(read))
    return read


@pytest.mark.parametrize("name", FILES)
def test_an_index_gives_what_reading_gives(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_bytes(FILES[name].encode())
    read = compare(path)
    if name == "short, then what fits its length":
        assert isinstance(read[0], FrameProblem) and len(read) == 10


@pytest.mark.parametrize("part", ["@::3", "@2:7", "@5:", "@4", "@1:8:2"])
def test_slices(part: str, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(FILES["too short"])
    compare(f"{tmp_path / 'a.xyz'}{part}")
    compare(f"{tmp_path / 'a.xyz'}{part}", KeyNames(energy="my_energy"))


def dump(n_atoms: int, k: int, units: str = "") -> str:
    head = f"ITEM: UNITS\n{units}\n" if units else ""
    rows = "".join(f"{j + 1} Si {j + 0.1 * k} {j} 0 0.5 0 0\n" for j in range(n_atoms))
    return (
        f"{head}ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n"
        f"ITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\nITEM: ATOMS id element x y z fx fy fz\n{rows}"
    )


def test_dumps(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    bad = dump(4, 3).replace("4\nITEM: BOX", "5\nITEM: BOX")
    for head in ("", "real"):
        path.write_text(dump(4, 0, head) + bad + "".join(dump(3 + k % 3, k) for k in range(1, 8)))
        read = compare(path)
        assert isinstance(read[1], FrameProblem) and f"line {16 if head else 14}" in read[1].what
    assert isinstance(read[2], Frame) and read[2].forces is not None
    assert 0.0 < read[2].forces[0, 0] < 0.1  # kcal/mol/Å of the first snapshot's units
    path.write_text(dump(4, 0) + dump(4, 1)[:-5])
    compare(path)


@pytest.mark.parametrize("fixed", [True, False])
def test_xdatcars(fixed: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [bulk("NaCl", "rocksalt", a=5.6 if fixed else 5.5 + 0.1 * k, cubic=True) for k in range(6)]
    for atoms in images:
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    path = tmp_path / "XDATCAR"
    write(path, images, format="vasp-xdatcar")
    text = path.read_text()
    if fixed:
        header = text[: text.index("Direct")]
        text = header + text.replace(header, "")
        path.write_text(text)
    read = compare(path)
    for frame, atoms in zip(read, images, strict=True):
        assert isinstance(frame, Frame) and frame.to_atoms().symbols.formula == atoms.symbols.formula
        np.testing.assert_allclose(frame.cell, atoms.cell.array, atol=1e-7)
        gone = np.linalg.solve(atoms.cell.array.T, (frame.positions - atoms.positions).T)
        np.testing.assert_allclose(gone - np.round(gone), 0.0, atol=1e-6)
    assert not fixed or len({frame.cell.tobytes() for frame in read if isinstance(frame, Frame)}) == 1
    compare(f"{path}@1::2")
    path.write_text(text[:-20])
    read = list(iter_frames(path))
    assert isinstance(read[-1], FrameProblem) and "7 of 8 atoms before the file ends" in read[-1].what


def test_a_file_that_changes_or_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.extxyz"
    write_frames(path, [build_frame("Si", rattle=0.1, seed=k) for k in range(80)])
    read = list(iter_frames(path))
    with FrameIndex(path) as index:
        for _ in index.grow():
            pass
        same(index.get(3), read[3])
        assert index.at_hand(3) is index.get(3) and index.at_hand(4) is None
        path.rename(tmp_path / "b.extxyz")
        same(index.get(70), read[70])
        for k in range(4, 70):
            index.get(k)
        assert index.at_hand(3) is None
        (tmp_path / "b.extxyz").write_text("other")
        with pytest.raises(DataError, match="has changed"):
            index.get(0)
    assert not FrameIndex.serves(path)


def test_what_has_no_index(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.extxyz", [build_frame("Si")] * 3)
    assert FrameIndex.serves(tmp_path / "a.extxyz") and not FrameIndex.serves(f"{tmp_path / 'a.extxyz'}@-2:")
    write(tmp_path / "a.xyz.gz", bulk("Si"), format="extxyz")
    write(tmp_path / "a.cif", bulk("Si"))
    for name in ("a.xyz.gz", "a.cif"):
        assert not FrameIndex.serves(tmp_path / name)
        with pytest.raises(DataError, match="cannot be found"):
            FrameIndex(tmp_path / name)
