"""Learning curves: what is trained on what, the power law, and the command that stops and goes on."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from ase import Atoms
from builders import build_frame
from training_data import TINY, labelled, mixed_frames, silicon_frames

from nnpcore.analyses import MappingMonitor, learning
from nnpcore.analyses.learning import FILE, decided, learn
from nnpcore.cli import main
from nnpcore.cluster import InProcess
from nnpcore.errors import DataError, RunFolderError, SettingsError
from nnpcore.posterior import Posterior
from nnpcore.potential import Potential
from nnpcore.structures import write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, TrainSettings
from nnpcore.training.data_sources import fingerprint
from nnpcore.training.learning_curve import (
    LearningPlan,
    LearningPoint,
    first_of_all,
    foretold_text,
    means_of,
    plan_learning,
    sentence,
    trend_of,
    trends_text,
)
from nnpcore.training.storage import Storage
from nnpcore.training.stress import SettledStress

SETTINGS = TINY.replace(epochs=2, split="blocks", **{"descriptors.preset": "26"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    from nnpcore.structures import read_dataset

    path = tmp_path_factory.mktemp("data") / "data.extxyz"
    write_frames(path, silicon_frames(30))
    return list(read_dataset(path).frames)


# planning -----------------------------------------------------------------------------------------------
def test_sets_are_nested_and_never_meet_the_test(data: list[Frame]) -> None:
    plan = plan_learning(data, SETTINGS, n_seeds=3)
    assert plan.sizes == (4, 8, 15) and plan.seeds == (0, 1, 2)
    parts = [*plan.pool, *plan.valid, *plan.test]
    assert sorted(map(id, parts)) == sorted(map(id, data))
    assert len(plan.test) == 6 and len(plan.valid) == 9
    blocks = np.flatnonzero(np.diff(sorted(frame.index for frame in plan.test)) > 1)
    assert len(blocks) <= 1  # two blocks of three neighbors each, at most
    sets = {(n, seed): {id(f) for f in plan.frames_of(n, seed)} for n, seed in plan.trainings}
    for seed in plan.seeds:
        assert sets[4, seed] < sets[8, seed] < sets[15, seed] == set(map(id, plan.pool))
    assert sets[4, 0] != sets[4, 1] and {n for n, _ in plan.trainings} == set(plan.sizes)


def test_the_smallest_set_has_every_element() -> None:
    frames = [*silicon_frames(20), *mixed_frames()]
    order = np.random.default_rng(3).permutation(len(frames)).tolist()
    first = first_of_all(frames, order)
    elements = {int(z) for k in first for z in frames[k].numbers}
    assert elements == {int(z) for frame in frames for z in frame.numbers} and len(first) <= 2
    plan = LearningPlan(SETTINGS, tuple(frames), (), (), (2,), (0,))
    for seed in range(20):
        found = {int(z) for frame in plan.frames_of(2, seed) for z in frame.numbers}
        assert found == elements


def test_what_makes_no_curve_is_said(data: list[Frame]) -> None:
    with pytest.raises(SettingsError, match="between 1 and 15"):
        plan_learning(data, SETTINGS, sizes=[5, 50])
    with pytest.raises(SettingsError, match="two sizes"):
        plan_learning(data, SETTINGS, sizes=[5, 5])
    with pytest.raises(DataError, match="too few for a learning curve"):
        plan_learning(data[:6], SETTINGS)
    with pytest.raises(SettingsError, match="trainings"):
        plan_learning(data, SETTINGS, n_seeds=50)


def test_test_frames_are_those_that_are_asked_for(data: list[Frame]) -> None:
    """A file for the test, the share of the settings, whole groups; never what is trained on."""
    plan = plan_learning(data[:24], SETTINGS, test=data[24:])
    assert plan.test == tuple(data[24:]) and len(plan.pool) + len(plan.valid) == 24
    with pytest.raises(DataError, match="2 of the 6 test frames are trained on"):
        plan_learning(data[:26], SETTINGS.replace(valid_fraction=0.0), test=data[24:])
    assert len(plan_learning(data, SETTINGS.replace(test_fraction=0.4)).test) == 12
    strange = replace(data[29], numbers=np.full(data[29].n_atoms, 8, np.int32))
    with pytest.raises(DataError, match="1 test frame contains O, which no training frame has: frame 29 of"):
        plan_learning(data[:24], SETTINGS, test=[data[28], strange])
    with pytest.raises(DataError, match="no energies and no forces: there is nothing to compare with"):
        plan_learning(data[:24], SETTINGS, test=[replace(f, energy=None, forces=None) for f in data[24:]])
    named = [replace(frame, info={"phase": f"p{k // 5}"}) for k, frame in enumerate(data)]
    by_group = plan_learning(named, SETTINGS.replace(split="groups", group_key="phase"))
    groups = [
        {frame.info["phase"] for frame in part} for part in (by_group.pool, by_group.valid, by_group.test)
    ]
    assert all(groups) and not groups[2] & (groups[0] | groups[1])


def test_isolated_atoms_are_in_every_training_set(data: list[Frame]) -> None:
    lonely = labelled([Frame.from_atoms(Atoms("Si", cell=[12, 12, 12], pbc=True))])
    plan = plan_learning([*data, *lonely], SETTINGS)
    assert all(lonely[0] in plan.frames_of(n, seed) for n, seed in plan.trainings)


# the power law ------------------------------------------------------------------------------------------
def points_of(
    exponent: float, noise: float, rng: np.random.Generator, n_seeds: int = 2
) -> list[LearningPoint]:
    sizes = (10, 20, 40, 80, 160)
    return [
        LearningPoint(n, seed, "", "", energy=5.0 * n**-exponent * math.exp(noise * rng.normal()))
        for n in sizes
        for seed in range(n_seeds)
    ]


def test_an_exact_power_law_is_found() -> None:
    trend = trend_of("energy", points_of(0.5, 0.0, np.random.default_rng(0)))
    assert trend is not None and trend.exponent == pytest.approx(0.5) and trend.n == 160
    assert trend.error == pytest.approx(5.0 * 160**-0.5) and trend.to_halve == pytest.approx(4.0)
    assert (
        trend.says == "helps"
        and trend.text == "the energy error by 29 % (29 to 29 %; 4 times as many halve it)"
    )


@pytest.mark.parametrize(("exponent", "noise", "says"), [
    (0.02, 0.01, "little"), (0.6, 0.02, "helps"), (0.15, 0.3, "uncertain"), (-0.1, 0.01, "little"),
    (0.15, 3.0, "untold"),
])  # fmt: skip
def test_the_rule(exponent: float, noise: float, says: str) -> None:
    trend = trend_of("energy", points_of(exponent, noise, np.random.default_rng(4)))
    assert trend is not None and trend.says == says
    assert trends_text([trend]).startswith(
        {"little": "More of the same data brings little: ", "helps": "More of the same data helps: ",
         "uncertain": "What more of the same data brings is uncertain: ",
         "untold": "What more of the same data does to the energy error is not told by these points."}[says]
    )  # fmt: skip
    assert says != "untold" or "%" not in trends_text([trend])


def test_an_error_that_rises_is_not_lowered_by_less_than_nothing() -> None:
    points = [
        LearningPoint(n, 0, "", energy=energy, force=force)
        for n, energy, force in ((10, 1.0, 1.0), (20, 3.17, 0.8))
    ]
    text = sentence(points, 2)
    assert "would lower the force error by 20 % (2 sizes cannot tell how surely) and raise the energy" in text
    assert "raise the energy error by 217 %" in text and "−" not in text
    trend = trend_of("energy", points_of(-0.1, 0.01, np.random.default_rng(4)))
    assert trend is not None and trend.rises
    low, high = (100 * (2.0**-exponent - 1) for exponent in (trend.high, trend.low))
    assert f"({low:.0f} to {high:.0f} %" in trend.text and 0 < low < high


def test_an_end_of_the_trend_is_said() -> None:
    """Errors of four sizes by two seeds: the last two sizes the same within the seeds, or not."""

    def text(last: tuple[float, float]) -> str:
        errors = {15: (12.0, 12.3), 30: (9.0, 9.4), 60: (5.0, 5.2), 120: last}
        points = [LearningPoint(n, k, "", "", e) for n, own in errors.items() for k, e in enumerate(own)]
        return sentence(points, 8)

    assert "From 60 to 120 frames the energy error did not fall by more than the scatter" in text((5.1, 5.3))
    assert "scatter" not in text((3.0, 3.2))  # as the power law says
    assert "scatter" not in text((4.5, 4.55))  # less than that, and yet surely


@pytest.mark.parametrize(("exponent", "says"), [(0.0, "does not close: add other"), (0.5, "falls by 29 %")])
def test_what_stays_open_is_said_by_what_is_foretold(exponent: float, says: str) -> None:
    points = [LearningPoint(n, 0, "", foretold={"mapping": 60.0 * n**-exponent}) for n in (10, 20, 40)]
    assert says in foretold_text(points) and foretold_text(points[:1]) == ""


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    found = [trend_of("energy", points_of(0.4, 0.2, rng)) for _ in range(400)]
    inside = [trend is not None and trend.low <= 0.4 <= trend.high for trend in found]
    assert 0.86 <= np.mean(inside) <= 0.94


def test_only_the_last_sizes_count_and_two_tell_no_interval() -> None:
    flat = [LearningPoint(n, 0, "", "", force=0.1 if n > 20 else 9.0) for n in (10, 20, 40, 80, 160, 320)]
    trend = trend_of("force", flat)
    assert trend is not None and abs(trend.exponent) < 1e-12 and trend.says == "little"
    two = trend_of("force", flat[2:4])
    assert two is not None and math.isnan(two.low) and "2 sizes cannot tell" in two.text
    assert trend_of("force", flat[:1]) is None and trend_of("mapping", flat) is None
    assert sentence(flat[:1], 6) == "1 of 6 trainings are done."
    assert "So far: " in sentence(flat[:3], 6)


# a curve ------------------------------------------------------------------------------------------------
@pytest.fixture
def plan(data: list[Frame]) -> LearningPlan:
    return decided(plan_learning(data, SETTINGS.replace(stress_weight=0.0), sizes=[4, 8, 15], n_seeds=1))


def scan() -> list[Frame]:
    return labelled([build_frame("Si", rattle=0.0, scale=0.97 + 0.01 * k) for k in range(7)])


def test_errors_and_foretold_spreads_are_those_of_the_trainings(
    plan: LearningPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []
    compute = Storage.compute

    def counted(self, frames, functions, progress, **options):
        described.extend(fingerprint([frame]) for frame in frames)
        return compute(self, frames, functions, progress, **options)

    monkeypatch.setattr(Storage, "compute", counted)
    seen: list[LearningPoint] = []
    curve = learn(plan, tmp_path, InProcess(1), monitor=MappingMonitor(scan()), on_point=seen.append)
    assert not curve.stopped and not curve.errors and seen == curve.points
    assert [point.n for point in seen] == [4, 8, 15]
    assert len(described) == len(set(described)) == 15 + len(plan.valid)  # each frame once
    point, frames = seen[1], plan.frames_of(8, 0)
    potential = Potential.load(tmp_path / point.name)
    found = potential.predict(plan.test, n_threads=1)
    assert found.forces is not None
    energy = [(found.energy[k] - f.energy) / f.n_atoms for k, f in enumerate(plan.test)]
    force = np.concatenate([found.forces[found.atoms_of(k)] - f.forces for k, f in enumerate(plan.test)])
    assert point.energy == pytest.approx(1000 * np.sqrt(np.mean(np.square(energy))))
    assert point.force == pytest.approx(np.sqrt(np.mean(force**2)))
    assert point.mapping > 0 and set(point.foretold) == {"energy", "force", "mapping"}
    posterior = Posterior.fit(
        frames, potential.functions, kinds=("energy", "forces"), n_threads=1,
        targets=[t for some in _targets(potential).values() for t in some],
    )  # fmt: skip
    spreads, _ = posterior.label_spreads(plan.test, n_threads=1)
    assert point.foretold["energy"] == pytest.approx(1000 * np.sqrt(np.mean(spreads**2)), rel=1e-6)
    monkeypatch.undo()
    alone = Trainer(plan.settings_of(0), frames, plan.valid, run_folder=tmp_path / "alone").run().potential
    for kept, new in zip(potential.weights.layers["Si"], alone.weights.layers["Si"], strict=True):
        np.testing.assert_array_equal(kept[0], new[0])  # remembered descriptors change no digit


def _targets(potential: Potential):
    monitor = MappingMonitor(scan())
    monitor.prepare(potential.functions, potential.whitening)
    return monitor.targets()


class StopsInTheSecond(InProcess):
    """Is stopped after the first epoch of its second training."""

    def run(self, jobs, progress=None, heard=None):
        def listen(index, news):
            if index == 2 and "record" in news:
                self.stop()

        return super().run(jobs, progress, listen)


def test_a_stopped_curve_goes_on_and_uses_what_is_there(plan: LearningPlan, tmp_path: Path) -> None:
    first = learn(plan, tmp_path, StopsInTheSecond(1))
    assert first.stopped and [point.n for point in first.points] == [4]
    written = (tmp_path / "frames=4-seed=0" / "checkpoint.safetensors").stat().st_mtime_ns
    seen: list[int] = []
    again = learn(plan, tmp_path, InProcess(1), resume=True, on_point=lambda point: seen.append(point.n))
    assert not again.stopped and seen == [4, 8, 15] and again.points[0] == first.points[0]
    assert (tmp_path / "frames=4-seed=0" / "checkpoint.safetensors").stat().st_mtime_ns == written
    third = learn(plan, tmp_path, InProcess(1), resume=True)
    assert third.points == again.points


def test_a_folder_has_one_curve_at_a_time(plan: LearningPlan, tmp_path: Path) -> None:
    seen: list[str] = []

    def second(_: LearningPoint) -> None:
        with pytest.raises(RunFolderError, match="another learning curve writes into this folder") as caught:
            learn(plan, tmp_path, InProcess(1), resume=True)
        seen.append(caught.value.fix)

    learn(replace(plan, sizes=(4,)), tmp_path, InProcess(1), on_point=second)
    assert seen == ["Try again when that has ended"]
    assert not (tmp_path / "training.lock").exists()


def test_another_curve_in_the_folder_is_refused(
    plan: LearningPlan, data: list[Frame], tmp_path: Path
) -> None:
    learn(plan, tmp_path, StopsInTheSecond(1))
    other = decided(plan_learning(data, SETTINGS.replace(l2=1e-3), sizes=[4, 8], n_seeds=1))
    with pytest.raises(RunFolderError, match="has other settings"):
        learn(other, tmp_path, InProcess(1), resume=True)
    fewer = decided(plan_learning(data[:25], SETTINGS, sizes=[4, 8], n_seeds=1))
    with pytest.raises(RunFolderError, match="training frames"):
        learn(fewer, tmp_path, InProcess(1), resume=True)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(RunFolderError) as caught:
        learn(plan, tmp_path, InProcess(1), resume=True)
    assert FILE in caught.value.where


def test_the_command_streams_stops_and_resumes(
    data: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path / "data.extxyz", data)
    write_frames(tmp_path / "eos.extxyz", scan())
    SETTINGS.to_toml(tmp_path / "settings.toml")
    out = tmp_path / "out"
    command = [
        "learning-curve",
        str(tmp_path / "data.extxyz"),
        "-o",
        str(out),
        "--points",
        "4 8 15",
        "--json",
    ]
    command += [
        "--seeds",
        "1",
        "--config",
        str(tmp_path / "settings.toml"),
        "--eos",
        str(tmp_path / "eos.extxyz"),
    ]
    stops = contextlib.nullcontext(StopsInTheSecond(1))
    with monkeypatch.context() as patched:
        patched.setattr("nnpcore.cluster.open_executor", lambda *_: stops, raising=False)
        assert main(command) == 130
    told = capfd.readouterr()
    assert json.loads(told.out)["stopped"] and "4 frames, seed 0: energy" in told.err
    assert main(command) == 1 and "--overwrite" in capfd.readouterr().out
    assert main([*command, "--resume"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [point["n"] for point in found["points"]] == [4, 8, 15] and not found["stopped"]
    assert {trend["quantity"] for trend in found["trends"]} == {"energy", "force", "mapping"}
    assert {path.name for path in out.iterdir()} >= {"learning-curve.png", "learning-curve.csv", FILE}
    assert RunFolder.open(out / "frames=15-seed=0").settings.split == "blocks"
    assert means_of([LearningPoint.from_dict(p) for p in found["points"]], "energy").keys() == {4, 8, 15}
    assert main([*command, "--resume", "--points", "few"]) == 1
    assert "no numbers of frames" in capfd.readouterr().out


def test_isolated_atoms_do_not_tell_of_stress_but_groups_of_all_frames_are_asked_for(
    data: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    atom = Frame.from_atoms(Atoms("Si"))
    plan = plan_learning([*data, *(replace(atom, energy=-1.0, index=99) for _ in range(2))], SETTINGS)
    plan = replace(plan, settings=plan.settings.replace(stress_weight=None))
    asked: list[list[Frame]] = []

    def told(settings: TrainSettings, frames: list[Frame], *more: object) -> SettledStress:
        asked.extend((frames, cast(list[Frame], more[-1])))
        return SettledStress(settings)

    monkeypatch.setattr(learning, "settled_stress", told)
    decided(plan)
    assert all(frame.n_atoms > 1 for frame in asked[0])
    assert any(frame.n_atoms == 1 for frame in asked[1])


def test_settings_are_decided_once(data: list[Frame]) -> None:
    plan = decided(plan_learning(data, TrainSettings(split="blocks", epochs=1)))
    assert plan.settings.descriptors.functions is not None and plan.settings.stress_weight is not None
    assert plan.settings_of(1).replace(seed=0) == plan.settings
