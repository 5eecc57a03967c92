"""The viewer's arithmetic: camera, bonds, scenes, picking, colour ranges. No window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii

from app.documents.coloring import Coloring
from app.look.colormaps import to_rgb
from app.viewer3d import hidden
from app.viewer3d.atom_card import formula_of, frame_facts
from app.viewer3d.bonds import BOND_SLACK, MIN_BOND, completed_cell, find_bonds
from app.viewer3d.camera import Camera, interpolated
from app.viewer3d.color_bar import labelled_ticks
from app.viewer3d.color_range import UNKNOWN, ColorRange, element_colors, nice
from app.viewer3d.picking import Picker, measure, nearest_hit
from app.viewer3d.quick_renderer import QuickRenderer
from app.viewer3d.scene import (
    SELECTED,
    DrawRequest,
    Look,
    SlicePlane,
    Style,
    ViewOptions,
    allowed_repeat,
    build_scene,
    vacuum_along,
)
from app.viewer3d.software_renderer import SoftwareRenderer
from nnpcore.structures.frame import Frame

SIZE = (640, 400)


def random_camera(random: np.random.Generator, perspective: bool) -> Camera:
    camera = Camera(target=random.normal(size=3) * 3, extent=random.uniform(4, 12), perspective=perspective)
    return camera.rotated(*random.normal(size=2) * 200, SIZE[1]).rolled(random.normal())


def frame_of(atoms: Atoms) -> Frame:
    return Frame.from_atoms(atoms)


@pytest.mark.parametrize("perspective", [True, False])
def test_camera_projects_and_unprojects(perspective):
    random = np.random.default_rng(0)
    for _ in range(20):
        camera = random_camera(random, perspective)
        np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
        points = camera.target + random.normal(size=(5, 3)) * 2
        pixels = camera.project(points, SIZE)
        back = [camera.unproject(x, y, SIZE, z) for x, y, z in pixels]
        np.testing.assert_allclose(back, points, atol=1e-9)
        for point, (x, y, _) in zip(points, pixels, strict=True):
            origin, direction = camera.ray(x, y, SIZE)
            off = camera.to_view(point[None])[0] - origin
            np.testing.assert_allclose(np.cross(off, direction), 0, atol=1e-9)


@pytest.mark.parametrize("perspective", [True, False])
def test_camera_moves_do_what_they_say(perspective):
    camera = random_camera(np.random.default_rng(3), perspective)
    under = camera.unproject(500, 90, SIZE)
    nearer = camera.zoomed(1.7, 500, 90, SIZE)
    np.testing.assert_allclose(nearer.project(under[None], SIZE)[0, :2], (500, 90), atol=1e-9)
    assert nearer.extent == pytest.approx(camera.extent / 1.7)
    moved = camera.panned(30, -20, SIZE[1]).project(under[None], SIZE)[0, :2]
    np.testing.assert_allclose(moved, (530, 70), atol=1e-9)
    turned = camera.rotated(40, 0, SIZE[1])
    right_of_middle = camera.target + 2 * camera.rotation[2]
    assert turned.project(right_of_middle[None], SIZE)[0, 0] > SIZE[0] / 2
    np.testing.assert_allclose(interpolated(camera, turned, 0.0).rotation, camera.rotation, atol=1e-12)
    half = interpolated(camera, turned, 0.5).rotation
    np.testing.assert_allclose(half, camera.rotated(20, 0, SIZE[1]).rotation, atol=1e-9)
    points = np.random.default_rng(4).normal(size=(50, 3)) * 6
    fitted = camera.fitted(points, 0.6, SIZE[0] / SIZE[1])
    seen = fitted.project(points, SIZE)
    assert (seen[:, :2] > 0).all() and (seen[:, :2] < SIZE).all()
    assert (seen[:, 1].max() - seen[:, 1].min() > 0.6 * SIZE[1]) or np.ptp(seen[:, 0]) > 0.6 * SIZE[0]


def test_camera_looks_along_cell_vectors():
    cell = np.array([[4.0, 0, 0], [1.0, 5, 0], [0.3, 0.2, 6]])
    for k, axis in enumerate("abc"):
        camera = Camera().looking_along(axis, cell)
        pixels = replace(camera, perspective=False).project(np.array([np.zeros(3), cell[k]]), SIZE)
        np.testing.assert_allclose(pixels[0, :2], pixels[1, :2], atol=1e-9)
        assert pixels[1, 2] > pixels[0, 2]
    z_up = Camera(perspective=False).looking_along("x", cell).project(np.eye(3)[[2]], SIZE)[0]
    assert z_up[1] < SIZE[1] / 2 - 1
    with pytest.raises(ValueError, match="unknown axis"):
        Camera().looking_along("q", cell)


def brute_bonds(frame: Frame, reach: int = 3) -> np.ndarray:
    """(n, 4): atom and vector to the middle of each bond, by trying all images."""
    cell = completed_cell(frame.cell)
    counts = [reach if p else 0 for p in frame.pbc]
    images = np.array(list(np.ndindex(*[2 * n + 1 for n in counts]))) - counts
    radii = covalent_radii[frame.numbers]
    vectors = frame.positions[None, :, None] - frame.positions[:, None, None] + (images @ cell)[None, None]
    lengths = np.linalg.norm(vectors, axis=-1)
    bonded = (lengths < (radii[:, None] + radii[None] + BOND_SLACK)[..., None]) & (lengths > MIN_BOND)
    return np.column_stack([np.nonzero(bonded)[0], vectors[bonded] / 2])


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 4).T)]


@pytest.mark.parametrize("seed", range(12))
def test_bonds_are_those_of_brute_force(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(8, 30))
    cell = np.diag(random.uniform(2.2, 9, 3)) + random.normal(size=(3, 3)) * 0.8
    pbc = [(1, 1, 1), (1, 1, 0), (0, 0, 0), (0, 1, 0)][seed % 4]
    atoms = Atoms(random.choice([1, 6, 14, 28], n), random.uniform(0, 1, (n, 3)) @ cell, cell=cell, pbc=pbc)
    if seed >= 8:
        atoms.positions += random.normal(size=(n, 3)) * 2
        atoms.cell[2] = 0 if not pbc[2] else atoms.cell[2]
    frame = frame_of(atoms)
    half = find_bonds(frame.numbers, frame.positions, frame.cell, frame.pbc)
    wanted = brute_bonds(frame, reach=8)
    found = np.column_stack([half.atom, half.vector])
    assert len(found) == len(wanted) > 0
    np.testing.assert_allclose(in_order(found), in_order(wanted), atol=2e-4)


def test_bonds_of_crystals_and_of_nothing():
    primitive = frame_of(bulk("Si"))
    assert len(find_bonds(primitive.numbers, primitive.positions, primitive.cell, primitive.pbc)) == 8
    lonely = Atoms("Ar")
    assert len(find_bonds(lonely.numbers, lonely.positions, lonely.cell.array, lonely.pbc)) == 0
    nothing = np.empty((0, 3))
    assert len(find_bonds(np.empty(0, int), nothing, np.zeros((3, 3)), np.zeros(3, bool))) == 0


def test_scene_repeats_slices_and_draws_no_stubs():
    frame = frame_of(bulk("Si", cubic=True))
    scene = build_scene(frame, ViewOptions(repeat=(2, 1, 3)))
    assert len(scene.centers) == 48 and len(scene.shifts) == 6
    np.testing.assert_allclose(scene.centers[scene.atom == 3].min(0), frame.positions[3], atol=1e-5)
    apart = np.linalg.norm(scene.centers[:, None] - scene.centers[None], axis=2)
    assert len(scene.bonds) == (apart[~np.eye(48, dtype=bool)] < 2.5).sum(), "each bond from both its ends"
    tips = scene.bond_starts + 2 * scene.bonds.vector
    assert np.linalg.norm(tips[:, None] - scene.centers[None], axis=2).min(axis=1).max() < 1e-4
    ends = scene.bond_starts + scene.bonds.vector
    np.testing.assert_allclose(np.linalg.norm(ends - scene.bond_starts, axis=1), 5.43 * 3**0.5 / 8, rtol=1e-3)
    cut = build_scene(frame, ViewOptions(slice_plane=SlicePlane("z", 0.5)))
    z = frame.positions[:, 2]
    assert set(cut.atom) == set(np.flatnonzero(z <= z.max() / 2 + 1e-5))
    assert set(cut.bonds.atom) <= set(cut.atom)
    other = build_scene(frame, ViewOptions(slice_plane=SlicePlane("z", 0.5, keep_above=True)))
    assert set(cut.atom) | set(other.atom) == set(range(8))
    slab = frame_of(Atoms("Si", cell=np.eye(3) * 4, pbc=(True, True, False)))
    assert allowed_repeat(slab, (2, 2, 2)) == (2, 2, 1)
    assert len(build_scene(frame_of(Atoms("H2", [[0, 0, 0], [0, 0, 0.7]])), ViewOptions()).lines) == 0
    outside = bulk("Si", cubic=True)
    outside.positions += 7.0
    wrapped = build_scene(frame_of(outside), ViewOptions(wrap=True)).centers
    assert (wrapped >= -1e-4).all() and (wrapped < 5.43).all()
    whole = build_scene(frame_of(outside), ViewOptions(wrap=True)).bonds
    assert len(whole) == len(build_scene(frame, ViewOptions()).bonds)


def test_metals_are_drawn_without_bonds_unless_wanted():
    alloy = frame_of(bulk("CuAu", "rocksalt", a=4.0, cubic=True))
    assert len(build_scene(alloy, ViewOptions()).bonds) == 0
    assert len(build_scene(alloy, ViewOptions(bonds=True, repeat=(2, 2, 2))).bonds) > 0
    assert len(build_scene(frame_of(bulk("NaCl", "rocksalt", a=5.6, cubic=True)), ViewOptions()).bonds) > 0


def test_what_is_brought_into_view_leaves_vacuum_out():
    from ase.build import diamond100

    slab = diamond100("Si", size=(2, 2, 6), vacuum=15.0)
    slab.pbc = True
    frame = frame_of(slab)
    assert vacuum_along(frame) == [2] and vacuum_along(frame_of(bulk("Si", cubic=True))) == []
    points = build_scene(frame, ViewOptions()).extent_points
    z = slab.positions[:, 2]
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [z.min(), z.max()], atol=1e-4)
    assert np.ptp(points[:, 0]) == pytest.approx(slab.cell[0, 0]), "the cell's sides count"
    cluster = Atoms("Si4", np.random.default_rng(0).uniform(0, 4, (4, 3)), cell=np.eye(3) * 30, pbc=True)
    cluster.center()
    assert np.ptp(build_scene(frame_of(cluster), ViewOptions()).extent_points, axis=0).max() < 4.01


def test_slices_across_any_direction():
    frame = frame_of(bulk("Si", cubic=True))
    plane = SlicePlane("", 0.25, direction=(1.0, 1.0, 0.0))
    along = frame.positions @ np.array([1, 1, 0]) / np.sqrt(2)
    kept = set(build_scene(frame, ViewOptions(slice_plane=plane)).atom)
    assert kept == set(np.flatnonzero(along <= along.min() + 0.25 * np.ptp(along) + 1e-5))
    assert SlicePlane("", direction=(0, 0, 0)).normal(frame.cell).tolist() == [0, 0, 1]


def request_of(atoms: Atoms, camera: Camera, style: Style, rng: np.random.Generator) -> DrawRequest:
    scene = build_scene(frame_of(atoms), ViewOptions(style=style))
    camera = camera.fitted(scene.extent_points, scene.margin, SIZE[0] / SIZE[1])
    colors = rng.integers(60, 255, (len(atoms), 3)).astype(np.uint8)
    return DrawRequest(scene, camera, Look(), colors, np.zeros(len(atoms), np.uint8), SIZE, occlusion=False)


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("zoom", [1.0, 0.7])
def test_spheres_found_hidden_change_no_pixel(perspective, zoom, monkeypatch):
    atoms = bulk("NaCl", "rocksalt", a=5.0, cubic=True).repeat(6)
    atoms.rattle(0.15, seed=2)
    camera = random_camera(np.random.default_rng(8), perspective)
    request = request_of(atoms, camera, "spheres", np.random.default_rng(1))
    request = replace(request, camera=replace(request.camera, extent=zoom * request.camera.extent))
    everything = SoftwareRenderer().draw(request)
    monkeypatch.setattr(hidden, "MANY", 100)
    found = hidden.seen_spheres(request.scene, request.camera, SIZE, request.marks)
    assert found is not None and len(found) < 0.85 * len(atoms)
    np.testing.assert_array_equal(SoftwareRenderer().draw(request), everything)
    marked = np.setdiff1d(np.arange(len(atoms)), found)[:3]
    request.marks[marked] = SELECTED
    again = hidden.seen_spheres(request.scene, request.camera, SIZE, request.marks)
    assert again is not None and set(again) == {*found, *marked}


def test_the_quick_picture_is_much_like_the_good_one():
    atoms = bulk("NaCl", "rocksalt", a=5.0, cubic=True).repeat(6)
    atoms.rattle(0.1, seed=3)
    camera = random_camera(np.random.default_rng(4), True)
    request = request_of(atoms, camera, "spheres", np.random.default_rng(5))
    good, quick = (renderer.draw(request).astype(int) for renderer in (SoftwareRenderer(), QuickRenderer()))
    both = (good[..., 3] > 0) & (quick[..., 3] > 0)
    assert both.sum() > 0.97 * max((good[..., 3] > 0).sum(), (quick[..., 3] > 0).sum())
    alike = (abs(good - quick)[both] < 40).all(axis=1)
    assert alike.mean() > 0.75


def test_the_quick_picture_leaves_out_no_sphere_however_much_sizes_differ():
    row = np.array([[0.0, 0.0, 0.0], [12.0, 0.0, 0.0]])
    request = request_of(Atoms("Si2", positions=row), Camera(), "spheres", np.random.default_rng(0))
    radii = np.array([0.02, 3.0], np.float32)
    request = replace(request, scene=replace(request.scene, radii=radii))
    picture = QuickRenderer().draw(request)
    x, y = request.camera.project(row, SIZE)[:, :2].astype(int).T
    assert (picture[y, x, 3] > 0).all()


@pytest.mark.parametrize("perspective", [True, False])
def test_picking_is_that_of_brute_force(perspective):
    random = np.random.default_rng(5)
    atoms = Atoms("Si20", random.uniform(0, 8, (20, 3)), cell=np.eye(3) * 8, pbc=True)
    scene = build_scene(frame_of(atoms), ViewOptions(repeat=(2, 1, 1)))
    camera = replace(Camera(), perspective=perspective).fitted(scene.extent_points, 0.6, 1.6)
    picker = Picker(scene, camera, SIZE)
    n_hits = n_misses = 0
    aims = camera.project(scene.centers, SIZE)[:, :2] + random.normal(size=(40, 2)) * 20
    for x, y in aims:
        origin, direction = camera.ray(x, y, SIZE)
        steps = np.arange(0, 120, 0.02) - (0 if perspective else 60)
        on_ray = origin + steps[:, None] * direction
        distances = np.linalg.norm(on_ray[:, None] - camera.to_view(scene.centers)[None], axis=2)
        inside = distances < scene.radii
        if (np.abs(distances.min(axis=0) - scene.radii) < 0.02).any():
            continue  # too near to the rim for the coarse steps
        found = picker.sphere_at(x, y)
        if inside.any():
            n_hits += 1
            assert found == np.flatnonzero(inside[inside.any(axis=1).argmax()])[0]
            assert picker.atom_at(x, y) == found % 20
        else:
            n_misses += 1
            assert found is None
    assert n_hits > 10 and n_misses > 2
    assert nearest_hit(np.zeros(3), np.array([0.0, 0, -1]), np.empty((0, 3)), np.empty(0)) is None


def test_lasso_takes_atoms_by_their_images_too():
    frame = frame_of(bulk("Si", cubic=True))
    scene = build_scene(frame, ViewOptions(repeat=(2, 1, 1)))
    camera = Camera(perspective=False).looking_along("z", frame.cell).fitted(scene.extent_points, 0.6, 1.6)
    picker = Picker(scene, camera, SIZE)
    x, y, _ = camera.project(scene.centers[[8 + 2]], SIZE)[0]
    square = np.array([(x - 3, y - 3), (x + 3, y - 3), (x + 3, y + 3), (x - 3, y + 3)])
    column = np.flatnonzero(np.linalg.norm((frame.positions - frame.positions[2])[:, :2], axis=1) < 0.1)
    assert picker.atoms_inside(square).tolist() == column.tolist()
    assert len(picker.atoms_inside(square[:2])) == 0


def test_measurements_take_the_nearest_images():
    cell = np.array([[5.0, 0, 0], [2.0, 5, 0], [1.0, 1.5, 6]])
    positions = np.array([[0.2, 0.1, 0.1], [4.9, 0.1, 0.1], [4.9, 1.1, 0.1], [4.9, 1.1, 1.1]])
    every = np.ones(3, bool)
    distance = measure(positions[:2], cell, every)
    assert distance is not None and distance.value == pytest.approx(0.3)
    angle = measure(positions[:3], cell, every)
    assert angle is not None and angle.value == pytest.approx(90.0)
    dihedral = measure(positions, np.zeros((3, 3)), np.zeros(3, bool))
    atoms = Atoms("H4", positions)
    assert dihedral is not None
    assert dihedral.value % 360 == pytest.approx(atoms.get_dihedral(0, 1, 2, 3))
    assert measure(positions[[0, 0]], cell, every).value == 0.0
    assert measure(positions[[0, 0, 1]], cell, every) is None
    assert measure(positions[:1], cell, every) is None
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 3)) * 12
    images = np.array(list(np.ndindex(25, 25, 25))) - 12
    shortest = [measure(np.array([np.zeros(3), vector]), cell, every).value for vector in vectors]
    brute = np.linalg.norm(vectors[:, None] + (images @ cell)[None], axis=2).min(axis=1)
    np.testing.assert_allclose(shortest, brute)


def test_color_ranges_by_mode():
    values = np.array([-3.0, 1.0, 0.5, np.nan])
    energy = Coloring(kind="atomic_energy", range_mode="frame")
    assert ColorRange().limits(values, energy) == (-3.0, 3.0)
    assert ColorRange().limits(values, replace(energy, relative=False)) == (-3.0, 1.0)
    locked = replace(energy, range_mode="locked", low=2, high=1)
    assert ColorRange().limits(values, locked) == (1, 2)
    many = Coloring(kind="charge", range_mode="percentile")
    low, high = ColorRange().limits(np.append(np.linspace(0, 100, 1001), 1e6), many)
    assert low == pytest.approx(2, abs=0.2) and high == pytest.approx(98, abs=0.2)
    for mode in ("auto", "frame", "percentile"):
        same = Coloring(kind="x", range_mode=mode)
        low, high = ColorRange().limits(np.full(4, 2.0), same)
        assert low <= 2.0 <= high and low < high
        low, high = ColorRange().limits(np.full(3, np.nan), same)
        assert (low, high) == (0.0, 1.0)


def test_kept_range_does_not_jump_from_frame_to_frame():
    random = np.random.default_rng(1)
    kept, force = ColorRange(), Coloring(kind="force_error")
    first = kept.limits(np.abs(random.normal(size=64)), force, key="a", version=1)
    assert first[0] == 0.0 and first[1] == nice(first[1])
    for _ in range(50):
        small = np.abs(random.normal(size=64)) * random.uniform(0.1, 1.0)
        assert kept.limits(small, force, key="a", version=1) == first
    larger = kept.limits(np.abs(random.normal(size=64)) * 5, force, key="a", version=1)
    assert larger[1] > 2 * first[1]
    assert kept.limits(np.full(64, 0.1), force, key="a", version=1) == larger
    assert kept.limits(np.linspace(0, 0.1, 64), force, key="a", version=2)[1] == pytest.approx(0.1)
    assert kept.limits(np.linspace(0, 3, 64), force, key="b", version=2)[1] == pytest.approx(3.0)
    everything = np.linspace(-7, 42, 500)
    assert kept.limits(np.zeros(4), Coloring(kind="q"), all_values=everything) == (-10.0, 45.0)


def test_values_become_colors():
    colors = to_rgb(np.array([-1.0, 0.0, 1.0, np.nan, 9.0]), (-1, 1), True, unknown=UNKNOWN)
    assert colors.dtype == np.uint8 and colors.shape == (5, 3)
    assert (colors[1] > 200).all()
    assert colors[0, 2] > colors[0, 0] and colors[2, 0] > colors[2, 2]
    assert colors[3].tolist() == [150, 150, 150]
    np.testing.assert_array_equal(colors[4], colors[2])
    turned = to_rgb(np.array([-1.0, 1.0]), (-1, 1), True, reverse=True)
    np.testing.assert_array_equal(turned, colors[[2, 0]])
    assert len(np.unique(element_colors(np.array([1, 6, 8, 14])), axis=0)) == 4


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (-300, 300, ["−200", "0", "200"]),
        (0, 0.5, ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        (-0.25, 0.25, ["−0.25", "0.25"]),
        (-107.02, -106.93, ["−107.02", "−107.00", "−106.98", "−106.96", "−106.94"]),
    ],
)
def test_ticks_are_round_and_readable(low, high, texts):
    assert [text for _, text in labelled_ticks(low, high, {0.5: 6, 0.25: 2}.get(high, 5))] == texts


def test_facts_of_a_frame():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    frame = replace(frame_of(salt), energy=-27.2, stress=-np.eye(3) * 0.01)
    assert formula_of(frame) == "Na₄Cl₄"
    assert frame_facts(frame) == ["22.43 Å³/atom", "−3.4000 eV/atom", "1.60 GPa"]
