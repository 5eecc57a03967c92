"""Versions and the graphics driver, for reports."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

import nnpcore

GL_RENDERER, GL_VERSION = 0x1F01, 0x1F02
PACKAGES = ("numpy", "torch", "numba", "scipy", "scikit-learn", "ase", "pyqtgraph", "matplotlib")


def info_text() -> str:
    """Return one line per component; needs a QGuiApplication."""
    lines = [
        f"Eatlas {nnpcore.__version__}",
        f"Python {platform.python_version()} ({sys.platform}, {platform.machine()})",
        f"Qt {qVersion()} ({QGuiApplication.platformName()})",
        f"OpenGL {gl_driver()}",
    ]
    return "\n".join(lines + [f"{name} {_version(name)}" for name in PACKAGES])


def gl_driver() -> str:
    """Return the OpenGL version and renderer, or why there is none."""
    context = QOpenGLContext()
    surface = QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return "not available: structures are painted in software"
    from app.viewer3d.gl_api import Gl, GlError

    try:
        gl = Gl(context)
        return f"{gl.text(GL_VERSION)} · {gl.text(GL_RENDERER)}"
    except GlError as error:
        return f"too old, structures are painted in software: {error}"
    finally:
        context.doneCurrent()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
