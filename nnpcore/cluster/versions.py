"""The versions that numbers hang on: they must be the same wherever work is done."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from nnpcore.errors import EatlasError
from nnpcore.installation import VERSION

_PACKAGES = ("numpy", "numba", "torch")


def versions() -> dict[str, str]:
    """Return the versions of this process: eatlas, python and packages, without what a build is for."""
    found = {"eatlas": VERSION, "python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            found[name] = "none"
    return found


def misfit(here: Mapping[str, str], there: Mapping[str, str], place: str) -> EatlasError | None:
    """Return what is to be said where versions differ, or None."""
    other = [name for name in here if there.get(name) != here[name]]
    if not other:
        return None
    said = ", ".join(f"{name} {there.get(name, 'none')} instead of {here[name]}" for name in other)
    return EatlasError(
        f"it has {said}",
        where=f"worker {place}",
        fix="Install the same versions there: numbers would differ, and what is sent may not be understood",
    )
