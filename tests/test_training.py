"""Settings, control, history and the trainer as a user meets them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import build_functions
from training_data import mixed_frames, silicon_frames

from nnpcore.errors import Cancelled, SettingsError, TrainingError
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.report.run_info import info_of_run
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import (
    ControlState,
    EpochRecord,
    RunFolder,
    TrainControl,
    Trainer,
    TrainResult,
    TrainSettings,
    rmse_report,
)
from nnpcore.training.apart import ended_run
from nnpcore.training.engines.engine import Engine
from nnpcore.training.history import best_record, energy_rmse
from nnpcore.training.quantities import QUANTITIES

SMALL = TrainSettings(
    descriptors={"functions": build_functions(["Si"]).to_dict()},
    hidden=(6, 5),
    n_members=3,
    epochs=6,
    n_threads=1,
    device="cpu",
    batch_frames=3,
    stress_weight=0.5,
)
OPTIMIZERS = ("kalman", "adam", "lbfgs")


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return silicon_frames(14)


def train(settings: TrainSettings, frames: list[Frame], folder: Path | None = None) -> Trainer:
    trainer = Trainer(settings, frames[:10], frames[10:], run_folder=folder)
    trainer.run()
    return trainer


def weights_of(trainer: Trainer) -> np.ndarray:
    """All best and current weights, for comparisons bit by bit."""
    return np.concatenate([trainer._best.weights, trainer._best.last])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_members": 65}, "n_members: 65 is not sensible for the number of networks in the ensemble"),
        ({"epochs": 100_001}, "epochs: 100001 is not sensible for the number of passes"),
        ({"force_weight": -1.0}, "force_weight: -1 is not sensible for the weight of the forces"),
        ({"l2": float("nan")}, "l2: nan is not sensible"),
        ({"hidden": (30, 0)}, "hidden: 0 is not sensible for the width of a hidden layer"),
        ({"hidden": ()}, "hidden: 0 is not sensible for the number of hidden layers"),
        ({"valid_fraction": 1.0}, "valid_fraction: 1 is not sensible"),
        (
            {"energy_weight": 0, "force_weight": 0},
            "energy_weight, force_weight, stress_weight: all weights of the loss are zero",
        ),
        ({"device": "gpu"}, "device: 'gpu' is not a device"),
        ({"optimizer": "sgd"}, "optimizer: 'sgd' is not a choice here. Choose 'auto', 'kalman', 'adam'"),
        ({"epoch": 3}, "epoch: there is no setting of this name. Known settings: activation"),
        ({"kalman": {"forgetting": 2}}, "kalman.forgetting: 2 is not sensible"),
        ({"n_members": "many"}, "n_members: 'many' does not fit"),
    ],
)
def test_settings_out_of_range_say_what_is_sensible(changes: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrainSettings(**changes)
    assert str(caught.value).startswith(text)


def test_settings_survive_toml(tmp_path: Path) -> None:
    settings = SMALL.replace(patience=7, hidden=(4, 3, 2), learning_rate=1e-3)
    settings.to_toml(tmp_path / "s.toml")
    assert TrainSettings.from_toml(tmp_path / "s.toml") == settings
    (tmp_path / "bad.toml").write_text("epochs = 0\n")
    with pytest.raises(SettingsError, match=r"bad\.toml, epochs: 0 is not sensible"):
        TrainSettings.from_toml(tmp_path / "bad.toml")
    (tmp_path / "no.toml").write_text("epochs = = 0\n")
    with pytest.raises(SettingsError, match="not a TOML file"):
        TrainSettings.from_toml(tmp_path / "no.toml")


def test_light_parts_load_nothing_heavy() -> None:
    code = (
        "import sys, nnpcore.training; from nnpcore.training import TrainSettings, RunFolder, TrainControl;"
        "print([m for m in ('torch', 'numba', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_absent_gpu_is_said_at_once(frames: list[Frame]) -> None:
    with pytest.raises(SettingsError, match="no device 'cuda:63'"):
        Trainer(SMALL.replace(device="cuda:63"), frames, [])


def test_frames_without_anything_to_learn_are_refused(frames: list[Frame]) -> None:
    with pytest.raises(TrainingError, match="there are no training frames"):
        Trainer(SMALL, [], frames)
    bare = [replace(f, energy=None, forces=None, stress=None) for f in frames]
    with pytest.raises(TrainingError, match="neither energies nor forces nor stresses"):
        Trainer(SMALL, bare, [])
    stressed = [replace(f, energy=None, forces=None) for f in frames]
    with pytest.raises(TrainingError, match="only stresses, whose weight in the loss is zero"):
        Trainer(SMALL.replace(stress_weight=0.0), stressed, [])


def test_too_little_memory_is_said_before_it_is_used(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e5))
    settings = SMALL.replace(derivatives="memory")
    with pytest.raises(
        TrainingError, match=r"the derivatives of 14 frames need about .* GB .* Keep them on disk"
    ):
        Trainer(settings, frames[:10], frames[10:]).prepare()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_training_is_the_uninterrupted_one(
    optimizer: str, frames: list[Frame], tmp_path: Path
) -> None:
    settings = SMALL.replace(optimizer=optimizer)
    whole = train(settings, frames)
    train(settings.replace(epochs=3), frames, tmp_path)
    again = Trainer.resume(tmp_path, settings, train=frames[:10], valid=frames[10:])
    again.run()
    assert (weights_of(again) == weights_of(whole)).all()
    assert len(again.history) == 6
    for found, expected in zip(again.history, whole.history, strict=True):
        for name in ("energy", "force", "stress"):
            assert (found.valid[name]["members"] == expected.valid[name]["members"]).all()
            assert (found.train[name]["members"] == expected.train[name]["members"]).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stops_in_the_middle_of_epochs_lose_nothing(
    optimizer: str, frames: list[Frame], tmp_path: Path
) -> None:
    settings = SMALL.replace(optimizer=optimizer, epochs=3, guidance=0.0)
    whole = train(settings, frames)
    trainer = Trainer(settings, frames[:10], frames[10:], run_folder=tmp_path)
    n_stops = 0
    while trainer.run(control=_StopsControl(after=9)).reason == "stopped":
        n_stops += 1
        trainer = Trainer.resume(tmp_path, train=frames[:10], valid=frames[10:])
    assert n_stops > (4 if optimizer == "kalman" else 0)
    assert (weights_of(trainer) == weights_of(whole)).all()
    for found, expected in zip(trainer.history, whole.history, strict=True):
        assert (found.train["force"]["members"] == expected.train["force"]["members"]).all()


class _StopsControl(TrainControl):
    """Stops when it was asked some times."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    @property
    def state(self) -> ControlState:
        self._left -= 1
        return ControlState.RUNNING if self._left > 0 else ControlState.STOPPING


def test_seed_decides_and_threads_do_not(frames: list[Frame]) -> None:
    settings = SMALL.replace(epochs=2)
    first, threaded = train(settings, frames), train(settings.replace(n_threads=3), frames)
    assert (weights_of(first) == weights_of(threaded)).all()
    assert (weights_of(first) != weights_of(train(settings.replace(seed=1), frames))).any()


def test_pause_resume_stop_are_heard_within_a_batch(frames: list[Frame]) -> None:
    trainer = Trainer(SMALL.replace(epochs=100_000), frames[:10], frames[10:])
    trainer.prepare()
    control, results = TrainControl(), []
    thread = threading.Thread(target=lambda: results.append(trainer.run(control=control)))
    thread.start()
    _wait_for(lambda: len(trainer.history) >= 2)
    control.pause()
    time.sleep(0.3)
    reached = len(trainer.history)
    time.sleep(0.3)
    assert len(trainer.history) == reached
    assert isinstance(trainer.potential(), Potential)
    control.resume()
    _wait_for(lambda: len(trainer.history) > reached)
    control.stop()
    thread.join(timeout=120)
    assert not thread.is_alive()
    result = results[0]
    assert isinstance(result, TrainResult) and result.reason == "stopped"
    assert result.history[-1].seconds > 0


def _wait_for(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def test_cancel_ends_a_paused_training(frames: list[Frame]) -> None:
    trainer = Trainer(SMALL, frames[:10], [])
    trainer.prepare()
    control, progress = TrainControl(), Progress()
    control.pause()
    threading.Timer(0.2, progress.cancel).start()
    with pytest.raises(Cancelled):
        trainer.run(control=control, progress=progress)


def test_early_stopping_counts_epochs_without_progress(frames: list[Frame]) -> None:
    settings = SMALL.replace(epochs=500, patience=3)
    trainer = Trainer(settings, frames[:10], frames[10:])
    result = trainer.run()
    assert result.reason == "no progress"
    assert len(result.history) == result.best_epoch.max() + 3 < 500
    assert result.history[int(result.best_epoch.max()) - 1].best
    assert not any(record.best for record in result.history[-3:])


def test_a_run_has_ended_by_its_epochs_or_its_patience_and_not_because_it_was_stopped(
    frames: list[Frame], tmp_path: Path
) -> None:
    settings, control = SMALL.replace(epochs=500, patience=3), TrainControl()

    def reached(name: str, **changes: Any) -> int:
        own = settings.replace(**changes)
        found = ended_run(tmp_path / name, own, frames[:10], frames[10:])
        return 0 if found is None else found[-1].epoch

    whole = Trainer(settings, frames[:10], frames[10:], run_folder=tmp_path / "whole").run()
    assert reached("whole") == len(whole.history)
    assert not reached("whole", patience=4) and not reached("whole", seed=1) and not reached("nowhere")
    part = Trainer(settings, frames[:10], frames[10:], run_folder=tmp_path / "part")
    assert part.run(lambda *_: control.stop(), control).reason == "stopped"
    assert not reached("part") and not reached("part", patience=None)
    assert reached("part", epochs=1) == 0  # another goal than that of the run is another training


def test_best_weights_are_those_of_the_best_validation(frames: list[Frame]) -> None:
    trainer = train(SMALL.replace(epochs=8), frames)
    report = rmse_report(trainer.potential(), {"valid": frames[10:]}, n_threads=1)["valid"]
    assert list(report) == ["n_frames", *(quantity.report_key for quantity in QUANTITIES.values())]
    for member, epoch in enumerate(trainer._best.epoch):
        record: EpochRecord = trainer.history[int(epoch) - 1]
        for name, quantity in QUANTITIES.items():
            assert report[quantity.report_key]["members"][member] == pytest.approx(
                record.valid[name]["members"][member], rel=1e-3
            )
    potential = trainer.potential()
    energies = [potential.predict([f], n_threads=1).energy[0] / f.n_atoms for f in frames[10:]]
    errors = np.array(energies) - [f.energy / f.n_atoms for f in frames[10:] if f.energy is not None]
    mean = 1000 * np.sqrt(np.mean(errors**2))
    assert report["rmse_energy_mev_per_atom"]["mean"] == pytest.approx(mean)
    scores = [
        sum(np.log(record.valid[n]["members"]) for n in ("energy", "force", "stress"))
        for record in trainer.history
    ]
    assert (np.argmin(scores, axis=0) + 1 == trainer._best.epoch).all()


def test_the_history_tells_the_errors_of_the_members_as_they_are_kept(
    frames: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def energy(potential: Potential) -> dict[str, float]:
        return {"first": float(potential.predict(frames[:1], n_threads=1).atomic_energies[0])}

    trainer = Trainer(SMALL, frames[:10], frames[10:], run_folder=tmp_path / "run", monitor=energy)
    best, epochs = np.array([4, 6, 5]), iter(range(1, 7))
    monkeypatch.setattr(trainer, "_score", lambda *errors: np.abs(next(epochs) - best).astype(float))
    predict, asked = Engine.predict, []
    monkeypatch.setattr(Engine, "predict", lambda engine, w: asked.append(w) or predict(engine, w))
    trainer.run()
    assert len(asked) == 6  # no epoch is validated twice
    assert trainer._best.epoch.tolist() == best.tolist()
    report = rmse_report(trainer.potential(), {"valid": frames[10:]}, n_threads=1)["valid"]
    for history in (trainer.history, RunFolder.open(tmp_path / "run").read_history()):
        kept = best_record(history)
        assert kept is not None and kept.epoch == best.max()
        for name, quantity in QUANTITIES.items():
            mean = report[quantity.report_key]["mean"]
            assert kept.valid[name]["mean"] == pytest.approx(mean, rel=1e-4)
            assert history[5].valid[name]["mean"] != pytest.approx(mean, rel=1e-3)
        assert energy_rmse(history) == kept.valid["energy"]["mean"]
        assert kept.mapping == pytest.approx(energy(trainer.potential()), rel=1e-6)
        assert history[5].mapping == pytest.approx(energy(trainer.current_potential()), rel=1e-6)
        assert history[5].mapping != pytest.approx(kept.mapping, rel=1e-5)
    rows = dict(info_of_run(tmp_path / "run").rows)
    assert rows["Mapping errors"].endswith("of the networks as they are kept")
    assert rows["RMSE, validation"].endswith("of the networks as they are kept")
    folder = RunFolder.open(tmp_path / "run")
    folder.write_history([replace(r, kept={}, kept_mapping={}) for r in trainer.history])
    rows = dict(info_of_run(tmp_path / "run").rows)
    for name in ("Mapping errors", "RMSE, validation"):
        assert rows[name].endswith("of the weights after epoch 6; networks of other epochs are kept, too")


def test_validation_frames_without_references_leave_the_judgment_to_training(frames: list[Frame]) -> None:
    bare = [replace(f, energy=None, forces=None, stress=None) for f in frames[10:]]
    trainer = train(SMALL, [*frames[:10], *bare])
    assert trainer.history[-1].valid == {}
    assert trainer._best.epoch.min() > 1


def test_diverging_member_stops_alone_and_keeps_its_last_good_weights(
    frames: list[Frame], tmp_path: Path
) -> None:
    for optimizer in OPTIMIZERS:
        trainer = Trainer(
            SMALL.replace(optimizer=optimizer), frames[:10], frames[10:], run_folder=tmp_path / optimizer
        )

        def spoil(record: EpochRecord, trainer: Trainer) -> None:
            if record.epoch == 3:
                _spoil(trainer, member=1)

        result = trainer.run(spoil)
        assert result.history[-1].alive.tolist() == [True, False, True]
        message = "Member 2 diverged and was stopped; it keeps its last good weights"
        assert result.messages.count(message) == 1
        assert np.isfinite(result.potential.weights.flatten()).all()
        assert result.best_epoch[1] <= 3 < len(result.history)
        assert np.isfinite(result.history[-1].valid["energy"]["mean"])


def _spoil(trainer: Trainer, member: int) -> None:
    optimizer = trainer._need_engine().optimizer
    state = {k: v.copy() for k, v in optimizer.state().items()}
    name = "point" if "point" in state else "weights"
    state[name][member] = np.nan
    if "value" in state:
        state["value"][member] = np.inf
    optimizer.restore(state)


def test_training_ends_with_an_error_when_all_members_diverge(frames: list[Frame]) -> None:
    trainer = Trainer(SMALL, frames[:10], frames[10:])

    def spoil(record: EpochRecord, trainer: Trainer) -> None:
        if record.epoch == 2:
            for member in range(3):
                _spoil(trainer, member)

    with pytest.raises(TrainingError, match="all members have diverged"):
        trainer.run(spoil)
    assert np.isfinite(trainer.potential().weights.flatten()).all()
    assert len(trainer.history) == 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_mixed_frames_train(optimizer: str, tmp_path: Path) -> None:
    """Two elements, sizes from 1 to 16 atoms, some without energy, forces, stress or boundaries."""
    frames = mixed_frames()
    settings = SMALL.replace(
        descriptors={"functions": build_functions(["C", "Si"]).to_dict()},
        optimizer=optimizer,
        epochs={"kalman": 6, "adam": 30, "lbfgs": 30}[optimizer],
    )
    trainer = Trainer(settings, frames, [], run_folder=tmp_path)
    result = trainer.run()
    first, last = result.history[0].train, result.history[-1].train
    assert last["force"]["mean"] < 0.7 * first["force"]["mean"]
    report = rmse_report(trainer.potential(), {"all": frames}, n_threads=1)["all"]
    assert len(report["rmse_energy_mev_per_atom"]["members"]) == 3
    values = RunFolder.open(tmp_path).training_values()
    assert values.is_training.all() and len(values.values) == sum(f.n_atoms for f in frames)
    assert values.frame[-1] == 5 and set(values.species.tolist()) == {0, 1}


def test_lbfgs_says_when_it_has_reached_a_minimum(frames: list[Frame]) -> None:
    usual = SMALL.replace(optimizer="lbfgs", hidden=(2,), l2=0.1, epochs=5000)
    settings = usual.replace(baseline="none", guidance=0.0)  # of the data alone
    result = Trainer(settings, frames[:3], []).run()
    assert result.reason == "converged"
    assert sum("has reached a minimum of the loss" in m for m in result.messages) == 3


def test_energies_alone_can_be_trained(frames: list[Frame]) -> None:
    bare = [replace(f, forces=None, stress=None) for f in frames]
    for optimizer in OPTIMIZERS:
        trainer = train(SMALL.replace(optimizer=optimizer, epochs=10), bare)
        assert set(trainer.history[-1].valid) == {"energy"}
        first, last = (trainer.history[k].train["energy"]["members"] for k in (0, -1))
        assert (last < first).all()


def test_training_on_density_functional_frames_learns(tmp_path: Path) -> None:
    frames = list(read_dataset(str(example_path("npt"))).frames[:24])
    settings = TrainSettings(n_members=2, hidden=(12, 12), epochs=6, n_threads=2, device="cpu")
    trainer = Trainer(settings, frames[:18], frames[18:], run_folder=tmp_path)
    result = trainer.run()
    spread = np.std([f.energy / f.n_atoms for f in frames[18:] if f.energy is not None])
    force = np.sqrt(np.mean([np.mean(f.forces**2) for f in frames[18:] if f.forces is not None]))
    report = rmse_report(result.potential, {"valid": frames[18:]})["valid"]
    assert report["rmse_energy_mev_per_atom"]["mean"] < 0.35 * 1000 * spread
    assert report["rmse_force_ev_per_ang"]["mean"] < 0.35 * force
    loaded = Potential.load(tmp_path)
    np.testing.assert_array_equal(loaded.weights.flatten(), result.potential.weights.flatten())
    again = Trainer.resume(tmp_path, settings.replace(epochs=7))
    assert again.run().reason == "finished" and len(again.history) == 7
