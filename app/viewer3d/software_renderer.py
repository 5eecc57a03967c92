"""Draws a :class:`~app.viewer3d.scene.DrawRequest` with numpy alone, where there is no OpenGL 3.3.

Spheres, bonds and lines are turned into fragments (pixel, depth, owner) in bulk; a depth buffer keeps the
nearest, and only what is seen gets shaded, with the formulas of the shaders. No Qt here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.viewer3d.camera import Camera
from app.viewer3d.hidden import seen_spheres
from app.viewer3d.scene import BOND_RADIUS, HOVERED, SELECTED, DrawRequest, Look

CHUNK = 2_000_000
"""Fragments worked on at a time, which bounds the memory to some 200 MB."""

MAX_SAMPLES = 10_000_000
"""Samples of a picture; larger pictures get fewer for each pixel."""

_LINE, _SELECTION_RING, _HOVER_RING = -1, -2, -3
_KEY = np.array([-0.45, 0.62, 0.78]) / np.linalg.norm([-0.45, 0.62, 0.78])
_FILL = np.array([0.75, -0.25, 0.45]) / np.linalg.norm([0.75, -0.25, 0.45])


class SoftwareRenderer:
    """Software drawing with the same interface as the OpenGL one; nothing to set up or to close."""

    name = "software"
    description = "software drawing"

    def draw(self, request: DrawRequest) -> np.ndarray:
        """Draw and return (height, width, 4) uint8: blue, green, red, alpha, premultiplied, top row first."""
        width, height = request.size
        samples = request.samples
        while samples > 1 and width * height * samples**2 > MAX_SAMPLES:
            samples -= 1
        request = replace(request, samples=samples)
        picture = _DepthBuffer(request, (width * samples, height * samples))
        picture.add_spheres()
        picture.add_bonds()
        picture.add_lines()
        colors = picture.shaded()
        if request.occlusion and request.look.occlusion > 0:
            colors[..., :3] *= picture.shadows()[..., None]
        if samples > 1:
            colors = colors.reshape(height, samples, width, samples, 4).mean(axis=(1, 3))
        return np.ascontiguousarray((colors[..., [2, 1, 0, 3]] * 255 + 0.5).astype(np.uint8))

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class _Bonds:
    """Half bonds on the screen: ends (n, 3) as pixel x, y and view depth, radius in pixels, owner atoms."""

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray
    axis: np.ndarray
    atom: np.ndarray


class _DepthBuffer:
    """The depth buffer and, for each pixel, which primitive is seen there."""

    def __init__(self, request: DrawRequest, size: tuple[int, int]) -> None:
        self.request, self.size = request, size
        self.camera: Camera = request.camera
        self.look: Look = request.look
        self.scale = self.camera.pixels_per_angstrom(size[1])
        self.depth = np.full(size[0] * size[1], -np.inf, dtype=np.float32)
        self.owner = np.zeros(size[0] * size[1], dtype=np.int32)
        scene = request.scene
        self.spheres = self.camera.project(scene.centers, size)
        magnification = self.camera.magnification(self.spheres[:, 2] + scene.radii)
        self.sphere_radius = scene.radii * magnification * self.scale
        self.bonds = self._project_bonds()

    def _project_bonds(self) -> _Bonds:
        scene = self.request.scene
        starts, vectors = scene.bond_starts, scene.bonds.vector
        start, end = self.camera.project(starts, self.size), self.camera.project(starts + vectors, self.size)
        radius = BOND_RADIUS * self.request.scene.options.radius_scale * self.scale
        radius = radius * self.camera.magnification((start[:, 2] + end[:, 2]) / 2)
        axis = vectors @ self.camera.rotation.T
        return _Bonds(start, end, radius, axis, scene.bonds.atom)

    # fragments ----------------------------------------------------------------------------------------
    def _keep_nearest(self, x: np.ndarray, y: np.ndarray, depth: np.ndarray, owner: np.ndarray) -> None:
        inside = (x >= 0) & (x < self.size[0]) & (y >= 0) & (y < self.size[1])
        pixel = (y * self.size[0] + x)[inside]
        depth, owner = depth[inside].astype(np.float32), owner[inside]
        np.maximum.at(self.depth, pixel, depth)
        seen = depth >= self.depth[pixel]
        self.owner[pixel[seen]] = owner[seen]

    def add_spheres(self) -> None:
        """Add all spheres, and rings around the marked ones."""
        scene = self.request.scene
        marks = self.request.marks[scene.atom]
        seen = seen_spheres(scene, self.camera, self.size, self.request.marks)
        for items in self._chunks(self.spheres, self.sphere_radius, seen):
            item, x, y, off2 = self._disks(items, self.sphere_radius)
            hit = off2 < 1
            item, x, y, off2 = item[hit], x[hit], y[hit], off2[hit]
            depth = self.spheres[item, 2] + self.request.scene.radii[item] * np.sqrt(1 - off2)
            self._keep_nearest(x, y, depth, item + 1)
        for bit, code, outer in ((HOVERED, _HOVER_RING, 1.18), (SELECTED, _SELECTION_RING, 1.30)):
            marked = np.flatnonzero((marks & bit) != 0)
            for items in self._chunks(self.spheres, self.sphere_radius * outer, marked):
                item, x, y, off2 = self._disks(items, self.sphere_radius * outer)
                ring = (off2 < 1) & (off2 > (1.06 / outer) ** 2)
                owner = np.full(ring.sum(), code)
                self._keep_nearest(x[ring], y[ring], self.spheres[item[ring], 2], owner)

    def _chunks(
        self, centers: np.ndarray, radius: np.ndarray, only: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Indices of the disks that touch the picture, split so that each part has some CHUNK fragments."""
        items = np.arange(len(centers)) if only is None else only
        x, y, r = centers[items, 0], centers[items, 1], radius[items]
        with np.errstate(invalid="ignore"):
            near = (x > -r) & (x < self.size[0] + r) & (y > -r) & (y < self.size[1] + r) & (r > 0)
        items = items[near & (r < 4 * max(self.size))]
        counts = np.cumsum((2 * np.ceil(radius[items]) + 1) ** 2)
        cuts = np.searchsorted(counts, np.arange(CHUNK, counts[-1], CHUNK)) if len(counts) else []
        return [part for part in np.split(items, cuts) if len(part)]

    def _disks(
        self, items: np.ndarray, radius: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Fragments of the squares around disks: disk, pixel x, pixel y, squared distance over radius²."""
        r = np.maximum(radius[items], 0.5)
        reach = np.ceil(r).astype(np.int64)
        center = self.spheres[items, :2]
        corner = np.floor(center).astype(np.int64) - reach[:, None]
        which, column, row = _rectangles(2 * reach + 1, 2 * reach + 1)
        x, y = corner[which, 0] + column, corner[which, 1] + row
        off2 = ((x + 0.5 - center[which, 0]) ** 2 + (y + 0.5 - center[which, 1]) ** 2) / (r * r)[which]
        return items[which], x, y, off2

    def add_bonds(self) -> None:
        """Add all half bonds, as cylinders seen from far."""
        bonds = self.bonds
        along = bonds.end[:, :2] - bonds.start[:, :2]
        length2 = (along**2).sum(axis=1)
        with np.errstate(invalid="ignore"):
            usable = np.flatnonzero((length2 > 0.25) & (length2 < 4 * max(self.size) ** 2))
        for items in np.array_split(usable, max(1, len(usable) // 4000)):
            low = np.minimum(bonds.start[items, :2], bonds.end[items, :2]) - bonds.radius[items, None]
            high = np.maximum(bonds.start[items, :2], bonds.end[items, :2]) + bonds.radius[items, None]
            low = np.clip(np.floor(low), -1, self.size).astype(np.int64)
            high = np.clip(np.ceil(high), -1, self.size).astype(np.int64)
            which, column, row = _rectangles(*(np.maximum(high - low, 0) + 1).T)
            x, y = low[which, 0] + column, low[which, 1] + row
            item = items[which]
            t, off = self._on_bond(item, x, y)
            hit = (t >= 0) & (t <= 1) & (np.abs(off) < 1)
            item, x, y, t, off = item[hit], x[hit], y[hit], t[hit], off[hit]
            depth = bonds.start[item, 2] * (1 - t) + bonds.end[item, 2] * t
            depth = depth + BOND_RADIUS * np.sqrt(1 - off**2)
            self._keep_nearest(x, y, depth, item + 1 + len(self.spheres))

    def _on_bond(self, item: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a pixel lies on a half bond: along it (0 to 1) and across it (-1 to 1)."""
        bonds = self.bonds
        along = bonds.end[item, :2] - bonds.start[item, :2]
        dx, dy = x + 0.5 - bonds.start[item, 0], y + 0.5 - bonds.start[item, 1]
        length2 = (along**2).sum(axis=1)
        t = (dx * along[:, 0] + dy * along[:, 1]) / length2
        off = (dx * along[:, 1] - dy * along[:, 0]) / (np.sqrt(length2) * bonds.radius[item])
        return t, off

    def add_lines(self) -> None:
        """Add the cell's edges, one sample a pixel."""
        lines = self.request.scene.lines
        near = self.camera.eye_distance * 0.97 if self.camera.perspective else np.inf
        wide = max(1, round(self.request.samples * self.request.pixel_ratio))
        for start, end in self.camera.to_view(lines.reshape(-1, 3)).reshape(-1, 2, 3):
            if min(start[2], end[2]) > near:
                continue
            if max(start[2], end[2]) > near:
                front, rear = (start, end) if start[2] > end[2] else (end, start)
                start, end = rear, rear + (front - rear) * (near - rear[2]) / (front[2] - rear[2])
            ends = self.camera.project_view(np.array([start, end]), self.size)
            steps = int(np.clip(np.abs(ends[1, :2] - ends[0, :2]).max(), 1, 8 * max(self.size)))
            points = ends[0] + np.linspace(0, 1, steps + 1)[:, None] * (ends[1] - ends[0])
            x, y = np.floor(points[:, :2]).astype(np.int64).T
            flat = abs(ends[1, 0] - ends[0, 0]) > abs(ends[1, 1] - ends[0, 1])
            for k in range(wide):
                shifted = (x, y + k) if flat else (x + k, y)
                self._keep_nearest(*shifted, points[:, 2], np.full(len(x), _LINE))

    # colours ------------------------------------------------------------------------------------------
    def shaded(self) -> np.ndarray:
        """(height, width, 4) float32, red, green, blue, alpha in [0, 1], premultiplied."""
        result = np.zeros((len(self.owner), 4), dtype=np.float32)
        look, n = self.look, len(self.spheres)
        plain = ((_LINE, look.line), (_SELECTION_RING, look.selection), (_HOVER_RING, look.hover))
        for code, color in plain:
            result[self.owner == code, :3] = color
        pixels = np.flatnonzero(self.owner > n)
        if len(pixels):
            result[pixels, :3] = self._bond_colors(pixels, self.owner[pixels] - 1 - n)
        pixels = np.flatnonzero((self.owner > 0) & (self.owner <= n))
        if len(pixels):
            result[pixels, :3] = self._sphere_colors(pixels, self.owner[pixels] - 1)
        covered = self.owner != 0
        atoms = self.owner != 0
        atoms[(self.owner == _SELECTION_RING) | (self.owner == _HOVER_RING)] = False
        result[atoms, :3] = self._faded(result[atoms, :3], self.depth[atoms])
        result[covered, 3] = 1.0
        return result.reshape(self.size[1], self.size[0], 4)

    def _sphere_colors(self, pixels: np.ndarray, item: np.ndarray) -> np.ndarray:
        y, x = np.divmod(pixels, self.size[0])
        r = np.maximum(self.sphere_radius[item], 0.5)
        nx = (x + 0.5 - self.spheres[item, 0]) / r
        ny = (self.spheres[item, 1] - y - 0.5) / r
        nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
        atom = self.request.scene.atom[item]
        colors = self._shade(self.request.colors[atom] / 255.0, np.column_stack([nx, ny, nz]), 1.0)
        hovered = (self.request.marks[atom] & HOVERED) != 0
        colors[hovered] += (1 - colors[hovered]) * 0.16
        return colors

    def _bond_colors(self, pixels: np.ndarray, item: np.ndarray) -> np.ndarray:
        y, x = np.divmod(pixels, self.size[0])
        _, off = self._on_bond(item, x, y)
        axis = self.bonds.axis[item]
        side = np.column_stack([axis[:, 1], -axis[:, 0], np.zeros(len(item))])
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        front = np.cross(side, axis)
        front *= np.where(front[:, 2:] < 0, -1.0, 1.0)
        front /= np.maximum(np.linalg.norm(front, axis=1, keepdims=True), 1e-9)
        off = np.clip(off, -1, 1)[:, None]
        normal = side * off + front * np.sqrt(1 - off**2)
        return self._shade(self.request.colors[self.bonds.atom[item]] / 255.0, normal, 0.35)

    def _shade(self, base: np.ndarray, normal: np.ndarray, gloss: float) -> np.ndarray:
        """The light of the shaders: a key light, a fill light, a sky, a highlight and dark edges."""
        light = _light(normal)
        halfway = _KEY + np.array([0.0, 0.0, 1.0])
        highlight = np.maximum(normal @ (halfway / np.linalg.norm(halfway)), 0) ** 42
        edge = 1 - np.clip(normal[:, 2], 0, 1)
        color = base * light[:, None] + (self.look.specular * gloss * highlight)[:, None]
        return np.clip(color * (1 - self.look.outline * edge**4)[:, None], 0, 1)

    def _faded(self, colors: np.ndarray, depth: np.ndarray) -> np.ndarray:
        nearest, farthest = self.request.scene.depth_range(self.camera)
        t = np.clip(((nearest - depth) / (nearest - farthest) - 0.12) / 0.83, 0, 1)
        share = (self.look.fog * t * t * (3 - 2 * t))[:, None]
        return colors * (1 - share) + np.array(self.look.background) * share

    def shadows(self) -> np.ndarray:
        """(height, width) float32 factors of the soft shadows between atoms, from the depths alone."""
        reach = 1.5
        depth = self.depth.reshape(self.size[1], self.size[0])
        step = max(1, self.request.samples)
        coarse = np.where(np.isfinite(depth), depth, -1e9)[::step, ::step]
        total = np.zeros_like(coarse)
        n_taps = 10
        for k in range(n_taps):
            off = reach * self.scale / step * np.sqrt((k + 0.6) / n_taps)
            dx, dy = (round(float(off * f(2.39996323 * k))) for f in (np.cos, np.sin))
            nearer = np.clip((_shifted(coarse, dx, dy) - coarse) / reach, 0, 10)
            total += np.clip((nearer - 0.1) / 0.8, 0, 1) * (1 - 0.8 * np.clip((nearer - 1.8) / 4.2, 0, 1))
        factor = 1 - self.look.occlusion * np.where(coarse > -1e8, total / n_taps, 0)
        full = np.repeat(np.repeat(factor, step, axis=0), step, axis=1)
        return full[: self.size[1], : self.size[0]].astype(np.float32)


def _light(normal: np.ndarray) -> np.ndarray:
    """The light (n,) on surfaces with normals (n, 3), highlight and edges not counted."""
    light = 0.46 + 0.10 * normal[:, 1]
    light += 0.52 * np.maximum(normal @ _KEY * 0.85 + 0.15, 0)
    return light + 0.10 * np.maximum(normal @ _FILL, 0)


def shade(normal: np.ndarray, look: Look) -> np.ndarray:
    """What a colour is multiplied by on surfaces with normals (n, 3), without a highlight."""
    edge = 1 - np.clip(normal[:, 2], 0, 1)
    return _light(normal) * (1 - look.outline * edge**4)


def _rectangles(widths: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All cells of many rectangles: which rectangle, column and row of each cell."""
    counts = widths * heights
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(within, widths[which])
    return which, column, row


def _shifted(values: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """``values`` seen (dx, dy) cells away; the border repeats."""
    height, width = values.shape
    rows = np.clip(np.arange(height) + dy, 0, height - 1)
    columns = np.clip(np.arange(width) + dx, 0, width - 1)
    return values[rows[:, None], columns[None, :]]
