"""Trainings whose derivatives are not in memory are the same, and what a disk does to them loses nothing."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from ase.data import chemical_symbols
from builders import build_functions
from interrupted import interrupted
from safetensors.numpy import load_file
from training_data import mixed_frames, silicon_frames

from nnpcore.cli import main
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import TrainingError
from nnpcore.structures import example_path
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, TrainSettings
from nnpcore.training.storage import Storage, bytes_of_derivatives
from nnpcore.training.windows import OnDisk, Recomputed

SMALL = TrainSettings(
    hidden=(6, 5),
    n_members=3,
    epochs=4,
    n_threads=2,
    device="cpu",
    batch_frames=3,
    stress_weight=0.5,
)
KINDS = {"disk": OnDisk, "recompute": Recomputed}


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Silicon with an alloy's frames between: other sizes, other elements."""
    silicon, mixed = silicon_frames(8), mixed_frames()
    return [*silicon[:5], *mixed, *silicon[5:]]


def functions_of(frames: list[Frame]) -> SymmetryFunctions:
    return build_functions(sorted({chemical_symbols[z] for f in frames for z in f.numbers}))


def trained(frames: list[Frame], **changes: Any) -> Trainer:
    descriptors = {"functions": functions_of(frames).to_dict()}
    settings = SMALL.replace(descriptors=descriptors).replace(**changes)
    trainer = Trainer(settings, frames[:10], frames[10:])
    trainer.run()
    return trainer


@pytest.mark.parametrize("where", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "kalman", "guidance": 0.3},
        {"optimizer": "adam"},
        {"optimizer": "kalman", "baseline": "kernel"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_numbers_do_not_depend_on_where_derivatives_are(
    where: str, changes: dict[str, Any], frames: list[Frame]
) -> None:
    usual, found = trained(frames, **changes), trained(frames, derivatives=where, **changes)
    assert isinstance(found.data.train.windows, KINDS[where])
    assert found.data.train.descriptors.derivatives is None
    np.testing.assert_array_equal(found._best.last, usual._best.last)
    assert [r.valid["force"]["mean"] for r in found.history] == [
        r.valid["force"]["mean"] for r in usual.history
    ]
    told = [m.text for m in found.history[0].messages]
    assert any(text.startswith(f"The derivatives of {len(frames)} frames take") for text in told)


@pytest.mark.parametrize("where", KINDS)
def test_windows_hold_what_memory_would(where: str, frames: list[Frame]) -> None:
    functions = functions_of(frames)
    whole = compute_descriptors(frames, functions)
    windows = Storage(where).describe(frames, functions).windows
    assert windows is not None
    found = windows.after(3).read(np.array([4, 0, 2]))
    for k, frame in enumerate([7, 3, 5]):
        one, other = found.select(k, k + 1), whole.select(frame, frame + 1)
        for name in ("species", "values", "pair_start", "pair_neighbor", "pair_vector", "derivatives"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_place_is_chosen_by_what_is_free(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    needed = bytes_of_derivatives(frames, 5.0, 20)

    def choice(memory: float, disk: float) -> str:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory * needed))
        monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(free=disk * needed))
        return Storage()._choose(needed, len(frames))[0]

    assert choice(10, 10) == "memory"
    assert choice(1.1, 10) == "disk"
    assert choice(1.1, 1.1) == "recompute"
    with pytest.raises(TrainingError, match="Keep them on disk"):
        Storage("memory")._choose(12 * needed, len(frames))


def test_a_full_disk_costs_time_only(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A file on a disk that is full."""

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    usual = trained(frames)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    found = trained(frames, derivatives="disk")
    assert isinstance(found.data.train.windows, Recomputed)
    assert any(
        "No space left on device): they are worked out anew" in m.text for m in found.history[0].messages
    )
    np.testing.assert_array_equal(found._best.last, usual._best.last)


def test_nothing_stays_on_disk(frames: list[Frame], tmp_path: Path) -> None:
    kept = Storage("disk", tmp_path).describe(frames, functions_of(frames))
    assert list(tmp_path.iterdir()) == []
    assert isinstance(kept.windows, OnDisk)
    file = kept.windows.file
    del kept
    assert file.closed


def test_a_killed_training_leaves_no_derivatives_and_goes_on(tmp_path: Path) -> None:
    """Killed while it reads them from disk: the run is as one that was never interrupted."""
    data, folders, temporary = f"{example_path('npt')}@::12", {}, tmp_path / "tmp"
    temporary.mkdir()
    options = ["--hidden", "4", "--members", "2", "--cutoff", "4", "--threads", "1", "--seed", "3"]
    for name in ("killed", "whole"):
        folders[name] = tmp_path / name
    command = [data, "-o", str(folders["killed"]), *options, "--derivatives", "disk", "--epochs", "5000"]
    assert interrupted(command, signal.SIGKILL, {"TMPDIR": str(temporary)})[0] == -signal.SIGKILL
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("derivatives-")]
    history = RunFolder.open(folders["killed"]).read_history()
    assert any("they are kept on disk, in" in message.text for message in history[0].messages)
    reached = len(history)
    goal = ["--epochs", str(reached + 2)]
    assert main(["train", "-o", str(folders["killed"]), "--resume", *goal]) == 0
    assert main(["train", data, "-o", str(folders["whole"]), *options, *goal]) == 0
    one, other = (load_file(folder / "potential/potential.safetensors") for folder in folders.values())
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
