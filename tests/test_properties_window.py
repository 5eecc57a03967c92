"""Properties of a crystal in the window: studied, shown beside a reference, stopped, exported."""

from __future__ import annotations

import json
from pathlib import Path

from ase.build import bulk
from panel_helpers import wait_for

from app.documents.run import RunDocument, RunState
from app.panels.properties_panel import EMPTY, PropertiesPanel
from app.session.session import Session
from app.workers.foreign import SharedModel
from nnpcore.reference import StillingerWeber, label
from nnpcore.structures import Role, read_dataset, write_frames
from nnpcore.training import TrainSettings


def open_model(session: Session, folder: Path) -> RunDocument:
    """Open a crystal and a calculator that knows it."""
    frames = [label(bulk("Si", a=a, cubic=True), StillingerWeber()) for a in (5.38, 5.43, 5.48)]
    write_frames(folder / "scan.extxyz", frames)
    session.data.add(read_dataset(folder / "scan.extxyz"), Role.EOS)
    run = session.runs.add("sw", TrainSettings(), RunState.IMPORTED)
    run.potential = SharedModel(StillingerWeber())
    session.runs.set_current(run.id)
    return run


def cells(panel: PropertiesPanel) -> dict[str, list[str]]:
    return {row.name: [text for text, _ in row.cells] for row in panel.table_view.rows}


def test_properties_stand_beside_the_reference(qtbot, session: Session, tmp_path: Path) -> None:
    assert PropertiesPanel.lacks(session) is not None
    open_model(session, tmp_path)
    assert PropertiesPanel.lacks(session) is None
    panel = PropertiesPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.body.message == EMPTY and panel.table() is None
    session.properties.choose(parts=("lattice", "elastic"))
    (tmp_path / "numbers.json").write_text(json.dumps({"c11": 165.7}))
    session.properties.read_reference(tmp_path / "numbers.json")
    panel.study_button.click()
    assert session.properties.busy
    wait_for(lambda: not session.properties.busy)
    panel.refresh()
    shown = cells(panel)
    assert shown["a, Å"] == ["5.4309", "–"] and shown["C11, GPa"] == ["151.4", "165.7"]
    assert panel.table_view.heads == ("Property", "sw", "numbers")
    tip = next(row.cells[0][1] for row in panel.table_view.rows if row.name == "C11, GPa")
    assert tip == "-8.6 % off the reference"
    table = panel.table()
    assert table is not None and len(table["sw"]) == len(shown) and panel.figure() is not None
    session.properties.forget_reference()
    panel.refresh()
    assert panel.table_view.heads == ("Property", "sw")


def test_what_failed_says_why_in_its_cell(qtbot, session: Session, tmp_path: Path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "phonopy", None)
    open_model(session, tmp_path)
    panel = PropertiesPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.properties.choose(parts=("phonons",), against="stillinger-weber")
    session.properties.start()
    wait_for(lambda: not session.properties.busy)
    panel.refresh()
    assert cells(panel)["Phonons"] == ["–", "–"]
    tip = next(row.cells[0][1] for row in panel.table_view.rows if row.name == "Phonons")
    assert "eatlas[phonons]" in tip and "1 without a number" in panel.text.text()


def test_it_can_be_stopped(session: Session, tmp_path: Path) -> None:
    open_model(session, tmp_path)
    session.properties.choose(parts=("dynamics",))
    session.properties.start()
    session.properties.stop()
    wait_for(lambda: not session.properties.busy)
    assert session.properties.found == {}


def test_without_a_potential_it_is_said(session: Session) -> None:
    told: list[str] = []
    session.messages.notified.connect(lambda n: told.append(n.text))
    session.properties.start()
    assert "no potential to study" in told[-1] and not session.properties.busy
