"""The core of Eatlas: symmetry functions, ensembles of neural-network potentials, atomic-energy mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnpcore.potential import Potential

__version__ = "0.2.0"
__all__ = ["Potential", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Potential":
        from nnpcore.potential import Potential

        return Potential
    raise AttributeError(f"module 'nnpcore' has no attribute {name!r}")
