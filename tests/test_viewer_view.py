"""The viewer as a widget: both ways of drawing, the mouse, pictures for files, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import shiboken6
from ase import Atoms
from ase.build import bulk
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QMouseEvent, QOffscreenSurface, QOpenGLContext, QWheelEvent
from PySide6.QtWidgets import QApplication
from window_fixtures import our_threads

from app.viewer3d import create_structure_view
from app.viewer3d.drawing import SOFTWARE_VARIABLE
from app.viewer3d.gl_renderer import surface_format
from app.viewer3d.picture import finished_image
from app.viewer3d.scene import SlicePlane
from app.viewer3d.view import StructureView
from nnpcore.structures.frame import Frame

RED, GREEN, BLUE = (220, 30, 30), (30, 190, 40), (40, 60, 220)
SIZE = (420, 320)
WAIT = 60_000
Make = Callable[[str], StructureView]


def opengl_is_here() -> bool:
    """Whether a context as the viewer wants it can be made, asked of Qt alone."""
    if QGuiApplication.platformName() == "offscreen":
        return False
    context, surface = QOpenGLContext(), QOffscreenSurface()
    context.setFormat(surface_format())
    surface.setFormat(surface_format())
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return False
    context.doneCurrent()
    return context.format().version() >= (3, 3)


@pytest.fixture
def make_view(qtbot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[StructureView] = []

    def make(kind: str) -> StructureView:
        monkeypatch.setenv(SOFTWARE_VARIABLE, "1" if kind == "software" else "0")
        view = create_structure_view()
        view.setObjectName(kind)
        made.append(view)
        qtbot.addWidget(view)
        view.resize(*SIZE)
        view.show()
        qtbot.waitExposed(view)
        return view

    yield make
    for view in made:
        view.close_drawing()
    assert our_threads() == []


@pytest.fixture(params=["opengl", "software"])
def view(request: pytest.FixtureRequest, make_view: Make) -> StructureView:
    return make_view(request.param)


def three_atoms() -> Frame:
    """Three atoms far apart, in front of one another for nobody."""
    atoms = Atoms("CNO", [[0, 0, 0], [5, 0, 1], [1, 1, 5]], cell=np.eye(3) * 6, pbc=True)
    return Frame.from_atoms(atoms)


def show(view: StructureView, frame: Frame, colors: object = (RED, GREEN, BLUE)) -> None:
    view.set_frame(frame, keep_view=False)
    view.set_colors(np.resize(np.array(colors, np.uint8), (frame.n_atoms, 3)))


def rendered(view: StructureView, width: int, height: int, transparent: bool = True) -> QImage:
    """A picture for a file, in pixels."""
    picture = view.draw_now(view.export_request((width, height), transparent))
    return finished_image(picture, view.trimmings(transparent, axes=False, bar=None))


def settled(qtbot, view: StructureView) -> QImage:
    """The widget's picture once it shows the best drawing of its present state."""

    def is_best() -> bool:
        picture = view.picture
        return (
            picture is not None
            and picture.request.scene is view.scene
            and picture.request.camera is view.camera
            and picture.request.samples > 1
            and np.array_equal(picture.request.colors, view._colors)
            and np.array_equal(picture.request.marks, view._marks)
        )

    qtbot.waitUntil(is_best, timeout=WAIT)
    return view.grab().toImage()


def color_at(image: QImage, point: QPointF) -> np.ndarray:
    color = image.pixelColor(round(point.x()), round(point.y()))
    return np.array([color.red(), color.green(), color.blue()])


def is_like(color: np.ndarray, wanted: tuple[int, int, int]) -> bool:
    """Whether a lit colour has the hue wanted: its strongest channel, well above the others."""
    strong = int(np.argmax(wanted))
    return bool(color[strong] > 110 and color[strong] > 1.5 * np.delete(color, strong).max())


def click(view: StructureView, at: QPointF, modifiers=Qt.KeyboardModifier.NoModifier) -> None:
    drag(view, [at], modifiers)


def drag(
    view: StructureView,
    points: list[QPointF],
    modifiers=Qt.KeyboardModifier.NoModifier,
    button=Qt.MouseButton.LeftButton,
) -> None:
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(points) - 1)]
    for kind, point in zip(kinds, points, strict=True):
        press = button if kind == QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
        event = QMouseEvent(kind, point, view.mapToGlobal(point), press, button, modifiers)
        QApplication.sendEvent(view, event)
    none = Qt.MouseButton.NoButton
    end, release = points[-1], QEvent.Type.MouseButtonRelease
    QApplication.sendEvent(view, QMouseEvent(release, end, view.mapToGlobal(end), button, none, modifiers))


def atom_position(view, atom):
    """Where an atom's centre is on the widget (of its first image that is shown)."""
    sphere = np.flatnonzero(view.scene.atom == atom)[:1]
    x, y, _ = view.camera.project(view.scene.centers[sphere], (view.width(), view.height()))[0]
    return QPointF(x, y)


def test_atoms_are_drawn_where_they_are(qtbot, view):
    show(view, three_atoms())
    image = settled(qtbot, view)
    wants_opengl = view.objectName() == "opengl" and opengl_is_here()
    assert view.backend == ("OpenGL" if wants_opengl else "software")
    for atom, wanted in enumerate((RED, GREEN, BLUE)):
        assert is_like(color_at(image, atom_position(view, atom)), wanted), atom
    corner = color_at(image, QPointF(3, 3))
    assert (corner == color_at(image, QPointF(SIZE[0] - 3, 3))).all()
    view.set_colors(np.array([[0.1, 0.2, 0.9]] * 3))
    view.set_perspective(False)
    image = settled(qtbot, view)
    assert all(is_like(color_at(image, atom_position(view, atom)), BLUE) for atom in range(3))


def test_selected_atoms_get_a_ring(qtbot, view):
    show(view, three_atoms())
    before = settled(qtbot, view)
    view.set_selection(np.array([1]))
    after = settled(qtbot, view)
    scene, camera = view.scene, view.camera
    center = atom_position(view, 1)
    radius = scene.radii[1] * camera.pixels_per_angstrom(view.height())
    radius *= camera.magnification(camera.to_view(scene.centers)[1:2, 2])[0]
    changed = [
        int(np.abs(color_at(after, at) - color_at(before, at)).max())
        for at in (center + QPointF(0, 1.18 * radius), center + QPointF(0, 1.18 * -radius), center)
    ]
    assert changed[0] > 40 and changed[1] > 40 and changed[2] < 20
    assert view.selected.tolist() == [1]


def test_near_atoms_and_bonds_hide_far_ones(qtbot, view):
    along_z = Frame.from_atoms(Atoms("CNO", [[0, 0, 0], [0, 0, 3], [4, 0, 1.5]]))
    show(view, along_z)
    view.set_perspective(False)
    view.view_along("z", animated=False)
    assert is_like(color_at(settled(qtbot, view), atom_position(view, 0)), GREEN)
    view.view_along("z", reverse=True, animated=False)
    assert is_like(color_at(settled(qtbot, view), atom_position(view, 1)), RED)
    bonded = Frame.from_atoms(Atoms("C2", [[0, 0, 0], [0, 0, 1.5]]))
    show(view, bonded, (RED, BLUE))
    view.view_along("x", animated=False)
    image = settled(qtbot, view)
    low, high = atom_position(view, 0), atom_position(view, 1)
    assert is_like(color_at(image, low * 0.54 + high * 0.46), RED)
    assert is_like(color_at(image, low * 0.46 + high * 0.54), BLUE)
    view.set_options(bonds=False)
    image = settled(qtbot, view)
    assert not is_like(color_at(image, (low + high) / 2), RED)
    view.set_options(slice_plane=SlicePlane("z", 0.5))
    assert not is_like(color_at(settled(qtbot, view), high), BLUE)


def test_both_ways_of_drawing_agree(qtbot, make_view):
    frame = Frame.from_atoms(bulk("Si", cubic=True) * (2, 2, 2))
    images = []
    for kind in ("opengl", "software"):
        view = make_view(kind)
        show(view, frame)
        view.set_selection(np.array([5]))
        image = rendered(view, 300, 240, False).convertToFormat(QImage.Format.Format_RGB888)
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(240, image.bytesPerLine())[:, :900]
        images.append(pixels.astype(float).reshape(240, 300, 3))
    difference = np.abs(images[0] - images[1]).mean(axis=2)
    assert np.ptp(images[1]) > 150
    assert difference.mean() < 6
    assert (difference > 60).mean() < 0.03


def test_a_click_picks_the_atom_under_the_mouse(qtbot, view):
    show(view, Frame.from_atoms(bulk("Si", cubic=True)))
    view.set_options(repeat=(2, 1, 1))
    sphere = int(np.flatnonzero(view.scene.centers[:, 0] > 5.43)[0])
    camera = view.camera.centered(view.scene.centers[sphere])
    view.set_camera(camera.zoomed(2, SIZE[0] / 2, SIZE[1] / 2, SIZE))
    middle = QPointF(SIZE[0] / 2, SIZE[1] / 2)
    front = view.picker().atom_at(middle.x(), middle.y())
    with qtbot.waitSignal(view.atom_picked) as picked:
        click(view, middle, Qt.KeyboardModifier.ControlModifier)
    assert picked.args[0] == front
    assert picked.args[1] == Qt.KeyboardModifier.ControlModifier
    with qtbot.waitSignal(view.atom_hovered) as hovered:
        qtbot.mouseMove(view, QPoint(5, 5))
        qtbot.mouseMove(view, middle.toPoint())
    assert hovered.args[0] == front
    view.set_frame(three_atoms(), keep_view=False)
    with qtbot.waitSignal(view.background_clicked):
        click(view, QPointF(3, 3))


def test_dragging_turns_moves_and_lassoes(qtbot, view):
    show(view, three_atoms())
    settled(qtbot, view)
    start = view.camera
    a, b = QPointF(200, 150), QPointF(240, 150)
    drag(view, [a, QPointF(210, 150), b])
    np.testing.assert_allclose(view.camera.rotation, start.rotated(40, 0, SIZE[1]).rotation, atol=1e-9)
    start = view.camera
    drag(view, [a, QPointF(210, 150), b], button=Qt.MouseButton.RightButton)
    np.testing.assert_allclose(view.camera.target, start.panned(40, 0, SIZE[1]).target, atol=1e-9)
    under = view.camera.unproject(100, 60, SIZE)
    at, none = QPointF(100, 60), Qt.MouseButton.NoButton
    wheel = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 240), none, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, wheel)
    np.testing.assert_allclose(view.camera.project(under[None], SIZE)[0, :2], (100, 60), atol=1e-6)
    view.fit()
    at = atom_position(view, 2)
    loop = [at + QPointF(*d) for d in ((-25, -25), (25, -25), (25, 25), (-25, 25))]
    with qtbot.waitSignal(view.lassoed) as lassoed:
        drag(view, [*loop, loop[0]], Qt.KeyboardModifier.ShiftModifier)
    assert lassoed.args[0].tolist() == [2]
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=atom_position(view, 2).toPoint())
    middle = QPointF(SIZE[0] / 2, SIZE[1] / 2)
    qtbot.waitUntil(lambda: (atom_position(view, 2) - middle).manhattanLength() < 1, timeout=WAIT)
    qtbot.keyClick(view, Qt.Key.Key_P)
    assert not view.camera.perspective


def test_images_of_any_size_have_a_transparent_background(qtbot, view):
    show(view, three_atoms())
    image = rendered(view, 500, 900, True)
    assert (image.width(), image.height()) == (500, 900)
    assert image.pixelColor(2, 2).alpha() == 0
    pixels = np.array([[image.pixelColor(x, y).alpha() for x in range(0, 500, 5)] for y in range(0, 900, 5)])
    assert 0.005 < (pixels == 255).mean() < 0.6
    columns = np.flatnonzero((pixels > 0).any(axis=0))
    assert columns[0] > 0 and columns[-1] < 99
    solid = rendered(view, 200, 100, False)
    assert solid.pixelColor(2, 2).alpha() == 255
    view.set_frame(None)
    with pytest.raises(RuntimeError, match="no structure"):
        rendered(view, 10, 10)


def test_frames_of_all_kinds_are_drawn(qtbot, view):
    empty_cell = np.zeros((3, 3))
    for atoms in (
        Atoms("H"),
        Atoms("H2", [[0, 0, 0], [0, 0, 0]]),
        Atoms("He", cell=empty_cell, pbc=False),
        bulk("Cu") * (1, 1, 30),
        bulk("Si", cubic=True) * (16, 16, 16),
    ):
        show(view, Frame.from_atoms(atoms))
        assert rendered(view, 120, 90, True).pixelColor(0, 0).alpha() in (0, 255)
    with pytest.raises(ValueError, match="for 32768 atoms"):
        view.set_colors(np.zeros((2, 3)))
    camera = view.camera
    view.set_frame(Frame.from_atoms(bulk("Si", cubic=True) * (16, 16, 16)))
    assert view.camera is camera


def test_opengl_that_fails_is_replaced_by_software(qtbot, make_view, monkeypatch):
    from app.viewer3d import gl_renderer

    def refuse(*_args: object) -> None:
        raise gl_renderer.GlError("no luck")

    monkeypatch.setattr(gl_renderer.GlRenderer, "draw", refuse)
    view = make_view("opengl")
    show(view, three_atoms())
    image = settled(qtbot, view)
    assert view.backend == "software"
    assert is_like(color_at(image, atom_position(view, 0)), RED)


def test_drawing_does_not_hold_up_other_threads(qtbot, make_view):
    view = make_view("opengl")
    show(view, Frame.from_atoms(bulk("Si", cubic=True) * (20, 20, 20)))
    settled(qtbot, view)
    request = view.make_request((900, 700), 2)
    seconds: list[float] = []
    drawing = threading.Thread(target=lambda: seconds.append(view.draw_now(request).seconds))
    drawing.start()
    last, longest = time.perf_counter(), 0.0
    while drawing.is_alive():
        time.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    drawing.join()
    assert longest < max(0.5 * seconds[0], 0.1)


def test_a_deleted_view_leaves_no_thread(qtbot):
    view = create_structure_view()
    view.resize(*SIZE)
    view.show()
    qtbot.waitExposed(view)
    show(view, three_atoms())
    qtbot.waitUntil(lambda: our_threads() != [], timeout=WAIT)
    shiboken6.delete(view)
    assert our_threads() == []


def test_a_hidden_view_draws_when_it_is_shown(qtbot, make_view):
    view = make_view("software")
    view.hide()
    show(view, three_atoms())
    qtbot.wait(50)
    assert view.picture is None
    view.show()
    assert is_like(color_at(settled(qtbot, view), atom_position(view, 1)), GREEN)
    request = replace(view.make_request((50, 40), 1), occlusion=False)
    view.close_drawing()
    with pytest.raises(RuntimeError, match="could not be drawn"):
        view.draw_now(request)
