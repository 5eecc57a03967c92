"""Processor time of a training: whose threads count, what is kept over a resume, what old runs say."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from training_data import TINY, silicon_frames

from nnpcore.report.compared_runs import COST, compared_run
from nnpcore.report.run_info import info_of_run
from nnpcore.threads import ProcessorTime, in_order
from nnpcore.training import RunFolder, Trainer
from nnpcore.training.history import history_csv, parse_history_csv
from nnpcore.training.spent_time import SpentTime

EACH = 0.03


def spin(_: int = 0) -> None:
    """Work until this thread has taken so many seconds of the processor."""
    end = time.thread_time() + EACH
    while time.thread_time() < end:
        pass


def nested(_task: int) -> None:
    """Work in two threads of one's own."""
    for _ in in_order(spin, range(2), 2):
        pass


def costs(path: Path) -> dict[str, object]:
    """Return what a run has cost, by column."""
    cells = compared_run(path, judge=False).cells
    return {head.title: cell.value for head, cell in cells.items() if head.part == COST}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_that_work_for_a_block_count_and_others_do_not(n_threads: int) -> None:
    stop = threading.Event()
    taken: list[float] = []

    def another() -> None:
        while not stop.is_set():
            pass
        taken.append(time.thread_time())

    beside = threading.Thread(target=another)
    beside.start()
    before = time.process_time()
    with ProcessorTime() as own:
        for _ in in_order(nested, range(3), n_threads):
            time.sleep(0.01)
    whole = time.process_time() - before
    stop.set()
    beside.join()
    assert 6 * EACH <= own.seconds <= whole
    outside = time.thread_time()
    with ProcessorTime() as idle:
        time.sleep(0.05)
    assert idle.seconds <= time.thread_time() - outside


def test_a_resume_adds_up_and_keeps_what_an_old_version_did_not_know(tmp_path: Path) -> None:
    frames = silicon_frames(6)
    Trainer(TINY.replace(epochs=2), frames[:4], frames[4:], run_folder=tmp_path).run()
    first = RunFolder.open(tmp_path).read_history()
    again = Trainer.resume(tmp_path, TINY.replace(epochs=4), train=frames[:4], valid=frames[4:])
    again.run()
    spent = [record.cpu_seconds for record in again.history]
    assert all(value is not None for value in spent)
    assert spent[:2] == [record.cpu_seconds for record in again.history[:2]]
    known = [value for value in spent if value is not None]
    assert known == sorted(known) and 0 < known[1] < known[2]
    assert first[1].cpu_seconds == pytest.approx(spent[1], abs=1e-4)
    old = SpentTime.from_dict({"seconds": 3.0})
    assert old.cpu_seconds is None and SpentTime.from_dict(old.to_dict()) == old


def test_runs_without_it_say_so_with_the_clock(tmp_path: Path) -> None:
    frames = silicon_frames(5)
    Trainer(TINY.replace(epochs=1), frames[:4], frames[4:], run_folder=tmp_path / "new").run()
    folder = RunFolder.open(tmp_path / "new")
    history = folder.read_history()
    (kept,) = parse_history_csv(history_csv(history))
    assert kept.cpu_seconds == history[0].cpu_seconds is not None
    cells = {
        h.title: c.value for h, c in compared_run(folder.path, judge=False).cells.items() if h.part == COST
    }
    assert cells["CPU time"] == kept.cpu_seconds and cells["Training time"] == kept.seconds
    (row,) = (v for k, v in info_of_run(folder.path).rows if k == "Training time")
    assert row.endswith("s of CPU")
    old = [replace(record, cpu_seconds=None) for record in history]
    assert "cpu_seconds" not in history_csv(old)
    (kept,) = parse_history_csv(history_csv(old))
    assert kept.cpu_seconds is None
    (folder.path / "history.csv").write_text(history_csv(old, folder.id))
    cells = {
        h.title: c.value for h, c in compared_run(folder.path, judge=False).cells.items() if h.part == COST
    }
    assert str(cells["CPU time"]).startswith("not kept; ")
    (row,) = (v for k, v in info_of_run(folder.path).rows if k == "Training time")
    assert "was not kept" in row
