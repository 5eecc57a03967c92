"""What is under the mouse, what is inside a lasso, and distances between picked atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from ase.geometry import find_mic

from app.viewer3d.camera import Camera
from app.viewer3d.scene import Scene
from app.widgets.lasso import inside_polygon

MAX_LASSO_CORNERS = 160


class Picker:
    """A scene as one camera sees it; keep it while neither changes, so that hovering costs little."""

    def __init__(self, scene: Scene, camera: Camera, size: tuple[int, int]) -> None:
        self.scene, self.camera, self.size = scene, camera, size
        self._view = camera.to_view(scene.centers)

    def sphere_at(self, x: float, y: float) -> int | None:
        """Index of the sphere seen at a pixel, or None."""
        origin, direction = self.camera.ray(x, y, self.size)
        return nearest_hit(origin, direction, self._view, self.scene.radii)

    def atom_at(self, x: float, y: float) -> int | None:
        """Index of the frame's atom seen at a pixel (images stand for their atom), or None."""
        sphere = self.sphere_at(x, y)
        return None if sphere is None else int(self.scene.atom[sphere])

    def atoms_inside(self, polygon: np.ndarray) -> np.ndarray:
        """Sorted atoms whose centre, or an image's, is inside a polygon (m, 2) of pixels, seen or not."""
        if len(polygon) > MAX_LASSO_CORNERS:
            polygon = polygon[np.linspace(0, len(polygon) - 1, MAX_LASSO_CORNERS).astype(int)]
        pixels = self.camera.project_view(self._view, self.size)
        return np.unique(self.scene.atom[inside_polygon(pixels[:, 0], pixels[:, 1], polygon)])


def nearest_hit(
    origin: np.ndarray, direction: np.ndarray, centers: np.ndarray, radii: np.ndarray
) -> int | None:
    """The first sphere that a ray meets, or None.

    Parameters
    ----------
    origin, direction : (3,), the direction of unit length.
    centers, radii : (n, 3) and (n,), in the ray's coordinates.
    """
    if len(centers) == 0:
        return None
    to_center = centers - origin
    along = to_center @ direction
    off2 = np.einsum("ij,ij->i", to_center, to_center) - along**2
    inside = radii.astype(np.float64) ** 2 - off2
    with np.errstate(invalid="ignore"):
        hit = np.where(inside >= 0, along - np.sqrt(inside), np.inf)
    if not (np.abs(direction[:2]) < 1e-12).all() or origin[2] != 0.0:  # perspective: nothing behind the eye
        hit = np.where(hit > 0, hit, np.inf)
    best = int(np.argmin(hit))
    return best if np.isfinite(hit[best]) else None


@dataclass(frozen=True)
class Measurement:
    """What 2 to 4 atoms measure: "Distance" in Å, "Angle" or "Dihedral" in degrees."""

    name: str
    value: float
    unit: str


def nearest_steps(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Vectors (n - 1, 3), Å, from each of the positions (n, 3) to the nearest image of the next one."""
    if len(positions) < 2:
        return np.empty((0, 3))
    each = cast(bool, pbc)  # ASE's hint forgets that it takes one per vector
    return find_mic(np.diff(np.asarray(positions, dtype=np.float64), axis=0), cell, each)[0]


def measure(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> Measurement | None:
    """Distance of 2, angle of 3 (at the second) or dihedral of 4 positions (n, 3), Å, nearest images taken.

    None for another number of positions and where the angle is not defined.
    """
    if not 2 <= len(positions) <= 4:
        return None
    steps = nearest_steps(positions, cell, pbc)
    lengths = np.linalg.norm(steps, axis=1)
    if len(steps) == 1:
        return Measurement("Distance", float(lengths[0]), "Å")
    if (lengths < 1e-9).any():
        return None
    if len(steps) == 2:
        cosine = -steps[0] @ steps[1] / lengths.prod()
        return Measurement("Angle", float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))), "°")
    first, second = np.cross(steps[0], steps[1]), np.cross(steps[1], steps[2])
    if np.linalg.norm(first) < 1e-9 or np.linalg.norm(second) < 1e-9:
        return None
    sine = np.dot(np.cross(first, second), steps[1]) / lengths[1]
    return Measurement("Dihedral", float(np.degrees(np.arctan2(sine, first @ second))), "°")
