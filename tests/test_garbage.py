"""What holds widgets is destroyed on the window's thread, whatever other threads do meanwhile."""

import ast
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from panel_helpers import wait_for
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.workers import garbage
from app.workers.garbage import GarbageCollector
from app.workers.tasks import TaskRunner
from nnpcore.progress import Progress

APP = Path(__file__).parents[1] / "app"


class Mortal:
    """Says on which thread it died."""

    def __init__(self, deaths: list[threading.Thread]) -> None:
        self.deaths = deaths
        self.itself: object = None

    def __del__(self) -> None:
        self.deaths.append(threading.current_thread())


@pytest.fixture
def collector(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[GarbageCollector]:
    monkeypatch.setattr(garbage, "OPENING_SECONDS", 0.0)
    parent = QObject()
    made = GarbageCollector(parent)
    yield made
    made.stop()


def cycles(number: int) -> None:
    for _ in range(number):
        made: list[object] = []
        made.append(made)


def test_cycles_are_searched_on_the_window_s_thread(collector: GarbageCollector) -> None:
    deaths: list[threading.Thread] = []
    mortal = Mortal(deaths)
    mortal.itself = mortal
    del mortal
    worker = threading.Thread(target=cycles, args=(20_000,))
    worker.start()
    worker.join()
    assert not deaths
    collector.look()
    assert deaths == [threading.current_thread()]
    assert gc.get_count()[0] < 5_000


def test_old_garbage_goes_when_there_is_much_new(collector: GarbageCollector) -> None:
    deaths: list[threading.Thread] = []
    mortal = Mortal(deaths)
    mortal.itself = mortal
    gc.collect(1)
    gc.collect(1)  # by now among the old ones
    del mortal
    for _ in range(25):
        cycles(10_000)
        collector.look()
    assert deaths == [threading.current_thread()]


def test_all_is_searched_only_when_the_window_has_opened(
    collector: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is made of is left out by then; to search it would hold up its first seconds."""
    searched: list[int] = []
    monkeypatch.setattr(GarbageCollector, "collect_all", lambda _: searched.append(1))
    monkeypatch.setattr(garbage, "OPENING_SECONDS", 60.0)
    parent = QObject()
    opening = GarbageCollector(parent)
    for _ in range(10):
        cycles(10_000)
        opening.look()
    assert not searched
    opening.stop()


def test_a_search_that_takes_long_leaves_out_what_is_alive(
    collector: GarbageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every search would go through each frame of a long file; garbage that comes later still goes."""
    monkeypatch.setattr(garbage, "SLOW_SECONDS", -1.0)
    before, kept = gc.get_freeze_count(), [[number] for number in range(10_000)]
    collector.collect_all()
    assert gc.get_freeze_count() >= before + len(kept)
    deaths: list[threading.Thread] = []
    mortal = Mortal(deaths)
    mortal.itself = mortal
    del mortal
    collector.collect_all()
    assert len(deaths) == 1
    gc.unfreeze()


def test_the_search_goes_back_to_python(collector: GarbageCollector) -> None:
    assert not gc.isenabled()
    collector.stop()
    assert gc.isenabled()


def test_what_a_task_works_with_dies_on_the_window_s_thread(qapp: QApplication) -> None:
    deaths: list[threading.Thread] = []
    runner = TaskRunner()
    for number in range(60):
        _run(runner, _working_with(Mortal(deaths), fails=number % 3 == 0))
    wait_for(lambda: not runner.tasks)
    runner.shutdown()
    gc.collect()
    assert len(deaths) == 60
    assert set(deaths) == {threading.current_thread()}


def _run(runner: TaskRunner, work: Callable[[Progress], str]) -> None:
    runner.run("task", work, lambda _: None, lambda _: None)


def _working_with(mortal: Mortal, *, fails: bool) -> Callable[[Progress], str]:
    def work(_: Progress) -> str:
        if fails:
            raise ValueError(str(mortal.itself))
        return str(mortal.itself)

    return work


def test_no_widget_s_event_is_in_python() -> None:
    """It would receive the widget's own deletion and return into what is gone."""
    found = [
        f"{path.relative_to(APP)}:{node.lineno}"
        for path in sorted(APP.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "event"
    ]
    assert not found
