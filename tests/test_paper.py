"""The studies' framework, and Fig. 1, spline, cluster, optimizer and regularization on tiny settings."""

from __future__ import annotations

import json
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import build_potential
from training_data import silicon_frames

from nnpcore.cluster import Hand, InProcess, Outcome
from nnpcore.cluster.packing import pack, unpack
from nnpcore.descriptors import SymmetryFunctions
from nnpcore.errors import Cancelled, EatlasError, RunFolderError, SettingsError
from nnpcore.mapping import eos_curve
from nnpcore.paper import (
    Claim,
    Study,
    StudyContext,
    StudyOutcome,
    TrainedRun,
    elsewhere,
    run_studies,
    run_study,
    running,
)
from nnpcore.paper.claims import texts
from nnpcore.paper.columns import column_settings
from nnpcore.paper.page import measured
from nnpcore.progress import Progress
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import EpochRecord, TrainSettings

KEYS = {"claim", "paper", "ours", "holds"}
Fake = Callable[[StudyContext], StudyOutcome]


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write figures fast."""
    monkeypatch.setattr("nnpcore.figures.drawing.DPI", 40)


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what puts other studies in the place of the real ones."""

    def replace_all(**fakes: Fake) -> None:
        for module in (running, elsewhere):
            monkeypatch.setattr(module, "STUDIES", {name: Study(name, f"About {name}") for name in fakes})
        for name, fake in fakes.items():
            module = types.SimpleNamespace(run=fake, __doc__=f"What {name} is about.")
            monkeypatch.setitem(sys.modules, f"nnpcore.paper.study_{name}", module)

    return replace_all


def outcome(text: str, value: float = 1.0, *, holds: bool = True) -> Fake:
    return lambda context: StudyOutcome([Claim(text, "so it says", {"error_mev": value}, holds)])


def claims_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "claims.json").read_text(encoding="utf-8"))


# the framework ----------------------------------------------------------------------------------------
def test_claims_of_all_studies_are_merged_and_replaced_study_by_study(
    tmp_path: Path, studies: Callable[..., None]
) -> None:
    studies(alpha=outcome("first"), beta=outcome("second", float("nan"), holds=False))
    run_study("beta", tmp_path)
    run_study("alpha", tmp_path)
    found = claims_of(tmp_path)
    assert [c["claim"] for c in found] == ["first", "second"]  # in the studies' order, not the runs'
    assert all(set(c) == KEYS for c in found)
    assert found[1]["ours"] == {"error_mev": None}
    studies(alpha=outcome("first, again"), beta=outcome("second"))
    run_study("alpha", tmp_path)
    assert [c["claim"] for c in claims_of(tmp_path)] == ["first, again", "second"]
    report = (tmp_path / "paper.md").read_text(encoding="utf-8")
    assert "1 of 2 claims hold" in report
    assert "- *beta*: second" in report
    assert re.search(r"`alpha` 0 s on \d{4}-\d\d-\d\d \d\d:\d\d UTC, ", report)
    path = tmp_path / "beta" / "claims.json"  # as before dates were kept
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "made"}))
    run_study("alpha", tmp_path)
    assert "`beta` 0 s (" in (tmp_path / "paper.md").read_text(encoding="utf-8")


def test_a_failed_study_does_not_take_the_others_with_it(
    tmp_path: Path, studies: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(context: StudyContext) -> StudyOutcome:
        raise SettingsError("it does not work")

    def mistaken(context: StudyContext) -> StudyOutcome:
        raise ZeroDivisionError

    studies(alpha=broken, beta=mistaken, gamma=outcome("third"))
    result = run_studies(["alpha", "beta", "gamma"], tmp_path)
    assert set(result.failures) == {"alpha", "beta"}
    assert "it does not work" in result.failures["alpha"]
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert [c["claim"] for c in claims_of(tmp_path)] == ["third"]
    with pytest.raises(SettingsError, match="it does not work"):
        run_study("alpha", tmp_path)


class Apart(InProcess):
    """Does what workers do: the last job first, all that is sent and told as bytes; here without processes.

    ``blind`` : it does not see the folder.
    """

    here = False

    def __init__(self, *, blind: bool = False) -> None:
        super().__init__(1)
        self._blind = blind

    def run(self, jobs, progress=None, heard=None) -> Iterator[Outcome]:
        for index, job in reversed(list(enumerate(jobs))):
            given = unpack(pack(dict(job.own())))
            if self._blind:
                Path(given["token"]).unlink(missing_ok=True)

            def tell(news, index=index) -> None:
                heard(index, unpack(pack(dict(news))))

            hand = Hand(progress or Progress(), 1, tell, threading.Event(), apart=True)
            try:
                yield Outcome(index, unpack(pack(dict(job.function(given, hand)))))
            except EatlasError as error:
                yield Outcome(index, error=error)


def test_workers_leave_what_one_machine_does(tmp_path: Path, studies: Callable[..., None]) -> None:
    threads = []

    def broken(context: StudyContext) -> StudyOutcome:
        threads.append(context.n_threads)
        raise SettingsError("it does not work")

    studies(alpha=outcome("first"), beta=broken, gamma=outcome("third", holds=False))
    told: dict[str, list[str]] = {"here": [], "there": []}
    found = {
        name: elsewhere.run_studies_by(
            executor, ["all"], tmp_path / name, quick=True, seed=3, on_text=told[name].append
        )
        for name, executor in {"here": InProcess(), "there": Apart()}.items()
    }
    here, there = found.values()
    assert there.failures == here.failures == {"beta": "it does not work."}
    assert list(there.outcomes) == list(here.outcomes) == ["alpha", "gamma"]
    assert [o.claims for o in there.outcomes.values()] == [o.claims for o in here.outcomes.values()]
    assert claims_of(tmp_path / "there") == claims_of(tmp_path / "here")
    assert [(r.study, r.quick, r.seed) for r in there.records] == [("alpha", True, 3), ("gamma", True, 3)]
    assert [text for text in told["there"] if "fail" in text] == ["beta failed: it does not work."]
    assert len(told["there"]) == len(told["here"])
    assert threads == [None, 1], "a worker has its share of threads"
    assert not list((tmp_path / "there").glob(".seen-*"))


def test_workers_that_do_not_see_the_folder_are_told_of(tmp_path: Path, studies: Callable[..., None]) -> None:
    studies(alpha=outcome("first"), fig2=outcome("second"), connectivity=outcome("third"))
    told: list[str] = []
    result = elsewhere.run_studies_by(Apart(blind=True), ["all"], tmp_path, on_text=told.append)
    assert set(result.failures) == {"alpha", "fig2", "connectivity"} and not result.outcomes
    assert all("does not see this folder" in text for text in result.failures.values())
    assert any(text.startswith("fig2 and connectivity failed") for text in told)


def test_studies_that_use_each_other_s_trainings_go_to_one_worker_and_long_ones_first() -> None:
    wanted = [("fig2", "connectivity"), ("fig3",), ("spline",)]
    assert elsewhere.groups_of(["spline", "connectivity", "fig3", "fig2", "spline"]) == wanted


def test_studies_go_on_and_stand_in_columns(tmp_path: Path, studies: Callable[..., None]) -> None:
    run: list[tuple[str, str]] = []

    def noted(context: StudyContext) -> StudyOutcome:
        run.append((context.name, context.networks))
        assert context.sample_path("md", {}).parent.parent == tmp_path / "data", "samples are shared"
        return StudyOutcome([Claim("it holds", "so it says", {"n": len(run)}, context.networks == "0.2.0")])

    studies(alpha=noted, beta=noted)
    run_studies(["alpha"], tmp_path)
    run_studies(["alpha", "beta"], tmp_path, resume=True)
    assert run == [("alpha", "default"), ("beta", "default")]
    assert not (tmp_path / "columns.md").exists()
    run_studies(["alpha"], tmp_path, networks="0.2.0")
    assert run[2:] == [("alpha", "0.2.0")] and (tmp_path / "0.2.0" / "alpha" / "claims.json").is_file()
    text = (tmp_path / "columns.md").read_text(encoding="utf-8")
    assert "0.2.0: 1 of 1 claims hold" in text and "default: 0 of 2 claims hold" in text
    assert "| it holds | **yes** n: 3 | **no** n: 1 |" in text
    run_studies(["alpha"], tmp_path, resume=True, seed=1)
    assert len(run) == 4, "another seed is another study"
    with pytest.raises(SettingsError, match="no networks of this name"):
        run_studies(["alpha"], tmp_path, networks="0.1.0")


def test_a_column_changes_what_a_study_leaves_at_its_usual_value() -> None:
    alone = TrainSettings(baseline="none", n_members=2)
    old = column_settings(alone, "0.2.0")
    assert (old.input_floor, old.kalman.noise, old.kalman.initial_covariance) == (0.01, 0.0, 100.0)
    assert old.baseline == "none" and old.n_members == 2 and column_settings(alone, "default") is alone
    assert column_settings(TrainSettings(), "0.2.0").baseline == "linear"
    assert column_settings(alone.replace(input_floor=0.2), "0.2.0").input_floor == 0.2
    assert column_settings(alone.replace(epochs=3), "0.2.0").kalman.forgetting == 0.98


def test_cancelling_keeps_the_studies_that_have_ended(tmp_path: Path, studies: Callable[..., None]) -> None:
    progress = Progress()

    def stopping(context: StudyContext) -> StudyOutcome:
        progress.cancel()
        context.report(0.5, "half")
        raise AssertionError("it was cancelled")

    studies(alpha=outcome("first"), beta=stopping)
    with pytest.raises(Cancelled):
        run_studies(["alpha", "beta"], tmp_path, progress=progress)
    assert [c["claim"] for c in claims_of(tmp_path)] == ["first"]


def test_progress_rises_from_0_to_1_over_all_studies(tmp_path: Path, studies: Callable[..., None]) -> None:
    def half(context: StudyContext) -> StudyOutcome:
        context.part(0.0, 0.5).report(1.0)
        return StudyOutcome([])

    seen: list[float] = []
    studies(alpha=half, beta=half)
    run_studies(["alpha", "beta"], tmp_path, progress=Progress(lambda part, _: seen.append(part or 0.0)))
    assert seen == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_unknown_names_and_foreign_folders_are_refused(tmp_path: Path, studies: Callable[..., None]) -> None:
    studies(alpha=outcome("first"))
    with pytest.raises(SettingsError, match="Choose one of alpha, all"):
        run_study("beta", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunFolderError, match=r"other things already \(thesis.tex"):
        run_study("alpha", tmp_path)
    with pytest.raises(RunFolderError, match="file, not a folder"):
        run_study("alpha", tmp_path / "thesis.tex")


def test_every_claim_has_its_sentences() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(running.__file__).parent.glob("*.py"))
    kept = {f"{study}.{key}" for study in running.STUDIES for key in texts()[study]}
    assert set(texts()) == {*running.STUDIES, "captions", "page"}
    named = re.findall(rf'"((?:{"|".join(running.STUDIES)})\.\w+)"', sources)
    assert set(named) == kept and len(named) == len(kept)
    assert Claim.of("fig1.reason", {}, np.True_, tilt=5.0).claim.count("5 GPa") == 1


def test_every_study_can_be_loaded() -> None:
    import importlib

    for name in running.STUDIES:
        module = importlib.import_module(f"nnpcore.paper.study_{name}")
        assert callable(module.run)
        assert (module.__doc__ or "").strip()


def test_numbers_are_told_with_their_units() -> None:
    ours = {"rmse_energy_mev_per_atom": {"nvt": 0.97484, "npt": 1234.5}, "share_percent_of_v0": [1.0, None]}
    assert measured(ours) == ["rmse energy (meV/atom): nvt 0.975, npt 1234", "share of v0 (%): 1, –"]


# samples and trainings --------------------------------------------------------------------------------
def test_samples_are_made_once_for_each_settings(tmp_path: Path) -> None:
    context = StudyContext("alpha", tmp_path, n_threads=1)
    made: list[int] = []

    def make() -> list[Any]:
        made.append(1)
        return silicon_frames(2)

    frames = context.samples("si", {"n": 2}, make)
    again = StudyContext("beta", tmp_path).samples("si", {"n": 2}, make)
    assert len(made) == 1
    np.testing.assert_allclose(again[1].positions, frames[1].positions)
    assert Path(frames[0].source).parent.parent == tmp_path / "data"
    context.samples("si", {"n": 3}, make)
    assert len(made) == 2
    context.sample_path("si", {"n": 2}).write_text("damaged")
    assert len(context.samples("si", {"n": 2}, make)) == 2
    assert len(made) == 3


def test_a_finished_run_is_reused_only_where_it_is_the_same(tmp_path: Path) -> None:

    context = StudyContext("alpha", tmp_path, n_threads=1)
    frames = context.samples("si", {}, lambda: silicon_frames(5))
    settings = TrainSettings(n_members=2, hidden=(4,), epochs=2, baseline="none")
    epochs: list[int] = []

    def count(record: EpochRecord, _: Any) -> None:
        epochs.append(record.epoch)

    def train(chosen: TrainSettings, valid: int = 4) -> TrainedRun:
        return context.train("run", chosen, frames[:valid], frames[valid:], on_epoch=count, reuse=True)

    first = train(settings)
    assert epochs == [1, 2]
    second = train(settings)
    assert epochs == [1, 2]
    np.testing.assert_array_equal(second.potential.weights.flatten(), first.potential.weights.flatten())
    assert second.best_rmse("force") == pytest.approx(first.best_rmse("force"))
    train(settings.replace(seed=1))
    train(settings.replace(seed=1), valid=3)
    assert len(epochs) == 6


# Fig. 1 -----------------------------------------------------------------------------------------------
def test_the_volume_direction_is_hidden_in_frames_of_one_volume() -> None:
    from nnpcore.paper import volume_direction as volume

    npt, nvt, eos = (list(read_dataset(example_path(name)).frames) for name in ("npt", "nvt", "eos"))
    nvt = nvt[:8]
    functions = SymmetryFunctions.preset("26", ["Si"], 6.0)
    potential = build_potential(functions, npt[:10], hidden=(4,), n_members=2)
    direction = volume.fit_direction(potential, npt[:30], nvt, 5.0, n_threads=1)
    tilted = direction.added_to(potential)
    seen = {name: volume.change(potential, tilted, f, 1) for name, f in (("nvt", nvt), ("npt", npt[30:40]))}
    assert seen["nvt"].totals.std() < 0.01 * seen["npt"].totals.std()
    assert seen["nvt"].totals.std() < 0.01 * seen["nvt"].atoms.std()
    assert seen["nvt"].force < 0.005
    assert abs(seen["nvt"].totals.mean()) < 1e-6
    before, after = (eos_curve(p, eos, n_threads=1) for p in (potential, tilted))
    slope = np.polyfit(before.volumes, after.mean - before.mean, 1)[0] * 160.2177
    assert slope == pytest.approx(5.0, abs=0.1)
    np.testing.assert_allclose(direction.values(potential, nvt), 1e-3 * seen["nvt"].atoms, atol=1e-9)  # meV


def test_fig1_writes_all_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore.paper import study_fig1 as fig1

    usual = fig1._settings

    def fewer(path: Any) -> Any:
        found = read_dataset(path)
        return found if "eos" in str(path) else replace(found, frames=found.frames[:10])

    def shorter(*arguments: Any) -> Any:
        return usual(*arguments).replace(n_members=2, epochs=1)

    monkeypatch.setattr(fig1, "read_dataset", fewer)
    monkeypatch.setattr("nnpcore.demo.read_dataset", fewer)
    monkeypatch.setattr(fig1, "_settings", shorter)
    found = run_study("fig1", tmp_path, True, n_threads=1)
    assert [set(c) for c in claims_of(tmp_path)] == [KEYS] * 11
    for name in ("fig1", "fig1_smooth", "fig1_reason", "fig1_rigidity"):
        for suffix in ("png", "svg", "pdf"):
            assert tmp_path / "fig1" / f"{name}.{suffix}" in found.figures
    session = json.loads((tmp_path / "fig1" / "session.json").read_text())
    assert len(session["runs"]) == 6
    assert all((Path(run) / "data.json").is_file() for run in session["runs"])
    by_text = {c["claim"][:10]: c for c in claims_of(tmp_path)}
    assert by_text["The reason"]["holds"]  # needs no good training
    assert not by_text["Networks t"]["holds"]  # nothing can be good after one epoch on ten frames


# spline -----------------------------------------------------------------------------------------------
def test_the_small_network_knows_its_derivatives() -> None:
    from nnpcore.paper.study_spline import SumNetwork

    net = SumNetwork.random(5, [0, 1])
    x = np.linspace(0.1, 0.9, 4)
    step = 1e-6
    for k in range(len(net.flat)):
        moved = [SumNetwork.of(net.flat + s * step * np.eye(len(net.flat))[k]) for s in (1, -1)]
        values = (moved[0](x) - moved[1](x)) / (2 * step)
        slopes = (moved[0].slopes(x) - moved[1].slopes(x)) / (2 * step)
        np.testing.assert_allclose(net.value_gradient(x)[:, k], values, atol=1e-7)
        np.testing.assert_allclose(net.slope_gradient(x)[:, k], slopes, atol=1e-5)
    np.testing.assert_allclose(net.slopes(x), (net(x + step) - net(x - step)) / (2 * step), atol=1e-6)


# cluster ----------------------------------------------------------------------------------------------
def test_cluster_compares_every_atom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore.paper import study_cluster as cluster

    monkeypatch.setattr("nnpcore.figures.drawing.SUFFIXES", ("png",))

    plan = cluster.Plan(8, 2, 1, (5.0, 6.0), (600.0,), 20.0, (40,))
    found = cluster.run(StudyContext("cluster", tmp_path, n_threads=1), plan)
    assert len(found.claims) == 3
    first = found.claims[0].to_dict()["ours"]
    assert first["atoms_compared"] == 2 * 140  # two of eight frames validate
    assert first["mae_of_atomic_energies_mev"] > 0
    rows = (tmp_path / "cluster" / "cluster.csv").read_text().splitlines()
    assert len(rows) == 1 + 4
    assert found.session is not None
    assert len(found.session["runs"]) == 4


# sweeps -----------------------------------------------------------------------------------------------
def curve(rmse: list[float], error: list[float], energy: list[float] | None = None) -> Any:
    from nnpcore.paper.equal_rmse import Curve

    run = TrainedRun(Path(), None, [])  # type: ignore[arg-type]
    return Curve(np.array(rmse), np.array(energy or rmse), np.array(error), run)


def test_mapping_errors_are_compared_at_equal_rmse() -> None:
    from nnpcore.paper.equal_rmse import ratio_at_equal_rmse

    slow = curve([0.8, 0.4, 0.5, 0.2, 0.1], [80.0, 40.0, 7.0, 20.0, 10.0])  # proportional but for a relapse
    fast = curve([0.9, 0.3, 0.05], [45.0, 15.0, 2.5])
    np.testing.assert_allclose(slow.at(np.array([0.1, 0.2, 0.4])), [10.0, 20.0, 40.0])
    np.testing.assert_allclose(slow.at(np.array([0.01])), [10.0])  # never reached: the last there is
    assert slow.lowest == 0.1
    assert slow.best == 4
    assert ratio_at_equal_rmse(slow, slow) == pytest.approx(1.0)
    assert ratio_at_equal_rmse(slow, fast) == pytest.approx(1 / ratio_at_equal_rmse(fast, slow))
    assert 1.5 < ratio_at_equal_rmse(slow, fast) < 2.5


def test_a_sweep_chooses_by_rmse_and_by_mapping() -> None:
    from nnpcore.paper.equal_rmse import Target
    from nnpcore.paper.study_regularization import Sweep, _claim

    target = Target("slab", "Slab", "bulk", [], [], lambda: None, "bulk")  # type: ignore[arg-type, return-value]
    curves = [curve([0.1], [50.0], [1.0]), curve([0.2], [10.0], [2.0]), curve([0.9], [30.0], [1.0])]
    sweep = Sweep("l2", target, np.array([0.0, 1e-6, 1e-3]), curves)
    assert sweep.summary() == {
        "chosen_by_rmse": 0.0,
        "chosen_by_mapping": 1e-6,
        "mapping_error_mev_per_atom": [50.0, 10.0],
        "rmse_over_the_lowest": [1.0, pytest.approx(2.0)],
    }
    assert _claim([sweep], "l2").holds
    same = Sweep("l2", replace(target, name="crystal"), sweep.strengths, curves[::-1][1:])
    assert same.by_rmse != same.by_mapping or not _claim([same], "l2").holds
    level = Sweep("l2", replace(target, name="crystal"), sweep.strengths[:1], curves[:1])
    assert not _claim([sweep, level], "l2").holds


def test_sweeps_train_and_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore.paper import equal_rmse as sweeps
    from nnpcore.paper import study_optimizer as optimizer
    from nnpcore.paper import study_regularization as regularization

    def other(context: StudyContext, n_train: int, n_valid: int) -> Any:
        return replace(sweeps.crystal_target(context, n_train, n_valid), name="slab")

    monkeypatch.setattr("nnpcore.figures.drawing.SUFFIXES", ("png",))
    monkeypatch.setattr(optimizer, "slab_target", other)
    monkeypatch.setattr(regularization, "slab_target", other)
    context = StudyContext("optimizer", tmp_path, n_threads=1)
    found = optimizer.run(context, optimizer.Plan(4, 2, 1, 2, 2, (3, 4)))
    assert len(found.claims) == 2
    assert np.isfinite(found.claims[0].to_dict()["ours"]["geometric_mean"]["both"])
    context = StudyContext("regularization", tmp_path, n_threads=1)
    found = regularization.run(context, regularization.Plan(4, 2, 2, 1, 2, (0.0, 1e-4), (1e-6, 1.0)))
    assert len(found.claims) == 2
    assert set(found.claims[1].to_dict()["ours"]) == {"slab", "crystal", "needed"}
    assert len((tmp_path / "regularization" / "regularization.csv").read_text().splitlines()) == 1 + 8
