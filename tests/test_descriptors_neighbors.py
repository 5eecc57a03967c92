"""The neighbor search against brute force and against ASE's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from nnpcore.descriptors import NeighborFinder, neighbor_pairs
from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame

BOUNDARIES = list(product([False, True], repeat=3))


def as_frame(positions: np.ndarray, cell: object, pbc: object) -> Frame:
    numbers = np.full(len(positions), 14, dtype=np.int32)
    box = np.array(cell, dtype=float).reshape(3, 3)
    return Frame(numbers, positions, box, np.broadcast_to(np.array(pbc, dtype=bool), 3).copy())


def sorted_rows(center: np.ndarray, neighbor: np.ndarray, vector: np.ndarray) -> np.ndarray:
    rows = np.column_stack([center, neighbor, np.round(vector, 6) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


def check_against_ase(frame: Frame, cutoff: float) -> None:
    pairs = neighbor_pairs(frame, cutoff)
    center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
    i, j, vector = neighbor_list("ijD", frame.to_atoms(), cutoff)
    found, wanted = sorted_rows(center, pairs.neighbor, pairs.vector), sorted_rows(i, j, vector)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("pbc", BOUNDARIES)
@pytest.mark.parametrize("cell", ["small", "flat", "skewed", "large"])
def test_same_pairs_as_ase(cell: str, pbc: tuple[bool, bool, bool]) -> None:
    cells = {
        "small": np.diag([2.1, 2.4, 2.2]),
        "flat": [[20, 0, 0], [0, 1.7, 0], [0, 0, 9]],
        "skewed": [[3, 0, 0], [6.5, 3.1, 0], [-4, 2, 5]],
        "large": [[14, 1, 0], [0, 15, 2], [-3, 0, 13]],
    }
    box = np.array(cells[cell], dtype=float)
    rng = np.random.default_rng(len(cell))
    count = {"small": 1, "flat": 9, "skewed": 4, "large": 120}[cell]
    # atoms anywhere, also far outside the cell
    scaled = rng.uniform(0, 1, (count, 3)) + rng.integers(-3, 4, (count, 3)) * np.array(pbc)
    check_against_ase(as_frame(scaled @ box, box, pbc), 5.3)


def test_open_directions_ignore_their_cell_vectors() -> None:
    positions = np.random.default_rng(1).uniform(-8, 8, (60, 3))
    for cell in (np.zeros((3, 3)), np.diag([0.0, 0.0, 3.0]), np.ones((3, 3))):
        frame = as_frame(positions, cell, False)
        pairs = neighbor_pairs(frame, 4.0)
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        assert np.array_equal(np.diff(pairs.start), (distances < 4.0).sum(axis=1) - 1)
    slab = as_frame(positions, [[9, 0, 0], [1, 9, 0], [0, 0, 0]], (True, True, False))
    check_against_ase(slab, 4.0)


def test_ranges_of_centres_add_up_and_sparse_space_stays_cheap() -> None:
    positions = np.random.default_rng(2).uniform(0, 12, (50, 3))
    positions[0] = 1e7
    finder = NeighborFinder(as_frame(positions, np.zeros((3, 3)), False), 3.0)
    whole = finder.pairs()
    parts = [finder.pairs(a, b) for a, b in ((0, 1), (1, 30), (30, 30), (30, 50))]
    assert np.array_equal(np.concatenate([p.vector for p in parts]), whole.vector)
    assert np.array_equal(np.concatenate([p.neighbor for p in parts]), whole.neighbor)
    assert whole.start[1] == 0


@pytest.mark.parametrize(
    ("positions", "cell", "pbc", "message"),
    [
        ([[0, 0, 0], [np.nan, 0, 0]], np.eye(3), True, "frame 7: the position of atom 1 is not finite"),
        ([[0, 0, 0]], np.diag([5.0, 5.0, 0.0]), True, "no cell vector or the cell has no volume"),
        ([[0, 0, 0]], [[5, 0, 0], [5, 0, 0], [0, 0, 5]], True, "no volume"),
        ([[0, 0, 0]], [[5, 0, 0], [0, 5, 0], [0, np.inf, 5]], True, "the cell is not finite"),
        ([[0, 0, 0], [0.5, 0, 0], [0.5, 0, 1e-5]], np.eye(3) * 9, True, "atoms 1 and 2"),
        ([[0, 0, 0]], np.diag([1e-4, 5, 5]), True, "its own periodic image are on one spot|far too thin"),
        ([[0, 0, 0]], np.diag([0.3, 0.3, 0.3]), True, "atom 0 has more than 2000 neighbors within 6 Å"),
    ],
)
def test_unusable_structures_are_refused(positions: object, cell: object, pbc: object, message: str) -> None:
    frame = as_frame(np.array(positions, dtype=float), cell, pbc)
    with pytest.raises(DataError, match=message):
        neighbor_pairs(frame, 6.0, where="frame 7")
