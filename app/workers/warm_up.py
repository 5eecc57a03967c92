"""Loads what the first training and its pictures need, in the background, once the window is up."""

from __future__ import annotations

from importlib import import_module

from nnpcore.progress import Progress

MODULES = (
    "numba",
    "nnpcore.descriptors.kernels",
    "scipy.linalg",
    "scipy.spatial",
    "nnpcore.training.trainer",
    "nnpcore.mapping",
)
"""All that a training on the CPU needs; torch is loaded only where a training asks for it."""


def warm_up(progress: Progress) -> bool:
    """Import the heavy modules one by one; return whether all kernels are compiled."""
    from app.look import colormaps
    from nnpcore.training.compiling import compiled

    for name in (colormaps.SEQUENTIAL, colormaps.DIVERGING):
        colormaps.table(name)
    for number, module in enumerate(MODULES):
        progress.report(number / len(MODULES), module)
        import_module(module)
    return compiled()
