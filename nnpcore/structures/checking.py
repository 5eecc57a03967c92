"""What makes a frame unfit for use, in a chemist's words."""

from __future__ import annotations

import numpy as np
from ase.geometry import complete_cell

from nnpcore.structures.frame import Frame

MIN_DISTANCE = 0.1
"""Å; two atoms closer than this sit on one spot."""

MAX_FORCE = 1000.0
"""eV/Å; beyond it the calculation has failed or the units are wrong."""

MAX_STRESS = 100.0
"""eV/Å³ (16 TPa)."""

MAX_ENERGY = 1.0e7
"""eV/atom; all-electron energies of the heaviest elements stay below it."""

MAX_COORDINATE = 1.0e6
"""Å."""

_MANY_ATOMS = 3000  # from here on importing scipy pays
_DIRECTION = np.array([0.5377, 0.6418, 0.5468])  # in no lattice plane: spreads the layers of a crystal


def check_frame(frame: Frame) -> list[str]:
    """Say what is wrong with a frame; an empty list means that it is fit for use.

    Frames without energy, forces or stress are fine. Checked: atoms there at all, known elements, shapes,
    finite and sensible positions, cell, energy, forces and stress, a cell for each periodic direction, and
    no two atoms (periodic images included) closer than 0.1 Å.
    """
    if frame.n_atoms == 0:
        return ["it has no atoms"]
    problems = _check_numbers(frame)
    geometry = _check_positions(frame) + _check_cell(frame)
    problems += geometry + _check_labels(frame)
    if not geometry:
        pair = closest_pair(frame)
        if pair is not None:
            problems.append(_describe_pair(*pair))
    return problems


def _check_numbers(frame: Frame) -> list[str]:
    bad = np.flatnonzero((frame.numbers < 1) | (frame.numbers > 118))
    return [f"atom {bad[0]} has no element (atomic number {frame.numbers[bad[0]]})"] if len(bad) else []


def _check_positions(frame: Frame) -> list[str]:
    if frame.positions.shape != (frame.n_atoms, 3):
        return [f"positions have the shape {frame.positions.shape}, expected ({frame.n_atoms}, 3)"]
    bad = np.flatnonzero(~np.isfinite(frame.positions).all(axis=1))
    if len(bad):
        return [f"the position of atom {bad[0]} is NaN or infinite{_and_more(bad)}"]
    far = np.flatnonzero(np.abs(frame.positions).max(axis=1) > MAX_COORDINATE)
    return (
        [f"atom {far[0]} lies more than {MAX_COORDINATE:g} Å from the origin{_and_more(far)}"]
        if len(far)
        else []
    )


def _check_cell(frame: Frame) -> list[str]:
    cell, pbc = frame.cell, np.asarray(frame.pbc, dtype=bool)
    if cell.shape != (3, 3):
        return [f"the cell has the shape {cell.shape}, expected (3, 3)"]
    if not np.isfinite(cell).all():
        return ["the cell is NaN or infinite"]
    if not pbc.any():
        return []
    lengths = np.linalg.norm(cell, axis=1)
    axes = ", ".join("abc"[i] for i in np.flatnonzero(pbc & (lengths < MIN_DISTANCE)))
    if axes:
        return [f"periodic along {axes}, but there is no cell vector (pbc on, cell missing)"]
    rows = cell[pbc] / lengths[pbc, None]
    if np.sqrt(max(np.linalg.det(rows @ rows.T), 0.0)) < 1e-4:
        return ["the periodic cell has no volume (its vectors lie in one plane or line)"]
    return []


def _check_labels(frame: Frame) -> list[str]:
    problems = []
    energy, forces, stress, n_atoms = frame.energy, frame.forces, frame.stress, frame.n_atoms
    if energy is not None and not np.isfinite(energy):
        problems.append("its energy is NaN or infinite")
    elif energy is not None and abs(energy) > MAX_ENERGY * n_atoms:
        problems.append(f"its energy of {energy / n_atoms:.3g} eV/atom is absurd (units eV?)")
    if forces is not None:
        problems += _check_forces(forces, n_atoms)
    if stress is not None and (stress.shape != (3, 3) or not np.isfinite(stress).all()):
        problems.append("its stress is NaN, infinite or not 3 × 3")
    elif stress is not None and np.abs(stress).max() > MAX_STRESS:
        problems.append(f"its stress of {np.abs(stress).max():.3g} eV/Å³ is absurd (units eV/Å³?)")
    return problems


def _check_forces(forces: np.ndarray, n_atoms: int) -> list[str]:
    if forces.shape != (n_atoms, 3):
        return [f"its forces have the shape {forces.shape}, expected ({n_atoms}, 3)"]
    if forces.dtype.kind != "f":
        return ["its forces are not numbers"]
    bad = np.flatnonzero(~np.isfinite(forces).all(axis=1))
    if len(bad):
        return [f"the force on atom {bad[0]} is NaN or infinite{_and_more(bad)}"]
    worst = int(np.abs(forces).max(axis=1).argmax())
    largest = float(np.abs(forces[worst]).max())
    if largest > MAX_FORCE:
        return [f"the force of {largest:.3g} eV/Å on atom {worst} is absurd (units eV/Å?)"]
    return []


def _and_more(indices: np.ndarray) -> str:
    return f" (and of {len(indices) - 1} more)" if len(indices) > 1 else ""


def _describe_pair(i: int, j: int, distance: float) -> str:
    if i == j:
        return f"atom {i} sits on its own periodic image ({distance:.3f} Å): the cell is too short"
    return f"atoms {i} and {j} sit on one spot ({distance:.3f} Å apart)"


def closest_pair(frame: Frame, below: float = MIN_DISTANCE) -> tuple[int, int, float] | None:
    """Find the closest pair (i, j, distance in Å) nearer than ``below``, periodic images included.

    Atoms near the low faces of the cell are copied to the opposite side; all are then sorted along a
    direction that spreads crystal layers, so that only atoms next to each other in that order need comparing.
    Needs a valid cell. Large frames go to a KD-tree.
    """
    points, owner = _with_images(frame, below)
    if len(points) > _MANY_ATOMS:
        return _closest_by_tree(points, owner, below)
    along = points @ _DIRECTION
    order = np.argsort(along, kind="stable")
    points, owner, along = points[order], owner[order], along[order]
    best: tuple[int, int, float] | None = None
    for shift in range(1, len(points)):
        near = np.flatnonzero(along[shift:] - along[:-shift] < below)
        if len(near) == 0:
            break
        distances = np.linalg.norm(points[near + shift] - points[near], axis=1)
        k = int(distances.argmin())
        if distances[k] < (best[2] if best else below):
            i, j = sorted((int(owner[near[k]]), int(owner[near[k] + shift])))
            best = (i, j, float(distances[k]))
    return best


def _closest_by_tree(points: np.ndarray, owner: np.ndarray, below: float) -> tuple[int, int, float] | None:
    from scipy.spatial import KDTree

    pairs = KDTree(points).query_pairs(below, output_type="ndarray")
    if len(pairs) == 0:
        return None
    distances = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    k = int(distances.argmin())
    i, j = sorted(owner[pairs[k]].tolist())
    return i, j, float(distances[k])


def _with_images(frame: Frame, below: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms wrapped into the cell, copies of those near its low faces after them, and which atom each is."""
    owner = np.arange(frame.n_atoms)
    pbc = np.asarray(frame.pbc, dtype=bool)
    if not pbc.any():
        return frame.positions, owner
    cell = complete_cell(frame.cell * pbc[:, None])
    inverse = np.linalg.inv(cell)
    scaled = frame.positions @ inverse
    scaled[:, pbc] %= 1.0
    reach = below * np.linalg.norm(inverse, axis=0)  # `below` in units of the cell's heights
    for axis in np.flatnonzero(pbc):
        near = np.flatnonzero(scaled[:, axis] < reach[axis])
        image = scaled[near]
        image[:, axis] += 1.0
        scaled, owner = np.concatenate([scaled, image]), np.concatenate([owner, owner[near]])
    return scaled @ cell, owner
