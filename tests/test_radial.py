"""Radial distribution functions against counts over images, known crystals and an ideal gas."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from nnpcore.analyses import Evaluation, Missing, required
from nnpcore.analyses.division import Labels, SourceLabels
from nnpcore.analyses.inputs import INSPECT, LABELS, SHOWN_FRAMES, FrameGroup
from nnpcore.analyses.radial import RADIAL, RadialDistributions
from nnpcore.mapping import Region, RegionSet
from nnpcore.structures.frame import Frame


def frame_of(positions: np.ndarray, cell: np.ndarray, numbers: np.ndarray) -> Frame:
    return Frame(
        numbers=numbers.astype(np.int32), positions=positions, cell=cell, pbc=np.array([True, True, True])
    )


def distributions(frames: list[Frame], labels: Labels | None = None) -> RadialDistributions:
    evaluation = Evaluation()
    evaluation.set(SHOWN_FRAMES, FrameGroup("gas", "gas", INSPECT, tuple(frames)))
    evaluation.set(LABELS, labels)
    return required(evaluation.value(RADIAL))


def curve(found: RadialDistributions, name: str):
    return next(c for c in found.curves if c.name == name)


def brute_force(frame: Frame, a: int, b: int, edges: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Count pairs by going over all images of the cell, with no neighbor search."""
    heights = frame.volume / np.linalg.norm(
        np.cross(np.roll(frame.cell, -1, 0), np.roll(frame.cell, -2, 0)), axis=1
    )
    reach = [range(-m, m + 1) for m in np.ceil(edges[-1] / heights).astype(int) + 1]
    counts = np.zeros(len(edges) - 1)
    for image in product(*reach):
        shift = np.array(image) @ frame.cell
        for i in centers[frame.numbers[centers] == a]:
            vectors = frame.positions[frame.numbers == b] + shift - frame.positions[i]
            distances = np.linalg.norm(vectors, axis=1)
            counts += np.histogram(distances[distances > 1e-9], edges)[0]
    return counts


def test_against_a_count_over_all_images_beyond_half_the_cell() -> None:
    rng = np.random.default_rng(3)
    cell = np.array([[6.1, 0.0, 0.0], [1.9, 5.3, 0.0], [-0.7, 1.1, 7.2]])
    frames = []
    for n in (9, 11):
        numbers = np.where(np.arange(n) % 3 == 0, 6, 14)
        frames.append(frame_of(rng.random((n, 3)) @ cell, cell * (1 + 0.01 * n), numbers))
    found = distributions(frames)
    assert found.edges[-1] == pytest.approx(10.0) and found.n_frames == 2
    assert [c.name for c in found.curves] == ["C-C", "C-Si", "Si-Si"]
    shells = 4 / 3 * np.pi * np.diff(found.edges**3)
    for name, a, b in (("C-C", 6, 6), ("C-Si", 6, 14), ("Si-Si", 14, 14)):
        counts = sum(brute_force(f, a, b, found.edges, np.arange(f.n_atoms)) for f in frames)
        n_centers = [int((f.numbers == a).sum()) for f in frames]
        expected = sum(n * (f.numbers == b).sum() / f.volume for n, f in zip(n_centers, frames, strict=True))
        mine = curve(found, name)
        np.testing.assert_allclose(mine.g, counts / (expected * shells), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mine.n_within, np.cumsum(counts) / sum(n_centers), rtol=1e-12)


def test_an_ideal_gas_has_no_order() -> None:
    rng = np.random.default_rng(0)
    frames = [frame_of(40.0 * rng.random((2000, 3)), 40.0 * np.eye(3), np.full(2000, 18)) for _ in range(6)]
    g = curve(distributions(frames), "Ar-Ar").g
    middles = np.arange(len(g)) * 0.05
    assert g[middles > 2.0].mean() == pytest.approx(1.0, abs=0.005)
    assert np.abs(g[middles > 5.0] - 1.0).max() < 0.1


def test_shells_of_diamond() -> None:
    """First shells of silicon: 4, 12, 12 neighbors, at √3/4, 1/√2, √11/4 of a; in small cells, too."""
    from ase.build import bulk

    a = 5.43
    for atoms in (bulk("Si", a=a), bulk("Si", a=a, cubic=True)):
        found = distributions([Frame.from_atoms(atoms)])
        mine = curve(found, "Si-Si")
        for distance, n in ((np.sqrt(3) / 4, 4), (np.sqrt(0.5), 16), (np.sqrt(11) / 4, 28), (1.0, 34)):
            assert mine.n_within[np.searchsorted(found.edges, distance * a + 0.1) - 1] == n
        assert np.flatnonzero(mine.g)[0] == int(a * np.sqrt(3) / 4 / 0.05)


def test_regions_are_centers_whose_neighbors_are_everywhere() -> None:
    rng = np.random.default_rng(1)
    cell = np.diag([7.0, 8.0, 9.0])
    frame = frame_of(rng.random((20, 3)) @ cell, cell, np.repeat([14, 8], 10))
    inside = np.array([0, 3, 11, 12])
    sets = (RegionSet(frame, (Region("inside", inside),)),)
    known = SourceLabels(np.zeros(1, dtype=int), sets, np.array([np.nan]))
    found = distributions([frame], Labels({"gas": known}))
    names = [c.name for c in found.curves]
    pairs = ("O-O", "O-Si", "Si-O", "Si-Si")
    assert names == ["O-O", "O-Si", "Si-Si", *(f"{p}, {r}" for r in ("inside", "rest") for p in pairs)]
    counts = brute_force(frame, 14, 8, found.edges, inside)
    np.testing.assert_allclose(curve(found, "Si-O, inside").n_within, np.cumsum(counts) / 2)
    both = [curve(found, f"Si-O, {region}").n_within for region in ("inside", "rest")]
    whole = np.cumsum(brute_force(frame, 14, 8, found.edges, np.arange(20))) / 10
    np.testing.assert_allclose((2 * both[0] + 8 * both[1]) / 10, whole)


def test_table_and_what_has_no_density() -> None:
    frame = frame_of(np.array([[0.0, 0.0, 0.0]]), 3.0 * np.eye(3), np.array([14]))
    table = distributions([frame]).table()
    assert list(table) == ["r (Å)", "g, Si-Si", "neighbors within r, Si-Si"]
    assert table["neighbors within r, Si-Si"][60] == 6  # its own images
    assert distributions([frame]).own_image == pytest.approx(3.0)
    assert np.isinf(distributions([replace(frame, cell=30.0 * np.eye(3))]).own_image)
    cluster = Frame(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=np.zeros(3, bool))
    evaluation = Evaluation()
    evaluation.set(SHOWN_FRAMES, FrameGroup("gas", "gas", INSPECT, (cluster,)))
    missing = evaluation.value(RADIAL)
    assert isinstance(missing, Missing) and "periodic in all three directions" in missing.reason
