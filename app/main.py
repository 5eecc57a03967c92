"""The start of the window: ``eatlas [FILES] [--example] [--train]``."""

from __future__ import annotations

import time

_START = time.perf_counter()

import argparse  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from types import TracebackType  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from app.session.session import Session
    from app.settings import Settings
    from app.shell.main_window import MainWindow

SWITCH_SECONDS = 0.0002


def parser() -> argparse.ArgumentParser:
    """Return the parser of the window's arguments."""
    result = argparse.ArgumentParser(prog="eatlas", description="The Eatlas window.")
    result.add_argument("files", nargs="*", help="trajectories (file.xyz@::10 takes a slice) or run folders")
    result.add_argument("--example", action="store_true", help="open the bundled silicon data")
    result.add_argument("--train", action="store_true", help="start a training at once")
    result.add_argument("--info", action="store_true", help="print versions and the graphics driver")
    result.add_argument("--reset", action="store_true", help="forget settings and layout, keep runs")
    result.add_argument(
        "--exit-when-ready",
        action="store_true",
        help="print the milliseconds until usable, then end",
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window and return its exit status."""
    options = parser().parse_args(arguments)
    from app.workers.memory import hold_heaps

    hold_heaps()
    app = make_application()
    if options.info:
        from app.info import info_text

        print(info_text())
        return 0
    from app import settings

    if options.reset:
        settings.forget()
    from app.workers.garbage import GarbageCollector

    GarbageCollector(app)
    window = make_window(app, settings.load())
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    install_excepthook(window.session)
    close_on_signals(window)
    when_usable(window, lambda: begin(window, options))
    return app.exec()


def make_application() -> QApplication:
    """Return the application object, with our name and icon."""
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(sys.argv[:1])
    app.setApplicationName("eatlas")
    app.setApplicationDisplayName("Eatlas")
    app.setDesktopFileName("eatlas")
    return app


def make_window(app: QApplication, settings: Settings) -> MainWindow:
    """Return a window on a new session, not shown yet."""
    from app.look import icons, theme
    from app.look.preferred import use_look
    from app.session.session import Session
    from app.shell.main_window import MainWindow

    theme.install(app, settings.theme)
    use_look(settings)
    app.setWindowIcon(icons.application_icon())
    return MainWindow(Session(settings), settings)


def when_usable(window: MainWindow, run: Callable[[], None]) -> None:
    """Call ``run`` once the window has been painted and the event loop turns."""
    from PySide6.QtCore import QTimer

    QTimer.singleShot(0, window, lambda: QTimer.singleShot(0, window, run))


def begin(window: MainWindow, options: argparse.Namespace) -> None:
    """Do what the arguments ask for, once the window can be used; load in the background what comes next."""
    if options.exit_when_ready:
        print(f"{1000 * (time.perf_counter() - _START):.0f}", flush=True)
        window.close()
        return
    from PySide6.QtCore import QTimer

    from app.panels import load_panels
    from app.workers.garbage import leave_out_what_is_loaded
    from app.workers.warm_up import warm_up

    session = window.session
    leave_out_what_is_loaded()
    window.complete.connect(leave_out_what_is_loaded)

    def on_ready(compiled: bool) -> None:
        from nnpcore.training.compiling import TEXT, compile_kernels

        leave_out_what_is_loaded()
        if not compiled:
            session.tasks.run(TEXT, compile_kernels, _nothing)

    def on_panels(_: object) -> None:
        from app.viewer3d.drawing import load_driver

        load_driver()
        QTimer.singleShot(0, window, go_on)

    def go_on() -> None:
        leave_out_what_is_loaded()
        session.tasks.run("Getting ready", warm_up, on_ready, quiet=True)
        open_asked(window, options)

    def on_failed(error: BaseException) -> None:
        session.messages.notify_error("Not all panels can be used", error)
        on_panels(None)  # what was asked for is opened all the same

    session.tasks.run("Getting the panels", load_panels, on_panels, on_failed, quiet=True)


def open_asked(window: MainWindow, options: argparse.Namespace) -> None:
    """Open what the arguments name, or what was open last time."""
    session = window.session
    crashed = window.keeper.offer_crashed()
    if options.example:
        session.data.open_example()
    if options.files:
        window.files.open_paths([os.path.abspath(path) for path in options.files])
    asked = bool(options.example or options.files or crashed)
    if not asked and window.settings.restore_session and window.keeper.can_restore():
        window.keeper.restore_last()
    if options.train:
        session.trainings.start_when_read()


def _nothing(_: object) -> None:
    """Do nothing with a task's value."""


def install_excepthook(session: Session) -> None:
    """Show unexpected errors as notifications instead of losing the window."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if not issubclass(kind, KeyboardInterrupt):
            session.messages.notify_error("Unexpected error", error)

    sys.excepthook = hook


def close_on_signals(window: MainWindow) -> None:
    """End as if the window were closed on Ctrl+C in the terminal or a polite kill."""

    def close(_number: int, _frame: object) -> None:
        window.confirm_close = lambda: True
        window.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close)


if __name__ == "__main__":
    sys.exit(main())
