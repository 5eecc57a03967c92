"""The structure panel with a session: frames, playing, selection, colours, exports."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QMenu
from test_viewer_view import WAIT, click

from app.dialogs.fields import set_value
from app.dialogs.range_menu import RangeDialog, fill_range_menu
from app.documents.run import RunDocument, RunState
from app.look import theme
from app.panels.structure_colors import WAITING
from app.panels.structure_panel import EMPTY, StructurePanel
from app.viewer3d.drawing import SOFTWARE_VARIABLE
from app.viewer3d.frame_bar import FrameBar
from nnpcore.figures import FigureStyle
from nnpcore.figures.tables import write_csv
from nnpcore.training import TrainSettings

Modifier = Qt.KeyboardModifier


@pytest.fixture
def panel(qtbot, session, monkeypatch: pytest.MonkeyPatch) -> StructurePanel:
    monkeypatch.setenv(SOFTWARE_VARIABLE, "1")
    made = StructurePanel(session)
    qtbot.addWidget(made)
    made.resize(520, 420)
    made.show()
    qtbot.waitExposed(made)
    return made


def open_file(qtbot, session, path: Path) -> str:
    before = set(session.data.datasets)
    session.data.open_paths([str(path)])
    qtbot.waitUntil(lambda: len(session.data.datasets) > len(before), timeout=WAIT)
    return next(iter(set(session.data.datasets) - before))


def test_an_empty_panel_says_what_to_do(panel):
    assert panel.stated.message == EMPTY
    assert panel.table() is None and panel.figure_task() is None


def test_frames_are_stepped_and_played(qtbot, session, panel, silicon_file):
    dataset_id = open_file(qtbot, session, silicon_file(n_frames=4))
    assert panel.stated.message == ""
    assert panel.frames.text == "1 / 4"
    assert "Si₈" in panel.info.text() and "−5.0000 eV/atom" in panel.info.text()
    panel.frames.slider.setValue(2)
    assert session.data.frame_index == 2
    assert panel.view.frame is session.data.frame
    assert panel.frames.number.value() == 3
    panel.frames.number.setValue(2)
    assert session.data.frame_index == 1
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_Right)
    qtbot.keyClick(panel.view, Qt.Key.Key_Right)
    qtbot.keyClick(panel.view, Qt.Key.Key_Right)
    assert session.data.frame_index == 0
    qtbot.keyClick(panel.view, Qt.Key.Key_Left)
    assert session.data.frame_index == 3
    camera = panel.view.camera
    seen: set[int] = set()
    session.data.current_changed.connect(lambda: seen.add(session.data.frame_index))
    panel.frames.fps.setValue(60)
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert panel.frames.playing
    qtbot.waitUntil(lambda: seen == {0, 1, 2, 3}, timeout=WAIT)
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert not panel.frames.playing
    assert panel.view.camera is camera
    session.data.remove(dataset_id)
    assert panel.stated.message == EMPTY and not panel.frames.playing


def test_the_caption_takes_further_lines_where_the_panel_is_narrow(qtbot, session, panel, silicon_file):
    open_file(qtbot, session, silicon_file("a.extxyz", 1))
    qtbot.waitUntil(lambda: "eV/atom" in panel.info.text())
    wide = panel.view.insets.top()
    assert panel.info.text().count("<br>") == 1
    panel.resize(200, 420)
    qtbot.waitUntil(lambda: panel.info.text().count("<br>") > 1)
    assert panel.view.insets.top() > wide
    assert panel.info.sizeHint().width() <= panel.view.width()


def test_picking_and_the_shared_selection(qtbot, session, panel, silicon_file):
    dataset_id = open_file(qtbot, session, silicon_file())
    view, positions = panel.view, session.data.frame.positions

    def click_on(atom: int, modifiers: Qt.KeyboardModifier = Modifier.NoModifier) -> int:
        view.set_camera(view.camera.centered(positions[atom]).zoomed(1, 0, 0, (10, 10)))
        at = QPointF(view.width() / 2, view.height() / 2)
        click(view, at, modifiers)
        return view.picker().atom_at(at.x(), at.y())

    first = click_on(3)
    assert session.selection.current.atoms == {(dataset_id, 0, first)}
    assert view.selected.tolist() == [first]
    assert f"atom&nbsp;{first + 1}" in panel.card.text() and "position" in panel.card.text()
    second = click_on(6, Modifier.ControlModifier)
    assert panel.selected_atoms() == [first, second]
    wanted = session.data.frame.to_atoms().get_distance(first, second, mic=True)
    assert "distance" in panel.card.text() and f"{wanted:.3f}" in panel.card.text()
    third = next(atom for atom in range(8) if atom not in (first, second))
    session.selection.select([(dataset_id, 0, third)], "add")
    assert "angle" in panel.card.text() and view.selected.tolist() == sorted([first, second, third])
    click_on(6, Modifier.ControlModifier)
    assert second not in panel.selected_atoms()
    view.lassoed.emit(np.array([0, 1]), Modifier.NoModifier)
    view.lassoed.emit(np.array([2, 3]), Modifier.ControlModifier)
    view.lassoed.emit(np.array([0]), Modifier.AltModifier)
    assert session.selection.current.in_frame(dataset_id, 0).tolist() == [1, 2, 3]
    session.data.show(dataset_id, 1)
    assert view.selected.size == 0 and "3&nbsp;atoms&nbsp;selected" in panel.card.text()
    session.data.show(dataset_id, 0)
    assert view.selected.tolist() == [1, 2, 3]
    session.selection.set_hovered((dataset_id, 0, 5))
    assert "atom&nbsp;6" in panel.card.text()
    session.selection.set_hovered(None)
    view.background_clicked.emit()
    assert len(session.selection.current) == 0 and panel.card.isHidden()


def test_colors_by_a_file_array_keep_their_range(qtbot, session, panel, silicon_file):
    dataset_id = open_file(qtbot, session, silicon_file())
    assert panel.bar.isHidden()
    session.coloring.set(kind="mobility")
    limits = panel.shown.bar.limits
    values = np.concatenate([f.arrays["mobility"] for f in session.data.current.frames])
    assert limits[0] <= np.percentile(values, 1) and limits[1] >= np.percentile(values, 99)
    assert len(np.unique(panel.view.make_request((9, 9), 1).colors, axis=0)) > 4
    session.data.show(dataset_id, 3)
    assert panel.shown.bar.limits == limits
    session.coloring.set(range_mode="frame")
    mine = session.data.frame.arrays["mobility"]
    assert panel.shown.bar.limits == (mine.min(), mine.max())
    menu = QMenu(panel)
    fill_range_menu(menu, session.coloring, panel.shown.bar)
    next(a for a in menu.actions() if a.text() == "Lock this range").trigger()
    session.data.show(dataset_id, 0)
    assert panel.shown.bar.limits == (mine.min(), mine.max())
    before = panel.shown.bar.colors
    next(a for a in menu.actions() if a.text() == "Reverse the colours").trigger()
    np.testing.assert_array_equal(panel.shown.bar.colors, before[::-1])
    session.undo_stack.undo()
    np.testing.assert_array_equal(panel.shown.bar.colors, before)
    session.coloring.set(kind="atomic_energy")
    assert panel.shown.bar is None and "Train or open a run" in panel.message.text()


def test_predicted_colors_wait_for_the_prediction(
    qtbot, session, panel, silicon_file, silicon_potential, monkeypatch
):
    dataset_id = open_file(qtbot, session, silicon_file())
    monkeypatch.setattr(session.coloring, "crystal_energy", lambda: -5.0)
    session.coloring.set(kind="atomic_energy")
    run = RunDocument("r", "r", TrainSettings(), RunState.FINISHED, potential=silicon_potential)
    session.runs.documents["r"] = run
    session.runs.set_current("r")
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    low, high = panel.shown.bar.limits
    assert low == -high and panel.shown.bar.unit == "meV" and panel.message.isHidden()
    before, colored = panel.view.frame, panel.shown.colors
    session.data.show(dataset_id, 1)
    assert panel.frames.text == "2 / 4"
    assert panel.view.frame is before and panel.shown.colors is colored
    qtbot.waitUntil(lambda: panel.view.frame is session.data.frame, timeout=WAIT)
    qtbot.waitUntil(lambda: panel.message.isHidden(), timeout=WAIT)
    energies = silicon_potential.predict([session.data.frame]).atomic_energies
    atom = int(np.argmax(energies))
    session.selection.select([(dataset_id, 1, atom)])
    text = panel.card.text()
    assert f"{energies[atom]:.4f}".replace("-", "−") in text
    assert all(part in text for part in ("±", "to&nbsp;the&nbsp;crystal", "force&nbsp;error"))
    table = panel.table()
    np.testing.assert_allclose(table["atomic energy (eV)"], energies)
    assert {"atomic energy std (eV)", "predicted Fx (eV/Å)"} <= set(table)
    session.analyses.shutdown()
    session.data.show(dataset_id, 2)
    qtbot.waitUntil(lambda: panel.view.frame is session.data.frame, timeout=WAIT)
    assert WAITING in panel.message.text() and (panel.shown.colors == 150).all()
    assert panel.shown.bar is not None


def test_a_picture_of_a_size_for_a_paper(qtbot, session, panel, silicon_file, tmp_path, monkeypatch):
    dataset_id = open_file(qtbot, session, silicon_file())
    session.coloring.set(kind="mobility", range_mode="locked", low=-1.0, high=1.0)
    dialog = panel.ask_export()
    qtbot.waitUntil(lambda: not dialog.preview.image.isNull(), timeout=WAIT)
    for name, value in (("unit", "px"), ("width", 640), ("height", 300), ("transparent", True)):
        set_value(dialog.widgets[name], value)
    path = tmp_path / "a.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    dialog.start_button.click()
    qtbot.waitUntil(lambda: dialog.ended, timeout=WAIT)
    image = QImage(str(path))
    assert (image.width(), image.height()) == (640, 300)
    assert image.pixelColor(0, 0).alpha() == 0
    alpha = np.array([[image.pixelColor(x, y).alpha() for x in range(530, 640, 2)] for y in range(0, 300, 2)])
    assert (alpha > 200).any(), "the colour bar"
    for name, atoms in (("plain", []), ("chosen", [(dataset_id, 0, 2)])):
        session.selection.select(atoms)
        panel.figure_task(FigureStyle(width=40.0, dpi=100))(tmp_path / f"{name}.png")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "chosen.png").read_bytes(), "no rings"
    panel.figure_task(FigureStyle())(tmp_path / "b.svg")
    text = (tmp_path / "b.svg").read_text()
    assert "mobility" in text and "locked" not in text


def test_the_numbers_of_the_atoms(qtbot, session, panel, silicon_file, tmp_path):
    open_file(qtbot, session, silicon_file())
    write_csv(tmp_path / "b.csv", panel.table())
    rows = list(csv.DictReader((tmp_path / "b.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 8 and rows[0]["element"] == "Si"
    assert float(rows[5]["x (Å)"]) == session.data.frame.positions[5, 0]
    assert float(rows[5]["mobility"]) == session.data.frame.arrays["mobility"][5]


def test_a_range_must_be_two_numbers(qtbot):
    dialog = RangeDialog((-1.0, 2.0))
    qtbot.addWidget(dialog)
    dialog.low.setText("5")
    assert dialog.limits() == (2.0, 5.0)
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    dialog.low.setText("abc")
    assert not ok.isEnabled()
    dialog.low.setText("2")
    assert not ok.isEnabled()


def test_the_panel_follows_the_theme(qtbot, session, panel, silicon_file):
    from PySide6.QtWidgets import QApplication

    open_file(qtbot, session, silicon_file())
    app = QApplication.instance()
    before = theme.current()
    try:
        theme.set_mode("dark" if not before.dark else "light")
        corner = panel.view.grab().toImage().pixelColor(panel.view.width() - 2, 2)
        assert (corner.lightnessF() < 0.5) != before.dark
        assert panel.view.look().background != panel.view.look(before).background
    finally:
        theme.set_mode("dark" if before.dark else "light")
        app.setStyleSheet("")


def test_a_click_into_the_groove_of_the_frames_goes_there(qtbot):
    bar = FrameBar(lambda: True)
    qtbot.addWidget(bar)
    bar.frame_chosen.connect(lambda index: bar.set_state(index, 101))
    bar.set_state(50, 101)
    bar.resize(600, 40)
    bar.show()
    for share in (0.9, 0.1):
        at = QPoint(round(share * bar.slider.width()), bar.slider.height() // 2)
        qtbot.mouseClick(bar.slider, Qt.MouseButton.LeftButton, pos=at)
        assert bar.index == pytest.approx(100 * share, abs=3)


def test_playing_waits_for_pictures_and_says_what_it_cannot_hold(qtbot, monkeypatch):
    from app.viewer3d import frame_bar

    ready, now, shown = [False], [0.0], []
    monkeypatch.setattr(frame_bar.time, "monotonic", lambda: now[0])
    bar = frame_bar.FrameBar(lambda: ready[0])
    qtbot.addWidget(bar)
    bar.frame_chosen.connect(shown.append)
    bar.show()
    bar.set_state(0, 100)
    bar.fps.setValue(60)
    bar.toggle()
    bar._on_tick()
    assert shown == [], "the last picture is still being drawn"
    bar.on_drawn()
    assert shown == [1], "the next one follows as soon as that is done"
    bar.on_drawn()
    assert shown == [1]
    ready[0] = True
    for _ in range(25):
        now[0] += 0.04
        bar._on_tick()
    assert bar.reached.isVisible() and bar.reached.text().startswith("25")
    bar.fps.setValue(25)
    for _ in range(30):
        now[0] += 0.04
        bar._on_tick()
    assert not bar.reached.isVisible()
    bar.toggle()
    assert not bar.playing


def test_another_frame_lays_no_window_out_anew(qtbot, session, panel, silicon_file):
    """Texts over the view change with each frame of a playing trajectory, and concern nothing around it."""

    class Requests(QObject):
        seen = 0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            self.seen += event.type() == QEvent.Type.LayoutRequest
            return False

    open_file(qtbot, session, silicon_file(n_frames=4))
    qtbot.waitUntil(lambda: not panel.view.is_drawing, timeout=WAIT)
    qtbot.wait(50)
    requests, before = Requests(), panel.info.text()
    panel.installEventFilter(requests)
    for index in (1, 2, 3):
        panel.frames.go(index)
        qtbot.waitUntil(lambda: not panel.view.is_drawing, timeout=WAIT)
        qtbot.wait(20)
    assert requests.seen == 0
    assert panel.info.text() != before
    assert panel.info.geometry().size() == panel.info.sizeHint()  # and yet it is laid out
    panel.removeEventFilter(requests)
