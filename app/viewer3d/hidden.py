"""Which spheres can be seen: in a dense structure nearer ones cover most, and drawing those takes the time.

The view is divided into cells of a fraction of the smallest sphere. A sphere covers the cells that lie in it
wherever in its own cell its centre is; a cell keeps the nearest centre among those that cover it. A sphere
whose front is behind what covers every cell it may touch cannot be seen. Nothing else is left out. No Qt.
"""

from __future__ import annotations

import numpy as np

from app.viewer3d.camera import Camera
from app.viewer3d.scene import Scene
from app.viewer3d.shifts import shifted

MANY = 30_000
"""Fewer spheres are drawn without asking."""

FINE = 4.0
"""Cells of the grid in a radius of the sphere that looks smallest."""

ALIKE = 1.45
"""Spheres whose apparent radii differ by less than this factor are treated alike."""

MOST_CLASSES, MOST_CELLS = 6, 4_000_000
"""Classes of spheres, and cells of the grid; beyond them nothing is found hidden."""


def seen_spheres(scene: Scene, camera: Camera, size: tuple[int, int], marks: np.ndarray) -> np.ndarray | None:
    """Return the indices of the scene's spheres that may be seen in a view of ``size``, rising; None for all.

    Those of atoms with ``marks`` (n_atoms,) are among them: their rings are larger. Takes some 30 ms for
    100,000 spheres.
    """
    if len(scene.centers) <= MANY:
        return None
    view = (scene.centers - camera.target.astype(np.float32)) @ camera.rotation.T.astype(np.float32)
    z = np.ascontiguousarray(view[:, 2])
    if camera.perspective and float(z.max() + scene.radii.max()) > 0.9 * camera.eye_distance:
        return None  # the eye is among the atoms: few of them are in view
    grows = camera.magnification(z).astype(np.float32) if camera.perspective else np.ones_like(z)
    apparent = scene.radii * grows
    least = float(apparent.min())
    kind = (np.log(apparent / least) / np.float32(np.log(ALIKE))).astype(np.int8)
    cells = FINE / least  # for each Å at the target
    half = np.array([camera.extent * size[0] / size[1], camera.extent]) * cells
    slant = np.sqrt(1 + ((half / cells) ** 2).sum() / camera.eye_distance**2) if camera.perspective else 1.0
    reaches = [int(np.ceil(FINE * ALIKE ** (k + 1) * slant * 1.02)) for k in range(int(kind.max()) + 1)]
    rim = reaches[-1]
    shape = np.ceil(2 * half).astype(int)[::-1] + 2 * rim + 2
    if len(reaches) > MOST_CLASSES or shape[0] * shape[1] > MOST_CELLS:
        return None
    scale = grows * np.float32(cells)
    column = np.floor(view[:, 0] * scale + np.float32(half[0])).astype(np.int32) + rim
    row = np.floor(view[:, 1] * scale + np.float32(half[1])).astype(np.int32) + rim
    inside = np.flatnonzero((column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0]))
    home, z, kind = row[inside] * shape[1] + column[inside], z[inside], kind[inside]
    members = [np.flatnonzero(kind == k) for k in range(len(reaches))]
    covered = np.full((shape[0], shape[1]), -np.inf, np.float32)
    for k, these in enumerate(members):
        nearest = np.full(covered.size, -np.inf, np.float32)
        np.maximum.at(nearest, home[these], z[these])
        _cover(covered, nearest.reshape(covered.shape), FINE * ALIKE**k)
    front = z + scene.radii[inside]
    seen = marks[scene.atom] != 0
    for reach, these in zip(reaches, members, strict=True):
        behind = _least_around(covered, reach).ravel()
        seen[inside[these]] |= front[these] >= behind[home[these]]
    return np.flatnonzero(seen)


def _cover(covered: np.ndarray, nearest: np.ndarray, radius: float) -> None:
    """Put into every cell the nearest centre among the spheres of a radius, in cells, that cover it."""
    steps = int(radius)
    for up in range(-steps, steps + 1):
        for along in range(-steps, steps + 1):
            if (abs(up) + 1) ** 2 + (abs(along) + 1) ** 2 <= radius**2:
                to, there = shifted(up, along)
                np.maximum(covered[to], nearest[there], out=covered[to])


def _least_around(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the least value in the square of ``reach`` cells around each; -inf where it leaves the grid."""
    for axis in (0, 1):
        rows, columns = (reach, 0) if axis == 0 else (0, reach)
        padded = np.full((values.shape[0] + 2 * rows, values.shape[1] + 2 * columns), -np.inf, values.dtype)
        padded[rows : rows + values.shape[0], columns : columns + values.shape[1]] = values
        width = 1
        while 2 * width <= 2 * reach + 1:  # least of ever more cells in a row
            padded = _least_of_two(padded, width, axis)
            width *= 2
        values = _least_of_two(padded, 2 * reach + 1 - width, axis)
    return values


def _least_of_two(values: np.ndarray, step: int, axis: int) -> np.ndarray:
    n = values.shape[axis] - step
    first, second = (slice(None, n), slice(step, step + n))
    if axis == 0:
        return np.minimum(values[first], values[second])
    return np.minimum(values[:, first], values[:, second])
