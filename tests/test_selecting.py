"""Choosing atoms by expression, stepping, inverting, growing and writing; measuring by clicks."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from ase.build import bulk, molecule
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialogButtonBox
from test_colors import add_run, opened
from test_viewer_view import click

from app.dialogs.selecting import ExpressionDialog, atoms_by
from app.documents.atom_numbers import bonded, file_numbers, grown
from app.documents.expression import evaluate, names_in, parse
from app.panels.structure_panel import StructurePanel
from app.viewer3d.drawing import SOFTWARE_VARIABLE
from app.viewer3d.measuring import Measuring
from nnpcore.errors import SettingsError
from nnpcore.structures.frame import Frame

VALUES = {
    "element": np.array(["Si", "O", "Si", "H"]),
    "z": np.array([0.0, 1.0, 2.0, np.nan]),
    "e_at": np.array([0.2, 0.0, -0.3, 0.5]),
}


@pytest.fixture
def panel(qtbot, session, monkeypatch) -> StructurePanel:
    monkeypatch.setenv(SOFTWARE_VARIABLE, "1")
    made = StructurePanel(session)
    qtbot.addWidget(made)
    made.resize(620, 480)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('element == "Si" and e_at > 0.1', [0]),
        ("0 <= z < 2", [0, 1]),
        ("not z > 0.5", [0, 3]),
        ("z != 1", [0, 2]),
        ('element in ("O", "H")', [1, 3]),
        ('element not in ["O", "H"] or abs(e_at) >= 0.5', [0, 2, 3]),
        ("e_at * 10 - 1 > z ** 2 or e_at / 0 > 3 ", [0, 3]),
        ("1 < 2", [0, 1, 2, 3]),
    ],
)
def test_expressions(text, wanted):
    assert evaluate(parse(text), VALUES, 4).nonzero()[0].tolist() == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "z", "z >", "energy > 1", 'z == "Si"', "element > 1", "__import__('os').system('ls') == 0",
        "z.real > 1", "(lambda: 1)() > 0", "[x for x in z] > 1", "z > 1 if z else 2", "z[0] > 1", "open > 1",
        "9 ** 9 ** 9 ** 9", "(" * 300 + "z" + ")" * 300, "not " * 100 + "z > 1", "z > 1;z", "x" * 600,
        "f'{z}' == 'a'", "sqrt(z, z) > 1", "z and e_at > 1", "z > True and (z := 3)", "-element > 1",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_and_never_run(text):
    with pytest.raises(SettingsError):
        evaluate(parse(text), VALUES, 4)


def test_names_and_numbers_of_a_file():
    assert names_in(parse("abs(z) > 1 and element == 'Si'")) == {"z", "element"}
    frame = Frame.from_atoms(molecule("CH3CH2OH"))
    values = file_numbers(frame, 4, {"neighbors"})
    assert values["frame"][0] == 5 and values["atom"].tolist() == list(range(1, 10))
    assert sorted(values["neighbors"].astype(int).tolist()) == [1, 1, 1, 1, 1, 1, 2, 4, 4]
    oxygen = np.flatnonzero(frame.numbers == 8)
    assert sorted(frame.numbers[grown(frame, oxygen)].tolist()) == [1, 6, 8]
    crystal = Frame.from_atoms(bulk("Si", cubic=True))
    assert len(bonded(crystal)[0]) == 8 * 4


def test_the_dialog_selects_and_says_what_is_wrong(qtbot, session, panel, silicon_potential, silicon_file):
    key = opened(session, silicon_file(n_frames=3))
    dialog = ExpressionDialog(session, panel)
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    dialog.open()
    dialog.field.setText("speed > 1")
    ok.click()
    assert dialog.isVisible() and "There is no “speed” here. Known are" in dialog.message.text()
    dialog.field.setText("e_at > 0")
    ok.click()
    assert "need a run" in dialog.message.text()
    dialog.everywhere.setChecked(True)
    dialog.field.setText("mobility > 0.5")
    ok.click()
    frames = session.data.current.frames
    wanted = {(key, k, a) for k, f in enumerate(frames) for a in np.flatnonzero(f.arrays["mobility"] > 0.5)}
    assert session.selection.current.atoms == wanted
    n_frames = len({frame for _, frame, _ in wanted})
    assert session.selection.count_text() == f"{len(wanted)} atoms in {n_frames} frames"
    assert session.selection.count_text() in panel.card.text().replace("&nbsp;", " ")
    add_run(session, "one", silicon_potential)
    qtbot.waitUntil(lambda: session.runs.prediction is not None, timeout=60_000)
    energies = silicon_potential.predict([session.data.frame]).atomic_energies
    found = {atom for _, _, atom in atoms_by(session, "e_at > 0", False)}
    assert found == set(np.flatnonzero(energies > energies.mean()).tolist())


def test_stepping_inverting_growing_and_writing(qtbot, session, panel, silicon_file, tmp_path):
    key = opened(session, silicon_file(n_frames=5))
    session.selection.select([(key, 1, 0), (key, 4, 2)])
    seen = []
    for by in (1, 1, 1, -1, -1):
        session.selection.step(by)
        seen.append(session.data.frame_index)
    assert seen == [1, 4, 1, 4, 1]
    session.selection.grow()
    assert len(session.selection.current.in_frame(key, 1)) == 5, "an atom of diamond has four neighbors"
    session.selection.invert()
    assert len(session.selection.current) == 2 * 3
    panel.selecting.fill()
    texts = [action.text() for action in panel.selecting.menu.actions()]
    assert texts[0] == "6 atoms in 2 frames" and "Save as Region" in texts
    with qtbot.waitSignal(session.messages.notified):
        panel.selecting.export_to(tmp_path / "chosen.csv")
    rows = list(csv.DictReader((tmp_path / "chosen.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 6 and {row["element"] for row in rows} == {"Si"} and rows[0]["frame (from 0)"] == "1"


def test_measuring_by_clicks_stays_and_is_copied(qtbot, session, panel, silicon_file):
    opened(session, silicon_file())
    view = panel.view
    qtbot.keyClick(view, Qt.Key.Key_M)
    assert panel.tools.measure.isChecked() and view.measuring.enabled
    clicked = []
    for target in (0, 4, 1):
        place = view.frame.positions[target]
        view.set_camera(view.camera.centered(place).zoomed(1, 0, 0, (10, 10)))
        at = QPointF(view.width() / 2, view.height() / 2)
        clicked.append(view.picker().atom_at(at.x(), at.y()))
        click(view, at, Qt.KeyboardModifier.NoModifier)
    assert view.measuring.groups == [clicked] and len(session.selection.current) == 0
    atoms = view.frame.to_atoms()
    angle = atoms.get_angle(*clicked, mic=True)
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    text = QGuiApplication.clipboard().text()
    assert f"\tangle\t{angle:.4f}\t°" in text and f"Si{clicked[0] + 1} – " in text
    qtbot.keyClick(view, Qt.Key.Key_M)
    assert not view.measuring.enabled and view.measuring.groups == [clicked]
    session.data.show(session.data.current_id, 2)
    other = session.data.frame.to_atoms().get_angle(*clicked, mic=True)
    assert f"{other:.4f}" in view.measuring.text(view.frame), "values follow the frame"
    qtbot.keyClick(view, Qt.Key.Key_Backspace)
    assert view.measuring.groups == [clicked[:2]]
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.measuring.groups == []


def test_groups_of_a_measurement():
    measuring = Measuring()
    for atom in (1, 2, 3, 4, 5, 6):
        measuring.add(atom)
    assert measuring.groups == [[1, 2, 3, 4], [5, 6]]
    measuring.fit(6)
    assert measuring.groups == [[1, 2, 3, 4]]
