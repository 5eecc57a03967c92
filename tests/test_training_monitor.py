"""Mapping errors during training: the monitor, the history that keeps them, and patience."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import build_frame, build_functions
from training_data import labelled, silicon_frames

from nnpcore.analyses import MappingMonitor, study
from nnpcore.errors import AnalysisError, PotentialError
from nnpcore.mapping import analyse_eos, eos_curve, region_errors
from nnpcore.mapping.eos import reference_fit
from nnpcore.mapping.region_references import with_references
from nnpcore.mapping.regions import RegionSet, indices_region
from nnpcore.potential import Potential
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import EpochRecord, Trainer, TrainSettings
from nnpcore.training.history import history_csv, parse_history_csv
from nnpcore.training.monitoring import last_gain

SMALL = TrainSettings(
    descriptors={"functions": build_functions(["Si"]).to_dict()},  # type: ignore[arg-type]
    hidden=(5, 4),
    n_members=2,
    epochs=4,
    device="cpu",
    n_threads=1,
)


def scan(n: int = 7) -> list:
    """Return a volume scan of perfect silicon with made-up energies that have a minimum at scale 1."""
    frames = [build_frame("Si", rattle=0.0, scale=s) for s in np.linspace(0.95, 1.05, n)]
    return [replace(f, energy=8 * (-5.0 + 0.5 * (f.volume / 160.1 - 1) ** 2 * 20)) for f in frames]


def regions(name: str = "cell") -> RegionSet:
    frame = build_frame("Si", rattle=0.2, seed=9)
    parts = (indices_region(frame, "left", [0, 1, 2]), indices_region(frame, "right", [5]))
    return with_references(RegionSet(frame, parts, name), exact=np.linspace(-5.2, -4.8, 8))


def test_monitor_says_what_the_analysis_says(silicon_potential: Potential) -> None:
    p, frames = silicon_potential, scan()
    dft = read_dataset(example_path("eos")).frames
    monitor = MappingMonitor({"diamond": frames, "dft": dft}, [regions()])
    monitor.prepare(p.functions, p.whitening, n_threads=1)
    found = monitor.evaluate(p)
    assert list(found) == [
        *("diamond EOS rmse in range", "diamond E_at(V0)", "dft EOS rmse in range", "dft E_at(V0)"),
        *("cell left", "cell right"),
    ]
    expected = {e.name: e.error_mev for e in region_errors(p, regions(), n_threads=1)}
    assert {k: found[k] for k in expected} == pytest.approx(expected)
    curve = eos_curve(p, frames)
    fit, _ = reference_fit(curve)
    assert fit is not None
    error = 1000 * (curve.mean - curve.reference)
    assert found["diamond E_at(V0)"] == pytest.approx(np.interp(fit.v0, curve.volumes, error))
    inside = np.abs(curve.volumes / fit.v0 - 1) < 0.05
    assert 0 < inside.sum() < len(inside)
    assert found["diamond EOS rmse in range"] == pytest.approx(np.sqrt(np.mean(error[inside] ** 2)))
    weights = p.weights.with_flat(p.weights.flatten() * 1.1)
    other = Potential(p.functions, p.whitening, weights, p.element_energies)
    assert abs(monitor.evaluate(other)["cell left"] - found["cell left"]) > 1.0


def test_the_range_is_the_reach_of_the_training_set() -> None:
    scales = np.linspace(0.99, 1.01, 20)
    frames = [build_frame("Si", rattle=0.05, scale=s, seed=k) for k, s in enumerate(scales)]
    crystal = scan(41)
    monitor = MappingMonitor(crystal)
    trainer = Trainer(SMALL.replace(epochs=1), labelled(frames[::2]), labelled(frames[1::2]), monitor=monitor)
    trainer.prepare()
    potential, values = trainer.potential(), trainer.data.values()
    found = study(potential, values, crystal, n_threads=1)
    report = analyse_eos(found.curve, found.bracket)
    assert 1 < report.in_bracket.sum() < 20
    assert monitor.evaluate(potential)["EOS rmse in range"] == pytest.approx(report.rmse_in_bracket_mev)


def test_bad_monitors(silicon_potential: Potential) -> None:
    with pytest.raises(AnalysisError, match="nothing to monitor"):
        MappingMonitor([build_frame("Si")])
    with pytest.raises(AnalysisError, match="two regions are called 'a left'"):
        MappingMonitor(None, [regions("a"), regions("a")])
    whitening = silicon_potential.whitening
    rattled = MappingMonitor([replace(build_frame("Si"), energy=-40.0)])
    with pytest.raises(AnalysisError, match="most between atoms"):
        rattled.prepare(silicon_potential.functions, whitening)
    with pytest.raises(PotentialError, match="Si"):
        MappingMonitor(None, [regions()]).prepare(build_functions(["C"]), whitening)
    with pytest.raises(RuntimeError, match="prepare"):
        MappingMonitor(scan()).evaluate(silicon_potential)


def test_training_keeps_mapping_errors(run_folder: Path) -> None:
    frames = silicon_frames(8)
    monitor = MappingMonitor(scan(), [regions()])
    now: list[dict[str, float]] = []
    trainer = Trainer(SMALL, frames[:6], frames[6:], run_folder=run_folder, monitor=monitor)
    trainer.run(lambda record, t: now.append(monitor.evaluate(t.current_potential())))
    history = trainer.history
    names = ["EOS rmse in range", "E_at(V0)", "cell left", "cell right"]
    assert [list(r.mapping) for r in history] == [names] * 4
    assert [r.mapping for r in history] == now and now[0] != now[3]
    rows = list(csv.DictReader(io.StringIO((run_folder / "history.csv").read_text())))
    assert [float(r["mapping_cell left_mev"]) for r in rows] == [r.mapping["cell left"] for r in history]

    again = MappingMonitor.load(run_folder)
    assert again is not None and again.to_dict() == monitor.to_dict()
    longer = SMALL.replace(epochs=6)
    more = Trainer.resume(run_folder, longer, train=frames[:6], valid=frames[6:], monitor=again)
    result = more.run()
    assert [r.mapping for r in result.history[:4]] == [r.mapping for r in history]
    through = Trainer(longer, frames[:6], frames[6:], monitor=monitor).run()
    assert result.history[5].mapping == pytest.approx(through.history[5].mapping, abs=1e-9)


def test_damaged_monitor_file(tmp_path: Path) -> None:
    assert MappingMonitor.load(tmp_path) is None
    path = tmp_path / "monitor.json"
    good = MappingMonitor(scan(), [regions()]).to_dict()
    for content, message in [
        ("{", "cannot be read"),
        ("[]", "damaged"),
        (json.dumps(good | {"format": "x"}), "damaged"),
        (json.dumps(good | {"format_version": 9}), "newer Eatlas"),
    ]:
        path.write_text(content)
        with pytest.raises(AnalysisError, match=message) as caught:
            MappingMonitor.load(tmp_path)
        assert caught.value.where == str(path)


def record(epoch: int, mapping: dict[str, float] | None = None) -> EpochRecord:
    rmse: Any = {"energy": {"members": np.array([1.0]), "mean": 1.0}}
    return EpochRecord(epoch, 1.0 * epoch, "adam", rmse, rmse, np.array([True]), mapping=mapping or {})


def test_history_with_and_without_mapping() -> None:
    records = [record(1), record(2, {'a, "b" (1)': 0.1 + 0.2, "x": -3.0}), record(3, {"x": np.nan})]
    found = parse_history_csv(history_csv(records))
    assert [r.mapping for r in found] == [{}, {'a, "b" (1)': 0.1 + 0.2, "x": -3.0}, {}]
    plain = json.loads(json.dumps([r.to_dict() for r in records], allow_nan=False))
    again = [EpochRecord.from_dict(v) for v in plain]
    assert again[1].mapping == records[1].mapping and np.isnan(again[2].mapping["x"])
    old = plain[0]
    del old["mapping"]
    assert EpochRecord.from_dict(old).mapping == {}
    assert "mapping" not in history_csv(records[:1])


def test_gains_of_the_mapping() -> None:
    history = [record(k + 1, {"a": e, "b": 1.0}) for k, e in enumerate((9.0, -8.0, 8.5, 7.95, 7.0, np.nan))]
    assert last_gain(history) == 5
    assert last_gain(history[:4]) == 2  # less than 1 % below epoch 2
    assert last_gain([record(1)]) == 0


def test_patience_waits_for_the_mapping() -> None:
    frames = silicon_frames(6)
    settings = SMALL.replace(baseline="none", epochs=14, patience=3)
    settings = settings.replace(optimizer="adam", learning_rate=1e-8, batch_frames=6)

    def train(monitor: Any) -> int:
        trainer = Trainer(settings, frames[:4], frames[4:], monitor=monitor)
        trainer._best.score[:] = -np.inf  # the score cannot become better
        result = trainer.run()
        assert result.reason == "no progress"
        return len(result.history)

    falling = iter([50.0, 40.0, 30.0, 20.0, 20.0, 19.9, 25.0, 30.0, 20.0, 20.0])
    assert train(None) == 3
    assert train(lambda potential: {"bulk": -next(falling)}) == 7
