"""The programs that potentials go to and come from; a new one is a folder and a line here."""

from __future__ import annotations

from nnpcore.errors import SettingsError
from nnpcore.exchange.aenet import Aenet
from nnpcore.exchange.n2p2 import N2p2
from nnpcore.exchange.own_format import OwnFormat
from nnpcore.exchange.program import Program
from nnpcore.exchange.simple_nn import SimpleNN
from nnpcore.exchange.torchscript import TorchScript

OWN = OwnFormat()
PROGRAMS: tuple[Program, ...] = (N2p2(), SimpleNN(), TorchScript(), OWN)
"""Those that are written."""

READ: tuple[Program, ...] = (*(program for program in PROGRAMS if program.reads), Aenet())


def program_named(name: str, among: tuple[Program, ...] = PROGRAMS) -> Program:
    """Return the program of this name; SettingsError for one that is not ``among`` them."""
    for program in among:
        if program.name == name:
            return program
    fix = f"Use {', '.join(program.name for program in among)}"
    raise SettingsError(f"there is no format {name!r}", where="format", fix=fix)
