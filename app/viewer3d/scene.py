"""What the viewer draws, as plain arrays: spheres, half bonds and cell edges of a frame. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import numpy as np
from ase.data import covalent_radii

from app.viewer3d.bonds import HalfBonds, bonds_tell, find_bonds, no_bonds
from app.viewer3d.camera import Camera
from nnpcore.structures.frame import Frame

MAX_BONDED_SPHERES = 30_000
"""Above this many spheres they are drawn large and without bonds, which would be thinner than a pixel."""

MAX_SPHERES = 1_000_000
"""Repeats of the cell are limited so that no more spheres than this are drawn."""

BOND_RADIUS = 0.13
"""Å."""

FEW_POINTS = 2000
"""Up to here all points count for what must be in view."""

SELECTED, HOVERED = 1, 2
"""Bits of an atom's mark."""

Style = Literal["balls", "spheres"]
_COVALENT = np.nan_to_num(covalent_radii, nan=1.5)


@dataclass(frozen=True)
class SlicePlane:
    """Hides what lies beyond a plane.

    Attributes
    ----------
    axis : the plane's normal: "x", "y", "z", or "a", "b", "c" for planes parallel to the cell's faces; ""
        for ``direction``.
    fraction : where the plane cuts, from 0 (first atom along the normal) to 1 (last atom).
    keep_above : keep what is beyond the plane instead.
    direction : any normal, of any length, where ``axis`` is empty.
    """

    axis: str = "z"
    fraction: float = 0.5
    keep_above: bool = False
    direction: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def normal(self, cell: np.ndarray) -> np.ndarray:
        """The unit normal (3,) in a cell (3, 3)."""
        if self.axis:
            return slice_normal(cell, self.axis)
        length = np.linalg.norm(self.direction)
        return np.array(self.direction) / length if length > 1e-12 else np.eye(3)[2]


@dataclass(frozen=True)
class ViewOptions:
    """What is drawn and how.

    Attributes
    ----------
    bonds : draw them; None draws them where they tell something (``bonds_tell``).
    cell, axes : draw them.
    repeat : how often the cell is shown along a, b and c (along periodic vectors only).
    style : "balls" (and sticks) or "spheres" that nearly touch.
    radius_scale : scales all spheres.
    wrap : show every atom inside the cell.
    slice_plane : hides a part, or None.
    axes_of_cell : the tripod shows a, b, c instead of x, y, z.
    """

    bonds: bool | None = None
    cell: bool = True
    axes: bool = True
    repeat: tuple[int, int, int] = (1, 1, 1)
    style: Style = "balls"
    radius_scale: float = 1.0
    wrap: bool = False
    slice_plane: SlicePlane | None = None
    axes_of_cell: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that has a place in space; colours and marks come separately, by atom.

    Attributes
    ----------
    frame, options : what it was made from.
    centers : (n, 3) float32, Å, of all spheres that are shown, images included.
    radii : (n,) float32, Å.
    atom : (n,) int32, the atom of the frame each sphere stands for.
    shown : (n_atoms * n_images,) bool, which spheres the slice plane keeps; image-major.
    shifts : (n_images, 3) float64, Å, of the repeated cells.
    lines : (k, 2, 3) float32, Å, the cell's edges.
    """

    frame: Frame
    options: ViewOptions
    centers: np.ndarray
    radii: np.ndarray
    atom: np.ndarray
    shown: np.ndarray
    shifts: np.ndarray
    lines: np.ndarray

    @cached_property
    def bonds(self) -> HalfBonds:
        """Half bonds of all spheres shown, ``atom`` being the atom of the frame; found on first use.

        Takes up to some 0.3 s for the largest systems, so it is asked for by the drawing thread.
        """
        return self._bonds_and_starts[0]

    @cached_property
    def bond_starts(self) -> np.ndarray:
        """(n_half_bonds, 3) float32, Å, where each half bond starts."""
        return self._bonds_and_starts[1]

    @cached_property
    def _bonds_and_starts(self) -> tuple[HalfBonds, np.ndarray]:
        nothing = no_bonds(), np.empty((0, 3), np.float32)
        if not shows_bonds(self.options, self.frame, len(self.centers)) or len(self.centers) == 0:
            return nothing
        frame = self.frame
        placed = wrapped_positions(frame) if self.options.wrap else frame.positions
        half = find_bonds(frame.numbers, placed, frame.cell, frame.pbc)
        n_atoms, n_images = frame.n_atoms, len(self.shifts)
        repeat = np.array(allowed_repeat(frame, self.options.repeat))
        image = np.repeat(np.arange(n_images), len(half))
        atom = np.tile(half.atom, n_images)
        there = np.array(np.unravel_index(image, repeat)).T + np.tile(half.cells, (n_images, 1))
        keep = ((there >= 0) & (there < repeat)).all(axis=1) & self.shown[image * n_atoms + atom]
        other = np.ravel_multi_index(np.clip(there, 0, repeat - 1).T, repeat)  # no stubs into nothing
        keep &= self.shown[other * n_atoms + np.tile(half.partner, n_images)]
        starts = np.empty((n_atoms * n_images, 3), np.float32)
        starts[self.shown] = self.centers
        vectors = np.tile(half.vector, (n_images, 1))
        kept = HalfBonds(
            atom[keep], vectors[keep], np.tile(half.partner, n_images)[keep], there[keep].astype(np.int32)
        )
        return kept, starts[(image * n_atoms + atom)[keep]]

    @cached_property
    def extent_points(self) -> np.ndarray:
        """(m, 3) points that must be in view, Å: the outermost sphere centres and the cell's corners.

        Where the cell holds vacuum, its corners count as far as the atoms reach.
        """
        corners = self.lines.reshape(-1, 3).astype(np.float64)
        for row in vacuum_along(self.frame) if len(self.centers) and len(corners) else ():
            normal = slice_normal(self.frame.cell, "abc"[row])
            along = self.centers @ normal
            height = corners @ normal
            step = self.frame.cell[row] / (self.frame.cell[row] @ normal)
            corners += (np.clip(height, along.min(), along.max()) - height)[:, None] * step
        return np.concatenate([outermost(self.centers), corners])

    @cached_property
    def bounds(self) -> tuple[np.ndarray, float]:
        """Centre (3,) and radius, Å, of a sphere around everything."""
        points = np.concatenate([outermost(self.centers), self.lines.reshape(-1, 3)])
        if len(points) == 0:
            return np.zeros(3), 1.0
        middle = (points.min(axis=0).astype(np.float64) + points.max(axis=0)) / 2
        radius = np.sqrt(((points - middle) ** 2).sum(axis=1).max())
        return middle, float(radius) + self.margin

    @property
    def margin(self) -> float:
        """Radius of the largest sphere, Å."""
        return float(self.radii.max()) if len(self.radii) else 0.5

    def depth_range(self, camera: Camera) -> tuple[float, float]:
        """(nearest, farthest) view depth of anything drawn, Å."""
        middle, radius = self.bounds
        z = float(camera.to_view(middle[None])[0, 2])
        nearest = z + radius * 1.35 + 0.5
        if camera.perspective:
            nearest = min(nearest, camera.eye_distance * 0.99)
        return nearest, min(z - radius * 1.35 - 0.5, nearest - 1.0)


def build_scene(frame: Frame, options: ViewOptions) -> Scene:
    """Lay out a frame's spheres and cell edges (bonds follow when asked for); 1 ms for 1,000 atoms.

    Parameters
    ----------
    frame : the structure.
    options : what to draw; the repeats are cut down along non-periodic vectors and to ``MAX_SPHERES``.
    """
    repeat = allowed_repeat(frame, options.repeat)
    shifts = np.array(list(np.ndindex(*repeat)), dtype=np.float64) @ frame.cell
    positions = wrapped_positions(frame) if options.wrap else frame.positions
    centers = (shifts[:, None] + positions[None]).reshape(-1, 3)
    atom = np.tile(np.arange(frame.n_atoms, dtype=np.int32), len(shifts))
    style: Style = options.style if len(centers) <= MAX_BONDED_SPHERES else "spheres"
    radii = (sphere_radii(frame.numbers, style) * options.radius_scale).astype(np.float32)
    shown = slice_mask(centers, frame.cell, options.slice_plane)
    lines = cell_lines(frame.cell, repeat) if options.cell else np.empty((0, 2, 3), np.float32)
    return Scene(
        frame=frame,
        options=options,
        centers=centers[shown].astype(np.float32),
        radii=radii[atom[shown]],
        atom=atom[shown],
        shown=shown,
        shifts=shifts,
        lines=lines,
    )


VACUUM = 6.0
"""Å between atoms along a cell vector, from which on there is vacuum."""


def vacuum_along(frame: Frame) -> list[int]:
    """The cell vectors (0, 1, 2) along which more than ``VACUUM`` holds no atom."""
    if abs(np.linalg.det(frame.cell)) < 1e-8 or frame.n_atoms == 0:
        return []
    scaled = np.sort(frame.positions @ np.linalg.inv(frame.cell) % 1.0, axis=0)
    gaps = np.diff(np.concatenate([scaled, scaled[:1] + 1.0]), axis=0).max(axis=0)
    heights = [abs(frame.cell[k] @ slice_normal(frame.cell, "abc"[k])) for k in range(3)]
    return [k for k in range(3) if gaps[k] * heights[k] > VACUUM]


def wants_bonds(options: ViewOptions, frame: Frame) -> bool:
    """Whether bonds are switched on, or on by themselves."""
    return bonds_tell(frame.numbers) if options.bonds is None else options.bonds


def shows_bonds(options: ViewOptions, frame: Frame, n_spheres: int) -> bool:
    """Whether bonds are drawn: if wanted, between balls, and not among very many of them."""
    return wants_bonds(options, frame) and options.style == "balls" and n_spheres <= MAX_BONDED_SPHERES


def allowed_repeat(frame: Frame, repeat: tuple[int, int, int]) -> tuple[int, int, int]:
    """The repeats that can be shown: 1 along vectors that are not periodic, and at most ``MAX_SPHERES``."""
    periodic = frame.pbc & (np.linalg.norm(frame.cell, axis=1) > 1e-8)
    counts = [max(1, int(n)) if p else 1 for n, p in zip(repeat, periodic, strict=True)]
    while np.prod(counts) * max(frame.n_atoms, 1) > MAX_SPHERES and max(counts) > 1:
        counts[int(np.argmax(counts))] -= 1
    return counts[0], counts[1], counts[2]


def wrapped_positions(frame: Frame) -> np.ndarray:
    """Positions (n_atoms, 3), Å, moved into the cell along its periodic vectors."""
    if abs(np.linalg.det(frame.cell)) < 1e-8:
        return frame.positions
    scaled = frame.positions @ np.linalg.inv(frame.cell)
    return frame.positions - np.where(frame.pbc, np.floor(scaled + 1e-9), 0.0) @ frame.cell


def sphere_radii(numbers: np.ndarray, style: Style) -> np.ndarray:
    """Radii (n,), Å: balls that leave the bonds visible, or spheres of the element's covalent radius."""
    covalent = _COVALENT[np.clip(numbers, 0, len(_COVALENT) - 1)]
    return covalent if style == "spheres" else 0.22 + 0.34 * covalent


def slice_mask(centers: np.ndarray, cell: np.ndarray, plane: SlicePlane | None) -> np.ndarray:
    """(n,) bool: which centres (n, 3) the slice plane keeps."""
    if plane is None or len(centers) == 0:
        return np.ones(len(centers), dtype=bool)
    along = centers @ plane.normal(cell)
    low, high = along.min() - 1e-6, along.max() + 1e-6
    cut = low + plane.fraction * (high - low)
    return along >= cut if plane.keep_above else along <= cut


def outermost(points: np.ndarray) -> np.ndarray:
    """Of many points (n, 3) those farthest out in any of 96 directions; few points stay as they are."""
    if len(points) <= FEW_POINTS:
        return points
    k = np.arange(96) + 0.5
    z, angle = 1 - k / 48, np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    directions = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z]).astype(points.dtype)
    return points[np.unique([int(np.argmax(points @ direction)) for direction in directions])]


def slice_normal(cell: np.ndarray, axis: str) -> np.ndarray:
    """Unit normal (3,) of the planes along an axis; for a, b, c the normal of the face of the other two."""
    if axis in "xyz":
        return np.eye(3)["xyz".index(axis)]
    row = "abc".index(axis)
    normal = np.cross(cell[(row + 1) % 3], cell[(row + 2) % 3])
    length = np.linalg.norm(normal)
    if length < 1e-8:
        return np.eye(3)[row]
    return normal / length * (1.0 if normal @ cell[row] >= 0 else -1.0)


def cell_lines(cell: np.ndarray, repeat: tuple[int, int, int]) -> np.ndarray:
    """Edges (k, 2, 3) float32, Å, of the cell and of the box around its repeats."""
    there = tuple((cell * cell).sum(axis=1) > 1e-16)
    steps = _edge_steps(there)
    if tuple(repeat) != (1, 1, 1):
        steps = np.concatenate([steps, steps * np.array(repeat, dtype=np.float64)])
    return (steps @ cell).astype(np.float32)


@cache
def _edge_steps(there: tuple[bool, bool, bool]) -> np.ndarray:
    """Ends (k, 2, 3) of the edges of a box with these vectors, in units of the vectors."""
    rows = [row for row in range(3) if there[row]]
    edges = []
    for row in rows:
        others = [k for k in rows if k != row]
        for corner in np.ndindex(*[2] * len(others)):
            start = np.zeros(3)
            start[others] = corner
            edges.append((start, start + np.eye(3)[row]))
    return np.array(edges).reshape(-1, 2, 3)


@dataclass(frozen=True)
class Look:
    """Colours of the drawing as (r, g, b) in [0, 1], and how much of each effect.

    Attributes
    ----------
    background : what far atoms fade into. line : the cell's edges. selection, hover : the rings.
    fog : share of the background's colour in the farthest atom. outline : how dark the edges of spheres get.
    """

    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    line: tuple[float, float, float] = (0.35, 0.38, 0.43)
    selection: tuple[float, float, float] = (0.2, 0.34, 0.84)
    hover: tuple[float, float, float] = (0.45, 0.5, 0.6)
    fog: float = 0.25
    outline: float = 0.55
    occlusion: float = 0.6
    specular: float = 0.22


@dataclass(frozen=True, eq=False)
class DrawRequest:
    """One picture to draw: a frozen snapshot that a drawing thread can work on.

    Attributes
    ----------
    scene, camera, look : what, from where, in which colours.
    colors : (n_atoms, 3) uint8 of the frame's atoms. marks : (n_atoms,) uint8 of ``SELECTED | HOVERED``.
    size : (width, height) in device pixels.
    samples : supersampling along each axis (2: four samples a pixel).
    occlusion : draw the soft shadows between atoms.
    pixel_ratio : device pixels per logical pixel, for the width of lines.
    moving : one of a series, as the view turns or plays.
    quick : draw it coarsely, whatever else is drawn with.
    """

    scene: Scene
    camera: Camera
    look: Look
    colors: np.ndarray
    marks: np.ndarray
    size: tuple[int, int]
    samples: int = 1
    occlusion: bool = True
    pixel_ratio: float = 1.0
    moving: bool = False
    quick: bool = False
