"""Draws very many spheres coarsely in the time of a frame, while the view turns, where the driver is slow.

Spheres of about one size look alike but for where they are. So the nearest centre in each pixel is found
once, and the picture is the nearest of shifted copies of that, one for every pixel of a sphere: what it takes
hardly depends on how many spheres there are. Centres are rounded to pixels; there are no bonds, shadows and
highlights. No Qt.
"""

from __future__ import annotations

import numpy as np

from app.viewer3d.scene import DrawRequest
from app.viewer3d.shifts import shifted
from app.viewer3d.software_renderer import shade

ALIKE = 1.5
"""Spheres whose radii on the screen differ by less than this factor are drawn with one radius."""

MOST_KINDS = 6
LARGEST = 24
"""Pixels of the radius of a sphere at most; larger ones are drawn as large as this."""

MARKED = 0.7
"""Share of the colour of a selection in the colour of a selected atom."""


class QuickRenderer:
    """Coarse drawing; nothing to set up or to close."""

    name = "quick"

    def draw(self, request: DrawRequest) -> np.ndarray:
        """Draw and return (height, width, 4) uint8: blue, green, red, alpha, premultiplied, top row first."""
        picture = _Picture(request)
        picture.add_spheres()
        picture.add_lines()
        return picture.finished()

    def close(self) -> None:
        """Nothing is held."""


class _Picture:
    """The nearest depth in each pixel, the sphere it belongs to, and how bright it is there."""

    def __init__(self, request: DrawRequest) -> None:
        self.request, (self.width, self.height) = request, request.size
        self.depth = np.full((self.height, self.width), -np.inf, np.float32)
        self.owner = np.full((self.height, self.width), -1, np.int32)
        self.light = np.zeros((self.height, self.width), np.float32)
        self.lines = np.zeros((self.height, self.width), bool)

    def add_spheres(self) -> None:
        """Add all spheres, kind by kind."""
        scene, camera = self.request.scene, self.request.camera
        view = (scene.centers - camera.target.astype(np.float32)) @ camera.rotation.T.astype(np.float32)
        z = np.ascontiguousarray(view[:, 2])
        scale = (camera.magnification(z) * camera.pixels_per_angstrom(self.height)).astype(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            x = np.floor(self.width / 2 + view[:, 0] * scale)
            y = np.floor(self.height / 2 - view[:, 1] * scale)
            inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height) & (scale > 0)
        items = np.flatnonzero(inside)
        if not len(items):
            return
        home = y[items].astype(np.int32) * self.width + x[items].astype(np.int32)
        radius = np.clip(scene.radii[items] * scale[items], 0.5, LARGEST)
        kind = (np.log(radius / radius.min()) / np.float32(np.log(ALIKE))).astype(np.int8)
        kind = np.minimum(kind, MOST_KINDS)
        for k in np.unique(kind):
            these = np.flatnonzero(kind == k)
            self._add(items[these], home[these], z[items[these]], float(radius[these].mean()))

    def _add(self, items: np.ndarray, home: np.ndarray, z: np.ndarray, radius: float) -> None:
        """Add spheres of one radius on the screen, in pixels."""
        nearest = np.full(self.depth.size, -np.inf, np.float32)
        np.maximum.at(nearest, home, z)
        whose = np.full(self.depth.size, -1, np.int32)
        first = z >= nearest[home]
        whose[home[first]] = items[first]
        nearest, whose = nearest.reshape(self.depth.shape), whose.reshape(self.depth.shape)
        tall = float(self.request.scene.radii[items].mean())
        reach = int(radius)
        around = np.arange(-reach, reach + 1)
        for down, right in np.stack(np.meshgrid(around, around), axis=-1).reshape(-1, 2).tolist():
            across = np.array([right, -down]) / max(radius, 0.5)
            off2 = float(across @ across)
            if off2 < 1.0:
                up = float(np.sqrt(1.0 - off2))
                light = float(shade(np.array([[*across, up]]), self.request.look)[0])
                self._lay(nearest, whose, (down, right), tall * up, light)

    def _lay(
        self, nearest: np.ndarray, whose: np.ndarray, shift: tuple[int, int], rise: float, light: float
    ) -> None:
        """Lay a shifted copy of the centres over the picture where it is nearer."""
        to, there = shifted(*shift)
        depth = nearest[there] + np.float32(rise)
        nearer = depth > self.depth[to]
        np.copyto(self.depth[to], depth, where=nearer)
        np.copyto(self.owner[to], whose[there], where=nearer)
        np.copyto(self.light[to], np.float32(light), where=nearer)

    def add_lines(self) -> None:
        """Add the cell's edges where nothing is before them."""
        camera, size = self.request.camera, self.request.size
        for start, end in self.request.scene.lines:
            points = start + np.linspace(0, 1, 2 * max(size))[:, None] * (end - start)
            x, y, z = camera.project(points, size).T
            with np.errstate(invalid="ignore"):
                inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
            column, row, z = x[inside].astype(int), y[inside].astype(int), z[inside]
            free = z > self.depth[row, column]
            self.lines[row[free], column[free]] = True

    def finished(self) -> np.ndarray:
        """Return the picture in its colours."""
        request, look = self.request, self.request.look
        colors = request.colors.astype(np.float32) / 255
        marked = request.marks != 0
        colors[marked] += MARKED * (np.array(look.selection, np.float32) - colors[marked])
        result = np.zeros((self.depth.size, 4), np.float32)
        covered = np.flatnonzero(self.owner.ravel() >= 0)
        atoms = request.scene.atom[self.owner.ravel()[covered]]
        shaded = colors[atoms] * self.light.ravel()[covered, None]
        nearest, farthest = request.scene.depth_range(request.camera)
        t = np.clip(((nearest - self.depth.ravel()[covered]) / (nearest - farthest) - 0.12) / 0.83, 0, 1)
        share = (look.fog * t * t * (3 - 2 * t))[:, None]
        result[covered, :3] = shaded + (np.array(look.background, np.float32) - shaded) * share
        result[covered, 3] = 1.0
        result[self.lines.ravel()] = (*look.line, 1.0)
        bytes_ = (np.clip(result[:, [2, 1, 0, 3]], 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.ascontiguousarray(bytes_).reshape(self.height, self.width, 4)
