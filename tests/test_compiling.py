"""Kernels are compiled by processes of their own: all of them, once, whoever asks; cancelling ends them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import nnpcore
from nnpcore.errors import Cancelled
from nnpcore.progress import Progress
from nnpcore.training import compiling

SAME_KERNELS = """
from nnpcore.cli.warm_up import compile_training, train_once
from nnpcore.training.engines import compiled, contractions, kernels
found = (compiled.predict_frames, compiled.residuals, compiled.add_gradients, contractions.frame_tangents,
         kernels.batch_rows)
compile_training()
before = [list(f.signatures) for f in found]
train_once()
assert all(before), before
assert before == [list(f.signatures) for f in found]
"""


def test_every_file_with_kernels_is_named() -> None:
    """A change in any of them makes the note of what is compiled worthless."""
    home = Path(nnpcore.__path__[0])
    files = {str(f.relative_to(home)) for f in home.rglob("*.py") if "njit(" in f.read_text()}
    assert files == set(compiling.SOURCES)


def test_made_up_functions_compile_what_a_training_calls() -> None:
    """Types that differ would compile kernels that nobody calls."""
    subprocess.run([sys.executable, "-c", SAME_KERNELS], check=True)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[subprocess.Popen[bytes]]:
    """Nothing is compiled; what is started instead of compiling, for half a second."""
    found: list[subprocess.Popen[bytes]] = []

    def process(*_: str) -> subprocess.Popen[bytes]:
        found.append(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"]))
        return found[-1]

    monkeypatch.setattr(compiling, "marker", lambda: tmp_path / "compiled")
    monkeypatch.setattr(compiling, "process", process)
    monkeypatch.setattr(compiling, "_tried", False)
    return found


def test_two_who_ask_wait_for_one_process(started: list[subprocess.Popen[bytes]]) -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(
            target=compiling.compile_kernels, args=(Progress(lambda _, text: texts.append(text)),)
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert started[0].returncode == 0
    assert set(texts) == {compiling.TEXT}


def test_cancelling_ends_the_process(started: list[subprocess.Popen[bytes]]) -> None:
    progress = Progress(lambda *_: progress.cancel() if started else None)
    with pytest.raises(Cancelled):
        compiling.compile_kernels(progress)
    assert started[0].returncode not in (0, None)


def test_nothing_is_started_where_all_is_compiled(started: list[subprocess.Popen[bytes]]) -> None:
    compiling.say_compiled()
    compiling.compile_kernels()
    assert not started
