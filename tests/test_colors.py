"""Honest colours: nothing painted of rounding, white at zero, differences said by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMenu

from app.dialogs.range_menu import RangeDialog, fill_range_menu
from app.documents.coloring import Coloring
from app.documents.run import RunDocument, RunState
from app.look.colormaps import DIVERGING_MAPS, SEQUENTIAL_MAPS, map_colors, range_colors, table, to_rgb
from app.panels.parity_panel import ParityPanel
from app.panels.structure_panel import StructurePanel
from app.viewer3d.color_range import ColorRange
from app.viewer3d.drawing import SOFTWARE_VARIABLE
from nnpcore.structures import Dataset, Role, read_dataset
from nnpcore.structures.frame import EXACT_ENERGIES
from nnpcore.training import TrainSettings

WAIT = 20_000


@pytest.fixture
def panel(qtbot, session, monkeypatch) -> StructurePanel:
    monkeypatch.setenv(SOFTWARE_VARIABLE, "1")
    made = StructurePanel(session)
    qtbot.addWidget(made)
    made.resize(520, 420)
    made.show()
    qtbot.waitExposed(made)
    return made


def add_run(session, name, potential) -> RunDocument:
    run = RunDocument(name, name, TrainSettings(), RunState.FINISHED, potential=potential)
    session.runs.documents[name] = run
    session.runs.added.emit(name)
    session.runs.set_current(name)
    return run


def opened(session, path, exact=0.0) -> str:
    found = read_dataset(path)
    frames = tuple(
        replace(f, arrays=f.arrays | {EXACT_ENERGIES: np.full(f.n_atoms, -5.0 + exact)}) for f in found.frames
    )
    return session.data.add(Dataset(found.name, found.path, frames), Role.TRAINING)


def test_zero_is_white_wherever_the_range_lies():
    for name in DIVERGING_MAPS.values():
        colors = to_rgb(np.array([-50.0, 0.0, 50.0, 150.0]), (-50.0, 150.0), True, name=name)
        middle = table(name)[127:129].astype(int)
        assert np.abs(colors[1].astype(int) - middle).max() <= 4
        assert (colors[3] == table(name)[-1]).all(), "the larger side takes the whole map"
        strength = np.abs(colors.astype(int) - middle[0]).sum(axis=1)
        assert abs(strength[0] - strength[2]) < 120 and strength[3] > strength[0]
    bar = range_colors((-50.0, 150.0), True)
    assert np.abs(bar[64].astype(int) - table("crameri:vik")[128]).max() <= 6
    np.testing.assert_array_equal(range_colors((2.0, 9.0), False), map_colors(False))


def test_rounding_is_not_painted():
    energies = Coloring(kind="atomic_energy")
    noise = np.array([1e-12, -1e-12, 0.0, 2e-12])
    for mode in ("auto", "frame", "percentile", "all", "all_percentile"):
        low, high = ColorRange().limits(noise, replace(energies, range_mode=mode), floor=0.2)
        assert low == -high and high >= 0.2
        assert np.ptp(to_rgb(noise, (low, high), True).astype(int), axis=0).max() <= 2
    assert ColorRange().limits(np.array([-3.0, 4.0]), energies, floor=0.2) == (-4.0, 4.0)


def test_a_perfect_crystal_has_one_color(qtbot, session, panel, silicon_potential, tmp_path, monkeypatch):
    from ase.build import bulk
    from ase.io import write

    write(tmp_path / "crystal.extxyz", bulk("Si", cubic=True), format="extxyz")
    with qtbot.waitSignal(session.data.added):
        session.data.open_paths([str(tmp_path / "crystal.extxyz")])
    add_run(session, "one", silicon_potential)
    session.coloring.set(kind="atomic_energy")
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    assert np.ptp(panel.shown.colors.astype(int), axis=0).max() <= 2
    assert panel.shown.bar.limits[1] >= 1e-4
    monkeypatch.setattr(session.runs.current, "best", lambda: 0.7)
    session.coloring.set(range_mode="frame")
    assert panel.shown.bar.limits == (-0.8, 0.8), "less than the RMSE is no difference"


def test_errors_of_atomic_energies_and_differences_of_runs(
    qtbot, session, panel, silicon_potential, silicon_file
):
    opened(session, silicon_file())
    add_run(session, "one", silicon_potential)
    assert "reference_error" in dict(session.coloring.kinds())
    assert "run_difference" not in dict(session.coloring.kinds())
    session.coloring.set(kind="reference_error")
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    energies = silicon_potential.predict([session.data.frame]).atomic_energies
    np.testing.assert_allclose(session.coloring.atom_values().values, 1000 * (energies + 5.0))
    assert panel.shown.bar.title == "Eₐₜ − reference (meV)"
    session.selection.select([(session.data.current_id, 0, 2)])
    assert f"{1000 * (energies[2] + 5):.5g}".replace("-", "−") in panel.card.text()
    add_run(session, "two", silicon_potential)
    session.coloring.set(kind="run_difference", other="one")
    qtbot.waitUntil(lambda: panel.shown.bar is not None and "of one" in panel.shown.bar.label, timeout=WAIT)
    assert np.abs(session.coloring.atom_values().values).max() == 0.0
    menu = QMenu(panel)
    fill_range_menu(menu, session.coloring, panel.shown.bar, ["one"])
    assert "Take off the run" in [a.text() for a in menu.actions()]


def test_ranges_over_all_frames_wait_for_their_predictions(
    qtbot, session, panel, silicon_potential, silicon_file
):
    opened(session, silicon_file(n_frames=5))
    add_run(session, "one", silicon_potential)
    session.coloring.set(kind="reference_error", range_mode="all")
    qtbot.waitUntil(
        lambda: panel.shown.bar is not None and panel.shown.bar.note == "all frames", timeout=WAIT
    )
    energies = [silicon_potential.predict([f]).atomic_energies for f in session.data.current.frames]
    most = np.abs(1000 * (np.concatenate(energies) + 5.0)).max()
    assert panel.shown.bar.limits == pytest.approx((-most, most))


def test_the_map_is_chosen_from_the_menu_and_can_be_undone(qtbot, session, panel, silicon_file):
    opened(session, silicon_file())
    session.coloring.set(kind="mobility")
    menu = QMenu(panel)
    fill_range_menu(menu, session.coloring, panel.shown.bar)
    chooser = next(a.menu() for a in menu.actions() if a.text() == "Colour map")
    assert [a.text() for a in chooser.actions()] == list(SEQUENTIAL_MAPS)
    before = panel.shown.bar.colors
    next(a for a in chooser.actions() if a.text() == "Cividis").trigger()
    np.testing.assert_array_equal(panel.shown.bar.colors, table("cividis:cividis"))
    session.undo_stack.undo()
    np.testing.assert_array_equal(panel.shown.bar.colors, before)


def test_the_range_dialog_says_what_it_asks_for(qtbot):
    dialog = RangeDialog((-1.0, 2.0), quantity="Eₐₜ", unit="meV")
    qtbot.addWidget(dialog)
    texts = [label.text() for label in dialog.findChildren(QLabel)]
    assert "Eₐₜ in meV" in texts and texts.count("meV") == 2


def test_other_files_do_not_change_what_energies_are_relative_to(
    qtbot, session, panel, silicon_potential, silicon_file, tmp_path, monkeypatch
):
    from ase.build import bulk
    from ase.io import write

    told = []
    session.messages.notified.connect(lambda n: told.append(n.title))
    opened(session, silicon_file())
    crystal = session.data.add(read_dataset(silicon_file("eos.extxyz")), Role.EOS)
    monkeypatch.setattr(session.coloring, "crystal_energy", lambda: -5.0)
    add_run(session, "one", silicon_potential)
    session.coloring.set(kind="atomic_energy")
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    assert panel.shown.bar.label == "Atomic energy − ensemble's crystal"
    write(tmp_path / "cu.extxyz", bulk("Cu"), format="extxyz")
    session.data.add(read_dataset(tmp_path / "cu.extxyz"), Role.INSPECT)
    panel._recolor()
    assert panel.shown.bar.label == "Atomic energy − ensemble's crystal"
    assert "Colours are relative to each frame's mean now" not in told
    assert (
        session.data.datasets[crystal].name in panel._why_no_zero()
        and "no crystal" not in panel._why_no_zero()
    )
    session.data.set_role(crystal, Role.INSPECT)
    panel._recolor()
    assert "no crystal of one element" in panel._why_no_zero()
    assert panel.shown.bar.label == "Atomic energy − frame's mean"
    assert "Colours are relative to each frame's mean now" in told


def test_another_run_is_no_change_of_what_energies_are_relative_to(
    qtbot, session, panel, silicon_potential, silicon_file, monkeypatch
):
    told = []
    session.messages.notified.connect(lambda n: told.append(n.title))
    opened(session, silicon_file())
    session.data.add(read_dataset(silicon_file("eos.extxyz")), Role.EOS)
    energies = {"one": -5.0}
    monkeypatch.setattr(session.coloring, "crystal_energy", lambda: energies.get(session.runs.current.name))
    add_run(session, "one", silicon_potential)
    session.coloring.set(kind="atomic_energy")
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    assert panel.shown.bar.label == "Atomic energy − ensemble's crystal"
    monkeypatch.setattr(panel, "_awaits_crystal", lambda: False)
    add_run(session, "two", silicon_potential)
    assert panel._colors.waiting()
    panel._recolor()
    assert panel.shown.bar.label == "Atomic energy − ensemble's crystal", "that of the run before"
    qtbot.waitUntil(lambda: panel.shown.bar.label == "Atomic energy − frame's mean", timeout=WAIT)
    assert "Colours are relative to each frame's mean now" not in told


def test_elements_that_a_run_does_not_know_are_said_and_no_error(
    qtbot, session, panel, silicon_potential, silicon_file, tmp_path
):
    from ase.build import bulk
    from ase.io import write

    told = []
    session.messages.notified.connect(lambda n: told.append(n.title))
    opened(session, silicon_file())
    add_run(session, "one", silicon_potential)
    session.coloring.set(kind="atomic_energy")
    write(tmp_path / "ni.extxyz", bulk("Ni"), format="extxyz")
    session.data.show(session.data.add(read_dataset(tmp_path / "ni.extxyz"), Role.INSPECT), 0)
    qtbot.waitUntil(lambda: "not Ni" in panel.shown.message, timeout=WAIT)
    assert panel.message.isVisibleTo(panel) and not told


def test_atomic_energies_stand_against_those_of_the_reference(
    qtbot, session, silicon_potential, silicon_file
):
    from app.documents.frame_refs import refs_of_role

    key = opened(session, silicon_file(), exact=0.3)
    parity = ParityPanel(session)
    qtbot.addWidget(parity)
    parity.resize(900, 300)
    parity.show()
    run = add_run(session, "one", silicon_potential)
    run.train = refs_of_role(list(session.data.datasets.values()), Role.TRAINING)
    session.runs.changed.emit("one")
    qtbot.waitUntil(
        lambda: parity.analysis is not None and len(parity.plots["atomic"].groups) == 1, timeout=WAIT
    )
    (group,) = parity.plots["atomic"].groups
    frames = session.data.datasets[key].frames
    zero = silicon_potential.element_energies["Si"]
    energies = np.concatenate([silicon_potential.predict([f]).atomic_energies for f in frames])
    np.testing.assert_allclose(group.xy[:, 1], 1000 * (energies - zero))
    np.testing.assert_allclose(group.xy[:, 0], 1000 * (-4.7 - zero))
    assert parity.plots["atomic"].isVisible()
    assert group.tip(9).startswith(f"{group.name}, frame 2, atom 2\n")
    parity._on_clicked("atomic", group.key, 9)
    assert session.selection.current.atoms == {(key, 1, 1)}
    parity.resize(300, 300)
    parity.buttons["atomic"].click()
    assert len(parity.table()["atom (from 0)"]) == 32 and len(parity.figure()().axes) == 3


def test_the_list_of_colors_follows_the_runs(window, qtbot, silicon_potential, silicon_file):
    session, box = window.session, window.toolbar.coloring
    opened(session, silicon_file())
    offered = [box.itemData(k) for k in range(box.count())]
    assert "reference_error" in offered and "run_difference" not in offered
    for name in ("one", "two"):
        run = session.runs.add(name, TrainSettings())
        run.potential = silicon_potential
        session.runs.potential_changed.emit(run.id)
    index = box.findData("run_difference")
    assert index >= 0
    QTest.mouseClick(box, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(box.view().isVisible)
    box.view().setCurrentIndex(box.model().index(index, 0))
    QTest.keyClick(box.view(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.coloring.current.kind == "run_difference")
    session.coloring.set(kind="element")
    session.runs.remove(run.id)
    assert box.findData("run_difference") < 0
