"""Versions and the graphics driver, for reports."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication

import nnpcore

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
    """Return the version and renderer of the OpenGL that draws structures, or why there is none."""
    from app.viewer3d.gl_renderer import GlError, make_surface, open_context

    surface = make_surface()
    try:
        context, gl = open_context(surface)
    except GlError as error:
        return f"not available: structures are painted in software ({error})"
    driver = f"{gl.info['GL_VERSION']} · {gl.info['GL_RENDERER']}"
    gl.release()
    context.doneCurrent()
    return driver


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
