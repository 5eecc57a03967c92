"""Regions: how they are chosen, where their reference values come from, and how wrong a model is in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, diamond100
from builders import build_frame, build_functions, build_potential

from nnpcore.analyses import study
from nnpcore.descriptors import compute_descriptors
from nnpcore.errors import AnalysisError, EatlasError, PotentialError
from nnpcore.mapping import (
    Region,
    RegionError,
    RegionSet,
    analyse_eos,
    bracket_from_distances,
    check_invariant,
    check_series,
    connectivity,
    depth_regions,
    distance_regions,
    eos_curve,
    indices_region,
    invariant_points,
    islands,
    rank_correlation,
    read_regions,
    region_errors,
    surface_energy,
    surface_energy_of,
    verdict,
    with_references,
    write_regions,
)
from nnpcore.potential import Potential
from nnpcore.potential.prediction import Prediction
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainingValues


def slab(n_layers: int = 16, shift: float = 0.0, vacuum: float = 6.0) -> Frame:
    """Return a cut diamond slab of four atoms a layer with a vacuum along c, moved along c by ``shift``."""
    atoms = diamond100("Si", (2, 2, n_layers), a=5.43, vacuum=vacuum)
    atoms.pbc = True
    atoms.positions[:, 2] += shift
    atoms.wrap()
    return Frame.from_atoms(atoms)


def names_and_sizes(found: RegionSet) -> list[tuple[str, int]]:
    return [(r.name, r.n_atoms) for r in found.regions]


class Foreign:
    """A model without symmetry functions: one Eatlas ensemble, seen from outside."""

    def __init__(self, inner: Potential) -> None:
        self.inner, self.asked = inner, 0

    name = "foreign"
    elements = ("Si",)
    n_members = 3

    def predict(self, frames: Sequence[Frame], **options: Any) -> Prediction:
        self.asked += 1
        return self.inner.predict(frames, **options)


# choosing


@pytest.mark.parametrize("shift", [0.0, 13.0, 20.0])
def test_depth_finds_the_inside_of_a_slab_wherever_its_cell_is_cut(shift: float) -> None:
    frame = slab(shift=shift)
    spacing = 5.43 / 4
    found = depth_regions(frame)  # 6 Å are 5 layers of 1.36 Å on either side
    assert names_and_sizes(found) == [("bulk", 24), ("surface", 40)]
    middle = depth_regions(frame, bulk_half_width=1.01 * spacing / 2)
    assert names_and_sizes(middle) == [("bulk", 8), ("surface", 56)]
    shallow = depth_regions(frame, surface_depth=0.5 * spacing)
    assert names_and_sizes(shallow) == [("bulk", 56), ("surface", 8)]
    assert set(middle.regions[0].atoms) < set(found.regions[0].atoms)
    assert len(found.rest()) == 0


def test_depth_is_measured_at_right_angles() -> None:
    tilted = slab(shift=20.0)
    turned = replace(tilted, cell=tilted.cell[[2, 0, 1]])
    assert names_and_sizes(depth_regions(turned, axis=0)) == [("bulk", 24), ("surface", 40)]
    sheared = replace(tilted, cell=tilted.cell + np.array([[0, 0, 0], [0, 0, 0], [3.0, 0, 0]]))
    assert names_and_sizes(depth_regions(sheared)) == [("bulk", 24), ("surface", 40)]
    cluster = replace(slab(), cell=np.zeros((3, 3)), pbc=np.zeros(3, dtype=bool))
    assert names_and_sizes(depth_regions(cluster)) == [("bulk", 24), ("surface", 40)]


def test_a_slab_that_is_none() -> None:
    crystal = replace(build_frame("Si", repeat=(1, 1, 4), rattle=0.0), source="bulk.xyz", index=3)
    with pytest.raises(AnalysisError, match=r"bulk\.xyz, frame 3: this is no slab: .*vector c .* 1\.4 Å, "):
        depth_regions(crystal)
    with pytest.raises(AnalysisError, match="along its cell vector a "):
        depth_regions(slab(), axis=0)
    with pytest.raises(AnalysisError, match=r"region 'bulk' is left empty: the slab is 6\.8 Å .*smaller"):
        depth_regions(slab(6))
    with pytest.raises(AnalysisError, match=r"region 'surface' is left empty.*smaller half width"):
        depth_regions(slab(6), bulk_half_width=10.0)
    with pytest.raises(AnalysisError, match="positive length"):
        depth_regions(slab(), surface_depth=-1.0)
    with pytest.raises(AnalysisError, match="exclude each other"):
        depth_regions(slab(), surface_depth=1.0, bulk_half_width=1.0)


def test_distance_to_the_crystal_finds_the_same_atoms() -> None:
    functions = build_functions(["Si"], cutoff=4.5)
    crystal = invariant_points([build_frame("Si", rattle=0.0)], functions)
    potential = build_potential(functions, [build_frame("Si", rattle=0.2, seed=s) for s in range(4)])
    frame = slab()
    found = distance_regions(frame, functions, potential.whitening, crystal.values, 1e-3, n_threads=1)
    inside = set(found.region("bulk").atoms.tolist())
    assert set(depth_regions(frame, surface_depth=4.5).region("bulk").atoms.tolist()) <= inside
    assert not set(depth_regions(frame, surface_depth=2.0).region("surface").atoms.tolist()) & inside
    by_gap = distance_regions(frame, functions, potential.whitening, crystal.values, n_threads=1)
    assert inside <= set(by_gap.region("bulk").atoms.tolist())
    with pytest.raises(AnalysisError, match=r"region 'surface' is left empty: distances .*smaller threshold"):
        distance_regions(frame, functions, potential.whitening, crystal.values, 1e6, n_threads=1)
    with pytest.raises(AnalysisError, match="there is no crystal"):
        distance_regions(frame, functions, potential.whitening, crystal.values[:0], n_threads=1)


def test_other_elements_are_a_region_of_their_own() -> None:
    functions = build_functions(["C", "Si"])
    frame = build_frame("SiC", repeat=(2, 1, 1), rattle=0.3)
    table = compute_descriptors([frame], functions, derivatives=False, n_threads=1)
    potential = build_potential(functions, [frame])
    crystal = table.values[table.species == 1][:1]
    found = distance_regions(frame, functions, potential.whitening, crystal, element="Si", n_threads=1)
    assert found.region("other elements").atoms.tolist() == np.flatnonzero(frame.numbers == 6).tolist()
    assert sum(r.n_atoms for r in found.regions) == frame.n_atoms
    with pytest.raises(AnalysisError, match="which of C, Si the crystal is made of"):
        distance_regions(frame, functions, potential.whitening, crystal)


def test_chosen_atoms_and_sets_that_cannot_be() -> None:
    frame = slab(8)
    step = indices_region(frame, "step", [5, 3, 3])
    assert step.atoms.tolist() == [3, 5]
    with pytest.raises(AnalysisError, match="region 'hole' has no atoms"):
        indices_region(frame, "hole", [])
    with pytest.raises(AnalysisError, match="has atom 32, the structure only atoms 0 to 31"):
        indices_region(frame, "far", [0, 32])
    with pytest.raises(AnalysisError, match="atom 3 is in two regions, 'step' and 'b'"):
        RegionSet(frame, (step, Region("b", np.array([3]))))
    with pytest.raises(AnalysisError, match="two regions are called 'step'"):
        RegionSet(frame, (step, Region("step", np.array([7]))))
    found = depth_regions(frame, surface_depth=2.0, name="(100)").with_region(step)
    assert [r.name for r in found.regions] == ["bulk", "surface", "step"] and not len(found.rest())
    assert sum(r.n_atoms for r in found.regions) == frame.n_atoms
    assert found.title_of(step) == "(100) step"
    with pytest.raises(AnalysisError, match=r"no region 'top'\. Regions are: bulk, surface, step"):
        found.region("top")


# reference values


def test_references_from_the_total_energy_and_exact_ones() -> None:
    frame = replace(slab(), energy=-300.0)
    regions = depth_regions(frame)
    found = with_references(regions, crystal_energy=-4.8)
    assert found.region("bulk").reference == -4.8
    assert found.region("surface").reference == pytest.approx((-300.0 + 24 * 4.8) / 40)
    assert found.region("surface").source == "total energy less 24 atoms of bulk, per atom"
    totals = sum(r.n_atoms * (r.reference or 0.0) for r in found.regions)
    assert totals == pytest.approx(-300.0)
    three = with_references(regions.with_region(indices_region(frame, "step", [0])), crystal_energy=-4.8)
    assert [r.reference for r in three.regions] == [-4.8, None, None]
    exact = np.random.default_rng(0).normal(-4.5, 0.2, 64)
    known = with_references(replace(regions, frame=replace(frame, arrays={"reference_energies": exact})))
    bulk_atoms = regions.region("bulk").atoms
    assert known.region("bulk").reference == pytest.approx(exact[bulk_atoms].mean())
    assert known.region("bulk").reference_std == pytest.approx(exact[bulk_atoms].std())
    assert known.region("bulk").source == "exact atomic energies"
    with pytest.raises(AnalysisError, match="neither the crystal's energy nor atomic energies"):
        with_references(regions)
    with pytest.raises(AnalysisError, match="63 atomic energies for 64 atoms"):
        with_references(regions, exact=exact[:63])
    with pytest.raises(AnalysisError, match="there is no region 'inside'"):
        with_references(regions, crystal_energy=-4.8, bulk="inside")


def test_region_errors_cancel_where_the_total_is_right(silicon_potential: Potential) -> None:
    frame = slab(12)
    predicted = silicon_potential.predict([frame], n_threads=1)
    total = float(predicted.energy[0])
    crystal = float(predicted.atomic_energies[depth_regions(frame).region("bulk").atoms].mean()) - 0.1
    regions = with_references(depth_regions(replace(frame, energy=total)), crystal_energy=crystal)
    inner, outer = region_errors(silicon_potential, regions, n_threads=1)
    assert inner.error_mev == pytest.approx(100.0, abs=1e-6)
    assert outer.error_mev is not None
    assert inner.n_atoms * 100.0 + outer.n_atoms * outer.error_mev == pytest.approx(0.0, abs=1e-6)
    atoms = regions.regions[0].atoms
    members = predicted.atomic_energies_members[:, atoms].mean(axis=1)
    np.testing.assert_allclose(inner.members, 1000 * (members - crystal))
    assert inner.std_mev == pytest.approx(1000 * members.std()) and inner.text == "bulk +100 meV/atom"
    unknown = region_errors(silicon_potential, depth_regions(frame), n_threads=1)[0]
    assert unknown.error_mev is None and np.isnan(unknown.members).all() and unknown.std_mev == inner.std_mev
    with pytest.raises(PotentialError, match="C"):
        region_errors(silicon_potential, replace(regions, frame=replace(frame, numbers=frame.numbers - 8)))


# surfaces, ranks, islands


def test_surface_energy(silicon_potential: Potential) -> None:
    found = surface_energy(-299.0, 64, -4.7, 20.0)
    assert found.ev_per_ang2 == pytest.approx((64 * 4.7 - 299.0) / 40.0)
    assert found.j_per_m2 == pytest.approx(found.ev_per_ang2 * 16.02176634) and not found.message
    half = surface_energy(-300.0, 64, -4.7, 20.0)
    assert half.error_percent(found) == pytest.approx(100 * (0.8 / 1.8 - 1))
    assert "negative" in surface_energy(-302.0, 64, -4.7, 20.0).message
    frame = slab()
    bulk_energies = np.array([-4.0, -4.1, -4.2])
    model = surface_energy_of(silicon_potential, frame, bulk_energies, n_threads=1)
    members = silicon_potential.predict([frame], n_threads=1).energy_members[:, 0]
    area = 2 * 5.43**2
    expected = 16.02176634 * (members - 64 * bulk_energies) / (2 * area)
    assert model.j_per_m2 == pytest.approx(expected.mean())
    assert model.std_j_per_m2 == pytest.approx(expected.std())
    for bad in ((np.nan, 64, -4.7, 20.0), (-299.0, 64, -4.7, 0.0)):
        with pytest.raises(AnalysisError):
            surface_energy(*bad)
    with pytest.raises(AnalysisError, match="this is no slab"):
        surface_energy_of(silicon_potential, build_frame("Si"), -4.0)


def test_rank_correlation() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = np.exp(x) + 0.3 * rng.normal(size=40)
    expected = stats.spearmanr(x, y)
    found = rank_correlation(np.append(x, np.nan), np.append(y, 1.0))
    assert found.value == pytest.approx(expected[0]) and found.p == pytest.approx(expected[1])
    assert found.n_points == 40 and found.holds
    up = rank_correlation(np.arange(6.0), np.arange(6.0) ** 3)
    assert up.value == 1.0 and up.p == pytest.approx(2 / 720)  # two of all orders of six
    six = [3, 1, 2, 6, 5, 4]
    rho = [float(np.corrcoef(range(6), p)[0, 1]) for p in permutations(range(6))]
    exact = np.mean(np.abs(rho) >= abs(np.corrcoef(range(6), six)[0, 1]) - 1e-9)
    found = rank_correlation(np.arange(6), np.array(six))
    assert found.p == pytest.approx(exact) and found.text.endswith("6 points: no more than chance")
    few = rank_correlation(np.arange(4), np.arange(4))
    assert np.isnan(few.value) and not few.holds and "4 points are too few" in few.text
    assert "all points are alike" in rank_correlation(np.arange(8), np.ones(8)).text
    with pytest.raises(AnalysisError, match="3 and 4 numbers"):
        rank_correlation(np.arange(3), np.arange(4))


def gaussian_blobs(bridged: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return two Gaussian blobs 14 widths apart, and a bridge of points from one to the other if wanted."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(300, 3)), rng.normal((14.0, 0.0, 0.0), size=(300, 3))
    bridge = np.c_[np.linspace(0, 14, 250), 0.25 * rng.normal(size=(250, 2))]
    return (np.r_[a, bridge[:125]], np.r_[b, bridge[125:]]) if bridged else (a, b)


def test_gaussian_blobs_with_and_without_a_bridge() -> None:
    apart = connectivity(dict(zip("AB", gaussian_blobs(False), strict=True)))
    joined = connectivity(dict(zip("AB", gaussian_blobs(True), strict=True)))
    assert apart.matrix[0, 1] < 0.15 and joined.matrix[0, 1] > 3 * apart.matrix[0, 1]
    assert 7.0 < apart.links[0, 1].bottleneck < 11.0 and joined.links[0, 1].bottleneck < 2.0
    both = np.concatenate(gaussian_blobs(False))
    found = islands(both)
    assert sorted(found.sizes) == [f for f in sorted(found.sizes) if f > 250] and len(found.sizes) == 2
    assert found.gap == pytest.approx(apart.links[0, 1].bottleneck, rel=0.3)
    assert (found.label[:300] >= 0).mean() > 0.8 and len(set(found.label[:300]) - {-1}) == 1
    assert len(islands(np.concatenate(gaussian_blobs(True))).sizes) == 1
    with pytest.raises(AnalysisError, match=r"only one; 'all' by itself is disconnected: .* 2 islands \("):
        connectivity({"all": both})
    with pytest.raises(AnalysisError, match=r"there is only one\. Choose"):
        connectivity({"A": gaussian_blobs(False)[0]})
    assert islands(np.zeros((7, 2))).sizes == (7,) and islands(np.zeros((1, 2))).sizes == (1,)


def test_a_series_of_one() -> None:
    check_series([100.0, 300.0])
    with pytest.raises(AnalysisError, match=r"a temperature series of one \(300 K\) shows no trend"):
        check_series([300.0, 300.0])
    with pytest.raises(AnalysisError, match="series without a member shows no trend"):
        check_series([], "pressure", "GPa")


# verdict


def error(name: str, mev: float | None, n_atoms: int = 10, std: float = 1.0) -> RegionError:
    return RegionError(name, n_atoms, mev, std, np.zeros(2), None if mev is None else -4.0, -4.0, "")


@pytest.mark.parametrize(
    ("regions", "level", "text"),
    [
        (
            [error("bulk", 130.0, 24), error("surface", -80.0, 40)],
            "wrong",
            "RMSE 0.9 meV/atom, but bulk +130, surface −80 meV/atom cancel: ad hoc mapping; "
            "add hotter or intermediate structures.",
        ),
        (
            [error("bulk", 5.0), error("surface", 4.0)],
            "doubtful",
            "surface +4 meV/atom are off; 4 meV",
        ),
        ([error("bulk", 130.0, 24), error("surface", -10.0, 40)], "wrong", "surface −10 meV/atom are off"),
        ([error("tip", 30.0)], "wrong", "tip +30 meV/atom is off: ad hoc mapping"),
        ([error("bulk", 1.5), error("surface", -1.0)], "right", "atomic energies are right to 1.5 meV"),
        ([error("bulk", 1.5, std=19.0)], "open", "the members disagree by 19 meV on bulk"),
        ([error("bulk", None)], "unknown", "nothing tells whether"),
        ([error(n, 30.0) for n in "abcde"], "wrong", "a +30, b +30, c +30 meV/atom and 2 more are off"),
    ],
)
def test_verdict_of_regions(regions: list[RegionError], level: str, text: str) -> None:
    found = verdict(0.9, None, None, regions)
    assert found.level == level and text in found.text


def test_the_worse_of_crystal_and_regions_counts(silicon_potential: Potential) -> None:
    frames = read_dataset(example_path("eos")).frames
    curve = eos_curve(silicon_potential, frames)
    curve = replace(curve, energies=np.tile(curve.reference, (2, 1)))
    whole = bracket_from_distances(curve.volumes, np.zeros(len(frames)), 20.5, 1.0)
    fine, off = analyse_eos(curve, whole), replace(curve, energies=curve.energies + 0.03)
    ad_hoc = [error("bulk", 130.0, 24), error("surface", -80.0, 40)]
    assert verdict(0.9, fine, whole, ad_hoc).text.startswith("RMSE 0.9 meV/atom, but bulk +130")
    for rmse, said in ((0.0264, "0.026"), (0.96, "1.0"), (12.34, "12.3"), (1e-9, "below 0.001")):
        assert verdict(rmse, fine, whole, ad_hoc).text.startswith(f"RMSE {said} meV/atom, but bulk +130")
    good = verdict(0.9, fine, whole, [error("bulk", 1.0)])
    assert good.level == "right"
    assert "E_at of the crystal is right" in good.text and "bulk +1 meV" in good.text
    both = verdict(0.9, analyse_eos(off, whole), whole, ad_hoc)
    assert both.level == "wrong" and "E_at of the crystal is off by +30 meV" in both.text
    assert "(regions: bulk +130, surface −80 meV/atom)" in both.text
    mixed = verdict(0.9, fine, whole, [error("bulk", 130.0), error("surface", 1.0), error("bulk", 2.0)])
    assert mixed.of_crystal == mixed.of_region("surface") == "right" and mixed.of_region("bulk") == "wrong"
    assert both.of_crystal == "wrong" and good.of_region("surface") == "unknown"


# files


def test_regions_survive_a_file(tmp_path: Path) -> None:
    exact = np.random.default_rng(0).normal(size=64)
    frame = replace(slab(), energy=-300.0, source="slab.xyz", index=2, arrays={"reference_energies": exact})
    sets = [
        with_references(depth_regions(frame, name="(100)")),
        RegionSet(build_frame("Si"), (indices_region(build_frame("Si"), "one", [0]),)),
    ]
    path = tmp_path / "deep" / "regions.json"
    write_regions(path, sets)
    again = read_regions(path)
    assert [s.to_dict() for s in again] == [s.to_dict() for s in sets]
    np.testing.assert_array_equal(again[0].frame.positions, frame.positions)
    assert again[0].frame.pbc.all() and again[0].regions[0].atoms.dtype == np.int64
    assert again[0].regions[1].reference == sets[0].regions[1].reference
    assert again[1].regions[0].reference is None
    assert [p.name for p in path.parent.iterdir()] == ["regions.json"]


def test_bad_region_files(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    write_regions(path, [depth_regions(slab())])
    good = json.loads(path.read_text())
    bad: list[tuple[Any, str]] = [
        ("{", "not a file of regions"),
        ([], "not a file of regions"),
        (good | {"format": "other"}, "not a file of regions"),
        (good | {"format_version": 99}, "newer Eatlas"),
        (good | {"region_sets": [{}]}, "is damaged"),
    ]
    broken = json.loads(path.read_text())
    broken["region_sets"][0]["regions"][0]["atoms"] = [99]
    bad.append((broken, "has atom 99"))
    for content, message in bad:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(AnalysisError, match=message) as caught:
            read_regions(path)
        assert caught.value.where == str(path) and caught.value.fix
    with pytest.raises(AnalysisError, match="cannot be read"):
        read_regions(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(EatlasError):
        write_regions(tmp_path / "file" / "x.json", [])


# other models, invariant points


def test_any_model_gives_the_same_curve_and_errors(silicon_potential: Potential) -> None:
    frames = read_dataset(example_path("eos")).frames[::4]
    model = Foreign(silicon_potential)
    ours, theirs = eos_curve(silicon_potential, frames), eos_curve(model, frames, n_threads=1)
    np.testing.assert_allclose(theirs.energies, ours.energies, atol=1e-10)
    regions = depth_regions(slab(12))
    for a, b in zip(region_errors(model, regions), region_errors(silicon_potential, regions), strict=True):
        assert a.predicted == pytest.approx(b.predicted)
    cells = [build_frame("Si", rattle=0.15, seed=k) for k in range(6)]
    table = compute_descriptors(cells, silicon_potential.functions, derivatives=False, n_threads=1)
    frame_of = table.frames_of_atoms
    values = TrainingValues(table.values, table.species, frame_of, frame_of % 3 != 0)
    model.asked = 0
    found = study(model, values, frames, functions=silicon_potential.functions)
    assert model.asked == 2  # the scan, and evenly spaced crystals about its minimum
    assert found.curve.energies.shape == (3, len(frames))
    with pytest.raises(AnalysisError, match="foreign has no symmetry functions"):
        study(model, values, frames)


def test_invariant_points_are_checked_one_by_one() -> None:
    rattled = replace(build_frame("Si", rattle=0.0), source="a.xyz", index=7)
    rattled.positions[5] += 0.3
    frames = [
        build_frame("Si", rattle=0.0),
        rattled,
        build_frame("SiC"),
        replace(build_frame("Si"), pbc=np.array([True, True, False])),
        Frame.from_atoms(bulk("Ni", "hcp", a=2.5, c=4.1)),
    ]
    found = check_invariant(frames, n_threads=1)
    assert [c.ok for c in found] == [True, False, False, False, True]
    assert found[0].volume == pytest.approx(5.43**3 / 8) and (found[0].inequivalence or 0) < 1e-6
    bad = found[1]
    assert bad.frame == "a.xyz, frame 7" and bad.atoms is not None and 5 in bad.atoms
    assert f"{100 * (bad.inequivalence or 0):.2g} %" in bad.message and "most between atoms" in bad.message
    assert "atoms of C and Si are not equivalent" in found[2].message and found[2].inequivalence is None
    assert "periodic in all three directions" in found[3].message
    with pytest.raises(AnalysisError, match=r"a\.xyz, frame 7: .*differ by .* most between atoms \d and \d"):
        invariant_points([frames[0], rattled], n_threads=1)
