"""Work on other processes: the same numbers, and what happens when one is killed, cancelled or other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from builders import build_frame, build_functions

from nnpcore.cli import main
from nnpcore.cluster import Executor, InProcess, Scheduler, open_executor, opening, portions
from nnpcore.cluster.dask_executor import DaskExecutor
from nnpcore.cluster.packing import pack, unpack
from nnpcore.cluster.scheduler import SlurmFile
from nnpcore.cure import CureOrder, aims_of_frames, find_cure, from_files, label_with
from nnpcore.errors import Cancelled, EatlasError, RunFolderError, SettingsError
from nnpcore.exchange.predicting import predict
from nnpcore.posterior.settings import PosteriorSettings
from nnpcore.potential import Potential
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.progress import Progress
from nnpcore.structures import Frame, write_frames
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.training import RunFolder, TrainSettings, apart
from nnpcore.training.apart import TrainingData, training_job, write_run
from nnpcore.training.data_sources import fingerprint

pytestmark = pytest.mark.timeout(90)
SETTINGS = TrainSettings(hidden=(4,), n_members=2, epochs=6, device="cpu", n_threads=1)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def cluster(told: list[str]) -> Iterator[DaskExecutor]:
    with open_executor("local:2", n_threads=1, on_text=told.append) as executor:
        assert isinstance(executor, DaskExecutor)
        yield executor


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    structures = [build_frame("Si", seed=seed) for seed in range(9)]
    return list(label_with(structures, "stillinger-weber").frames)


def trained(executor: Executor, frames: list[Frame], folder: Path, seeds=(0, 1, 2), heard=None) -> list[str]:
    """Train an ensemble for every seed; return why each has ended."""
    data = TrainingData.of(frames[:6], frames[6:])
    folders = [folder / f"seed{seed}" for seed in seeds]
    settings = [SETTINGS.replace(seed=seed) for seed in seeds]
    jobs = [training_job(s, data, f) for s, f in zip(settings, folders, strict=True)]
    reasons = [""] * len(jobs)
    for outcome in executor.run(jobs, heard=heard):
        values = outcome.taken()
        if not executor.here:
            write_run(folders[outcome.index], values["files"])
        reasons[outcome.index] = values["reason"]
    return reasons


def numbers_of(folder: Path) -> list[np.ndarray]:
    """Return all that a training has come to, but how long it took."""
    run = RunFolder.open(folder)
    history = [
        {k: v for k, v in r.to_dict().items() if k not in ("seconds", "cpu_seconds")}
        for r in run.read_history()
    ]
    arrays = Potential.load(folder).weights.to_arrays()
    values = run.training_values()
    return [np.array(str(history)), *(arrays[name] for name in sorted(arrays)), values.values]


def pid_of(cluster: DaskExecutor, index: int) -> int | None:
    """Return the process that works on the job of an index."""
    for address, keys in cluster.client.processing().items():
        if any(str(key).endswith(f"-{index}") for key in keys):
            return cluster.client.run(os.getpid, workers=[address])[address]
    return None


def test_a_killed_worker_costs_its_task_and_no_digit(
    cluster: DaskExecutor, frames: list[Frame], told: list[str], tmp_path: Path
) -> None:
    killed: list[int] = []

    def heard(index: int, news) -> None:
        if not killed and "record" in news and (pid := pid_of(cluster, index)) is not None:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    there = trained(cluster, frames, tmp_path / "there", heard=heard)
    here = trained(InProcess(1), frames, tmp_path / "here")
    assert killed and there == here == ["finished"] * 3
    assert any(
        f"process {killed[0]}) is lost with seed" in text and "begins it again" in text for text in told
    )
    for seed in range(3):
        for a, b in zip(*(numbers_of(tmp_path / p / f"seed{seed}") for p in ("there", "here")), strict=True):
            np.testing.assert_array_equal(a, b)


def test_predictions_and_labels_are_the_same_elsewhere(
    cluster: DaskExecutor, silicon_potential: Potential
) -> None:
    frames = [build_frame("Si", seed=seed) for seed in range(70)]
    assert len(portions(len(frames), cluster, 32)) == 3
    here, there = (predict(silicon_potential, frames, e) for e in (InProcess(1), cluster))
    for a, b in zip(here.frames, there.frames, strict=True):
        assert a.arrays.keys() == b.arrays.keys() and a.info.keys() == b.info.keys()
        for name in a.arrays:
            np.testing.assert_array_equal(a.arrays[name], b.arrays[name])
        assert a.info["predicted_energy"] == b.info["predicted_energy"]
    copper = Frame.from_atoms(bulk("Cu", cubic=True))
    for calculator in ("stillinger-weber", CalculatorSpec("ase.calculators.emt:EMT")):
        asked = [*frames[:3], copper]
        one, other = (label_with(asked, calculator, executor=e) for e in (None, cluster))
        assert [k for k, _ in one.failures] == [k for k, _ in other.failures] != []
        assert fingerprint(one.frames) == fingerprint(other.frames)


def test_cancel_and_stop_reach_the_workers(
    cluster: DaskExecutor, frames: list[Frame], tmp_path: Path
) -> None:
    data = TrainingData.of(frames[:6], frames[6:])
    long = training_job(SETTINGS.replace(epochs=100_000), data, tmp_path / "long")
    progress = Progress()

    def cancel(_: int, news) -> None:
        if "record" in news:
            progress.cancel()

    with pytest.raises(Cancelled):
        list(cluster.run([long, long], progress, cancel))
    deadline = time.monotonic() + 120
    idle = training_job(SETTINGS.replace(epochs=1), data, tmp_path / "next")
    assert [o.taken()["reason"] for o in cluster.run([idle, idle])] == ["finished"] * 2
    assert time.monotonic() < deadline, "the workers went on with what nobody wants"

    def stop(_: int, news) -> None:
        if "record" in news:
            cluster.stop()

    try:
        outcomes = list(cluster.run([long] * 9, heard=stop))
    finally:
        cluster._stopping = False
    assert 1 <= len(outcomes) <= 2, "jobs that had not begun do not begin"
    assert {o.taken()["reason"] for o in outcomes} == {"stopped"}
    reached = []
    for outcome in outcomes:
        folder = tmp_path / f"long{outcome.index}"
        write_run(folder, outcome.taken()["files"])
        reached.append(len(RunFolder.open(folder).read_checkpoint().state["history"]))
    assert max(reached) >= 1


def test_an_error_of_a_job_is_its_outcome(cluster: DaskExecutor, frames: list[Frame], tmp_path: Path) -> None:
    bare = [build_frame("Si", seed=k) for k in range(3)]
    jobs = [
        training_job(SETTINGS, TrainingData.of(bare, []), tmp_path / "bare"),
        training_job(SETTINGS.replace(epochs=1), TrainingData.of(frames[:6], frames[6:]), tmp_path / "good"),
    ]
    errors = {outcome.index: outcome.error for outcome in cluster.run(jobs)}
    assert type(errors[0]).__name__ == "TrainingError" and errors[1] is None


def test_other_versions_are_refused_before_work_is_sent(
    cluster: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnpcore.cluster import dask_executor

    here = {**dask_executor.versions(), "numpy": "1.0"}
    monkeypatch.setattr(cluster, "_check_versions", DaskExecutor._check_versions.__get__(cluster))
    with monkeypatch.context() as patched:
        patched.setattr(dask_executor, "versions", type("Fixed", (), {"__call__": lambda self: here})())
        patched.setattr(cluster.client, "run", lambda *_, **__: {"tcp://far:1": {**here, "numpy": "2.0"}})
        with pytest.raises(EatlasError, match=r"worker tcp://far:1: it has numpy 2.0 instead of 1.0"):
            cluster._check_versions()
        jobs = [training_job(SETTINGS, TrainingData.of([], []), Path("x"))]
        with pytest.raises(EatlasError, match=r"instead of 1.0. Install the same versions"):
            next(iter(cluster.run(jobs))).taken()  # a worker that has come later says so itself


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(
            EatlasError, match=r"no scheduler answers at tcp://127.0.0.1:9.*dask scheduler.*local:N"
        ),
        open_executor("tcp://127.0.0.1:9"),
    ):
        pass


def test_nothing_of_dask_is_loaded_here() -> None:
    code = "import sys; from nnpcore.cluster import open_executor\n"
    code += "with open_executor(None) as e:\n assert e.here\n"
    code += "assert not {'dask', 'distributed'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_work_may_run() -> None:
    assert Scheduler.from_text("local:4") == Scheduler("local", n=4)
    assert Scheduler.from_text(" slurm:a file.toml") == Scheduler("slurm", "a file.toml")
    for text in ("tcp://node7:8786", "tls://10.0.0.1:8786", "node-7.lab:8786"):
        assert Scheduler.from_text(text) == Scheduler("address", text)
    for text in (
        "local",
        "local:0",
        "local:x",
        "slurm:",
        "",
        "node7",
        "http://a:1",
        "tcp://a:99999",
        "a:b:c",
    ):
        with pytest.raises(SettingsError, match=r"no place to work.*local:N"):
            Scheduler.from_text(text)


def test_a_slurm_file_becomes_a_job_script(tmp_path: Path) -> None:
    from dask_jobqueue.slurm import SLURMCluster

    path = tmp_path / "slurm.toml"
    path.write_text(
        'jobs = 4\ncores = 8\nmemory = "16GB"\nqueue = "long"\nwalltime = "04:00:00"\n'
        f'job_script_prologue = ["module load gcc"]\nshared_temp_directory = "{tmp_path}"\n'
    )
    file = SlurmFile.read(path)
    assert (file.jobs, file.n_threads, file.tls) == (4, 8, True)
    assert opening.slurm_options(file)["protocol"] == "tls://"
    with SLURMCluster(**opening.slurm_options(replace(file, tls=False))) as cluster:
        script = cluster.job_script()
    for line in (
        "-p long",
        "--cpus-per-task=8",
        "--mem=15G",
        "-t 04:00:00",
        "module load gcc",
        "--nthreads 1",
    ):
        assert line in script
    for text, message in {
        "jobs = 1\ncores = 2\n": "memory must be said",
        'jobs = 1\ncores = 2\nmemory = "1GB"\nqueu = "a"': "'queu' is not known",
        'jobs = 0\ncores = 2\nmemory = "1GB"': "jobs cannot be 0",
        'jobs = 1\ncores = 2\nmemory = "1GB"\ntasks_per_job = 3': "more tasks_per_job than cores",
        "jobs = ": "not a TOML file",
    }.items():
        path.write_text(text)
        with pytest.raises(SettingsError, match=message):
            SlurmFile.read(path)


def test_values_come_back_with_all_their_bits() -> None:
    rng = np.random.default_rng(0)
    values = {
        "a": rng.normal(size=(3, 4)),
        "b": [1, 0.1, None, "x", True, {"c": b"\x00\xff"}],
        "d": np.arange(3),
    }
    back = unpack(pack({**values, "t": values["a"].T, "z": np.array(2.0)}))
    np.testing.assert_array_equal(back["t"], values["a"].T)
    assert back["t"].flags.f_contiguous and back["z"].shape == ()
    np.testing.assert_array_equal(back["a"], values["a"])
    assert back["d"].dtype == np.int64 and back["b"] == values["b"]
    with pytest.raises(TypeError, match="cannot be sent"):
        pack({"a": np.array(["text", None], dtype=object)})
    with pytest.raises(ValueError, match="no values of ours"):
        unpack(b"\x80\x04\x95" + bytes(40))
    some = [build_frame("Si", seed=1), *label_with([build_frame("Si", seed=2)], "stillinger-weber").frames]
    assert fingerprint(frames_from_values(unpack(pack(frames_to_values(some))))) == fingerprint(some)
    assert frames_from_values(frames_to_values([])) == []


def test_sweep_trains_what_is_missing_and_says_what_is_best(
    frames: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "data.extxyz", frames)
    scan = [build_frame("Si", rattle=0.0, scale=0.97 + 0.01 * k) for k in range(7)]
    write_frames(tmp_path / "eos.extxyz", label_with(scan, "stillinger-weber").frames)
    out = tmp_path / "sweep"
    command = ["sweep", str(tmp_path / "data.extxyz"), "-o", str(out), "--setting", "l2", "--json"]
    command += ["--eos", str(tmp_path / "eos.extxyz"), "--epochs", "2", "--members", "2", "--hidden", "4"]
    command += ["--threads", "1", "--values"]
    assert main([*command, "0, 1e-2"]) == 0
    first = json.loads(capfd.readouterr().out)
    assert [t["value"] for t in first["trainings"]] == ["0", "1e-2"]
    assert all(t["mapping error (meV/atom)"] > 0 for t in first["trainings"])
    assert {first["chosen"]["by_rmse"], first["chosen"]["by_mapping"]} <= {"0", "1e-2"}
    assert main([*command, "0, 1e-2"]) == 1 and "--overwrite" in capfd.readouterr().out
    before = (out / "l2=0" / "checkpoint.safetensors").stat().st_mtime_ns
    assert main([*command, "0, 1e-3", "--resume"]) == 0
    again = json.loads(capfd.readouterr().out)
    assert again["trainings"][0] == first["trainings"][0]
    assert (out / "l2=0" / "checkpoint.safetensors").stat().st_mtime_ns == before
    assert main([*command, "0, many"]) == 1 and "no value of this setting" in capfd.readouterr().out
    assert main(["sweep", "x", "-o", "y", "--setting", "colour", "--json"]) == 1
    assert "cannot be swept" in capfd.readouterr().out


class StopsInTheSecond(InProcess):
    """Is stopped after the first epoch of its second job."""

    def run(self, jobs, progress=None, heard=None):
        def listen(index, news):
            if index == 1 and "record" in news:
                self.stop()

        return super().run(jobs, progress, listen)


def test_a_stopped_sweep_compares_no_training_that_has_not_ended(
    frames: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path / "data.extxyz", frames)
    command = ["sweep", str(tmp_path / "data.extxyz"), "-o", str(tmp_path / "sweep"), "--setting", "seed"]
    command += ["--values", "0, 1, 2", "--epochs", "3", "--members", "1", "--hidden", "4", "--json"]
    stops = contextlib.nullcontext(StopsInTheSecond(1))
    with monkeypatch.context() as patched:
        patched.setattr("nnpcore.cluster.open_executor", lambda *_: stops, raising=False)
        assert main(command) == 130
    found = json.loads(capfd.readouterr().out)
    assert found["stopped"] and found["sentence"] == "1 of 3 done."
    assert found["chosen"] == {"by_rmse": None, "by_mapping": None}
    assert [t["epoch"] > 0 for t in found["trainings"]] == [True, True, False]
    assert main([*command, "--resume"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert not found["stopped"] and found["sentence"].startswith("RMSE chooses")


def test_train_elsewhere_is_train(
    frames: list[Frame], cluster: DaskExecutor, tmp_path: Path, monkeypatch
) -> None:
    """The command with a scheduler leaves the run that the command without one does."""
    write_frames(tmp_path / "data.extxyz", frames)
    monkeypatch.setattr(opening, "_of_address", lambda _: contextlib.nullcontext(cluster.client))
    command = ["train", str(tmp_path / "data.extxyz"), "--epochs", "3", "--members", "2", "--hidden", "4"]
    command += ["--threads", "1", "--device", "cpu", "--json", "-o"]
    assert main([*command, str(tmp_path / "here")]) == 0
    assert main([*command, str(tmp_path / "there"), "--scheduler", "tcp://a:1"]) == 0
    for a, b in zip(*(numbers_of(tmp_path / name) for name in ("here", "there")), strict=True):
        np.testing.assert_array_equal(a, b)
    assert main(["train", "-o", str(tmp_path / "there"), "--resume", "--epochs", "4"]) == 0
    assert len(RunFolder.open(tmp_path / "there").read_history()) == 4


def test_what_cannot_be_written_here_is_among_temporary_files_and_costs_a_sweep_that_training(
    frames: list[Frame],
    cluster: DaskExecutor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def full(folder: Path, files: dict[str, bytes]) -> None:
        if folder.name in ("run", "seed=0") and tmp_path in folder.parents:
            raise RunFolderError("there is no room", where=str(folder))
        write_run(folder, files)

    write_frames(tmp_path / "data.extxyz", frames)
    monkeypatch.setattr(opening, "_of_address", lambda _: contextlib.nullcontext(cluster.client))
    monkeypatch.setattr(apart, "write_run", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path.parent))
    common = [str(tmp_path / "data.extxyz"), "--epochs", "1", "--members", "1", "--hidden", "4"]
    common += ["--scheduler", "tcp://a:1", "--json", "-o"]
    assert main(["train", *common, str(tmp_path / "run")]) == 1
    said = capfd.readouterr().out
    found = re.search(r"The training is in (\S*/eatlas-\w+/run)", said)
    assert found is not None and len(RunFolder.open(found[1]).read_history()) == 1
    options = ["--setting", "seed", "--values", "0, 1, 2"]
    assert main(["sweep", *common, str(tmp_path / "sweep"), *options]) == 1
    swept = json.loads(capfd.readouterr().out)
    assert list(swept["failed"]) == ["0"] and not swept["stopped"]
    assert [t["epoch"] for t in swept["trainings"]] == [0, 1, 1]


def test_a_cure_is_the_same_elsewhere(cluster: DaskExecutor, frames: list[Frame]) -> None:
    functions = build_functions(["Si"])
    scan = [build_frame("Si", rattle=0.0, scale=scale) for scale in (0.97, 1.0, 1.03)]
    pool = from_files([build_frame("Si", seed=seed, rattle=0.2) for seed in range(30, 42)], "pool")
    settings = PosteriorSettings(n_centers=20)
    order = CureOrder(frames, functions, aims_of_frames(scan, "scan"), pool, n=3, settings=settings)
    here, there = (find_cure(order, n_threads=1, executor=e) for e in (None, cluster))
    assert [c.candidate.name for c in here.chosen] == [c.candidate.name for c in there.chosen]
    np.testing.assert_array_equal(here.alone, there.alone)
    np.testing.assert_array_equal(here.spreads, there.spreads)
