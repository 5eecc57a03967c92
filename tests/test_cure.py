"""The cure: greedy choice by brute force, what it finds on silicon, pools, screening, files, dynamics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import build_frame
from training_data import silicon_frames

from nnpcore.cli import main
from nnpcore.cure import (
    Candidate,
    CureOrder,
    ExploreSettings,
    Limits,
    Look,
    PoolSettings,
    Seeds,
    Surroundings,
    addition,
    aims_of_frames,
    aims_of_regions,
    check_zero,
    collect,
    explore,
    find_cure,
    from_files,
    generate,
    label_with,
    seeds_of,
    usual_distance,
    write_candidates,
)
from nnpcore.cure.candidates import KINDS
from nnpcore.cure.choosing import Ranking, factor_of, news_of, rank
from nnpcore.cure.finding import weighted_rows
from nnpcore.cure.screening import screen
from nnpcore.descriptors import SymmetryFunctions
from nnpcore.errors import AnalysisError, DataError, RunFolderError, SettingsError, TrainingError
from nnpcore.mapping import depth_regions
from nnpcore.posterior import Posterior, Target
from nnpcore.potential import Potential
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.reference import SamplerSettings, StillingerWeber, label, relax, sample, slab
from nnpcore.structures import example_path, read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder
from nnpcore.training.counts import usual_count

FUNCTIONS = SymmetryFunctions.preset("26", ["Si"])


# choosing ---------------------------------------------------------------------------------------------
def ranked(precision: np.ndarray, targets: np.ndarray, rows: list, *args: Any, **kwargs: Any) -> Ranking:
    factor = factor_of(precision)
    return rank(factor, targets, [news_of(factor, values) for values in rows], *args, **kwargs)


def test_greedy_choice_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(3)
    basis = rng.standard_normal((30, 12))
    precision = basis.T @ basis + np.eye(12)
    targets, weights = rng.standard_normal((4, 12)), np.array([1.0, 2.0, 0.5, 1.0])
    rows = [rng.standard_normal((k, 12)) * scale for k, scale in ((1, 3.0), (20, 0.4), (3, 2.0), (5, 1.0))]
    costs = np.array([1.0, 4.0, 2.0, 3.0])
    found = ranked(precision, targets, rows, costs, 3, weights=weights)

    def spread(chosen: list[int]) -> float:
        total = precision + sum((rows[k].T @ rows[k] for k in chosen), np.zeros((12, 12)))
        variances = np.einsum("ij,jk,ik->i", targets, np.linalg.inv(total), targets)
        return float(np.sqrt(variances @ weights / weights.sum()))

    assert found.spread == pytest.approx(spread([]), rel=1e-9)
    np.testing.assert_allclose(found.alone, [spread([k]) for k in range(4)], rtol=2e-3)
    chosen: list[int] = []
    for step in found.steps:
        left = [k for k in range(4) if k not in chosen]
        gains = {k: np.log(spread(chosen) / spread([*chosen, k])) / costs[k] for k in left}
        assert step.candidate == max(gains, key=gains.__getitem__)
        chosen.append(step.candidate)
        assert step.spread == pytest.approx(spread(chosen), rel=2e-3)
    assert len(found.steps) == 3


def test_frames_that_say_nothing_are_not_chosen() -> None:
    useless = np.array([[0.0, 1.0]])
    found = ranked(np.eye(2), np.array([[1.0, 0.0]]), [useless, useless], np.ones(2), 2)
    assert found.steps == ()
    np.testing.assert_allclose(found.alone, 1.0)


def test_foretold_spread_is_that_of_the_posterior_with_the_frame_in_it() -> None:
    frames, new = silicon_frames(8), silicon_frames(3, seed=50)
    targets = [Target.mean(build_frame("Si", rattle=0.0, scale=s)) for s in (0.97, 1.0, 1.03)]
    posterior = Posterior.fit(frames, FUNCTIONS, targets=targets, kinds=("energy", "forces"), n_threads=1)
    rows = weighted_rows(posterior, new, n_threads=1)
    found = ranked(posterior.solution.precision, posterior.features(targets), rows, np.ones(3), 2)
    with_both = posterior.with_frames([new[step.candidate] for step in found.steps], n_threads=1)
    np.testing.assert_allclose(np.sqrt(found.steps[-1].variances), with_both.spread(targets), rtol=5e-3)


def test_orders_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="cost exponent"):
        CureOrder((), FUNCTIONS, (), (), cost_exponent=4.0)
    with pytest.raises(AnalysisError, match="nothing to aim at"):
        find_cure(CureOrder(silicon_frames(2), FUNCTIONS, (), ()))
    with pytest.raises(AnalysisError, match="the pool is empty"):
        find_cure(CureOrder(silicon_frames(2), FUNCTIONS, aims_of_frames(silicon_frames(1), "x"), ()))


def test_two_frames_at_other_volumes_cure_training_at_one_volume() -> None:
    nvt, npt = (
        list(read_dataset(f"{example_path(n)}@{s}").frames) for n, s in (("nvt", ":20"), ("npt", "::4"))
    )
    scan = [f for f in read_dataset(example_path("eos")).frames if 19.6 < f.volume / f.n_atoms < 21.7]
    order = CureOrder(nvt, FUNCTIONS, aims_of_frames(scan, "eos"), from_files(npt, "npt"), n=2)
    cure = find_cure(order, n_threads=1)
    assert len(cure.chosen) == 2
    assert cure.chosen[0].spread < 0.35 * cure.spread and cure.chosen[1].spread < 0.2 * cure.spread
    assert cure.error is not None and cure.chosen[1].error is not None
    assert cure.chosen[1].error < 0.5 * cure.error
    volumes = [one.candidate.frame.volume / 64 for one in cure.chosen]
    assert max(volumes) > 20.7 > 20.4 > min(volumes)


def test_the_cheapest_cure_of_a_slab_is_a_small_crystal() -> None:
    calculator = StillingerWeber()
    relaxed = label(relax(slab("100"), calculator, fmax=0.02), calculator)
    cold, hot = (
        sample(relaxed, calculator, SamplerSettings((t,), equilibration_fs=200.0, n_frames=n, seed=1))
        for t, n in ((300.0, 12), (1500.0, 4))
    )
    kinds = ("volumes", "shears", "rattled", "slabs")
    pool, _ = generate(seeds_of([relaxed]), PoolSettings(kinds=kinds, n_rattled=1, n_shears=2))
    pool += from_files(hot, "hot slab")
    order = CureOrder(cold, FUNCTIONS, aims_of_regions(depth_regions(relaxed)), pool, n=3, cost_exponent=1.0)
    cure = find_cure(order, n_threads=1)
    first = cure.chosen[0]
    assert first.candidate.kind in ("volumes", "shears", "rattled") and first.candidate.n_atoms == 8
    assert first.spread < 0.1 * cure.spread
    assert cure.alone[[c.kind == "file" for c in cure.pool]].min() > 2.0 * first.spread


# pools and screening ----------------------------------------------------------------------------------
def test_pools_are_made_of_the_crystals_at_hand() -> None:
    scan = list(read_dataset(example_path("eos")).frames)
    seeds = seeds_of([*scan, build_frame("Si", repeat=(2, 1, 1))])
    assert [(c.lattice, c.element) for c in seeds.crystals] == [("diamond", "Si")]
    lowest = min(scan, key=lambda f: (f.energy or 0.0) / f.n_atoms)
    assert seeds.crystals[0].constant == pytest.approx((8 * lowest.volume / lowest.n_atoms) ** (1 / 3))
    assert [f.n_atoms for f in seeds.structures] == [16]
    settings = PoolSettings(kinds=tuple(KINDS), n_md=2, temperatures=(300.0,))
    pool, notes = generate(seeds, settings, StillingerWeber())
    assert notes == [] and {c.kind for c in pool} == set(KINDS)
    assert all(c.frame.energy is None and c.frame.forces is None for c in pool)
    volumes = [c.frame.volume / c.n_atoms for c in pool if c.kind == "volumes"]
    middle = lowest.volume / lowest.n_atoms
    np.testing.assert_allclose([min(volumes), max(volumes)], [0.92 * middle, 1.08 * middle], rtol=1e-6)


def test_what_cannot_be_generated_is_said() -> None:
    pool, notes = generate(seeds_of([build_frame("Si")]), PoolSettings(kinds=("md", "volumes")))
    assert len(notes) == 1 and notes[0].startswith("md: there is nothing that could move the atoms")
    assert {c.kind for c in pool} == {"volumes"}
    assert generate(Seeds(), PoolSettings(kinds=("slabs",)))[1]
    with pytest.raises(SettingsError, match="teapots"):
        PoolSettings(kinds=("teapots",))


def test_the_crystal_of_an_element_is_known_where_none_is_at_hand() -> None:
    seeds = seeds_of([build_frame("Ni", rattle=0.2)])
    assert [(c.lattice, c.frame.n_atoms) for c in seeds.crystals] == [("fcc", 4)]
    assert seeds_of([build_frame("SiC", rattle=0.2)]).crystals == ()


def test_candidates_out_of_all_sense_are_left_out_with_the_reason() -> None:
    training = silicon_frames(6)
    good = build_frame("Si", rattle=0.1, seed=9)
    close = replace(good, positions=good.positions.copy())
    close.positions[1] = close.positions[0] + [0.9, 0.0, 0.0]
    far = build_frame("Si", rattle=0.0, scale=1.6)
    other = build_frame("SiC")
    pool = [Candidate(f, "file", name) for f, name in ((good, "good"), (close, "close"), (far, "far"))]
    pool.append(Candidate(other, "file", "other"))
    known = Surroundings(training, FUNCTIONS, n_threads=1)
    kept, out = screen(pool, training, known, limits=Limits(distance=1.5))
    assert [c.name for c in kept] == ["good"]
    reasons = {one.name: one.reason for one in out}
    assert "come as close as 0.90 Å" in reasons["close"]
    assert "far from all known surroundings" in reasons["far"]
    assert "C" in reasons["other"]


def test_a_usual_distance_is_that_of_frames_to_each_other() -> None:
    frames = [build_frame("Si", repeat=(2, 1, 1), rattle=0.1, seed=s) for s in range(20)]
    usual = usual_distance(frames, FUNCTIONS, n_threads=1)
    known = Surroundings(frames, FUNCTIONS, n_threads=1)
    alike, hotter = (
        [known.of_frame(build_frame("Si", repeat=(2, 1, 1), rattle=r, seed=s)).max() for s in range(40, 50)]
        for r in (0.1, 0.4)
    )
    assert np.median(alike) < usual and max(alike) < 2.0 * usual < np.median(hotter)
    same = usual_distance([*frames, *frames[1:], frames[0]], FUNCTIONS, n_threads=1)
    assert same < 0.1 * usual, "frames that are there twice are at no distance"
    assert usual_distance(frames[:1], FUNCTIONS, n_threads=1) == 1.0


# files ------------------------------------------------------------------------------------------------
def test_templates_are_filled_and_folders_copied(tmp_path: Path) -> None:
    candidate = Candidate(build_frame("SiC", rattle=0.0), "volumes", "a crystal")
    template = tmp_path / "pw.in"
    template.write_text("nat = {{n_atoms}}, ntyp = {{ n_species }}\nCELL\n{{cell}}\nATOMS\n{{fractional}}\n")
    write_candidates(tmp_path / "one", [candidate, candidate], template)
    lines = (tmp_path / "one/002/pw.in").read_text().splitlines()
    assert lines[0] == "nat = 8, ntyp = 2"
    assert [float(x) for x in lines[2].split()] == pytest.approx([4.36, 0, 0])
    assert lines[6].split()[0] == "Si" and len(lines) == 14
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "INCAR").write_text("ENCUT = 300\n")
    write_candidates(tmp_path / "two", [candidate], inputs)
    assert (tmp_path / "two/001/INCAR").read_text() == "ENCUT = 300\n"
    again = read_dataset(tmp_path / "two/001/POSCAR").frames[0]
    assert again.volume == pytest.approx(candidate.frame.volume)
    template.write_text("{{atoms}}")
    with pytest.raises(SettingsError, match="unknown in a template"):
        write_candidates(tmp_path / "three", [candidate], template)


def test_labels_are_collected_from_where_they_were_computed(tmp_path: Path) -> None:
    frames = [build_frame("Si", seed=s) for s in range(3)]
    write_candidates(tmp_path, [Candidate(f, "file", f"{k}") for k, f in enumerate(frames)])
    with pytest.raises(DataError, match="nothing that was computed"):
        collect(tmp_path)
    computed = [label(f, StillingerWeber()) for f in frames]
    write_frames(tmp_path / "001/out.extxyz", [computed[1], computed[0]])
    found = collect(tmp_path)
    assert [f.energy for f in found] == [computed[0].energy]
    assert Path(found[0].source).name == "labelled.extxyz"
    write_frames(tmp_path / "003/out.extxyz", [computed[2]])
    assert [Path(f.source).name for f in collect(tmp_path)] == ["labelled-2.extxyz"] * 2
    assert Path(collect(tmp_path)[0].source).name == "labelled-2.extxyz"
    write_frames(tmp_path / "002/out.extxyz", [label(build_frame("Si", repeat=(2, 1, 1)), StillingerWeber())])
    with pytest.raises(DataError, match="another structure"):
        collect(tmp_path)


def test_one_structure_that_fails_does_not_lose_the_others() -> None:
    copper = replace(build_frame("Ni"), numbers=np.full(4, 29, dtype=np.int32))
    found = label_with([build_frame("Si"), copper], CalculatorSpec("ase.calculators.emt:EMT"))
    assert len(found.frames) == 1 and found.frames[0].energy is not None
    assert [number for number, _ in found.failures] == [0]
    known = label_with([build_frame("Si")], "stillinger-weber").frames[0]
    assert known.energy == label(build_frame("Si"), StillingerWeber()).energy


def test_energies_of_another_zero_are_refused() -> None:
    frames = silicon_frames(4)
    shifted = [replace(f, energy=(f.energy or 0.0) + 90.0 * f.n_atoms) for f in frames]
    check_zero(frames, frames)
    with pytest.raises(TrainingError, match="another zero"):
        check_zero(frames, shifted)


# dynamics ---------------------------------------------------------------------------------------------
class _Known:
    """Atoms are new from the n-th look on."""

    def __init__(self, n: int) -> None:
        self.looks, self.n = 0, n

    def __call__(self, frame: Frame) -> tuple[np.ndarray | None, np.ndarray | None]:
        self.looks += 1
        distance = np.zeros(frame.n_atoms)
        distance[2] = 9.0 if self.looks > self.n else 0.0
        return np.full(frame.n_atoms, 1e-3), distance


def test_dynamics_stops_where_an_atom_leaves_what_is_known() -> None:
    from nnpcore.potential.external.model import CalculatorModel

    model, start, looks = CalculatorModel(StillingerWeber()), build_frame("Si", rattle=0.0), []
    settings = ExploreSettings(temperature=500.0, n_steps=200, every=4, keep_every=5)
    found = explore(start, model, settings, judge=_Known(12), on_look=looks.append)
    assert found.atom == 2 and "atom 2" in found.reason
    assert [look.step for look in looks] == list(range(0, 52, 4))
    assert [look.step for look in found.looks] == [0, 20, 40, 48]
    assert looks[-1].spread is not None and len(looks[-1].energies) == 8
    assert not np.allclose(looks[-1].frame.positions, start.positions)
    assert [c.kind for c in found.candidates("x")] == ["explored"] * 4
    whole = explore(start, model, settings, judge=_Known(1000))
    assert whole.reason == "" and whole.looks[-1].step == 200


def test_dynamics_that_is_stopped_keeps_what_it_has_met() -> None:
    from nnpcore.potential.external.model import CalculatorModel

    looks: list[Look] = []
    found = explore(
        build_frame("Si", rattle=0.0), CalculatorModel(StillingerWeber()), ExploreSettings(n_steps=500),
        on_look=looks.append, stopped=lambda: looks[-1].step >= 20,
    )  # fmt: skip
    assert found.looks[-1].step == 20 and found.reason == ""
    with pytest.raises(SettingsError, match="distance"):
        ExploreSettings(distance=-1.0)


# commands ---------------------------------------------------------------------------------------------
SMALL = ["--members", "1", "--hidden", "5", "--cutoff", "4", "--threads", "1", "--epochs", "1"]


def test_cure_and_training_on_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scan = [label(build_frame("Si", rattle=0.0, scale=s), StillingerWeber()) for s in (0.97, 1.0, 1.03)]
    data = [
        label(build_frame("Si", repeat=(2, 1, 1), rattle=0.1, seed=s), StillingerWeber()) for s in range(8)
    ]
    write_frames(tmp_path / "eos.extxyz", scan)
    write_frames(tmp_path / "data.extxyz", data)
    run, cured, healed = (str(tmp_path / name) for name in ("run", "cure", "healed"))
    assert main(["train", str(tmp_path / "data.extxyz"), "-o", run, *SMALL]) == 0
    options = ["--targets", str(tmp_path / "eos.extxyz"), "-n", "2", "-o", cured, "--threads", "1"]
    capfd.readouterr()
    assert main(["cure", run, *options, "--label-with", "stillinger-weber", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert 1 <= len(found["frames"]) <= 2 and found["n_labelled"] == len(found["frames"])
    assert found["frames"][0]["spread_mev"] < found["spread_mev"]
    near = scan[1]  # the others are more than 5 % of the volume off
    off = (float(Potential.load(run).predict([near]).energy[0]) - (near.energy or 0.0)) / near.n_atoms
    assert found["model_error_mev"] == pytest.approx(1e3 * abs(off), rel=1e-3)
    assert (tmp_path / "cure/001/POSCAR").is_file() and (tmp_path / "cure/spread.png").is_file()
    assert main(["train", "--add", cured, "-o", healed, "--epochs", "1", "--json"]) == 0
    trained = json.loads(capfd.readouterr().out)
    assert trained["parent"] == run and trained["n_added"] == found["n_labelled"]
    old, new = RunFolder.open(run), RunFolder.open(healed)
    assert (old.parent, new.parent) == ("", run)
    assert len(new.find_frames()["training"]) == len(old.find_frames()["training"]) + found["n_labelled"]
    assert new.settings.hidden == old.settings.hidden
    n_old, n_added = len(old.find_frames()["training"]), found["n_labelled"]
    assert (
        trained["count"] == usual_count(n_old, n_added) == 2
        and new.counts == (1.0,) * n_old + (2.0,) * n_added
    )
    assert any("times" in text for text in trained["messages"])
    again = ["train", healed, "--add", cured, "-o", str(tmp_path / "twice"), "--epochs", "1", "--count", "3"]
    assert main(again) == 0
    assert RunFolder.open(tmp_path / "twice").counts == new.counts + (3.0,) * n_added
    record = json.loads((tmp_path / "cure/cure.json").read_text()) | {"parent": healed}
    (tmp_path / "cure/cure.json").write_text(json.dumps(record))
    files = ["train", str(tmp_path / "data.extxyz"), "--valid", str(tmp_path / "eos.extxyz")]
    assert main([*files, "--add", cured, "-o", str(tmp_path / "files"), "--epochs", "1"]) == 0
    usual = usual_count(len(data), n_added)  # the files count once, whatever the run before did
    assert RunFolder.open(tmp_path / "files").counts == (1.0,) * len(data) + (usual,) * n_added
    assert main(["train", str(tmp_path / "data.extxyz"), "-o", str(tmp_path / "no"), "--count", "3"]) == 1
    assert "--add" in capfd.readouterr().err
    assert main(["cure", run, *options]) == 1
    assert "holds files already" in capfd.readouterr().err
    with pytest.raises(RunFolderError, match="no such folder"):
        addition([tmp_path / "nothing"])
