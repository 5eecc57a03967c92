"""A monkey at the real window: it opens, trains, clicks, types by chance, and takes away what is in use.

It runs in a process of its own, on a virtual display where none answers, with a home of its own. A fault is
an error that is nobody's fault but the program's, a window that stands still for some seconds, a process that
dies, values of a frame that is not shown, and memory that grows without end.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soak.display import display
from soak.tally import Tally

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

STANDSTILL = 4.0
"""Seconds without an answer that count as standing still."""
MOST_GROWTH_MB = 30.0
"""Per minute of anonymous memory, after the first minutes, that count as growing without end."""
SETTLED_AFTER = 180.0
JUMP_MB = 40.0
"""A change of the memory over one deed that is said."""
REST_AFTER, REST_AT_MOST = 120.0, 90.0
"""Seconds between rests, in which everything is closed, and that are waited for what works to end."""
MOST_LEFT_MB = 15.0
"""Per rest of what is left when everything is closed, after the first two, that count as a leak."""
FORBIDDEN = ("file.quit", "help.documentation", "file.open", "file.slice", "file.run", "view.full")
"""Commands that open dialogs of the system, or end the window."""


def in_a_process(place: Path, tally: Tally, seed: int, seconds: float) -> None:
    """Let the monkey work for some seconds and count what it says."""
    report = place / "report.json"
    command = [sys.executable, "-m", "soak.monkey", str(place), str(seed), str(seconds)]
    home = {"EATLAS_HOME": str(place / "home"), "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 300,
        env={**os.environ, **home},
    )
    if not report.is_file():
        tally.add("monkey: actions", f"died with {done.returncode}: {last_words(done.stderr)}")
        return
    found = json.loads(report.read_text())
    for kind, number in found["actions"].items():
        tally.tries[f"monkey: {kind}"] += number
    tally.tries["monkey: minutes"] += round(found["minutes"])
    print(f"monkey's memory, MB by minute: {found['memory']}", file=sys.stderr)
    print(f"monkey's memory with everything closed, MB: {found['at_rest']}", file=sys.stderr)
    for fault in found["faults"]:
        tally.add("monkey: faults", fault)
    if done.returncode:
        tally.add("monkey: faults", f"ended with {done.returncode}: {last_words(done.stderr)}")


def last_words(text: str) -> str:
    """Return the end of what a process said, without the list of its modules: from the crash on, if any."""
    said = "\n".join(line for line in text.splitlines() if not line.startswith("Extension modules:"))
    start = max(said.rfind("Fatal Python error"), said.rfind("Timeout ("))
    current = said.find("Current thread", max(start, 0))
    return said[-3000:] if start < 0 else f"{said[current:][:5000]}\n\n{said[start:][:3000]}"


class Monkey:
    """One window and what is done to it."""

    def __init__(self, place: Path, seed: int) -> None:
        from PySide6.QtCore import QTimer
        from PySide6.QtWidgets import QFileDialog

        from app import settings
        from app.main import SWITCH_SECONDS, make_application, make_window
        from app.workers.garbage import GarbageCollector
        from app.workers.memory import hold_heaps

        hold_heaps()
        self.rng, self.place = random.Random(seed), place
        self.faults: list[str] = []
        self.actions: dict[str, int] = {}
        self.memory: list[float] = []
        self.at_rest: list[float] = []
        self.doing = "starting"
        self.weight = 0.0
        self.app = make_application()
        GarbageCollector(self.app)
        self.window = make_window(self.app, settings.load())
        self.session = self.window.session
        self.window.confirm_close = lambda: True
        self.session.trainings.confirm = lambda _warnings: True
        for name in ("getOpenFileNames", "getOpenFileName", "getSaveFileName"):
            setattr(QFileDialog, name, lambda *_, **__: ("", ""))
        QFileDialog.getExistingDirectory = lambda *_, **__: ""  # type: ignore[method-assign,assignment]
        sys.setswitchinterval(SWITCH_SECONDS)
        sys.excepthook = self._on_error
        self.session.messages.notified.connect(self._on_message)
        self.window.show()
        self._closer = QTimer(self.window, interval=300)
        self._closer.timeout.connect(self._close_dialogs)
        self._closer.start()
        self.files = self._make_files()
        self.contents = [path.read_bytes() for path in self.files]

    # what goes wrong ----------------------------------------------------------------------------------
    def fault(self, text: str) -> None:
        """Note a fault with what was being done."""
        if len(self.faults) < 20:
            self.faults.append(f"{self.doing}: {text}")

    def _on_error(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        self.fault("".join(traceback.format_exception(kind, error, trace))[-2500:])

    def _on_message(self, notification: Any) -> None:
        if "Something unexpected happened" in notification.text:
            self.fault(f"{notification.title}: {notification.text} {notification.details[-2000:]}")

    def _close_dialogs(self) -> None:
        """Close what waits for an answer, by chance with Return."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        for kind in (self.app.activePopupWidget, self.app.activeModalWidget):
            widget = kind()
            if widget is not None:
                key = Qt.Key.Key_Return if self.rng.random() < 0.3 else Qt.Key.Key_Escape
                QTest.keyClick(widget, key)
                if widget.isVisible() and self.rng.random() < 0.7:
                    widget.close()

    # material -----------------------------------------------------------------------------------------
    def _make_files(self) -> list[Path]:
        """Write data of one name and different content, a crystal's scan and damaged files."""
        from ase.build import bulk
        from training_data import labelled, silicon_frames

        from nnpcore.structures import write_frames
        from nnpcore.structures.frame import Frame

        made = []
        for number, name in enumerate("abc"):
            path = self.place / name / "nvt.extxyz"
            write_frames(path, silicon_frames(6 + 2 * number, seed=10 * number))
            made.append(path)
        scan = [Frame.from_atoms(bulk("Si", cubic=True, a=a)) for a in (5.2, 5.3, 5.4, 5.5, 5.6)]
        write_frames(self.place / "eos.extxyz", labelled(scan))
        damaged = self.place / "damaged.extxyz"
        damaged.write_bytes(made[0].read_bytes()[:-777])
        return [*made, self.place / "eos.extxyz", damaged]

    # deeds --------------------------------------------------------------------------------------------
    def open_data(self) -> None:
        """Open some file."""
        self.session.data.open_paths([str(self.rng.choice(self.files))])

    def close_data(self) -> None:
        """Close some data set."""
        if self.session.data.datasets:
            self.session.data.remove(self.rng.choice(list(self.session.data.datasets)))

    def reload_data(self) -> None:
        """Read a data set again, its file changed by chance."""
        if self.session.data.datasets:
            key = self.rng.choice(list(self.session.data.datasets))
            path = Path(self.session.data.datasets[key].path)
            if self.rng.random() < 0.5 and path in self.files:
                path.write_bytes(self.rng.choice(self.contents))
            self.session.data.reload(key)

    def set_role(self) -> None:
        """Give a data set a role."""
        from nnpcore.structures import Role

        if self.session.data.datasets:
            key = self.rng.choice(list(self.session.data.datasets))
            self.session.data.set_role(key, self.rng.choice(list(Role)))

    def show_frame(self) -> None:
        """Look at some frame."""
        if self.session.data.datasets:
            key = self.rng.choice(list(self.session.data.datasets))
            self.session.data.show(key, self.rng.randrange(12))

    def train(self) -> None:
        """Start a training, or queue some."""
        from nnpcore.errors import EatlasError
        from nnpcore.training import TrainSettings

        if len(self.session.runs.documents) > 12:
            return
        settings = TrainSettings(
            descriptors={"cutoff": 4.0},  # type: ignore[arg-type]
            hidden=(self.rng.randint(2, 5),),
            n_members=2,
            epochs=self.rng.choice((1, 5, 50, 1000)),
            n_threads=1,
            optimizer=self.rng.choice(("adam", "kalman")),
        )
        try:
            for _ in range(self.rng.choice((1, 1, 3))):
                self.session.trainings.launch(settings, queue=self.rng.random() < 0.8)
        except EatlasError:
            pass

    def steer(self) -> None:
        """Pause, resume or stop some training."""
        if self.session.runs.documents:
            run_id = self.rng.choice(list(self.session.runs.documents))
            trainings = self.session.trainings
            self.rng.choice((trainings.pause, trainings.resume, trainings.stop, trainings.train_longer))(
                run_id
            )

    def choose_run(self) -> None:
        """Look at some run, or compare it."""
        runs = self.session.runs
        if runs.documents:
            run_id = self.rng.choice(list(runs.documents))
            if self.rng.random() < 0.6:
                runs.set_current(run_id)
            else:
                runs.set_compared(run_id, self.rng.random() < 0.5)

    def take_run_off(self) -> None:
        """Take a run off the list; open its folder again by chance."""
        runs = self.session.runs
        if runs.documents:
            run = runs.documents[self.rng.choice(list(runs.documents))]
            runs.remove(run.id)
            if run.folder is not None and self.rng.random() < 0.6:
                runs.open(run.folder)

    def harm_folder(self) -> None:
        """Remove a run's folder, move it, or damage a file in it."""
        folders = [r.folder for r in self.session.runs.documents.values() if r.folder and r.folder.is_dir()]
        if not folders:
            return
        folder, kind = self.rng.choice(folders), self.rng.randrange(3)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if kind == 0:
            shutil.rmtree(folder, ignore_errors=True)
        elif kind == 1 and not folder.with_name(f"{folder.name}-moved").exists():
            folder.rename(folder.with_name(f"{folder.name}-moved"))
        elif files:
            self.rng.choice(files).write_bytes(self.rng.randbytes(99))

    def command(self) -> None:
        """Do what a menu offers."""
        self.window.commands.refresh()
        offered = [key for key, action in self.window.commands.actions.items() if action.isEnabled()]
        chosen = self.rng.choice([key for key in offered if key not in FORBIDDEN])
        self.doing = f"command {chosen}"
        self.window.commands.actions[chosen].trigger()

    def click(self) -> None:
        """Click, or type, where it happens to be."""
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QWidget

        found: list[QWidget] = [
            w for w in self.window.findChildren(QWidget) if w.isVisible() and w.isEnabled()
        ]
        if not found:
            return
        widget = self.rng.choice(found)
        self.doing = f"click on {type(widget).__name__} {widget.objectName()}"
        spot = QPoint(self.rng.randrange(max(widget.width(), 1)), self.rng.randrange(max(widget.height(), 1)))
        kind = self.rng.randrange(5)
        if kind < 3:
            QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot)
        elif kind == 3:
            QTest.keyClicks(widget, self.rng.choice(("1", "0.5", "-1", "abc", "1e9")))
        else:
            keys = (Qt.Key.Key_Tab, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Right)
            QTest.keyClick(widget, self.rng.choice(keys))

    def resize(self) -> None:
        """Change the window's size or its theme."""
        self.window.resize(self.rng.randint(700, 1600), self.rng.randint(500, 1000))
        self.window.set_theme(self.rng.choice(("light", "dark")))

    def undo(self) -> None:
        """Undo or redo."""
        stack = self.session.undo_stack
        self.rng.choice((stack.undo, stack.redo))()

    # the whole ----------------------------------------------------------------------------------------
    def work(self, seconds: float) -> None:
        """Do one thing after the other."""
        deeds: dict[Callable[[], None], int] = {
            self.open_data: 8, self.close_data: 4, self.reload_data: 3, self.set_role: 3, self.show_frame: 10,
            self.train: 4, self.steer: 5, self.choose_run: 6, self.take_run_off: 3, self.harm_folder: 1,
            self.command: 8, self.click: 40, self.resize: 2, self.undo: 3,
        }  # fmt: skip
        end, begun, minute = time.monotonic() + seconds, time.monotonic(), 0
        rested = begun
        while time.monotonic() < end:
            if time.monotonic() - rested > REST_AFTER:
                self.rest()
                rested = time.monotonic()
            (deed,) = self.rng.choices(list(deeds), list(deeds.values()))
            self.doing = deed.__name__
            self.actions[deed.__name__] = self.actions.get(deed.__name__, 0) + 1
            try:
                self._timed(deed)
            except Exception as error:
                self._on_error(type(error), error, error.__traceback__)
            self._live(self.rng.choice((0.0, 0.02, 0.1)))
            self._look()
            self._weigh()
            if time.monotonic() - begun > 60 * minute:
                minute += 1
                gc.collect()
                self.memory.append(anonymous_mb())
                counts = self.session.undo_stack.count(), len(self.app.allWidgets())
                busy = [task.title for task in self.session.tasks.tasks]
                said = f"{self.memory[-1]} MB; undo, widgets: {counts}; at work: {busy}"
                print(said, file=sys.stderr, flush=True)

    def rest(self) -> None:
        """Close everything and note the memory that is left; what works is to end, which is not timed."""
        from app.workers.memory import give_back

        self.doing = "resting"
        session = self.session
        session.trainings.stop_all()
        session.tasks.cancel_all()
        end = time.monotonic() + REST_AT_MOST
        while time.monotonic() < end:
            self._live(0.3)
            for run_id in list(session.runs.documents):
                session.runs.remove(run_id)
            for key in list(session.data.datasets):
                session.data.remove(key)
            if not (session.tasks.tasks or session.trainings.active):
                break
        session.undo_stack.clear()
        self._live(0.5)
        gc.collect()
        self._live(0.2)
        give_back()
        self.at_rest.append(anonymous_mb())
        busy = [task.title for task in session.tasks.tasks]
        print(f"at rest {self.at_rest[-1]} MB; at work: {busy}", file=sys.stderr, flush=True)

    def _weigh(self) -> None:
        """Say which deed made the memory jump, and what was at work then."""
        now = anonymous_mb()
        if abs(now - self.weight) > JUMP_MB:
            busy = [task.title for task in self.session.tasks.tasks]
            said = f"memory {self.weight:.0f} to {now:.0f} MB at {self.doing}; at work: {busy}"
            print(said, file=sys.stderr, flush=True)
        self.weight = now

    def _timed(self, deed: Callable[[], None]) -> None:
        began, busy = time.monotonic(), time.thread_time()
        faulthandler.dump_traceback_later(60, exit=True)
        deed()
        self.app.processEvents()
        faulthandler.cancel_dump_traceback_later()
        taken, worked = time.monotonic() - began, time.thread_time() - busy
        if worked > STANDSTILL:
            self.fault(f"the window stood still for {taken:.1f} s, {worked:.1f} s of them at work")

    def _live(self, seconds: float) -> None:
        from PySide6.QtCore import QEvent

        end = time.monotonic() + seconds
        while True:
            self.app.processEvents()
            self.app.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # as a running event loop does
            if time.monotonic() > end:
                return
            time.sleep(0.002)

    def _look(self) -> None:
        """Values shown over a frame are that frame's own."""
        prediction, frame = self.session.runs.prediction, self.session.data.frame
        if prediction is not None and (frame is None or prediction.frame is not frame):
            self.fault("a prediction of another frame is shown")
        shown = self.session.coloring.atom_values()
        if shown is not None and frame is not None and len(shown[0]) != frame.n_atoms:
            self.fault(f"{len(shown[0])} values over {frame.n_atoms} atoms")

    def end(self) -> None:
        """Close the window and wait until it is gone."""
        self.doing = "closing"
        self._closer.stop()
        end = time.monotonic() + 60
        self.window.close()
        while self.window.isVisible() and time.monotonic() < end:
            self._live(0.05)
        if self.window.isVisible():
            self.fault("the window does not close")


def anonymous_mb() -> float:
    """Return the memory of this process that is in no file, MB."""
    with open("/proc/self/status", encoding="ascii") as file:
        found = dict(line.split(":", 1) for line in file)
    return round(int(found["RssAnon"].split()[0]) / 1024, 1)


def grows(memory: list[float], minutes_skipped: int) -> float:
    """Return the slope of the memory by minute, MB, after the first minutes; 0 where there are too few.

    It is the median over all pairs: what one large analysis takes for a while is no growth.
    """
    from statistics import median

    late = memory[minutes_skipped:]
    slopes = [(b - a) / (n - m) for m, a in enumerate(late) for n, b in enumerate(late[m + 1 :], m + 1)]
    return median(slopes) if len(late) > 3 else 0.0


def main() -> None:
    """``python -m soak.monkey FOLDER SEED SECONDS``: work and write report.json."""
    place, seed, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    began = time.monotonic()
    with display():
        monkey = Monkey(place, seed)
        monkey.work(seconds)
        monkey.end()
    slope = grows(monkey.memory, int(SETTLED_AFTER // 60))
    if slope > MOST_GROWTH_MB:
        monkey.fault(f"memory grows by {slope:.0f} MB a minute: {monkey.memory}")
    left = grows(monkey.at_rest, 2)
    if left > MOST_LEFT_MB:
        monkey.fault(f"memory at rest grows by {left:.0f} MB a time: {monkey.at_rest}")
    minutes = (time.monotonic() - began) / 60
    found = {
        "actions": monkey.actions, "faults": monkey.faults, "minutes": minutes,
        "memory": monkey.memory, "at_rest": monkey.at_rest,
    }  # fmt: skip
    (place / "report.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
