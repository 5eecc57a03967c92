"""Kernels are compiled by processes of their own: all of them, once, whoever asks; cancelling ends them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnpcore
from nnpcore.cli import warm_up
from nnpcore.errors import Cancelled
from nnpcore.progress import Progress
from nnpcore.training import compiling

SAME_KERNELS = """
from numba.core import event
from nnpcore.cli.warm_up import PARTS, silicon
from nnpcore.training import PRESET_26, Trainer, TrainSettings

class Compiled(event.Listener):
    names = []

    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event):
        pass

event.register("numba:compile", Compiled())
for part in PARTS.values():
    part()
before, frames = len(Compiled.names), silicon(3)
for optimizer in ("kalman", "adam", "lbfgs"):
    settings = TrainSettings(
        descriptors=PRESET_26, optimizer=optimizer, epochs=1, n_members=2, hidden=(4, 4), stress_weight=1.0,
        baseline_epochs=0, device="cpu", n_threads=1,
    )
    trainer = Trainer(settings, frames[:2], frames[2:])
    trainer.run()
    trainer.potential().predict(frames)
assert Compiled.names[before:] == [], Compiled.names[before:]
"""
INNER_CODE = """
import numpy as np
from numba import njit
from nnpcore.descriptors import simd

@njit(**simd.HELPER)
def cube(x):
    return np.array([x, x * x, x * x * x])[2]

@njit(**simd.HELPER)
def both(x, y):
    return cube(x) + np.cos(y)

@njit(cache=True)
def outer(x):
    total = 0.0
    for i in range(len(x)):
        total += both(x[i], x[i])
    return total

x = np.linspace(0.0, 1.0, 7)
assert abs(outer(x) - np.sum(x**3 + np.cos(x))) < 1e-12
print(sum(outer.stats.cache_hits.values()), len(both.signatures))
"""


def test_every_file_with_kernels_is_named() -> None:
    """A change in any of them makes the note of what is compiled worthless."""
    home = Path(nnpcore.__path__[0])
    files = {str(f.relative_to(home)) for f in home.rglob("*.py") if "njit(" in f.read_text()}
    assert files | {"descriptors/inner_functions.py"} == set(compiling.SOURCES)


def test_made_up_functions_compile_what_a_training_calls() -> None:
    """Types that differ would compile kernels that nobody calls, and others when they are first called."""
    subprocess.run([sys.executable, "-c", SAME_KERNELS], check=True)


def test_inner_functions_are_right_compiled_and_from_the_cache(tmp_path: Path) -> None:
    """What is never machine code by itself is in its callers: nested, with numpy inside, read back."""
    script = tmp_path / "script.py"
    script.write_text(INNER_CODE)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    told = [
        subprocess.run(
            [sys.executable, str(script)], env=environment, check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert told == [["0", "1"], ["1", "0"]]


def test_processes_compile_every_part_once() -> None:
    assert sorted(compiling.ALL) == sorted(warm_up.PARTS)
    for optimizer in ("auto", "kalman", "adam", "lbfgs"):
        assert set(compiling.parts_of_training(optimizer)) <= set(compiling.ALL)
    assert "gradients" in compiling.parts_of_training("adam")


Children = list[subprocess.Popen[bytes]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Children]:
    """Nothing is compiled; what is started instead of compiling, for half a second."""
    found: Children = []

    def process(*_: str, told: bool = False) -> subprocess.Popen[bytes]:
        found.append(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"]))
        return found[-1]

    monkeypatch.setattr(compiling, "marker", lambda part: tmp_path / part)
    monkeypatch.setattr(compiling, "process", process)
    monkeypatch.setattr(compiling, "_compiling", compiling._Compiling())
    yield found
    for child in found:
        child.wait()


def test_two_who_ask_wait_for_the_same_processes(started: Children) -> None:
    texts: list[str] = []
    progress = Progress(lambda _, text: texts.append(text))
    threads = [threading.Thread(target=compiling.compile_kernels, args=(progress,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.returncode for child in started] == [0] * len(compiling.PROCESSES)
    assert set(texts) == {compiling.TEXT}
    compiling.compile_kernels()  # they have failed to leave their marks: they are not started again
    assert len(started) == len(compiling.PROCESSES)


def test_who_needs_a_part_waits_for_no_other(started: Children, tmp_path: Path) -> None:
    (tmp_path / "kalman").touch()
    progress = Progress(lambda *_: (tmp_path / "descriptors").touch())
    compiling.compile_kernels(progress, ("descriptors", "kalman"))
    assert [child.poll() for child in started] == [None] * len(compiling.PROCESSES)


def test_cancelling_ends_the_processes_unless_another_waits(started: Children) -> None:
    progress = Progress(lambda *_: progress.cancel() if started else None)
    other = compiling._compiling.join(told=False)
    with pytest.raises(Cancelled):
        compiling.compile_kernels(progress)
    assert [child.poll() for child in other] == [None] * len(compiling.PROCESSES)
    compiling._compiling.leave(cancelled=True)
    assert all(child.poll() not in (0, None) for child in started)
    compiling.compile_kernels()
    assert len(started) == 2 * len(compiling.PROCESSES)


def test_nothing_is_started_where_all_is_compiled(started: Children) -> None:
    for part in compiling.ALL:
        compiling.say_compiled(part)
    compiling.compile_kernels()
    assert not started
