"""Perfect crystals along their volume, and sums of a piecewise cubic function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.errors import AnalysisError, Cancelled, SettingsError
from nnpcore.paper.function_sums import island_sums, piecewise_cubic, random_cubic, random_sums
from nnpcore.progress import Progress
from nnpcore.reference import (
    LATTICES,
    CleriRosato,
    StillingerWeber,
    crystal_scan,
    equilibrium_lattice,
)
from nnpcore.structures.frame import Frame


class Flat(Calculator):
    """The same energy for everything."""

    implemented_properties = ["energy"]  # noqa: RUF012

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 1.0}


@pytest.mark.parametrize("lattice", LATTICES)
def test_every_lattice_has_equal_atoms_at_the_volumes_asked_for(lattice: str) -> None:
    volumes = [10.5, 12.0, 14.0]
    frames = crystal_scan("Ni", lattice, CleriRosato(), volumes=volumes)
    neighbors = {"diamond": 4, "fcc": 12, "bcc": 8, "hcp": 12, "sc": 6}[lattice]
    for frame, volume in zip(frames, volumes, strict=True):
        assert frame.volume / frame.n_atoms == pytest.approx(volume)
        energies = frame.arrays["reference_energies"]
        np.testing.assert_allclose(energies, (frame.energy or 0) / frame.n_atoms, rtol=1e-12)
        nearest = frame.info["lattice_constant"] * LATTICES[lattice][1]
        for reach, expected in ((0.999, 0), (1.001, neighbors)):
            counts = np.diff(neighbor_pairs(frame, reach * nearest).start)
            assert counts.tolist() == [expected] * frame.n_atoms
        assert frame.arrays.keys() == {"reference_energies"}


def test_equilibrium_lattices_and_their_order() -> None:
    assert equilibrium_lattice("Si", "diamond", StillingerWeber()) == pytest.approx(5.43095, abs=2e-5)
    assert equilibrium_lattice("Ni", "fcc", CleriRosato()) == pytest.approx(3.52403, abs=2e-5)
    lowest = {}
    for lattice in LATTICES:
        a = equilibrium_lattice("Ni", lattice, CleriRosato())
        frame = crystal_scan("Ni", lattice, CleriRosato(), lattice_range=(a, a), n=1)[0]
        assert frame.stress is not None and abs(np.trace(frame.stress)) < 1e-6
        lowest[lattice] = (frame.energy or 0) / frame.n_atoms
    assert sorted(lowest, key=lowest.__getitem__) == ["fcc", "hcp", "bcc", "sc", "diamond"]


def test_a_scan_is_centred_on_the_equilibrium() -> None:
    frames = crystal_scan("Si", "diamond", StillingerWeber(), n=5)
    constants = [f.info["lattice_constant"] for f in frames]
    np.testing.assert_allclose(constants, 5.43095 * np.linspace(0.95, 1.05, 5), atol=1e-4)
    assert int(np.argmin([f.energy for f in frames])) == 2
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]


def test_errors_and_cancelling() -> None:
    calculator = StillingerWeber()
    with pytest.raises(SettingsError, match=r"no lattice 'a15'.*diamond, fcc"):
        crystal_scan("Si", "a15", calculator, volumes=[20])
    with pytest.raises(SettingsError, match="no element 'Qq'"):
        equilibrium_lattice("Qq", "fcc", calculator)
    with pytest.raises(SettingsError, match="no volume of an atom"):
        crystal_scan("Si", "fcc", calculator, volumes=[-1])
    with pytest.raises(SettingsError, match="volumes: no volume is given"):
        crystal_scan("Si", "fcc", calculator, volumes=[])
    with pytest.raises(SettingsError, match=r"5 crystals between 6 and 5 Å"):
        crystal_scan("Si", "fcc", calculator, lattice_range=(6, 5), n=5)
    with pytest.raises(AnalysisError, match=r"fcc Si has no minimum from a = 2\.3"):
        equilibrium_lattice("Si", "fcc", Flat())
    progress = Progress(lambda *_: progress.cancel())
    with pytest.raises(Cancelled):
        crystal_scan("Si", "diamond", calculator, volumes=[18, 20], progress=progress)


def test_the_function_is_a_smooth_piecewise_cubic() -> None:
    knots, values = np.array([0.0, 0.2, 0.5, 0.6, 1.0]), np.array([1.0, -0.5, 0.3, 0.8, -1.0])
    function = piecewise_cubic(knots, values)
    np.testing.assert_allclose(function(knots), values, atol=1e-12)
    x, h = np.linspace(-0.1, 1.1, 241), 1e-5
    slope = (function(x + h) - function(x - h)) / (2 * h)
    np.testing.assert_allclose(function(x, 1), slope, atol=1e-4)
    inner = knots[1:-1]
    for f in (function, function.derivative()):  # no jump of value or slope at a knot
        np.testing.assert_allclose(f(inner - 1e-9), f(inner + 1e-9), atol=1e-6)
    fourth = np.diff(function(np.linspace(0.21, 0.49, 9)), 4)
    assert np.abs(fourth).max() < 1e-12 < np.abs(np.diff(function(np.linspace(0.1, 0.4, 9)), 4)).max()
    same = random_cubic(7, seed=2)
    np.testing.assert_array_equal(same(x), random_cubic(7, seed=2)(x))
    assert (same.x[0], same.x[-1]) == (0, 1)


def test_sums_and_what_they_cannot_see() -> None:
    function = random_cubic(seed=1)
    data = random_sums(function, 40, 6, seed=3)
    assert data.points.shape == data.slopes.shape == (40, 6)
    np.testing.assert_allclose(data.sums, function(data.points).sum(axis=1))
    np.testing.assert_allclose(data.slopes, function(data.points, 1))
    assert len(data.invisible_offsets()) == 0
    split = island_sums(function, 40, (2, 4), ((0, 0.3), (0.7, 1)), seed=3)
    offsets = split.invisible_offsets()
    np.testing.assert_allclose(np.abs(offsets), [[2 / np.sqrt(5), 1 / np.sqrt(5)]])
    on_left = split.points < 0.5
    assert (on_left.sum(axis=1) == 2).all() and not ((split.points > 0.3) & (split.points < 0.7)).any()
    shifted = function(split.points) + np.where(on_left, offsets[0, 0], offsets[0, 1])
    np.testing.assert_allclose(shifted.sum(axis=1), split.sums)
    assert len(island_sums(function, 40, (2, 4), seed=3, mixed=True).invisible_offsets()) == 0


@pytest.mark.parametrize(
    ("counts", "islands"), [((2,), ((0, 1), (2, 3))), ((0, 2), ((0, 1), (2, 3))), ((1,), ((1, 0),))]
)
def test_sums_that_cannot_be_drawn(counts: Any, islands: Any) -> None:
    with pytest.raises(SettingsError):
        island_sums(random_cubic(), 5, counts, islands)


def test_bad_knots() -> None:
    with pytest.raises(SettingsError, match="three or more rising knots"):
        piecewise_cubic(np.array([0.0, 0.5, 0.5]), np.zeros(3))


def test_frames_of_a_scan_are_frames() -> None:
    frames = crystal_scan("Si", "bcc", StillingerWeber(), lattice_range=(3.0, 3.2), n=2)
    assert all(isinstance(f, Frame) and f.stress is not None and f.forces is not None for f in frames)
    assert all(np.abs(f.forces).max() < 1e-12 for f in frames if f.forces is not None)
