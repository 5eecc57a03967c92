"""Drive the real window on the bundled silicon data and write the pictures of docs/images.

``python docs/make_screenshots.py [FOLDER]``. Needs no display: it starts a virtual one of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from app.main_window import MainWindow

LARGE, SMALL = (1440, 900), (1280, 800)
TRAINING_SECONDS = 240.0
SETTLE_SECONDS = 4.0


class Driver:
    """One window on a screen of its own, and what a user does with it."""

    def __init__(self, folder: Path) -> None:
        from app import settings as window_settings
        from app.main import SWITCH_SECONDS, make_application, make_window

        self.folder = folder
        self.app: QApplication = make_application()
        self.window: MainWindow = make_window(self.app, window_settings.load())
        sys.setswitchinterval(SWITCH_SECONDS)
        self.resize(LARGE)
        self.window.show()

    def resize(self, size: tuple[int, int]) -> None:
        """Put the window into the corner of the screen with this size."""
        self.window.setGeometry(0, 0, *size)

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let the window live for some seconds, or until something is true; return whether it is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.app.processEvents()
            time.sleep(0.005)
        return until()

    def shoot(self, name: str) -> None:
        """Write what the screen shows of the window."""
        self.wait(SETTLE_SECONDS)
        picture = self.app.primaryScreen().grabWindow(0, 0, 0, self.window.width(), self.window.height())
        if not picture.save(str(self.folder / f"{name}.png")):
            raise OSError(f"{self.folder / name}.png was not written")
        print(self.folder / f"{name}.png")

    def train(self, epochs_shown: int) -> None:
        """Open the example, train, and wait until some epochs have been shown."""
        session = self.window.session
        session.open_example(train=True)
        if not self.wait(TRAINING_SECONDS, lambda: self.epoch() >= epochs_shown):
            raise RuntimeError("the training did not get on")

    def epoch(self) -> int:
        """Return the last epoch of the current run."""
        run = self.window.session.current_run
        return run.epoch if run else 0

    def finish(self) -> None:
        """Wait until the training has ended and every analysis is up to date."""
        runs = self.window.session.runs
        self.wait(TRAINING_SECONDS, lambda: not any(run.state.active for run in runs.values()))


def pictures(folder: Path) -> None:
    """Take all pictures."""
    driver = Driver(folder)
    driver.train(epochs_shown=3)
    driver.window.session.set_coloring(kind="atomic_energy")
    driver.window.set_theme("light")
    driver.shoot("training-light")
    driver.finish()
    driver.shoot("window-light")
    driver.window.set_theme("dark")
    driver.shoot("window-dark")
    driver.resize(SMALL)
    driver.shoot("window-small-dark")
    driver.window.set_theme("light")
    driver.shoot("window-small-light")
    driver.window.close()


def main() -> int:
    """Start a virtual screen and take the pictures into the folder given, docs/images by default."""
    from pyvirtualdisplay.display import Display

    default = Path(__file__).resolve().parent / "images"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, Display(visible=False, size=LARGE, use_xauth=False):
        os.environ["EATLAS_HOME"] = home
        os.environ.pop("WAYLAND_DISPLAY", None)
        pictures(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
