"""Draws pictures on a thread of its own, so that a slow driver or many atoms never stall the window."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

from app.viewer3d.quick_renderer import QuickRenderer
from app.viewer3d.scene import DrawRequest
from app.viewer3d.software_renderer import SoftwareRenderer

SOFTWARE_VARIABLE = "EATLAS_SOFTWARE_VIEWER"
THREAD_NAME = "eatlas-viewer"
WAIT_SECONDS = 60.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished drawing: (height, width, 4) uint8 BGRA premultiplied, what it shows, how long it took."""

    pixels: np.ndarray
    request: DrawRequest
    seconds: float


@dataclass(eq=False)
class _Job:
    """A picture somebody waits for."""

    request: DrawRequest
    done: threading.Event = field(default_factory=threading.Event)
    picture: Picture | None = None


class Renderer(Protocol):
    """What both renderers can do."""

    name: str

    def draw(self, request: DrawRequest) -> np.ndarray:
        """Draw a request: (height, width, 4) uint8 BGRA premultiplied, top row first."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


def wants_opengl() -> bool:
    """Whether OpenGL is to be tried: it is wanted, and the display may have some."""
    if os.environ.get(SOFTWARE_VARIABLE, "0") not in ("", "0"):
        return False
    return QGuiApplication.platformName() not in ("offscreen", "minimal", "vnc", "linuxfb")


def load_driver() -> None:
    """Let Qt load the driver now, on the main thread; else the first drawer does, in the midst of more."""
    if wants_opengl():
        QOpenGLContext.supportsThreadedOpenGL()


class Drawer(QObject):
    """Takes drawing requests; a newer one replaces one not begun. Made and stopped on the main thread.

    OpenGL is tried first, unless the environment variable ``EATLAS_SOFTWARE_VIEWER`` is set; the software
    renderer takes over when there is none, or when it fails later. ``backend`` and ``description`` tell.
    """

    drawn = Signal(object)
    backend_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.backend = ""
        self.description = ""
        self._surface = self._make_surface()
        self._renderer: Renderer | None = None
        self._quick = QuickRenderer()
        self._condition = threading.Condition()
        self._pending: DrawRequest | None = None
        self._jobs: list[_Job] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._threaded = self._surface is None or QOpenGLContext.supportsThreadedOpenGL()
        _stop_at_exit(self)

    @staticmethod
    def _make_surface() -> QOffscreenSurface | None:
        """A surface for OpenGL, or None where it is not wanted or known not to be there."""
        if not wants_opengl():
            return None
        from app.viewer3d.gl_renderer import make_surface

        return make_surface()

    # asking -------------------------------------------------------------------------------------------
    def request(self, request: DrawRequest) -> None:
        """Draw this next and emit ``drawn(Picture)``; a request that still waits is dropped."""
        with self._condition:
            if self._stopping:
                return
            self._pending = request
            self._condition.notify()
        self._begin()

    def draw_now(self, request: DrawRequest) -> Picture:
        """Draw and return the picture; on any thread but the drawing one. RuntimeError if it fails."""
        job = _Job(request)
        with self._condition:
            if self._stopping:
                raise RuntimeError("the picture could not be drawn: the viewer is closed")
            self._jobs.append(job)
            self._condition.notify()
        if self._threaded:
            self._begin()
        else:
            self._serve_waiting()
        job.done.wait(WAIT_SECONDS)
        if job.picture is None:
            raise RuntimeError("the picture could not be drawn")
        return job.picture

    @property
    def busy(self) -> bool:
        """Whether a requested picture has not been begun."""
        with self._condition:
            return self._pending is not None

    def _begin(self) -> None:
        if not self._threaded:
            QTimer.singleShot(0, self, self._serve_waiting)
        elif self._thread is None and not self._stopping:
            self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the drawing thread, waiting for the picture it works on; nothing is drawn afterwards."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(WAIT_SECONDS)
            self._thread = None
        elif self._renderer is not None:
            self._close_renderer()
        for job in self._jobs:
            job.done.set()
        if self._surface is not None:
            self._surface.destroy()
            self._surface = None

    # drawing, on the drawing thread -------------------------------------------------------------------
    def _run(self) -> None:
        while True:
            with self._condition:
                while not (self._stopping or self._jobs or self._pending is not None):
                    self._condition.wait()
                if self._stopping:
                    break
            self._serve_waiting()
        self._close_renderer()

    def _serve_waiting(self) -> None:
        with self._condition:
            jobs, self._jobs = self._jobs, []
            request, self._pending = self._pending, None
        for job in jobs:
            job.picture = self._draw(job.request)
            job.done.set()
        if request is not None and not self._stopping:
            picture = self._draw(request)
            if picture is not None and not self._stopping:
                self.drawn.emit(picture)

    def _draw(self, request: DrawRequest) -> Picture | None:
        """A picture by the renderer at hand; where OpenGL fails, by software from then on."""
        renderer = self._quick if request.quick else self._renderer or self._make_renderer()
        started = time.perf_counter()
        try:
            return Picture(renderer.draw(request), request, time.perf_counter() - started)
        except Exception as error:
            _LOG.exception("drawing the structure by %s failed", renderer.name)
            if isinstance(renderer, (SoftwareRenderer, QuickRenderer)):
                return None
            self._close_renderer()
            self._use(SoftwareRenderer(), f"OpenGL failed: {error}")
            return self._draw(request)

    def _make_renderer(self) -> Renderer:
        if self._surface is None:
            return self._use(SoftwareRenderer(), "no OpenGL on this display")
        from app.viewer3d.gl_renderer import GlError, GlRenderer

        try:
            renderer = GlRenderer(self._surface)
        except GlError as error:
            return self._use(SoftwareRenderer(), str(error))
        return self._use(renderer, renderer.description)

    def _use(self, renderer: Renderer, description: str) -> Renderer:
        self._renderer, self.backend, self.description = renderer, renderer.name, description
        if not self._stopping:
            self.backend_changed.emit()
        return renderer

    def _close_renderer(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None


def _stop_at_exit(drawer: Drawer) -> None:
    """Stop it with the application or, at the latest, with the interpreter; keeps no reference."""
    weak = weakref.ref(drawer)

    def stop() -> None:
        alive = weak()
        if alive is not None:
            alive.stop()

    application = QCoreApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(stop)
    atexit.register(stop)
