"""Symmetric slabs of crystals with the diamond lattice, with or without their reconstructions.

Both faces carry the same reconstruction: the lower one is the upper one moved by a symmetry operation of the
ideal slab. The reconstructions are starting points with the right bonds; relax them with your potential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import Atoms
from ase.build import bulk, cut

from nnpcore.errors import SettingsError

SILICON_LATTICE = 5.431
"""Lattice constant of silicon in Å: experiment, and what the Stillinger-Weber potential was fitted to."""

DIAMOND_LATTICES = {"C": 3.567, "Si": SILICON_LATTICE, "Ge": 5.658}
"""Lattice constants (Å) of the elements slabs are made of, at room temperature."""

MIN_VACUUM = 6.0
"""Least distance of the two faces through the vacuum, Å: the usual range of the symmetry functions."""

_FLAT = 0.05  # Å: atoms of one layer, and positions that are the same


@dataclass(frozen=True)
class Surface:
    """Geometry of one surface.

    Attributes
    ----------
    title : name with its reconstruction.
    vectors : (3, 3) cell vectors in units of the lattice constant: two in the plane, the third normal to it.
    period : number of atomic layers along the third vector.
    min_layers : fewest layers of a slab whose faces do not overlap.
    even : whether the number of layers must be even, so that both faces have the same termination.
    """

    title: str
    vectors: tuple[tuple[float, float, float], ...]
    period: int
    min_layers: int
    even: bool = False


SURFACES = {
    "100": Surface("(100)-(2×2)", ((1, 1, 0), (-1, 1, 0), (0, 0, 1)), 4, 8),
    "110": Surface("(110)-(2×1)", ((1, -1, 0), (0, 0, 1), (1, 1, 0)), 4, 6),
    "111": Surface("(111)-(2×1)", ((0.5, -0.5, 0), (0.5, 0.5, -1), (1, 1, 1)), 6, 8, even=True),
}
"""The surfaces :func:`slab` knows: dimers in a (2×2) cell, buckled chains, Pandey's π-bonded chains."""


def slab(
    surface: str,
    *,
    element: str = "Si",
    lattice: float | None = None,
    n_layers: int = 16,
    repeat: tuple[int, int] = (1, 1),
    vacuum: float = 12.0,
    reconstructed: bool = True,
) -> Atoms:
    """Build a symmetric slab whose normal is the z axis, centred in its cell, periodic in x and y.

    Parameters
    ----------
    surface : "100", (2×2) cell of 4 atoms a layer with dimers; "110", (2×1) cell of 4 atoms a layer with
        buckled chains; "111", (2×1) cell of 2 atoms a layer with Pandey's chains (PRL 47, 1913 (1981)).
    element : an element with the diamond lattice.
    lattice : lattice constant of the crystal, Å; the usual one of the element where it is None.
    n_layers : number of atomic layers; even for (111), which is cut between its double layers.
    repeat : repetitions of the surface cell along x and y.
    vacuum : distance between the two faces through the vacuum, Å.
    reconstructed : False leaves the ideal, cleaved surface.

    Raises
    ------
    SettingsError : for an unknown surface or element, too few layers, no vacuum, or a wrong lattice constant.
    """
    geometry = _checked_surface(surface)
    constant = checked_lattice(element, _usual_lattice(element), lattice)
    _check_layers(geometry, n_layers)
    _check_size(repeat, vacuum)
    atoms = _ideal(geometry, element, constant, n_layers)
    if reconstructed:
        moves = _RECONSTRUCTIONS[surface](atoms, constant)
        atoms.positions += moves + _on_the_other_face(atoms, moves)
    atoms = atoms.repeat((*repeat, 1))
    atoms.cell[2, 2] = float(np.ptp(atoms.positions[:, 2])) + vacuum
    atoms.pbc = (True, True, False)
    atoms.wrap()
    atoms.center(axis=2)
    return atoms


def faces_equivalent(atoms: Atoms, tolerance: float = _FLAT) -> bool:
    """Whether an operation that turns z into -z maps the slab onto itself, so that its faces are the same.

    ``tolerance`` in Å. Only operations that also keep the axes of the cell, or exchange two equal ones, are
    tried: those of the slabs made here.
    """
    return any(True for _ in _face_operations(atoms, tolerance))


# checks -----------------------------------------------------------------------------------------------
def _checked_surface(surface: str) -> Surface:
    if surface not in SURFACES:
        raise SettingsError(f"there is no builder for the surface {surface!r}", where="surface",
                            fix=f"Use one of {', '.join(SURFACES)}")  # fmt: skip
    return SURFACES[surface]


def _usual_lattice(element: str) -> float:
    if element not in DIAMOND_LATTICES:
        raise SettingsError(
            f"{element} does not crystallise in the diamond lattice, which these slabs are cut from",
            where="element",
            fix=f"Use one of {', '.join(DIAMOND_LATTICES)}, or open a file with your slab",
        )
    return DIAMOND_LATTICES[element]


def checked_lattice(element: str, usual: float, lattice: float | None) -> float:
    """Return the lattice constant, Å, the usual one by default; SettingsError where it is far from that."""
    value = usual if lattice is None else lattice
    if not 0.8 * usual <= value <= 1.2 * usual:
        raise SettingsError(
            f"{value:g} Å is far from the lattice constant of {element}, {usual:g} Å",
            where="lattice",
            fix="Give the edge of the cubic cell in Å",
        )
    return float(value)


def _check_layers(geometry: Surface, n_layers: int) -> None:
    if n_layers < geometry.min_layers:
        raise SettingsError(
            f"{n_layers} layers are too few: the faces of a {geometry.title} slab would touch each other",
            where="n_layers",
            fix=f"Use {geometry.min_layers} layers or more",
        )
    if geometry.even and n_layers % 2:
        raise SettingsError(
            f"a {geometry.title} slab of {n_layers} layers has two different faces",
            where="n_layers",
            fix=f"Use {n_layers - 1} or {n_layers + 1} layers",
        )


def _check_size(repeat: tuple[int, int], vacuum: float) -> None:
    if len(repeat) != 2 or min(repeat) < 1:
        raise SettingsError(f"{repeat!r} are no repetitions", where="repeat", fix="Use two numbers from 1")
    if not vacuum >= MIN_VACUUM:
        raise SettingsError(
            f"with {vacuum:g} Å of vacuum the slab is no slab: its faces see each other's images",
            where="vacuum",
            fix=f"Use {MIN_VACUUM:g} Å or more",
        )


# the ideal slab ---------------------------------------------------------------------------------------
def _ideal(geometry: Surface, element: str, lattice: float, n_layers: int) -> Atoms:
    """A cleaved slab with axes along x, y, z, sorted by height; its third cell vector is not yet set."""
    crystal = bulk(element, "diamond", a=lattice, cubic=True)
    a, b, c = geometry.vectors
    n_repeat = -(-n_layers // geometry.period) + 1
    atoms = cut(crystal, a=a, b=b, c=c, origo=(0.01, 0.02, 0.03))
    lengths = atoms.cell.lengths()
    fractions = atoms.get_scaled_positions()
    atoms = Atoms(element * len(atoms), positions=fractions * lengths, cell=lengths, pbc=True)
    atoms = atoms.repeat((1, 1, n_repeat))
    order = np.lexsort((atoms.positions[:, 0], atoms.positions[:, 1], np.round(atoms.positions[:, 2], 3)))
    atoms = atoms[order]
    per_layer = len(atoms) // (geometry.period * n_repeat)
    heights = atoms.positions[::per_layer, 2]
    first = 1 if geometry.even and heights[1] - heights[0] > heights[2] - heights[1] else 0
    atoms = atoms[first * per_layer : (first + n_layers) * per_layer]
    atoms.pbc = (True, True, False)
    return atoms


def _face_operations(atoms: Atoms, tolerance: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Operations r -> (r - centre) W + centre + t of the slab onto itself with z -> -z: W and image indices.

    ``image[i]`` is the atom that atom i is moved onto. Inversion comes first.
    """
    lengths = atoms.cell.lengths()[:2]
    low, high = atoms.positions[:, 2].min(), atoms.positions[:, 2].max()
    turned = atoms.positions - [0.0, 0.0, (low + high) / 2]
    swaps = (np.eye(2), np.eye(2)[::-1]) if abs(lengths[0] - lengths[1]) < tolerance else (np.eye(2),)
    start = int(turned[:, 2].argmax())
    lowest = np.flatnonzero(turned[:, 2] < turned[:, 2].min() + tolerance)
    for swap, signs in product(swaps, ((-1, -1), (1, 1), (1, -1), (-1, 1))):
        w = np.diag([0.0, 0.0, -1.0])
        w[:2, :2] = swap * np.array(signs)
        image = turned @ w
        for target in lowest:
            shift = turned[target, :2] - image[start, :2]
            moved = image + np.append(shift, 0.0)
            found = _matched(moved, turned, lengths, tolerance)
            if found is not None:
                yield w, found


def _matched(
    points: np.ndarray, others: np.ndarray, lengths: np.ndarray, tolerance: float
) -> np.ndarray | None:
    """Index of the other point at each point's place (periodic in x and y), or None where one is missing."""
    difference = points[:, None] - others[None]
    difference[..., :2] -= lengths * np.round(difference[..., :2] / lengths)
    distance = np.linalg.norm(difference, axis=2)
    nearest = distance.argmin(axis=1)
    close = distance[np.arange(len(points)), nearest].max() < tolerance
    return nearest if close and len(set(nearest.tolist())) == len(nearest) else None


def _on_the_other_face(atoms: Atoms, moves: np.ndarray) -> np.ndarray:
    """The displacements (n, 3) of the upper face carried over to the lower one."""
    w, image = next(_face_operations(atoms, _FLAT))
    carried = np.zeros_like(moves)
    carried[image] = moves @ w
    return carried


# reconstructions: displacements of the atoms of the upper face -----------------------------------------
def _layer(atoms: Atoms, depth: int) -> np.ndarray:
    """Indices of the atoms of the layer ``depth`` below the top one."""
    heights = np.unique(np.round(atoms.positions[:, 2], 2))
    return np.flatnonzero(np.abs(atoms.positions[:, 2] - heights[-1 - depth]) < _FLAT)


def _dimers(atoms: Atoms, lattice: float) -> np.ndarray:
    """Rows of dimers, 2.40 Å long in silicon, slightly buckled in turns: the (2×2) pattern."""
    top, below = _layer(atoms, 0), _layer(atoms, 1)
    step = lattice / np.sqrt(2.0)
    axis = 1 - _bond_axis(atoms, top[0], below)
    moves = np.zeros_like(atoms.positions)
    along = np.round(_from_first(atoms, top)[:, axis] / step).astype(int) % 2
    across = np.round(_from_first(atoms, top)[:, 1 - axis] / step).astype(int) % 2
    moves[top, axis] = np.where(along == 0, 1.0, -1.0) * (step - 0.4419 * lattice) / 2
    buckle = np.where((along + across) % 2 == 0, 1.0, -1.0)
    moves[top, 2] = -0.05 * lattice + 0.02 * lattice * buckle
    return moves


def _bond_axis(atoms: Atoms, atom: int, below: np.ndarray) -> int:
    """The in-plane axis (0 or 1) along which a surface atom's bonds to the layer below spread."""
    vectors = atoms.positions[below] - atoms.positions[atom]
    lengths = atoms.cell.lengths()[:2]
    vectors[:, :2] -= lengths * np.round(vectors[:, :2] / lengths)
    nearest = vectors[np.linalg.norm(vectors, axis=1).argmin()]
    return int(np.abs(nearest[:2]).argmax())


def _from_first(atoms: Atoms, chosen: np.ndarray) -> np.ndarray:
    return atoms.positions[chosen] - atoms.positions[chosen[0]]


def _buckled_chains(atoms: Atoms, lattice: float) -> np.ndarray:
    """Zigzag chains whose neighbors are raised and lowered, the second period along the chain opposite."""
    top = _layer(atoms, 0)
    step = lattice / np.sqrt(8.0)
    place = np.round(_from_first(atoms, top)[:, 0] / step).astype(int) % 4
    moves = np.zeros_like(atoms.positions)
    moves[top, 2] = np.choose(place, [1.0, -1.0, -1.0, 1.0]) * 0.02 * lattice
    return moves


def _pandey_chains(atoms: Atoms, lattice: float) -> np.ndarray:
    """Pandey's π-bonded chains: the upper double layer becomes two zigzag chains above each other.

    Half of the uppermost atoms sink and bond to the third layer in the place of half of the second layer's
    atoms, which rise into the surface chain; rings of six become rings of five and seven.
    """
    upper, lower, third = (_layer(atoms, depth) for depth in range(3))
    bond = np.sqrt(3.0) / 4.0 * lattice
    half = lattice / np.sqrt(8.0)
    width = atoms.cell.lengths()[1]
    anchor = int(third[0])
    lean = np.sqrt(bond**2 - half**2)  # of a bond of a zigzag chain, across the chain
    start = (width / 2 - lean) / 2
    rise = np.sqrt(bond**2 - start**2)
    step = (width / 2 - lean) / 2 + lean / 2  # from the lower chain to the upper one, across
    top = rise + np.sqrt(bond**2 - min(step, 0.9 * bond) ** 2)
    side = _side(atoms, anchor, lower, upper)
    targets = {  # by layer and phase along the chain: offset across, height above the third layer
        (1, 0): (side * start, rise),
        (0, 1): (side * (width / 2 - start), rise),
        (0, 0): (side * (start - step), top),
        (1, 1): (side * (width / 2 - start + step), top),
    }
    moves = np.zeros_like(atoms.positions)
    for number, layer in enumerate((upper, lower)):
        for atom in layer:
            offset = atoms.positions[atom] - atoms.positions[anchor]
            phase = round(float(offset[0]) / half) % 2
            across, height = targets[number, phase]
            shift = across - offset[1]
            moves[atom] = (0.0, shift - width * np.round(shift / width), height - offset[2])
    return moves


def _side(atoms: Atoms, anchor: int, lower: np.ndarray, upper: np.ndarray) -> float:
    """Sign of the direction across the chains from a second-layer atom to the pair of its top neighbors."""
    half_width = atoms.cell.lengths()[1] / 2
    above = lower[
        np.abs(np.round((atoms.positions[lower, 0] - atoms.positions[anchor, 0]) / half_width)) % 2 == 0
    ]
    x_of = atoms.positions[above[0], 0]
    apart = np.abs(atoms.positions[upper, 0] - x_of) > 0.5
    offset = float((atoms.positions[upper[apart]] - atoms.positions[above[0]])[0, 1])
    offset -= 2 * half_width * np.round(offset / (2 * half_width))
    return float(np.sign(offset))


_RECONSTRUCTIONS = {"100": _dimers, "110": _buckled_chains, "111": _pandey_chains}
