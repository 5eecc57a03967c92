"""The repulsion of nuclei under the networks: its formula, where it begins, what it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from builders import build_frame, build_functions, build_potential
from training_data import TINY, labelled, silicon_frames

from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.export import export_as
from nnpcore.exchange.programs import program_named
from nnpcore.exchange.torchscript.writing import read_back_difference, write_torch
from nnpcore.mapping.invariant import invariant_points
from nnpcore.mapping.model_energies import energies_of_points
from nnpcore.potential import Potential
from nnpcore.potential.crowding import Crowding, density
from nnpcore.potential.short_range import PairRepulsion, ShortRange
from nnpcore.reference.sampling import Dynamics, SamplerSettings
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings
from nnpcore.training.short_range import nearest_distances, short_range_of

SI = PairRepulsion(("Si", "Si"), 1.6, 2.0)
C_SI = PairRepulsion(("C", "Si"), 1.1, 1.6)

LAMMPS = {  # pair_style zbl of LAMMPS (22 July 2025): distance, Å, energy, eV, force, eV/Å
    SI: [
        (0.5, 466.62535875827905, 2615.591908817473),
        (1.2, 21.195573857463632, 85.00575745820817),
        (1.7, 1.5477420470009766, 13.800464379285572),
        (1.95, 0.00918298785629279, 0.5426545024440355),
    ],
    C_SI: [
        (0.3, 816.3729219396876, 6080.765600450148),
        (1.0, 19.899469342790162, 99.4249522047305),
        (1.3, 2.7406454942401686, 26.095181975478823),
        (1.59, 0.00011808392393142242, 0.035361333820777226),
    ],
}


@pytest.mark.parametrize("pair", LAMMPS, ids=lambda pair: "-".join(pair.elements))
def test_pairs_repel_each_other_as_in_lammps(pair: PairRepulsion) -> None:
    r, energy, force = np.array(LAMMPS[pair]).T
    found, slope = pair.energy(r)
    np.testing.assert_allclose(found, energy, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(-slope, force, rtol=1e-12, atol=1e-11)
    beyond = np.array([pair.outer, pair.outer + 0.1, 9.0])
    assert not np.any(pair.energy(beyond))
    h = 1e-4  # three derivatives go to zero with the distance from the outer end: the third is a jump
    assert abs(pair.energy(np.array(pair.outer - h))[0]) < 1e3 * h**3


def test_half_of_it_belongs_to_each_atom_and_the_rest_is_untouched() -> None:
    frames = [Frame.from_atoms(Atoms("CSi", positions=[[0, 0, 0], [r, 0, 0]])) for r in (0.5, 1.3, 1.7)]
    bare = build_potential(build_functions(["C", "Si"]), [build_frame("SiC", rattle=0.1)], n_members=2)
    potential = replace(bare, short_range=ShortRange((C_SI,)))
    before, after = (one.predict(frames, n_threads=1) for one in (bare, potential))
    more = after.atomic_energies_members - before.atomic_energies_members
    wanted = 0.5 * C_SI.energy(np.array([0.5, 0.5, 1.3, 1.3, 1.7, 1.7]))[0]
    np.testing.assert_allclose(more, [wanted, wanted], atol=1e-9)
    assert after.energy[0] > 200
    assert after.forces is not None and before.forces is not None
    assert after.forces_std is not None and before.forces_std is not None
    np.testing.assert_array_equal(after.forces[4:], before.forces[4:])
    np.testing.assert_allclose(after.forces_std, before.forces_std, atol=1e-9)
    without = potential.predict(frames, forces=False, stress=False, n_threads=1)
    np.testing.assert_allclose(without.atomic_energies_members, after.atomic_energies_members, atol=1e-9)


def test_it_begins_below_the_distances_of_the_data() -> None:
    frames = [build_frame("SiC", rattle=0.1, seed=k) for k in range(6)]
    nearest = nearest_distances(frames, 3.5)
    all_of = [f.to_atoms().get_all_distances(mic=True) for f in frames]
    numbers = frames[0].numbers
    for pair, z in ((("C", "Si"), (6, 14)), (("Si", "Si"), (14, 14))):
        block = [d[numbers == z[0]][:, numbers == z[1]] for d in all_of]
        shortest = min(b[b > 0].min() for b in block)
        assert nearest[pair].shortest == pytest.approx(shortest, abs=1e-9)
    for mode in ("auto", "on"):
        found, sentence = short_range_of(frames, ["C", "Si"], 4.0, TrainSettings(short_range=mode))
        assert found is not None and "C-Si below" in sentence
        for one in found.pairs:
            own = nearest[one.elements]
            assert 0 < one.inner < one.outer < own.shortest
            if mode == "auto":
                assert one.outer <= 0.9 * own.usual
        assert found.taken_off(frames) == frames  # the very same
    apart = [Frame.from_atoms(Atoms("CSi", positions=[[0, 0, 0], [3.8, 0, 0]]))]
    found, sentence = short_range_of(apart, ["C", "Si"], 4.0, TrainSettings())
    assert found is not None and "never seen so close" in sentence
    assert {pair.elements: pair.outer for pair in found.pairs}["C", "Si"] == pytest.approx(1.68)


def test_large_atoms_never_seen_close_keep_their_labels() -> None:
    pairs = (Frame.from_atoms(Atoms("Cs2", positions=[[0, 0, 0], [r, 0, 0]])) for r in (3.6, 5.0))
    frames = [replace(frame, energy=0.0) for frame in pairs]
    found, sentence = short_range_of(frames, ["Cs"], 8.0, TrainSettings())
    assert found is not None and "never seen so close" in sentence
    assert found.outer < 3.5 and found.taken_off(frames) == frames


def test_a_pair_alone_may_leave_compressed_crystals_to_the_networks() -> None:
    frames = [build_frame("Si", rattle=0.01, seed=k) for k in range(3)]
    by_all, by_pair = (
        short_range_of(frames, ["Si"], 5.0, TrainSettings.model_validate(given))[0]
        for given in ({}, {"short_range": "off", "short_range_pairs": {"Si-Si": "auto"}})
    )
    assert by_pair == by_all


def test_pairs_may_differ() -> None:
    frames = [build_frame("SiC", rattle=0.1, seed=k) for k in range(3)]
    own = {"Si-C": (1.0, 1.5), "C-C": "off", "Si-Si": "off"}
    found, _ = short_range_of(frames, ["C", "Si"], 4.0, TrainSettings(short_range_pairs=own))
    assert found == ShortRange((PairRepulsion(("C", "Si"), 1.0, 1.5),))
    none = TrainSettings(short_range="off")
    assert short_range_of(frames, ["C", "Si"], 4.0, none) == (None, "")
    for wrong, says in (
        ({"Si": "off"}, "no pair of elements"), ({"Si-Xx": "off"}, "no pair of elements"),
        ({"C-Si": "yes"}, "not a choice"), ({"C-Si": (2.0, 1.0)}, "join nothing"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=says):
            TrainSettings.model_validate({"short_range_pairs": wrong})
    for pairs, says in (({"O-Si": "on"}, "no O"), ({"C-Si": (1.0, 4.5)}, "beyond the cutoff")):
        with pytest.raises(SettingsError, match=says):
            short_range_of(
                frames, ["C", "Si"], 4.0, TrainSettings.model_validate({"short_range_pairs": pairs})
            )


def test_a_training_on_data_above_it_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    frames = silicon_frames(5)
    potentials = {}
    for mode in ("off", "auto"):
        trainer = Trainer(TINY.replace(short_range=mode, epochs=2), frames[:4], frames[4:])
        potentials[mode] = trainer.run().potential
    np.testing.assert_array_equal(*(p.weights.flatten() for p in potentials.values()))
    assert potentials["off"].short_range is None
    below = potentials["auto"].short_range
    assert below is not None and below.pairs[0].elements == ("Si", "Si")
    potentials["auto"].save(tmp_path)
    assert Potential.load(tmp_path).short_range == below


def test_where_data_feel_it_networks_learn_what_it_leaves() -> None:
    frames = silicon_frames(6)
    settings = TINY.replace(short_range_pairs={"Si-Si": (1.6, 2.3)}, epochs=1)
    trainer = Trainer(settings, frames[:5], frames[5:])
    trainer.prepare()
    below = ShortRange((PairRepulsion(("Si", "Si"), 1.6, 2.3),))
    first = trainer.data.train.targets
    bare = below.taken_off(frames)
    more = below.atomic_energies(frames).reshape(6, -1).sum(axis=1)
    assert more.max() > 0.1
    left = [(f.energy or 0.0) - (b.energy or 0.0) for f, b in zip(frames, bare, strict=True)]
    np.testing.assert_allclose(left, more, atol=1e-9)
    for name, tolerance in (("forces", 1e-6), ("stress", 1e-9)):
        wanted = np.array([getattr(f, name) for f in bare[:5]])
        np.testing.assert_allclose(getattr(first, name).reshape(wanted.shape), wanted, atol=tolerance)
    trainer.run()
    found = trainer.current_potential().predict(frames[5:], n_threads=1)
    assert found.forces is not None and frames[5].forces is not None
    error = np.sqrt(np.mean((found.forces - frames[5].forces) ** 2))
    assert error == pytest.approx(trainer.history[-1].valid["force"]["mean"], rel=1e-3)


def test_compressed_crystals_have_it_on_the_fast_path_too() -> None:
    functions = build_functions(["Si"])
    scan = [build_frame("Si", rattle=0.0, scale=scale) for scale in (0.8, 0.9, 1.0)]
    potential = build_potential(functions, scan, short_range=("Si-Si",))
    points = invariant_points(labelled(scan), functions)
    fast = energies_of_points(potential, points)
    slow = potential.predict(points.frames, forces=False, stress=False, n_threads=1)
    np.testing.assert_allclose(fast, slow.energy_members / slow.n_atoms, atol=1e-9)
    without = energies_of_points(replace(potential, short_range=None), points)
    assert np.ptp(fast - without) > 0.5


CROWDING = (
    Crowding("C", (("C", 2.1), ("Si", 2.6)), 0.1, 0.05, 60.0),
    Crowding("Si", (("C", 2.6), ("Si", 3.1)), 0.3, 0.04, 50.0),
)


def test_crowded_atoms_are_lifted_by_what_surrounds_them() -> None:
    """An atom with neighbors at the corners of a cube: density, energy and slope by hand, forces by steps."""
    below = ShortRange((C_SI,), CROWDING)
    r = np.array([2.0, 2.6, 3.0])
    assert density(r, 2.6)[0] == pytest.approx((1 - np.minimum(r / 2.6, 1.0) ** 2) ** 5)
    one = CROWDING[1]
    assert one.energy(np.array([0.3, 0.32, 0.34, 0.44])) == pytest.approx(
        [0.0, 2.0 * (2.5 / 16 - 3 / 32 + 1 / 64), 1.0, 6.0]
    )
    frame = build_frame("SiC", rattle=0.15, seed=3)
    pairs = neighbor_pairs(frame, 3.1)
    distance = np.linalg.norm(pairs.vector, axis=1)
    center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
    reach = {(6, 6): 2.1, (6, 14): 2.6, (14, 6): 2.6, (14, 14): 3.1}
    own = [
        reach[int(frame.numbers[a]), int(frame.numbers[b])]
        for a, b in zip(center, pairs.neighbor, strict=True)
    ]
    rho = np.bincount(center, density(distance, np.array(own))[0], frame.n_atoms)
    wanted = sum(one.energy(rho) * (frame.numbers == z) for one, z in zip(CROWDING, (6, 14), strict=True))
    pairs_alone = ShortRange((C_SI,)).of_frame(frame)
    found = below.of_frame(frame)
    assert found is not None
    energies = found[0] - (0.0 if pairs_alone is None else pairs_alone[0])
    assert energies.min() == 0.0 and energies.max() > 0.1
    np.testing.assert_allclose(energies, wanted, atol=1e-9)
    h = 1e-5
    for atom, axis in ((0, 0), (3, 2), (5, 1)):
        sums = []
        for step in (h, -h):
            positions = frame.positions.copy()
            positions[atom, axis] += step
            moved = below.of_frame(replace(frame, positions=positions))
            assert moved is not None
            sums.append(moved[0].sum())
        assert found[1][atom, axis] == pytest.approx((sums[1] - sums[0]) / (2 * h), rel=1e-6, abs=1e-6)
    strained = []
    for step in (h, -h):
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = 0.5 * step
        moved = below.of_frame(replace(frame, positions=frame.positions @ strain, cell=frame.cell @ strain))
        assert moved is not None
        strained.append(moved[0].sum())
    shear = 0.5 * (found[2][0, 1] + found[2][1, 0])
    assert shear == pytest.approx((strained[0] - strained[1]) / (2 * h), rel=1e-5)


def test_all_engines_and_what_leaves_have_it(tmp_path: Path) -> None:
    functions, frames = build_functions(["C", "Si"]), [build_frame("SiC", rattle=0.1)]
    potential = build_potential(functions, frames, n_members=2, short_range=("C-Si",), crowding=CROWDING)
    assert potential.short_range is not None
    bare = replace(potential, short_range=None)
    pressed = [build_frame("SiC", rattle=0.1, scale=0.8)]
    wanted = potential.short_range.of_frame(pressed[0])
    assert wanted is not None
    for device in ("cpu", "torch-cpu"):
        after, before = (m.predict(pressed, device=device, n_threads=1) for m in (potential, bare))
        assert after.forces is not None and before.forces is not None
        np.testing.assert_allclose(after.atomic_energies - before.atomic_energies, wanted[0], atol=1e-8)
        np.testing.assert_allclose(after.forces - before.forces, wanted[1], atol=1e-8)
    potential.save(tmp_path / "own")
    assert Potential.load(tmp_path / "own").short_range == potential.short_range
    assert json.loads((tmp_path / "own" / "potential.json").read_text())["format_version"] == 4
    files = write_torch(potential, tmp_path / "torch")
    assert read_back_difference(potential, files[0]) < 1e-9
    found = export_as(tmp_path / "own", tmp_path / "out", "n2p2")
    tables = [file for file in found.files if file.name == "crowding.eam.fs"]
    assert len(tables) == 2 and "of atoms more crowded" in found.left_out
    lines = program_named("n2p2").lammps_lines(potential, ["member-1", "member-2"])
    assert lines[-1] == 'pair_coeff * * eam/fs "member-1/crowding.eam.fs" C Si'
    assert "1.0 eam/fs" in " ".join(lines)
    text = tables[0].read_text().splitlines()
    assert text[3] == "2 C Si"
    n_rho, d_rho, n_r, d_r, cutoff = (float(word) for word in text[4].split())
    numbers = np.array(" ".join(text[6 : 6 + int(n_rho + 2 * n_r) // 5]).split(), dtype=float)
    rho = d_rho * np.arange(n_rho)
    np.testing.assert_allclose(numbers[: int(n_rho)], CROWDING[0].energy(rho), atol=1e-9)
    r = d_r * np.arange(n_r)
    by_carbon_at_silicon = numbers[int(n_rho + n_r) :]
    np.testing.assert_allclose(by_carbon_at_silicon, density(r, 2.6)[0], atol=1e-12)
    assert cutoff == 3.1


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_crystal_that_is_compressed_never_falls_below_the_data(mode: str) -> None:
    functions, frames = build_functions(["Si"]), [build_frame("Si", rattle=0.1, seed=k) for k in range(4)]
    settings = TrainSettings.model_validate({"short_range": mode})
    below, sentence = short_range_of(frames, ["Si"], 5.0, settings)
    assert below is not None and below.crowding and "more crowded" in sentence
    assert below.taken_off(frames) == frames
    start = next(
        s for s in np.arange(1.0, 0.3, -0.01) if below.of_frame(build_frame("Si", rattle=0.0, scale=s))
    )
    assert start < (0.91 if mode == "auto" else 0.99)
    scan = [build_frame("Si", rattle=0.0, scale=s) for s in np.arange(start, 0.4, -0.01)]
    potential = build_potential(functions, frames, n_members=4, seed=2)
    alone = potential.predict(scan, forces=False, stress=False, n_threads=1).energy_members
    assert np.diff(alone).min() < 0.0  # networks know nothing of it
    both = replace(potential, short_range=below)
    found = both.predict(scan, forces=False, stress=False, n_threads=1).energy_members
    assert (np.maximum.accumulate(found, axis=1) - found).max() < 0.02 * scan[0].n_atoms
    assert (found[:, -1] - found[:, 0]).min() > 100.0 * scan[0].n_atoms


def test_frames_drawn_as_the_data_were_are_not_lifted() -> None:
    def drawn(seed: int) -> list[Frame]:
        rng, found = np.random.default_rng(seed), []
        for _ in range(30):
            atoms = bulk("Cu", a=3.6 * (1 + 0.1 * rng.uniform(-1, 1)), cubic=True)
            atoms.positions += rng.normal(0.0, 0.2, (4, 3))
            found.append(Frame.from_atoms(atoms))
        return found

    below, _ = short_range_of(drawn(0), ["Cu"], 5.0, TrainSettings(short_range="on"))
    assert below is not None
    most = 0.0
    for frame in (frame for seed in range(1, 4) for frame in drawn(seed)):
        pairs = neighbor_pairs(frame, below.reach)
        r = np.linalg.norm(pairs.vector, axis=1)
        center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
        rho = np.bincount(center, density(r, dict(below.crowding[0].reaches)["Cu"])[0])
        most = max(most, rho.max())
    assert 0.6 * below.crowding[0].start < most < below.crowding[0].start


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    potential = build_potential(
        build_functions(["Si"]), [build_frame("Si", rattle=0.1)], short_range=("Si-Si",)
    )
    potential.save(tmp_path)
    kept = json.loads((tmp_path / "potential.json").read_text())
    assert kept["format_version"] == 3
    one = {"element": "Si", "reaches": {"Si": 3.0}, "start": 0.3, "width": 0.1, "slope": 9.0}
    for more, says in (
        ({"element": "C"}, "have not"), ({"reaches": {"Si": 99.0}}, "cutoff"),
        ({"start": -0.1}, "not above 0"), ({"reaches": {}}, "not above 0"),
    ):  # fmt: skip
        short = {"kind": "zbl", "pairs": kept["short_range"]["pairs"], "crowding": [one | more]}
        (tmp_path / "potential.json").write_text(json.dumps(kept | {"short_range": short}))
        with pytest.raises(PotentialError, match=says):
            Potential.load(tmp_path)
    for pairs, says in (
        ([{"elements": ["C", "Si"], "inner": 1.0, "outer": 2.0}], "symmetry functions have not"),
        ([{"elements": ["Si", "Si"], "inner": 2.0, "outer": 1.0}], "two growing distances"),
        ([{"elements": ["Si", "Si"], "inner": 1.0, "outer": 99.0}], "up to the cutoff"),
        ([], "no pair"),
        ([{"elements": ["Si", "Si"], "inner": 1.5, "outer": 2.0}], "header says something else"),
    ):
        changed = kept | {"short_range": {"kind": "zbl", "pairs": pairs}}
        (tmp_path / "potential.json").write_text(json.dumps(changed))
        with pytest.raises(PotentialError, match=says):
            Potential.load(tmp_path)


def test_hot_atoms_do_not_fall_into_each_other() -> None:
    """Networks that know a cold crystal let atoms of 3000 K through each other; above it, they bounce."""
    run = Path(__file__).parents[1] / "resources/examples/fig1/runs/nvt-networks"
    bare = Potential.load(run).member(0)
    potential = replace(bare, short_range=ShortRange((PairRepulsion(("Si", "Si"), 1.616, 2.02),)))
    shortest = {}
    for name, model in (("bare", bare), ("short range", potential)):
        start = build_frame("Si", repeat=(2, 2, 2), rattle=0.05).to_atoms()
        sampler = SamplerSettings((3000.0,), timestep_fs=1.0, spacing_fs=1.0, seed=0)
        moving = Dynamics(start, model.calculator(n_threads=1), sampler, 3000.0)
        shortest[name] = np.inf
        try:
            for _ in range(250):
                moving.step()
                distances = moving.atoms.get_all_distances(mic=True)
                shortest[name] = min(shortest[name], distances[distances > 0].min())
        except EatlasError:
            pass
    assert shortest["bare"] < 1.2 < 1.5 < shortest["short range"]


@pytest.mark.parametrize("format", ["n2p2", "simple-nn"])
def test_lammps_gets_it_beside_the_networks(format: str, tmp_path: Path) -> None:
    functions, frames = build_functions(["C", "Si"]), [build_frame("SiC", rattle=0.1)]
    potential = build_potential(functions, frames, n_members=2, short_range=("C-Si", "Si-Si"))
    program = program_named(format)
    files = program.write(potential, tmp_path, None, "center")
    assert "zbl" in files[0].read_text()
    one = program.lammps_lines(potential, ["place"])
    assert one[0].startswith(f"pair_style hybrid/overlay {program.pair_style} ")
    both = program.lammps_lines(potential, ["a", "b"])
    assert " ".join(both).count(f"0.5 {program.pair_style}") == 2 and both[0].startswith(
        "pair_style hybrid/sc"
    )
    for lines, share in ((one, ""), (both, "1.0 ")):
        assert " ".join(lines).count(f"{share}zbl 1.5 2.1") == 2
        assert [line for line in lines if " zbl " in line and "coeff" in line] == [
            "pair_coeff 1 2 zbl 1 6 14",
            "pair_coeff 2 2 zbl 2 14 14",
        ]
    bare = replace(potential, short_range=None)
    assert "zbl" not in " ".join(program.lammps_lines(bare, ["place"]))


def test_the_module_for_torch_has_it(tmp_path: Path) -> None:
    functions, frames = build_functions(["C", "Si"]), [build_frame("SiC", rattle=0.1)]
    potential = build_potential(functions, frames, n_members=2, short_range=("C-Si", "Si-Si"))
    files = write_torch(potential, tmp_path)
    assert read_back_difference(potential, files[0]) < 1e-9
    assert read_back_difference(replace(potential, short_range=None), files[0]) > 0.1
