"""Misbehaving calculators for tests: ``foreign_calculators:NAME`` in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import numpy as np
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones


class Trouble(LennardJones):
    """A Lennard-Jones potential that does something wrong when it is asked."""

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties or ["energy"], system_changes)
        self.trouble()

    def trouble(self) -> None:
        """Misbehave."""


class Raises(Trouble):
    def trouble(self) -> None:
        raise ValueError("no such\n\x1b[1mbond\x1b[0m")


class Exits(Trouble):
    def trouble(self) -> None:
        print("License expired", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)


class SystemExits(Trouble):
    def trouble(self) -> None:
        raise SystemExit("no license")


class Crashes(Trouble):
    def trouble(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Hangs(Trouble):
    def trouble(self) -> None:
        print("\x1b[32mthinking\x1b[0m", file=sys.stderr, flush=True)
        time.sleep(1000)


class Chatty(Trouble):
    def trouble(self) -> None:
        print("E =", self.results["energy"], flush=True)
        os.write(1, b"\0\1\2 raw bytes\n" * 200)
        assert sys.stdin.read() == ""


class NotANumber(Trouble):
    def trouble(self) -> None:
        self.results["forces"][1, 2] = np.nan


class WrongShape(Trouble):
    def trouble(self) -> None:
        self.results["forces"] = self.results["forces"][:-1]


class OnlyTotals(Trouble):
    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE's)

    def trouble(self) -> None:
        del self.results["energies"]


class ForgetsEnergies(Trouble):
    """It says that it has atomic energies, and has none."""

    def trouble(self) -> None:
        del self.results["energies"]


class WithoutAtoms(Trouble):
    """Its total energy holds -100 eV an atom that its atomic energies leave out, as in some codes."""

    def trouble(self) -> None:
        energies = self.results["node_energy"] = self.results.pop("energies")
        self.results["energy"] = self.results["energy"] - 100.0 * len(energies)


class DoesNotAddUp(Trouble):
    def trouble(self) -> None:
        self.results["energies"] = 0.9 * self.results["energies"]


def never_ready() -> None:
    """Hang while the calculator is made."""
    time.sleep(1000)


def nothing() -> str:
    """Return what is no calculator."""
    return "nothing"
