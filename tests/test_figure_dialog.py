"""The dialog that exports what a panel shows, driven by its widgets."""

from __future__ import annotations

import csv
import io
import time

import pytest
from panel_helpers import show_panel, wait_for
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog
from test_panels_empty import add_run, record

from app.dialogs.fields import set_value
from app.panels.training_panel import TrainingPanel


@pytest.fixture
def dialog(qtbot, session):
    add_run(session, [record(e, 8.0 / e, 9.0 / e) for e in range(1, 7)])
    panel = show_panel(qtbot, TrainingPanel(session), 500, 300)
    made = panel.ask_export()
    wait_for(lambda: not made.preview.image.isNull())
    yield made
    if not made.ended:
        made.reject()
    wait_for(lambda: not session.tasks.tasks)


def choose(dialog, **values) -> None:
    for name, value in values.items():
        set_value(dialog.widgets[name], value)


def settled(dialog) -> None:
    wait_for(lambda: not dialog._timer.isActive() and not dialog._drawing)


def save_as(dialog, path, monkeypatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    dialog.start_button.click()
    wait_for(lambda: dialog.ended or dialog.error_box.isVisible())


def test_the_preview_follows_and_the_size_is_kept_in_any_unit(dialog):
    values = dialog.values()
    assert values["width"] > 50 and values["height"] > 30, "as drawn, in mm"
    choose(dialog, width=150, height=50)
    settled(dialog)
    image = dialog.preview.image
    assert image.width() / image.height() == pytest.approx(3.0, rel=0.02)
    choose(dialog, unit="in")
    assert dialog.values()["width"] == pytest.approx(150 / 25.4, abs=0.01)
    choose(dialog, unit="px")
    assert dialog.values()["width"] == pytest.approx(150 / 25.4 * 300, abs=1)
    settled(dialog)
    assert "1772 × 591 pixels" in dialog.note.text()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "csv"])
def test_it_writes_what_is_chosen(dialog, session, tmp_path, monkeypatch, suffix):
    choose(dialog, format=suffix, legend=False)
    settled(dialog)
    save_as(dialog, tmp_path / "out", monkeypatch)
    assert dialog.ended
    content = (tmp_path / f"out.{suffix}").read_bytes()
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "csv": b"epoch"}[suffix]
    assert content.startswith(start)
    assert suffix != "svg" or b"validation" not in content, "no legend was wanted"
    kept = session.settings.dialogs["figure"]
    assert kept["format"] == suffix and kept["legend"] is False and kept["folder"] == str(tmp_path)


def test_choices_come_back_and_the_size_is_each_panels_own(dialog, session):
    choose(dialog, dpi=150, width=99.0, font_size=7.0)
    dialog.reject()
    panel = dialog.source
    again = panel.ask_export()
    assert again is not dialog
    assert (again.values()["dpi"], again.values()["width"], again.values()["font_size"]) == (150, 99.0, 7.0)
    again.reject()
    panel.name = "another"
    other = panel.ask_export()
    assert other.values()["dpi"] == 150 and other.values()["width"] == 0.0
    other.reject()


def test_picture_and_numbers_go_to_the_clipboard(dialog, session):
    choose(dialog, dpi=100, width=100, height=60)
    dialog.copy_picture.click()
    wait_for(lambda: "clipboard" in dialog.note.text())
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == (round(100 / 25.4 * 100), round(60 / 25.4 * 100))
    dialog.note.setText("")
    dialog.copy_table.click()
    wait_for(lambda: "numbers" in dialog.note.text())
    rows = list(csv.DictReader(io.StringIO(QGuiApplication.clipboard().text()), delimiter="\t"))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]


def test_what_cannot_be_is_said_at_its_field(dialog, tmp_path, monkeypatch):
    choose(dialog, width=20, height=20)
    wait_for(dialog.error_box.isVisible)
    assert dialog.error.text().startswith("Width: this is too small for its letters")
    choose(dialog, width=120, height=60, sheet=str(tmp_path / "none.mplstyle"))
    wait_for(lambda: dialog.error_box.isVisible() and "Style sheet" in dialog.error.text())
    (tmp_path / "a.mplstyle").write_text("font.size: 7\ntext.usetex: True\n")
    choose(dialog, sheet=str(tmp_path / "a.mplstyle"))
    settled(dialog)
    wait_for(lambda: "text.usetex" in dialog.note.text())
    assert not dialog.error_box.isVisible()
    (tmp_path / "file").write_text("")
    save_as(dialog, tmp_path / "file" / "x.png", monkeypatch)
    assert not dialog.ended and str(tmp_path / "file") in dialog.error.text()


def test_the_preview_is_no_larger_than_its_place(dialog):
    assert isinstance(dialog.preview.image, QImage)
    assert dialog.preview.image.width() <= dialog.preview.width() + 1


def test_figures_are_drawn_one_at_a_time():
    from concurrent.futures import ThreadPoolExecutor

    from matplotlib.figure import Figure

    from app.workers.drawing_figures import preview
    from nnpcore.figures import FigureStyle

    at_work, most = [], []

    def draw() -> Figure:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.05)
        at_work.pop()
        return Figure(figsize=(2, 2))

    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda _: preview(draw, FigureStyle(), (100, 100)), range(3)))
    assert len(drawn) == 3
    assert most == [1, 1, 1]
