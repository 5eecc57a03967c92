"""The repulsion of nuclei under the networks: its formula, where it begins, what it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from builders import build_frame, build_functions, build_potential
from training_data import TINY, labelled, silicon_frames

from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.programs import program_named
from nnpcore.exchange.torchscript.writing import read_back_difference, write_torch
from nnpcore.mapping.invariant import invariant_points
from nnpcore.mapping.model_energies import energies_of_points
from nnpcore.potential import Potential
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


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    potential = build_potential(
        build_functions(["Si"]), [build_frame("Si", rattle=0.1)], short_range=("Si-Si",)
    )
    potential.save(tmp_path)
    kept = json.loads((tmp_path / "potential.json").read_text())
    assert kept["format_version"] == 3
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
