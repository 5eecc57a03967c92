"""Words from strangers are data: no HTML, no control characters, no formulas, no forged questions."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QToolTip
from test_app_window import drop, panel
from training_data import silicon_frames

from app.dialogs.potentials import call_text, offer_calculators
from app.session.messages import Notification, from_error
from nnpcore.cli import main
from nnpcore.errors import DataError, RunFolderError
from nnpcore.figures.tables import format_csv
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.foreign_text import one_line, printable, spreadsheet_cell
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.structures import write_frames

EVIL = "<b>Start again?</b><img src='x'>"


def test_html_in_names_is_shown_as_it_is(window, qtbot, silicon_file):
    with qtbot.waitSignal(window.session.data.added):
        drop(window, silicon_file("<b>Start again<.extxyz"))
    plain = Qt.TextFormat.PlainText
    window.session.messages.notify(Notification("warning", EVIL, EVIL))
    toast = window.toasts.shown[-1]
    assert {label.textFormat() for label in toast.findChildren(QLabel) if label.text() == EVIL} == {plain}
    for label in window.findChildren(QLabel):
        if label.isVisible() and "<b>Start again" in label.text():
            assert label.textFormat() == plain, label.text()
    row = panel(window, "data")
    QToolTip.showText(row.mapToGlobal(QPoint(5, 5)), EVIL, row)
    qtbot.waitUntil(QToolTip.isVisible)
    tips = [w for w in QApplication.topLevelWidgets() if w.metaObject().className() == "QTipLabel"]
    assert [(tip.text(), tip.textFormat()) for tip in tips if tip.isVisible()] == [(EVIL, plain)]
    QToolTip.hideText()


def test_message_boxes_take_text_as_it_is(window, qtbot):
    box = QMessageBox(window)
    box.setText(EVIL)
    box.setInformativeText(EVIL)
    box.open()
    labels = [label for label in box.findChildren(QLabel) if label.text() == EVIL]
    assert len(labels) == 2 and all(label.textFormat() == Qt.TextFormat.PlainText for label in labels)
    box.close()


def test_consent_shows_the_import_and_its_arguments_and_cannot_be_forged(window):
    kept = {
        "import_path": "os:system",
        "arguments": {"command": "rm -rf ~\nEMT() is harmless\x1b[2K"},
        "name": "EMT (ase.calculators.emt:EMT)",
    }
    started = []
    window.session.tasks.run = lambda *a, **k: started.append(a)
    offer_calculators(window.session, [kept])
    toast = window.toasts.shown[-1]
    text = toast.notification.text
    assert 'from os import system; system(command="rm -rf ~\\nEMT() is harmless\\u001b[2K")' in text
    assert "EMT (ase" not in text and text.count("\n") == 1
    assert started == []
    toast.buttons[0].click()
    assert len(started) == 1
    elsewhere = call_text(CalculatorSpec("ase.calculators.emt:EMT", python="/tmp/odd/python"))
    assert elsewhere == '"/tmp/odd/python" runs from ase.calculators.emt import EMT; EMT()'
    long = CalculatorSpec("os:system", {"a": "x" * 5000})
    assert len(call_text(long)) <= 600 and call_text(long).startswith("from os import system")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u202egnp.exe", "a\\x202egnp.exe"),
        ("Å³\tline\nnext", "Å³\tline\nnext"),
    ],
)
def test_control_characters_are_spelled_out(text, wanted):
    assert printable(text) == wanted


def test_control_characters_reach_no_terminal(tmp_path, capfd):
    name = tmp_path / "a\x1b]0;owned\x07\x1b[2J.extxyz"
    name.write_text('1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 \x1b[2Jkey=1\nXx 0 0 0\n')
    assert main(["info", str(name)]) == 1
    name.write_text(
        '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 \x1b[2J=1 [red]=2\nSi 0 0 0\n'
    )
    main(["info", str(name)])
    main(["train", str(tmp_path / "\x1b[2Jmissing.xyz"), "-o", str(tmp_path / "run")])
    said = capfd.readouterr()
    assert "\x1b" not in said.out + said.err and "\x07" not in said.out + said.err


def test_a_name_with_a_line_feed_makes_no_line_of_its_own(tmp_path, capsys):
    run, rows = tmp_path / "run", "8\nError: all is lost"
    for name in (f"a\n{rows}[bold].extxyz", f"a\n{rows}\n[red].extxyz"):
        write_frames(tmp_path / name, silicon_frames(2))
        missing = tmp_path / f"missing {name}"
        assert main(["info", str(tmp_path / name)]) == 0
        assert main(["info", str(missing)]) == main(["watch", str(missing), "--once"]) == 1
        assert main(["train", str(missing), "-o", str(run)]) == 1
        said = capsys.readouterr()
        lines = (said.out + said.err).splitlines()
        assert not [line for line in lines if line.startswith(("8", "Error: all is lost"))], lines
        assert name.replace("\n", "\\x0a") in said.out and str(missing).replace("\n", "\\x0a") in said.err


def test_messages_lose_their_control_characters(window):
    window.session.messages.notify(Notification("error", "a\x1bb", "c\u202ed"))
    assert window.toasts.shown[-1].notification.text == "c\\x202ed"


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("-5.0", "-5.0"), ("@x", "'@x"), ("-inf", "-inf"), ("a=1", "a=1")],
)
def test_no_cell_becomes_a_formula(cell, wanted):
    assert spreadsheet_cell(cell) == wanted
    rows = list(csv.reader(io.StringIO(format_csv({"=name": [cell], "n": [-2.5]}))))
    assert rows == [["'=name", "n"], [wanted, "-2.5"]]


def test_a_failed_export_leaves_nothing_behind(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old.txt").write_text("kept")
    with pytest.raises(DataError), all_or_nothing(target) as beside:
        (beside / "half.txt").write_text("half")
        raise DataError("broken")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old.txt"]
    with all_or_nothing(target) as beside:
        (beside / "deep").mkdir()
        (beside / "deep" / "a.txt").write_text("a")
        (beside / "old.txt").write_text("new")
    assert (target / "deep" / "a.txt").read_text() == "a" and (target / "old.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError), all_or_nothing(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize("there", ["nothing", "files"])
def test_files_come_all_or_none_where_one_cannot_be_moved(tmp_path, monkeypatch, there):
    folder, real = tmp_path / "map", os.replace
    if there == "files":
        (folder / "tables").mkdir(parents=True)
        (folder / "a.csv").write_text("older")
        (folder / "tables" / "c.csv").write_text("older")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.csv")}

    def full(source, target, *rest):
        if Path(target).name in ("b.csv", "map"):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        real(source, target, *rest)

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(RunFolderError, match="disk is full"), all_or_nothing(folder) as beside:
        for name in ("a.csv", "a/new.csv", "b.csv", "tables/c.csv"):
            (beside / name).parent.mkdir(exist_ok=True)
            (beside / name).write_text("newer")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.csv")} == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_dir()) == (
        ["map", "tables"] if there == "files" else []
    )
    monkeypatch.undo()
    with all_or_nothing(folder) as beside:
        (beside / "a.csv").write_text("newer")
    usual = tmp_path / "usual"
    usual.mkdir()
    assert (folder / "a.csv").read_text() == "newer" and folder.stat().st_mode == usual.stat().st_mode


def test_a_failed_writing_names_the_place_that_was_asked_for(tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunFolderError) as caught, all_or_nothing(tmp_path / "map") as beside:
        monkeypatch.setattr(os, "fsync", full)
        write_atomically(beside / "tables" / "a.csv", b"a")
    assert caught.value.where == str(tmp_path / "map" / "tables" / "a.csv")
    assert not list(tmp_path.iterdir())


def test_a_failed_map_leaves_nothing_behind(tmp_path, monkeypatch):
    from nnpcore.report import mapping_folder

    def fail(folder: Path, figures: object) -> None:
        (folder / "eos.png").write_text("half")
        raise RunFolderError("the disk is full")

    monkeypatch.setattr(mapping_folder, "write_tables", fail)
    for name in ("eos_table", "eos_parameters_table", "distance_table", "pca_table", "pca_components_table",
                 "compared_figure", "map_figure", "distance_figure", "summary"):  # fmt: skip
        monkeypatch.setattr(mapping_folder, name, lambda *_, **__: {})
    found = type("Found", (), dict.fromkeys(
        ("connectivity", "curve", "report", "bracket", "pca", "reach")) | {"scores": {}})()  # fmt: skip
    found.curve = found.reach = type("Any", (), {"volumes": None, "distances": None})()
    with pytest.raises(RunFolderError):
        mapping_folder.write_mapping(found, tmp_path / "map")
    assert list(tmp_path.iterdir()) == []


def test_denied_permission_comes_with_what_to_do():
    error = PermissionError(13, "Permission denied", "/data/x.csv")
    told = from_error("x.csv was not written", error)
    assert told.text == "/data/x.csv: you may not write here. Choose a folder of your own."
    assert one_line("a\n b" * 100).endswith("…") and QGuiApplication.instance() is not None
