"""Drive the real window on silicon and write the pictures of docs/images.

``python tools/screenshots.py [FOLDER [SCENE ...]]``. Needs no display: it starts a virtual one.
Scenes are ``silicon`` (the bundled data: the first page, a training, two runs compared, the map, the cure,
dialogs), ``example`` (a page of a bundled example), ``slab`` (frames of a slab made here: bulk and surface
at two temperatures) and ``film`` (ten seconds of the first minute, for README); all of them by default.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.analyses.foretold import FORETOLD

if TYPE_CHECKING:
    from PIL import Image
    from PySide6.QtCore import QRect
    from PySide6.QtWidgets import QApplication

    from app.shell.main_window import MainWindow
    from nnpcore.training import TrainSettings

USUAL, SMALL, LARGE = (1440, 900), (1280, 800), (2560, 1440)
TRAINING_SECONDS = 240.0
SETTLE_SECONDS = 60.0
STILL_SECONDS = 1.5
BITS, FEWER_BITS = 6, 5
MAX_BYTES = 350_000
TEMPERATURES = (100, 1700)
N_FRAMES = 100


FILM_SIZE, FILM_FPS, FILM_BYTES = (960, 600), 7, 3_000_000
GRAB_SECONDS = 0.25


class Film:
    """Pictures of the window, a part after the other: as many of each as its seconds in the film take."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.pictures: list[Image.Image] = []

    def part(self, seconds: float, wait: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let the window live for some time, and keep pictures of it for ``seconds`` of film."""
        end, taken = time.monotonic() + wait, [self._grab()]
        while time.monotonic() < end and not until():
            self.driver.wait(GRAB_SECONDS)
            taken.append(self._grab())
        n = round(seconds * FILM_FPS)
        self.pictures += [taken[k * (len(taken) - 1) // max(n - 1, 1)] for k in range(n)]

    def _grab(self) -> Image.Image:
        from PIL import Image
        from PySide6.QtCore import Qt
        from PySide6.QtGui import QImage

        self.driver.close_messages_now()
        place = self.driver.window.geometry()
        area = place.x(), place.y(), place.width(), place.height()
        whole = self.driver.app.primaryScreen().grabWindow(0, *area).toImage()
        smooth = Qt.TransformationMode.SmoothTransformation
        small = whole.scaled(*FILM_SIZE, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
        small = small.convertToFormat(QImage.Format.Format_RGB888)
        return Image.frombuffer(
            "RGB", FILM_SIZE, bytes(small.constBits()), "raw", "RGB", small.bytesPerLine()
        )

    def save(self, path: Path) -> None:
        """Write a GIF with the same colours in all pictures, as many as leave it small enough."""
        from PIL import Image

        width, height = FILM_SIZE
        chosen = self.pictures[:: max(len(self.pictures) // 8, 1)]
        sheet = Image.new("RGB", (width, height * len(chosen)))
        for k, picture in enumerate(chosen):
            sheet.paste(picture, (0, k * height))
        for n_colors in (128, 96, 64, 32):
            palette = sheet.quantize(n_colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in self.pictures]
            each = round(1000 / FILM_FPS / 10) * 10
            indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=each, loop=0)
            if path.stat().st_size < FILM_BYTES:
                break
        print(path, f"{path.stat().st_size // 1000} kB", flush=True)


class Driver:
    """One window on a screen of its own, and what a user does with it."""

    def __init__(self, folder: Path) -> None:
        from app import settings as window_settings
        from app.main import SWITCH_SECONDS, make_application, make_window

        self.folder = folder
        self.app: QApplication = make_application()
        self.window: MainWindow = make_window(self.app, window_settings.load())
        self.session = self.window.session
        sys.setswitchinterval(SWITCH_SECONDS)
        self.window.setGeometry(0, 0, *USUAL)
        self.window.show()

    def resize(self, size: tuple[int, int]) -> None:
        """Put the window into the corner of the screen with this size, its panels as by default."""
        self.window.setGeometry(0, 0, *size)
        self.wait(0.3)
        self.window.reset_layout()

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let the window live for some seconds, or until something is true; return whether it is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.app.processEvents()
            time.sleep(0.005)
        return until()

    def settle(self) -> None:
        """Wait until nothing is at work behind what is shown."""
        self.wait(STILL_SECONDS)
        if not any(run.state.active for run in self.session.runs.documents.values()):
            self.wait(SETTLE_SECONDS, lambda: not self.session.tasks.tasks)
        self.wait(STILL_SECONDS)

    def shoot(self, name: str, area: QRect | None = None) -> None:
        """Write what the screen shows of the window, or of an area of the screen."""
        self.settle()
        self.close_messages()
        place = area or self.window.geometry()
        screen = self.app.primaryScreen()
        picture = screen.grabWindow(0, place.x(), place.y(), place.width(), place.height())
        path = self.folder / f"{name}.png"
        if not picture.save(str(path)):
            raise OSError(f"{path} was not written")
        shrink(path)
        print(path, f"{path.stat().st_size // 1000} kB", flush=True)

    def close_messages(self) -> None:
        """Close the messages that lie over the panels, and wait until they are gone."""
        self.close_messages_now()
        self.wait(0.3)

    def close_messages_now(self) -> None:
        """Close the messages that lie over the panels."""
        from app.shell.toasts import Toast

        for toast in self.window.findChildren(Toast):
            toast.close_toast()

    def shoot_dialog(self, name: str, kind: str, **values: object) -> None:
        """Open a dialog, fill fields in, write its picture and close it again."""
        from app.dialogs.fields import set_value

        dialog = self.window.dialogs.open(kind)
        for field, value in values.items():
            set_value(dialog.widgets[field], value)
        self.settle()
        self.shoot(name, dialog.frameGeometry())
        dialog.reject()

    def open(self, roles: dict[str, str]) -> None:
        """Open files with their roles and wait until they are there."""
        from nnpcore.structures import Role

        self.session.data.open_paths(roles, {path: Role(role) for path, role in roles.items()})
        self.wait(SETTLE_SECONDS, lambda: len(self.session.data.datasets) == len(roles))

    def only(self, name: str) -> None:
        """Train on one data set; the other trajectories are looked at only."""
        from nnpcore.structures import Role

        for key, document in self.session.data.datasets.items():
            if document.role is not Role.EOS:
                self.session.data.set_role(key, Role.TRAINING if name in document.name else Role.INSPECT)

    def train(self, settings: TrainSettings, epochs_shown: int | None = None) -> str:
        """Train and return the run's id when it has ended, or when some epochs have been shown."""
        run_id = self.session.trainings.start(settings)
        if run_id is None:
            raise RuntimeError("the training did not start")
        run = self.session.runs.documents[run_id]
        if epochs_shown is None:
            ready = self.wait(TRAINING_SECONDS, lambda: not run.state.active)
        else:
            ready = self.wait(TRAINING_SECONDS, lambda: run.epoch >= epochs_shown)
        if not ready:
            raise RuntimeError("the training did not get on")
        return run_id

    def finish(self) -> None:
        """Wait until all trainings have ended."""
        runs = self.session.runs.documents
        self.wait(TRAINING_SECONDS, lambda: not any(run.state.active for run in runs.values()))

    def front(self, *names: str) -> None:
        """Go to a workspace that has the panels, and bring them before those they share a place with."""
        from app.shell.workspaces import WORKSPACES, panel_names

        spaces = self.window.spaces
        if any(name not in panel_names(spaces.workspace) for name in names):
            spaces.choose(next(w.name for w in WORKSPACES if set(names) <= set(panel_names(w))))
        for name in names:
            spaces.show_panel(name)
            self.wait(0.2)

    def close(self) -> None:
        """Close the window and everything that runs in it."""
        self.window.confirm_close = lambda: True
        self.window.close()
        self.wait(20.0, lambda: not self.window.isVisible())


def shrink(path: Path) -> None:
    """Write a picture again with fewer shades of each colour: not seen, and a fifth smaller."""
    from PIL import Image

    with Image.open(path) as image:
        whole = image.convert("RGB")
    for bits in (BITS, FEWER_BITS):
        last = 2**bits - 1
        shades = [round(round(value / 255 * last) / last * 255) for value in range(256)]
        whole.point(shades * 3).save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            break


def silicon(folder: Path, home: Path) -> None:
    """The bundled silicon data: a training, then constant volume against constant pressure."""
    from nnpcore.training import PRESET_26, TrainSettings

    driver = Driver(folder)
    driver.window.set_theme("light")
    driver.shoot("welcome-light")
    driver.session.data.open_example()
    driver.wait(SETTLE_SECONDS, lambda: len(driver.session.data.datasets) == 3)
    usual = TrainSettings(descriptors=PRESET_26, n_members=5, epochs=12)
    driver.only("nvt")
    first = driver.train(usual, epochs_shown=3)
    driver.session.coloring.set(kind="atomic_energy")
    driver.shoot("training-light")
    driver.finish()
    driver.shoot("window-light")
    driver.window.set_theme("dark")
    driver.shoot("window-dark")
    driver.front("foretold")
    driver.session.analyses.ask(FORETOLD)
    driver.shoot("foretold-dark")
    driver.window.set_theme("light")
    driver.only("npt")
    driver.train(usual)
    driver.session.runs.set_compared(first, True)
    driver.front("eos")
    driver.shoot("compared-light")
    points = driver.window.docks["eos"].panel.list_points  # type: ignore[attr-defined]
    points.setChecked(True)
    driver.shoot("points-light")
    points.setChecked(False)
    driver.front("pca")
    driver.shoot("map-light")
    driver.session.runs.set_current(first)
    driver.front("cure")
    driver.session.cures.start()
    driver.shoot("cure-light")
    driver.shoot_dialog("training-set-light", "training_set", start="slab", temperatures="100, 1000")
    driver.shoot_dialog("export-light", "export_potential", format="n2p2", target="/home/me/silicon-n2p2")
    driver.front("eos")
    driver.resize(SMALL)
    driver.shoot("window-small-light")
    driver.close()


def example(folder: Path, home: Path) -> None:
    """A page of a bundled example, with the paper's claim beside ours."""
    driver = Driver(folder)
    driver.window.set_theme("light")
    driver.window.commands.run("file.example.fig1")
    driver.wait(SETTLE_SECONDS, lambda: len(driver.session.runs.documents) > 1)
    driver.settle()
    driver.window.guide.go(1)
    driver.shoot("example-light")
    driver.close()


def slab(folder: Path, home: Path) -> None:
    """A slab at two temperatures: bulk and surface, and what a training at each says about them."""
    from nnpcore.training import PRESET_26, TrainSettings

    driver = Driver(folder)
    driver.window.set_theme("dark")
    roles = slab_files(home)
    driver.open(roles)
    session = driver.session
    cold, hot = (f"slab-{t}K" for t in TEMPERATURES)
    session.data.show(next(key for key, d in session.data.datasets.items() if d.name.startswith(cold)), 0)
    session.regions.by_depth()
    driver.wait(SETTLE_SECONDS, lambda: bool(session.regions.sets))
    session.coloring.set(kind="region")
    usual = TrainSettings(
        descriptors=PRESET_26, n_members=4, epochs=8, baseline_ridge=1e-5
    )  # the one of the study of Fig. 2
    driver.only(cold)
    first = driver.train(usual)
    driver.only(hot)
    driver.train(usual)
    session.runs.set_compared(first, True)
    driver.front("mapping")
    driver.shoot("slab-dark")
    driver.resize(SMALL)
    driver.front("mapping")
    driver.shoot("slab-small-dark")
    driver.resize(LARGE)
    driver.front("mapping")
    driver.window.set_theme("light")
    driver.shoot("slab-large-light")
    driver.close()


def slab_files(home: Path) -> dict[str, str]:
    """Write frames of a slab at two temperatures and a crystal's volume scan; return their roles."""
    from nnpcore.reference import SamplerSettings, StillingerWeber, crystal_scan, relax, sample
    from nnpcore.reference import slab as build
    from nnpcore.structures import write_frames

    calculator = StillingerWeber()
    start = relax(build("100"), calculator)
    roles = {}
    for temperature in TEMPERATURES:
        settings = SamplerSettings((float(temperature),), n_frames=N_FRAMES)
        path = home / f"slab-{temperature}K.extxyz"
        write_frames(path, sample(start, calculator, settings))
        roles[str(path)] = "training"
    path = home / "silicon-eos.extxyz"
    write_frames(path, crystal_scan("Si", "diamond", calculator))
    return roles | {str(path): "eos"}


def film(folder: Path, home: Path) -> None:
    """Ten seconds of the first minute: the first page, the bundled data, a training, what it shows."""
    from nnpcore.training import PRESET_26, TrainSettings

    driver = Driver(folder)
    driver.window.setGeometry(0, 0, *SMALL)
    driver.window.set_theme("light")
    made = Film(driver)
    driver.wait(1.5)
    made.part(1.0, 1.0)
    driver.session.data.open_example()
    made.part(1.0, SETTLE_SECONDS, lambda: len(driver.session.data.datasets) == 3)
    driver.only("nvt")
    driver.session.coloring.set(kind="atomic_energy")
    run = driver.session.runs.documents[
        str(driver.session.trainings.start(TrainSettings(descriptors=PRESET_26, epochs=12)))
    ]
    made.part(3.5, TRAINING_SECONDS, lambda: not run.state.active)
    driver.settle()
    view = driver.window.docks["structure"].panel.view  # type: ignore[attr-defined]
    for _ in range(12):
        view.set_camera(view.camera.turned(0.13))
        made.part(1 / FILM_FPS, 0.2)
    driver.front("eos")
    driver.settle()
    made.part(1.5, 1.0)
    driver.front("pca")
    driver.settle()
    made.part(1.0, 1.0)
    made.save(folder / "first-minute.gif")
    driver.close()


SCENES = {"silicon": silicon, "example": example, "slab": slab, "film": film}


def main() -> int:
    """Start a virtual screen and take the pictures into the folder given, docs/images by default."""
    from pyvirtualdisplay.display import Display

    default = Path(__file__).resolve().parents[1] / "docs" / "images"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop("WAYLAND_DISPLAY", None)
    with Display(visible=False, size=LARGE, use_xauth=False):
        for name in sys.argv[2:] or SCENES:
            with tempfile.TemporaryDirectory() as home:
                os.environ["EATLAS_HOME"] = home
                SCENES[name](folder, Path(home))
    return 0


if __name__ == "__main__":
    sys.exit(main())
