"""What breaks the crystal's order: surfaces and vacancies."""

from __future__ import annotations

import math

import numpy as np
from ase import Atoms

from nnpcore.errors import AnalysisError
from nnpcore.mapping.surface import surface_energy
from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked, spread_of
from nnpcore.properties.crystal import Crystal, supercell, symmetry_of
from nnpcore.properties.values import Found, Value

Face = tuple[int, int, int]
FACES: dict[str, tuple[tuple[str, Face], ...]] = {
    "cubic": (("100", (1, 0, 0)), ("110", (1, 1, 0)), ("111", (1, 1, 1))),
    "hexagonal": (("0001", (0, 0, 1)), ("10-10", (1, 0, 0)), ("11-20", (1, 1, 0))),
}
"""Crystal family -> names and Miller indices, in the conventional cell, of the surfaces studied."""
FACES["trigonal"] = FACES["hexagonal"]
_OTHERS: tuple[tuple[str, Face], ...] = (("100", (1, 0, 0)), ("010", (0, 1, 0)), ("001", (0, 0, 1)))

_FLAT = 0.05  # Å: planes closer to each other are one
_RATTLE = 0.03  # Å: the atoms around a vacancy may rest on a saddle
_DRAWN = 0.2  # share of the way that its neighbors are drawn in
_SHELL = 1.2  # times the shortest distance: neighbors


def surface_energies(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Energies of the low surfaces: cut where it costs least, relaxed, not reconstructed.

    The mean of both faces of a slab of whole formula units. Members' energies are those of the mean's
    structures.
    """
    n = len(crystal.atoms)
    bulk = asked.energies([crystal.atoms], Progress(within=progress))[:, 0] / n
    faces = FACES.get(crystal.family, _OTHERS)
    values = []
    for (name, face), part in zip(faces, progress.split(len(faces)), strict=True):
        key, title = f"surface_{name.replace('-', 'm')}", f"Surface ({name})"
        try:
            slab = asked.relaxed(_cheapest_slab(asked, crystal.atoms, face, part), part)
            energies = asked.energies([slab], Progress(within=progress))[:, 0]
            area = float(np.linalg.norm(np.cross(slab.cell.array[0], slab.cell.array[1])))
            found = surface_energy(energies, len(slab), bulk, area)
            spread = found.std_j_per_m2 if len(energies) > 1 else None
            values.append(Value(key, title, "J/m²", found.j_per_m2, spread))
        except AnalysisError as error:  # the other surfaces may do
            values.append(Value(key, title, "J/m²", None, why=error.what))
    notes = () if crystal.is_element else ("surface energies are means of both faces of a slab",)
    return Found(tuple(values), notes=notes)


def _cheapest_slab(asked: Asked, atoms: Atoms, face: Face, progress: Progress) -> Atoms:
    """Return the slab, as cut, whose place of the cut costs least."""
    settings = asked.settings
    slabs = [slab_of(atoms, face, cut, settings.slab_thickness, settings.vacuum) for cut in cuts(atoms, face)]
    energies = asked.energies(slabs, Progress(within=progress)).mean(axis=0)
    return slabs[int(energies.argmin())]


def cuts(atoms: Atoms, face: Face) -> list[float]:
    """Return the places between planes of atoms, in units of the spacing of the lattice planes, in [0, 1)."""
    heights = np.sort(atoms.get_scaled_positions() @ np.array(face) % 1.0)
    spacing = _spacing(atoms, face)
    gaps = np.diff(np.append(heights, heights[0] + 1.0))
    return [
        float((h + 0.5 * gap) % 1.0) for h, gap in zip(heights, gaps, strict=True) if gap * spacing > _FLAT
    ]


def _spacing(atoms: Atoms, face: Face) -> float:
    """Distance of the lattice planes of a face, Å."""
    return 1.0 / float(np.linalg.norm(np.array(face) @ atoms.cell.reciprocal().array))


def slab_of(atoms: Atoms, face: Face, cut: float, thickness: float, vacuum: float) -> Atoms:
    """Return a slab with its normal along z, cut at a place of :func:`cuts`, in a cell with a vacuum.

    Parameters
    ----------
    thickness : Å, at least; vacuum : Å between the faces through the vacuum.
    """
    from ase.build import surface

    moved = atoms.copy()
    normal = np.array(face, dtype=np.float64)
    moved.set_scaled_positions((atoms.get_scaled_positions() - cut * normal / (normal @ normal)) % 1.0)
    layers = max(1, math.ceil(thickness / _spacing(atoms, face) - 1e-6))
    slab = surface(moved, face, layers, vacuum=None)
    slab.center(vacuum=0.5 * vacuum, axis=2)
    slab.pbc = True
    return slab


def vacancy(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Formation energy E(N-1) - (N-1)/N E(N) of a vacancy at constant volume, of every kind of site.

    Relaxed from where the atoms stand and with the neighbors drawn into the hole: the lower one counts.

    Raises
    ------
    AnalysisError : a compound, whose vacancies depend on chemical potentials.
    """
    if not crystal.is_element:
        raise AnalysisError(
            "in a compound it depends on chemical potentials, which a model alone does not tell",
            fix="Study crystals of one element",
        )
    whole = crystal.atoms.repeat(supercell(crystal.atoms, asked.settings.cell_length))
    n = len(whole)
    if n < 4:
        raise AnalysisError("the supercell is too small for a vacancy", fix="Give a longer cell length")
    sites = _kinds_of_sites(crystal.atoms)
    full = asked.energies([whole], Progress(within=progress))[:, 0]
    values: list[Value] = []
    notes: list[str] = []
    for k, (site, part) in enumerate(zip(sites, progress.split(len(sites)), strict=True)):
        rested = _rested_vacancies(asked, whole, site, notes, part)
        energies = asked.energies(rested, Progress(within=progress))
        formation = energies[:, int(energies.mean(axis=0).argmin())] - (n - 1) / n * full
        name, title = "vacancy", "Vacancy"
        if len(sites) > 1:
            name, title = f"vacancy_{k + 1}", f"Vacancy, site {k + 1}"
        values.append(Value(name, title, "eV", float(formation.mean()), spread_of(formation)))
    return Found(tuple(values), notes=tuple(notes))


def _rested_vacancies(
    asked: Asked, whole: Atoms, site: int, notes: list[str], progress: Progress
) -> list[Atoms]:
    """Relax from both starts; one that does not come to rest is noted, and an error where neither does."""
    rested, errors = [], []
    for drawn, part in zip((0.0, _DRAWN), progress.split(2), strict=True):
        try:
            rested.append(asked.relaxed(with_vacancy(whole, site, drawn), part, rattle=_RATTLE))
        except AnalysisError as error:
            errors.append(error)
    if not rested:
        raise errors[0]
    notes += [f"vacancy, one of its two starts was left out: {error.what}" for error in errors]
    return rested


def with_vacancy(atoms: Atoms, site: int, drawn: float) -> Atoms:
    """Return a copy without an atom, its neighbors drawn towards its place by a share of their distance."""
    holed = atoms.copy()
    vectors = atoms.get_distances(site, range(len(atoms)), mic=True, vector=True)
    lengths = np.linalg.norm(vectors, axis=1)
    near = (lengths > 0) & (lengths < _SHELL * lengths[lengths > 0].min())
    holed.positions[near] -= drawn * vectors[near]
    del holed[site]
    return holed


def _kinds_of_sites(atoms: Atoms) -> list[int]:
    """Return one atom of every kind that symmetry tells apart."""
    return sorted(set(np.asarray(symmetry_of(atoms, 1e-2).equivalent_atoms).tolist()))
