"""Where molecular dynamics begins: a structure given or built, and what is known of its dynamics before."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ase.calculators.calculator import BaseCalculator

from nnpcore.errors import DataError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference.calculators import REFERENCES, ReferenceCalculator, reference_calculator
from nnpcore.reference.clusters import wulff_cluster
from nnpcore.reference.crystals import crystal, equilibrium_lattice, touching_lattice
from nnpcore.reference.relaxing import relax
from nnpcore.reference.sampling import SamplerSettings, sample
from nnpcore.reference.slabs import DIAMOND_LATTICES, slab
from nnpcore.structures import parse_path, read_dataset
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from ase import Atoms

StartKind = Literal["frame", "file", "crystal", "slab", "cluster"]
MAX_ATOMS = 20_000
_RELAXED, _FMAX, _RELAX_STEPS = 0.2, 0.02, 1000
_MAX_TIMED_ATOMS, _TIMED_CALLS = 5000, 5


@dataclass(frozen=True)
class StartStructure:
    """Where the dynamics begins.

    Attributes
    ----------
    kind : which of the following counts.
    frame : the structure itself. path : a file; the first frame of it (or of its slice).
    element, lattice, constant, repeat : crystal; ``constant`` in Å, 0 for the calculator's equilibrium (for
        slabs and clusters, too). ``repeat`` along the three axes, for slabs the first two.
    surface, n_layers, vacuum : slab; Å. n_atoms : cluster.
    """

    kind: StartKind
    frame: Frame | None = None
    path: str = ""
    element: str = "Si"
    lattice: str = "diamond"
    constant: float = 0.0
    repeat: tuple[int, int, int] = (1, 1, 1)
    surface: str = "100"
    n_layers: int = 16
    vacuum: float = 12.0
    n_atoms: int = 239

    def build(self, calculator: BaseCalculator | None = None, progress: Progress | None = None) -> Atoms:
        """Return the structure.

        Parameters
        ----------
        calculator : one whose ``elements`` hold the element decides on the lattice constant where none is
            given.

        Raises
        ------
        SettingsError : no such structure; ``where`` names the field. Whatever the builders raise.
        """
        if self.kind == "frame":
            if self.frame is None:
                raise SettingsError(
                    "no structure is shown", where="start", fix="Open one, or choose a builder"
                )
            return _bare(self.frame)
        if self.kind == "file":
            return _bare(first_frame(self.path))
        atoms = self._built(self._constant(calculator, progress))
        if len(atoms) > MAX_ATOMS:
            text = f"{len(atoms)} atoms are more than {MAX_ATOMS}"
            raise SettingsError(text, where="repeat", fix="Take a smaller structure")
        return atoms

    def _constant(self, calculator: BaseCalculator | None, progress: Progress | None) -> float | None:
        """Lattice constant: the one given, else the calculator's, else None."""
        if self.constant > 0:
            return self.constant
        if calculator is None or self.element not in getattr(calculator, "elements", ()):
            return None
        lattice = self.lattice
        if self.kind != "crystal":
            lattice = "diamond" if self.kind == "slab" or self.element in DIAMOND_LATTICES else "fcc"
        return equilibrium_lattice(self.element, lattice, calculator, progress)

    def _built(self, constant: float | None) -> Atoms:
        if self.kind == "crystal":
            constant = constant or touching_lattice(self.element, self.lattice)
            return crystal(self.element, self.lattice, constant).repeat(self.repeat)
        if self.kind == "cluster":
            return wulff_cluster(self.element, self.n_atoms, lattice=constant)
        return slab(
            self.surface, element=self.element, lattice=constant, n_layers=self.n_layers,
            repeat=self.repeat[:2], vacuum=self.vacuum,
        )  # fmt: skip


def first_frame(path: str) -> Frame:
    """Return the first frame of a file (or of its slice); SettingsError where there is none."""
    if not path:
        raise SettingsError("no file is given", where="file", fix="Choose one")
    try:
        return read_dataset(path if parse_path(path).part != slice(None) else f"{path}@0").frames[0]
    except DataError as error:
        raise SettingsError(error.what, where="file", fix=error.fix) from None


def _bare(frame: Frame) -> Atoms:
    from ase import Atoms

    return Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


@dataclass(frozen=True)
class Preview:
    """What is about to be made; ``step_seconds`` is measured, None where it cannot be without a start."""

    formula: str
    n_atoms: int
    periodic: tuple[bool, bool, bool]
    step_seconds: float | None


def preview(start: StartStructure, reference: str, npt: bool, progress: Progress) -> Preview:
    """Build the structure and measure one step where that is quick; the errors are those of the fields.

    Parameters
    ----------
    reference : name of the reference potential, or empty for another calculator.
    npt : whether the pressure is to be constant.
    """
    a, b, c = start.repeat
    if start.kind == "crystal" and a * b * c * 8 > 2 * MAX_ATOMS:
        raise SettingsError("the crystal is too large", where="repeat", fix="Repeat it less often")
    calculator = reference_calculator(reference) if reference else None
    atoms = start.build(calculator, progress)
    check_ensemble(atoms, npt)
    progress.check()
    seconds = None
    if calculator is not None:
        check_elements(atoms, reference)
        if len(atoms) <= _MAX_TIMED_ATOMS:
            seconds = _step_seconds(atoms, calculator)
    x, y, z = (bool(p) for p in atoms.pbc)
    return Preview(atoms.get_chemical_formula(), len(atoms), (x, y, z), seconds)


def _step_seconds(atoms: Atoms, calculator: ReferenceCalculator) -> float:
    """Seconds of one step with a reference potential, at best."""
    frame = Frame.from_atoms(atoms)
    calculator.evaluate(frame)
    times = []
    for _ in range(_TIMED_CALLS):
        started = time.perf_counter()
        calculator.evaluate(frame)
        times.append(time.perf_counter() - started)
    return 2.2 * min(times) + 7e-5  # pair lists and the integration come on top


def check_ensemble(atoms: Atoms, npt: bool) -> None:
    """Raise SettingsError for constant pressure without a periodic cell."""
    if npt and not (atoms.pbc.all() and abs(atoms.cell.volume) > 1e-6):
        raise SettingsError(
            "constant pressure needs a structure that is periodic in all three directions",
            where="ensemble",
            fix="Take constant volume for slabs and clusters",
        )


def check_elements(atoms: Atoms, reference: str) -> None:
    """Raise SettingsError where a reference potential does not know the structure's elements."""
    info = REFERENCES[reference]
    others = sorted(set(atoms.get_chemical_symbols()) - set(info.elements))
    if others:
        raise SettingsError(
            f"{info.title} knows {' and '.join(info.elements)} only, not {' and '.join(others)}",
            where="calculator",
            fix="Choose another calculator or another structure",
        )


def relaxed_samples(
    atoms: Atoms, calculator: BaseCalculator, settings: SamplerSettings, relax_first: bool, progress: Progress
) -> list[Frame]:
    """Return what :func:`sample` does, from the structure relaxed as far as it will where that is wanted."""
    if relax_first:
        part, progress = progress.part(0.0, _RELAXED), progress.part(_RELAXED, 1.0)
        atoms = relax(atoms, calculator, fmax=_FMAX, max_steps=_RELAX_STEPS, strict=False, progress=part)
    return sample(atoms, calculator, settings, progress)


def name_of(start: StartStructure, formula: str, settings: SamplerSettings) -> str:
    """Return a file's name without its ending, such as "Si64-100-nvt-300-1000K"."""
    what = f"{formula}-{start.surface}" if start.kind == "slab" else formula
    low, high = min(settings.temperatures), max(settings.temperatures)
    span = f"{low:g}K" if low == high else f"{low:g}-{high:g}K"
    return f"{what}-{settings.ensemble}-{span}"
