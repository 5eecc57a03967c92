"""New training sets and new invariant points: what to build, what to compute with, where to keep it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.workers.foreign import CalculatorChoice, ProcessCalculator, close
from nnpcore.errors import AnalysisError, DataError, SettingsError
from nnpcore.progress import Progress
from nnpcore.structures import Dataset, parse_path, read_dataset, write_frames

if TYPE_CHECKING:
    from ase import Atoms

    from nnpcore.reference import SamplerSettings
    from nnpcore.structures.frame import Frame

StartKind = Literal["frame", "file", "crystal", "slab", "cluster"]
MAX_ATOMS = 20_000
_RELAXED, _FMAX, _RELAX_STEPS = 0.2, 0.02, 1000
_TIMED_CALLS = 5


@dataclass(frozen=True)
class Start:
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


@dataclass(frozen=True)
class SamplingOrder:
    """All that a new training set needs; ``path`` is where it is kept, "" for a free name in ``folder``."""

    start: Start
    calculator: CalculatorChoice
    settings: SamplerSettings
    relax_first: bool
    folder: Path
    path: str = ""


@dataclass(frozen=True)
class Preview:
    """What is about to be made; ``step_seconds`` is measured, None where it cannot be without a start."""

    formula: str
    n_atoms: int
    periodic: tuple[bool, bool, bool]
    step_seconds: float | None


# structures -------------------------------------------------------------------------------------------
def build(start: Start, calculator: Any = None, progress: Progress | None = None) -> Atoms:
    """Return the structure; SettingsError or DataError, ``where`` naming the field, where there is none."""
    if start.kind == "frame":
        if start.frame is None:
            raise SettingsError("no structure is shown", where="start", fix="Open one, or choose a builder")
        return _bare(start.frame)
    if start.kind == "file":
        return _bare(first_frame(start.path))
    atoms = _built(start, _constant(start, calculator, progress))
    if len(atoms) > MAX_ATOMS:
        text = f"{len(atoms)} atoms are more than {MAX_ATOMS}"
        raise SettingsError(text, where="repeat", fix="Take a smaller structure")
    return atoms


def first_frame(path: str) -> Frame:
    """Return the first frame of a file (or of its slice); DataError where there is none."""
    if not path:
        raise SettingsError("no file is given", where="file", fix="Choose one")
    try:
        return read_dataset(path if parse_path(path).part != slice(None) else f"{path}@0").frames[0]
    except DataError as error:
        raise SettingsError(error.what, where="file", fix=error.fix) from None


def _bare(frame: Frame) -> Atoms:
    from ase import Atoms

    return Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


def _constant(start: Start, calculator: Any, progress: Progress | None) -> float | None:
    """Lattice constant: the one given, else the calculator's, else None."""
    if start.constant > 0:
        return start.constant
    if calculator is None or start.element not in _elements(calculator):
        return None
    from nnpcore.reference import equilibrium_lattice

    return equilibrium_lattice(start.element, _lattice_of(start), calculator, progress)


def _elements(calculator: Any) -> tuple[str, ...]:
    if isinstance(calculator, ProcessCalculator):
        return calculator.model.elements
    return (calculator.element,)


def _lattice_of(start: Start) -> str:
    if start.kind == "crystal":
        return start.lattice
    from nnpcore.reference.clusters import DIAMOND_LATTICES

    return "diamond" if start.kind == "slab" or start.element in DIAMOND_LATTICES else "fcc"


def _built(start: Start, constant: float | None) -> Atoms:
    if start.kind == "crystal":
        from nnpcore.reference import crystal

        return crystal(start.element, start.lattice, constant or _usual(start)).repeat(start.repeat)
    from nnpcore.reference.builders import slab, wulff_cluster

    if start.kind == "cluster":
        return wulff_cluster(start.element, start.n_atoms, lattice=constant)
    return slab(
        start.surface, element=start.element, lattice=constant, n_layers=start.n_layers,
        repeat=start.repeat[:2], vacuum=start.vacuum,
    )  # fmt: skip


def _usual(start: Start) -> float:
    """A lattice constant (Å) of touching atoms, for a first look."""
    from ase.data import atomic_numbers, covalent_radii

    from nnpcore.reference import LATTICES

    number = atomic_numbers.get(start.element)
    if not number:
        what = f"there is no element {start.element!r}"
        raise SettingsError(what, where="element", fix="Give a symbol such as Si")
    return 2.0 * float(covalent_radii[number]) / LATTICES[start.lattice][1]


# looking ahead ----------------------------------------------------------------------------------------
def preview(start: Start, calculator: CalculatorChoice, npt: bool, progress: Progress) -> Preview:
    """Build the structure and measure one step where that is quick; the errors are those of the fields."""
    if start.kind == "crystal" and _n_cells(start) * 8 > 2 * MAX_ATOMS:
        raise SettingsError("the crystal is too large", where="repeat", fix="Repeat it less often")
    engine: Any = calculator.open() if calculator.reference else None
    atoms = build(start, engine, progress)
    check_ensemble(atoms, npt)
    progress.check()
    if engine is not None:
        check_elements(atoms, engine.element, calculator.reference)
    seconds = None if engine is None or len(atoms) > 5000 else _step_seconds(atoms, engine)
    periodic = tuple(bool(p) for p in atoms.pbc)
    return Preview(atoms.get_chemical_formula(), len(atoms), periodic, seconds)  # type: ignore[arg-type]


def _n_cells(start: Start) -> int:
    a, b, c = start.repeat
    return a * b * c


def _step_seconds(atoms: Atoms, engine: Any) -> float:
    """Seconds of one step with a reference potential, at best."""
    from nnpcore.structures.frame import Frame

    frame = Frame.from_atoms(atoms)
    engine.evaluate(frame)
    times = []
    for _ in range(_TIMED_CALLS):
        started = time.perf_counter()
        engine.evaluate(frame)
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


def check_elements(atoms: Atoms, element: str, name: str) -> None:
    """Raise SettingsError where a reference potential does not know the structure's elements."""
    from nnpcore.reference import REFERENCES

    others = sorted(set(atoms.get_chemical_symbols()) - {element})
    if others:
        raise SettingsError(
            f"{REFERENCES[name].title} knows {element} only, not {' and '.join(others)}",
            where="calculator",
            fix="Choose another calculator or another structure",
        )


# making -----------------------------------------------------------------------------------------------
def make_training_set(order: SamplingOrder, progress: Progress) -> Dataset:
    """Build, relax, run the dynamics, write the frames; return them as they are read again.

    Raises
    ------
    EatlasError : whatever the builders, the calculator, the sampler or the disk have against it.
    """
    from nnpcore.reference import sample
    from nnpcore.reference.builders import relax

    progress.report(0.0, "Building the structure")
    engine: Any = order.calculator.open(progress)
    try:
        atoms = build(order.start, engine, progress)
        check_ensemble(atoms, order.settings.ensemble == "npt")
        if isinstance(engine, ProcessCalculator):
            engine.learn(atoms)
        else:
            check_elements(atoms, engine.element, order.calculator.reference)
        begin = 0.0
        if order.relax_first:
            begin = _RELAXED
            part = progress.part(0.0, begin)
            atoms = relax(atoms, engine, fmax=_FMAX, max_steps=_RELAX_STEPS, strict=False, progress=part)
        frames = sample(atoms, engine, order.settings, progress.part(begin, 1.0))
    finally:
        close(engine)
    name = name_of(order.start, atoms.get_chemical_formula(), order.settings)
    return keep(frames, order.folder, order.path, name)


def name_of(start: Start, formula: str, settings: SamplerSettings) -> str:
    """Return a file's name without its ending, such as "Si64-100-nvt-300-1000K"."""
    what = f"{formula}-{start.surface}" if start.kind == "slab" else formula
    low, high = min(settings.temperatures), max(settings.temperatures)
    span = f"{low:g}K" if low == high else f"{low:g}-{high:g}K"
    return f"{what}-{settings.ensemble}-{span}"


def keep(frames: list[Frame], folder: Path, path: str, name: str) -> Dataset:
    """Write frames to ``path``, or under a free name in ``folder``, and read them again."""
    target = Path(path).expanduser() if path else free_name_in(folder, name, ".extxyz")
    write_frames(target, frames)
    return read_dataset(target)


def free_name_in(folder: Path, name: str, suffix: str) -> Path:
    """Return a file in ``folder`` that does not exist yet: the name itself, else with a number."""
    number, found = 1, folder / f"{name}{suffix}"
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}{suffix}"
    return found


def check_target(path: str, confirmed: str = "") -> None:
    """Raise SettingsError, naming the field "path", where a file must not be written there."""
    if not path:
        return
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".extxyz", ".xyz"):
        raise SettingsError(
            f"{target.name} does not end in .extxyz", where="path", fix="Name it so, or leave the field empty"
        )
    if target.exists() and path != confirmed:
        raise SettingsError(
            f"{target.name} exists already", where="path",
            fix="Give another name, or confirm it with Choose",
        )  # fmt: skip


# invariant points -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CrystalOrder:
    """Perfect crystals along their volume.

    Attributes
    ----------
    source : "builder" or "file". paths : files for the latter.
    element, lattice, n : of the builder.
    span : what ``low`` and ``high`` are: "strain" (``high`` in % to either side of the equilibrium),
        "volume" (Å³/atom) or "constant" (Å).
    calculator : may be none: crystals without energies.
    folder, path : where they are kept, as in :class:`SamplingOrder`.
    """

    source: Literal["builder", "file"]
    calculator: CalculatorChoice
    folder: Path
    paths: tuple[str, ...] = ()
    element: str = "Si"
    lattice: str = "diamond"
    span: Literal["strain", "volume", "constant"] = "strain"
    low: float = 0.0
    high: float = 5.0
    n: int = 21
    path: str = ""


def make_invariant_points(order: CrystalOrder, progress: Progress) -> Dataset:
    """Build or read crystals, label them, check that their atoms are equivalent, keep them.

    Raises
    ------
    AnalysisError : crystals that are none, with the spread of their atoms; and what :func:`sample` raises.
    """
    engine = None if order.calculator.is_none else order.calculator.open(progress)
    try:
        if order.source == "file":
            frames = _read_crystals(order, engine, progress)
        else:
            frames = _built_crystals(order, engine, progress)
    finally:
        close(engine)
    check_equivalent(frames, progress)
    return keep(frames, order.folder, order.path, _title(order))


def _title(order: CrystalOrder) -> str:
    if order.source == "builder":
        return f"{order.element}-{order.lattice}-eos"
    return f"{Path(order.paths[0].partition('@')[0]).stem.removesuffix('eos').rstrip('-_')}-eos".lstrip("-")


def _read_crystals(order: CrystalOrder, engine: Any, progress: Progress) -> list[Frame]:
    if not order.paths:
        raise SettingsError("no file is given", where="file", fix="Choose one")
    frames = [frame for path in order.paths for frame in read_dataset(path, progress=progress).frames]
    if engine is None:
        return frames
    from nnpcore.reference import label

    return label(frames, engine, progress)


def _built_crystals(order: CrystalOrder, engine: Any, progress: Progress) -> list[Frame]:
    import numpy as np

    from nnpcore.reference import crystal_scan, equilibrium_lattice

    make = partial(crystal_scan, order.element, order.lattice, progress=progress)
    if order.span == "strain" and engine is None:
        raise SettingsError(
            "without a calculator there is no equilibrium", where="span",
            fix="Give volumes or lattice constants",
        )  # fmt: skip
    volumes, constants = None, None
    if order.span == "strain":
        a = equilibrium_lattice(order.element, order.lattice, engine, progress)
        share = (1.0 + order.high / 100.0) ** (1.0 / 3.0) - 1.0
        constants = (a * (1.0 - share), a * (1.0 + share))
    elif order.low >= order.high or order.low <= 0.0:
        what = f"{order.low:g} to {order.high:g} is no range"
        raise SettingsError(what, where="low", fix="Give a low end above 0 and a high end above it")
    elif order.span == "volume":
        volumes = np.linspace(order.low, order.high, order.n)
    else:
        constants = (order.low, order.high)
    if engine is None:
        return _bare_crystals(order, volumes, constants)
    if isinstance(engine, ProcessCalculator):
        from nnpcore.reference import crystal

        engine.learn(crystal(order.element, order.lattice, _usual_of(order)))
    return make(engine, volumes=volumes, lattice_range=constants, n=order.n)


def _usual_of(order: CrystalOrder) -> float:
    return _usual(Start("crystal", element=order.element, lattice=order.lattice))


def _bare_crystals(order: CrystalOrder, volumes: Any, constants: Any) -> list[Frame]:
    """Crystals without energies."""
    import numpy as np

    from nnpcore.reference import crystal, lattice_constant
    from nnpcore.structures.frame import Frame

    if volumes is not None:
        values = [lattice_constant(order.lattice, float(v)) for v in volumes]
    else:
        values = [float(a) for a in np.linspace(constants[0], constants[1], order.n)]
    built = [crystal(order.element, order.lattice, a) for a in values]
    return [Frame.from_atoms(atoms, index=k) for k, atoms in enumerate(built)]


def check_equivalent(frames: list[Frame], progress: Progress | None = None) -> None:
    """Raise AnalysisError, with the spread of the worst, where frames are no invariant points."""
    from nnpcore.mapping.invariant import check_invariant

    found = check_invariant(frames, n_threads=1, progress=progress)
    bad = [check for check in found if not check.ok]
    if not bad:
        elements = sorted({symbol for frame in frames for symbol in _symbols(frame)})
        if len(elements) > 1:
            raise AnalysisError(
                f"the crystals are of {' and '.join(elements)}", fix="Make one set for each element"
            )
        return
    worst = max(bad, key=lambda check: check.inequivalence or 0.0)
    count = f"{len(bad)} of {len(found)} are no invariant points" if len(found) > 1 else "no invariant point"
    raise AnalysisError(
        f"{count}; the worst: {worst.message}", where=worst.frame,
        fix="Use perfect crystals of one element, periodic in all three directions",
    )  # fmt: skip


def _symbols(frame: Frame) -> set[str]:
    from ase.data import chemical_symbols

    return {chemical_symbols[n] for n in set(frame.numbers.tolist())}
