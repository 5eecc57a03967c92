"""Imports what the first training needs, in the background, once the window is up."""

from __future__ import annotations

from importlib import import_module

from nnpcore.progress import Progress

MODULES = (
    "numba",
    "nnpcore.descriptors.kernels",
    "scipy.linalg",
    "torch",
    "nnpcore.training.trainer",
    "nnpcore.mapping",
)


def warm_up(progress: Progress) -> None:
    """Import the heavy modules one by one."""
    for number, module in enumerate(MODULES):
        progress.report(number / len(MODULES), module)
        import_module(module)
