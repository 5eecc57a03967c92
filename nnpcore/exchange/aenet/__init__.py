"""aenet's networks, in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.aenet.reading import network_files, read_aenet
from nnpcore.exchange.program import Program

if TYPE_CHECKING:
    from nnpcore.potential import Potential

__all__ = ["Aenet", "read_aenet"]


class Aenet(Program):
    """Folders with a file ``Si.nn`` or ``Si.nn.ascii`` for each element."""

    name, title = "aenet", "aenet"
    about = "A network for each element, as text or Fortran's records. Read only."
    marker = "*.nn"

    def read(self, paths: Sequence[Path], units: str | None = None, epoch: int | None = None) -> Potential:
        """See :func:`read_aenet`."""
        return read_aenet(paths)

    def holds(self, path: Path) -> bool:
        """Whether this is a file of aenet, or a folder with some."""
        return bool(network_files(path))
