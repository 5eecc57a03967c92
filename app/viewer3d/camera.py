"""The camera of the structure viewer: an immutable record and the moves that give a new one. No Qt here.

View coordinates have their origin at the camera's target, x to the right, y up, z towards the viewer, in Å.
Pixels count from the top left corner of the view.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

FIELD_OF_VIEW = np.radians(28.0)
FIT_MARGIN = 1.12
UPRIGHT = np.cos(np.radians(35.0))
AXES = ("x", "y", "z", "a", "b", "c")


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the viewer looks from.

    Attributes
    ----------
    rotation : (3, 3) float64; rows are the view's right, up and towards-the-viewer directions in world axes.
    target : (3,) float64, Å; the point in the middle of the view, about which the view turns.
    extent : half the height of what is visible at the target, Å.
    perspective : perspective (True) or parallel projection.
    """

    rotation: np.ndarray = field(default_factory=lambda: default_rotation())
    target: np.ndarray = field(default_factory=lambda: np.zeros(3))
    extent: float = 10.0
    perspective: bool = True

    @property
    def eye_distance(self) -> float:
        """Distance of the eye from the target, Å (used in perspective only)."""
        return float(self.extent / np.tan(FIELD_OF_VIEW / 2))

    def to_view(self, points: np.ndarray) -> np.ndarray:
        """World positions (n, 3) in Å to view coordinates (n, 3) in Å."""
        return (np.asarray(points, dtype=np.float64) - self.target) @ self.rotation.T

    def magnification(self, view_z: np.ndarray) -> np.ndarray:
        """How much larger things at view depth ``view_z`` look than at the target; 1 in parallel projection.

        Zero for what lies at or behind the eye.
        """
        view_z = np.asarray(view_z, dtype=np.float64)
        if not self.perspective:
            return np.ones_like(view_z)
        depth = self.eye_distance - view_z
        return np.where(depth > 1e-6, self.eye_distance / np.maximum(depth, 1e-6), 0.0)

    def pixels_per_angstrom(self, height: int) -> float:
        """Scale at the target for a view ``height`` pixels high."""
        return height / (2.0 * self.extent)

    def project(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """World positions (n, 3) to (n, 3): pixel x, pixel y, and view depth z in Å (larger is nearer).

        ``size`` is the view's (width, height) in pixels. Points behind the eye get NaN pixels.
        """
        view = self.to_view(points)
        return self.project_view(view, size)

    def project_view(self, view: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The same as :meth:`project` for points already in view coordinates."""
        width, height = size
        scale = self.magnification(view[:, 2]) * self.pixels_per_angstrom(height)
        scale = np.where(scale > 0, scale, np.nan)
        return np.column_stack([width / 2 + view[:, 0] * scale, height / 2 - view[:, 1] * scale, view[:, 2]])

    def unproject(self, x: float, y: float, size: tuple[int, int], view_z: float = 0.0) -> np.ndarray:
        """World position (3,) seen at pixel (x, y) at the view depth ``view_z`` (0: the target's plane)."""
        width, height = size
        scale = float(self.magnification(np.array(view_z))) * self.pixels_per_angstrom(height)
        view = np.array([(x - width / 2) / scale, (height / 2 - y) / scale, view_z])
        return view @ self.rotation + self.target

    def ray(self, x: float, y: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Origin (3,) and unit direction (3,) in view coordinates of the line of sight through a pixel."""
        width, height = size
        scale = self.pixels_per_angstrom(height)
        on_plane = np.array([(x - width / 2) / scale, (height / 2 - y) / scale, 0.0])
        if not self.perspective:
            return on_plane, np.array([0.0, 0.0, -1.0])
        eye = np.array([0.0, 0.0, self.eye_distance])
        direction = on_plane - eye
        return eye, direction / np.linalg.norm(direction)

    def rotated(self, dx: float, dy: float, height: int) -> Camera:
        """Turn by a drag of (dx, dy) pixels: half a turn over the height of the view."""
        angle = np.pi / max(height, 1)
        turn = rotation_about(np.array([1.0, 0.0, 0.0]), dy * angle) @ rotation_about(
            np.array([0.0, 1.0, 0.0]), dx * angle
        )
        return replace(self, rotation=orthonormal(turn @ self.rotation))

    def rolled(self, angle: float) -> Camera:
        """Turn about the line of sight, in radians, counterclockwise."""
        return replace(
            self, rotation=orthonormal(rotation_about(np.array([0.0, 0.0, 1.0]), angle) @ self.rotation)
        )

    def turned(self, angle: float) -> Camera:
        """Go around the target by an angle in radians, about the axis that points up in the view.

        That is x, y or z where one of them nearly does, so that it stays upright; else the view's vertical.
        """
        up = self.rotation[1]
        nearest = int(np.argmax(np.abs(up)))
        axis = np.sign(up[nearest]) * np.eye(3)[nearest] if abs(up[nearest]) > UPRIGHT else up
        return replace(self, rotation=orthonormal(self.rotation @ rotation_about(axis, angle)))

    def panned(self, dx: float, dy: float, height: int) -> Camera:
        """Move the scene by (dx, dy) pixels in the target's plane."""
        scale = self.pixels_per_angstrom(height)
        return replace(self, target=self.target - np.array([dx, -dy, 0.0]) / scale @ self.rotation)

    def zoomed(self, factor: float, x: float, y: float, size: tuple[int, int]) -> Camera:
        """Magnify by ``factor``; the point of the target's plane under pixel (x, y) stays where it is."""
        anchor = self.unproject(x, y, size)
        nearer = replace(self, extent=float(np.clip(self.extent / factor, 0.05, 1e6)))
        return replace(nearer, target=nearer.target + anchor - nearer.unproject(x, y, size))

    def centered(self, point: np.ndarray) -> Camera:
        """Look at ``point`` (3,), Å, without turning."""
        return replace(self, target=np.array(point, dtype=np.float64))

    def fitted(self, points: np.ndarray, margin: float, aspect: float) -> Camera:
        """Look at the middle of ``points`` (n, 3) so that spheres of radius ``margin`` Å there are all seen.

        ``aspect`` is the view's width over its height. No points: the camera stays.
        """
        if len(points) == 0:
            return self
        points = np.asarray(points, dtype=np.float64)
        low, high = (points @ self.rotation.T).min(axis=0), (points @ self.rotation.T).max(axis=0)
        half = (high - low) / 2 + margin
        target = (low + high) / 2 @ self.rotation
        camera = replace(
            self, target=target, extent=max(half[1], half[0] / max(aspect, 0.1), 0.5) * FIT_MARGIN
        )
        for _ in range(
            5 if self.perspective else 0
        ):  # nearer points spread more: center and scale what is seen
            view = camera.to_view(points)
            grown = camera.magnification(view[:, 2] + margin)[:, None]
            low = ((view[:, :2] - margin) * grown).min(axis=0)
            high = ((view[:, :2] + margin) * grown).max(axis=0)
            half = (high - low) / 2
            middle = np.append((low + high) / 2, 0.0)
            extent = max(half[1], half[0] / max(aspect, 0.1)) * FIT_MARGIN
            camera = replace(camera, target=camera.target + middle @ self.rotation, extent=float(extent))
        return camera

    def looking_along(self, axis: str, cell: np.ndarray, *, reverse: bool = False) -> Camera:
        """View down a Cartesian axis or a cell vector (see ``AXES``), which then points at the viewer.

        Another axis points up: z, or for the views along z and c the one that follows. A missing cell
        vector falls back to the Cartesian axis.
        """
        frame = np.eye(3)
        if axis in "abc":
            lengths = np.linalg.norm(cell, axis=1, keepdims=True)
            frame = np.where(lengths > 1e-8, cell / np.maximum(lengths, 1e-8), np.eye(3))
        number = "xyz".find(axis) if axis in "xyz" else "abc".find(axis)
        if number < 0:
            raise ValueError(f"unknown axis {axis!r}, expected one of {', '.join(AXES)}")
        back = frame[number] * (-1.0 if reverse else 1.0)
        up = frame[2] if number != 2 else frame[1]
        right = np.cross(up, back)
        if np.linalg.norm(right) < 1e-6:
            right = np.cross(np.roll(back, 1), back)
        right = right / np.linalg.norm(right)
        return replace(self, rotation=np.array([right, np.cross(back, right), back]))


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation matrix (3, 3) about a unit axis by an angle in radians (Rodrigues' formula)."""
    x, y, z = axis
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew


def orthonormal(matrix: np.ndarray) -> np.ndarray:
    """The rotation next to a slightly distorted one; keeps long chains of small turns exact."""
    right = matrix[0] / np.linalg.norm(matrix[0])
    up = matrix[1] - (matrix[1] @ right) * right
    up = up / np.linalg.norm(up)
    return np.array([right, up, np.cross(right, up)])


def default_rotation() -> np.ndarray:
    """The view a structure opens with: from the front, a little from the right and above, z up."""
    azimuth, elevation = np.radians(-70.0), np.radians(14.0)
    back = np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.array([right, np.cross(back, right), back])


def interpolated(start: Camera, end: Camera, fraction: float) -> Camera:
    """The camera on the way from ``start`` to ``end`` at ``fraction`` in [0, 1], for an animated move."""
    turn = end.rotation @ start.rotation.T
    cosine = np.clip((np.trace(turn) - 1) / 2, -1.0, 1.0)
    angle = np.arccos(cosine)
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    length = np.linalg.norm(axis)
    if length < 1e-6:
        rotation = end.rotation if angle < 1.0 or fraction >= 0.5 else start.rotation
    else:
        rotation = orthonormal(rotation_about(axis / length, angle * fraction) @ start.rotation)
    mix = fraction
    return replace(
        end,
        rotation=end.rotation if fraction >= 1 else rotation,
        target=start.target * (1 - mix) + end.target * mix,
        extent=start.extent ** (1 - mix) * end.extent**mix,
    )
