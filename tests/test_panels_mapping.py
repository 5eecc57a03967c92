"""Regions, their mapping errors, foretold spreads and the check of invariant points, as a user sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import color_by_kind, dataset, replace_result, show_panel, slab, wait_for
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication, QLineEdit

from app.documents.grouping import labels_of
from app.documents.regions import document_from_dict
from app.documents.run import RunDocument, RunState
from app.look.ink import rgb_of
from app.panels import mapping_panel
from app.panels.connectivity_panel import ConnectivityPanel
from app.panels.distance_panel import DistancePanel
from app.panels.eos_panel import EosPanel
from app.panels.foretold_panel import ForetoldPanel
from app.panels.mapping_panel import MappingPanel
from app.panels.pca_panel import PcaPanel
from app.panels.structure_panel import StructurePanel
from app.session.session import Session
from app.settings import Settings
from app.workers.monitoring import Monitored, make_monitor
from nnpcore.analyses.atoms import ATOMS, AtomGroup
from nnpcore.analyses.connectivity import CONNECTIVITY, LinkedGroup, told_apart
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import DATA_POSTERIOR, FORETOLD, FRAME_FORETOLD
from nnpcore.analyses.inputs import GROUPING, POTENTIAL
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.mapping import (
    Verdict,
    connectivity,
    distance_regions,
    invariant_points,
    region_errors,
    verdict,
    with_references,
)
from nnpcore.mapping.verdict import CURE
from nnpcore.posterior import atom_targets
from nnpcore.structures import Role, example_path, read_dataset
from nnpcore.training import TrainSettings
from nnpcore.training.history import energy_rmse

LEFT = Qt.MouseButton.LeftButton
SETTINGS = TrainSettings(hidden=(6,), n_members=2, epochs=2, n_threads=1)


@pytest.fixture
def shown(qtbot):
    yield lambda kind, session, width=425, height=200: show_panel(qtbot, kind(session), width, height)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_groups_of_one_name_stay_apart():
    """Else atoms of one would stand under the other."""
    rows, values = np.arange(2, dtype=np.int32), np.zeros((2, 1))
    group = AtomGroup("300 K", "", "training", rows, rows, values, np.zeros(2, np.int32))
    parts = [LinkedGroup(group, color_index=k) for k in range(3)]
    found = told_apart(parts)
    assert [part.atoms.name for part in found] == ["300 K", "300 K (2)", "300 K (3)"]
    assert [part.color_index for part in found] == [0, 1, 2]


def settled(session: Session) -> None:
    busy = (lambda: session.trainings.active, lambda: session.tasks.tasks)
    wait_for(lambda: session.analyses.up_to_date() and not any(one() for one in busy))


def divided(session: Session, qtbot, **kwargs) -> str:
    """Open a slab, divide it by depth, and return the id of its regions."""
    session.data.add(slab(), Role.INSPECT)
    with qtbot.waitSignal(session.regions.changed, timeout=60_000):
        session.regions.by_depth(**kwargs)
    return next(iter(session.regions.sets))


def with_run(session: Session, potential) -> RunDocument:
    run = RunDocument("r", "r", SETTINGS, RunState.FINISHED, potential=potential)
    session.runs.documents["r"] = run
    session.runs.set_current("r")
    settled(session)
    return run


# making regions -----------------------------------------------------------------------------------------
def test_depth_divides_the_frame_shown_and_undo_takes_it_back(session, qtbot):
    set_id = divided(session, qtbot)
    document = session.regions.sets[set_id]
    frame = session.data.frame
    z = frame.positions[:, 2]
    bulk = np.flatnonzero(np.minimum(z - z.min(), z.max() - z) >= 6.0)
    assert {r.name: r.atoms.tolist() for r in document.regions}["bulk"] == bulk.tolist()
    assert session.regions.current() is document
    session.undo_stack.undo()
    assert session.regions.sets == {}
    session.undo_stack.redo()
    with qtbot.waitSignal(session.regions.changed, timeout=60_000):
        session.regions.by_depth(surface_depth=3.0)
    (again,) = session.regions.sets.values()
    assert len(again.regions[0].atoms) > len(bulk), "new regions of a frame replace its old ones"


def test_a_crystal_is_no_slab_and_says_so(session, qtbot):
    session.data.add(read_dataset(f"{example_path('nvt')}@0:1"), Role.INSPECT)
    with qtbot.waitSignal(session.messages.notified, timeout=60_000) as told:
        session.regions.by_depth()
    assert "vacuum" in told.args[0].text
    assert session.regions.sets == {}


def test_a_selection_becomes_a_region_and_leaves_the_others(session, qtbot):
    set_id = divided(session, qtbot)
    told = []
    session.messages.notified.connect(told.append)
    session.regions.from_selection()
    assert [n.title for n in told] == ["No region was made"]
    bulk = session.regions.sets[set_id].regions[0].atoms.tolist()
    session.selection.select([(session.data.current_id, 0, atom) for atom in (0, bulk[0])])
    session.regions.from_selection("kink")
    known = {r.name: r.atoms.tolist() for r in session.regions.sets[set_id].regions}
    assert known["kink"] == sorted((0, bulk[0]))
    assert bulk[0] not in known["bulk"]
    assert 0 not in known["surface"]
    assert len({r.color_index for r in session.regions.sets[set_id].regions}) == 3
    session.selection.select_frame()
    session.regions.from_selection()
    assert len(told) == 2, "all atoms: told, not made"
    assert len(session.regions.sets[set_id].regions) == 3


def test_regions_survive_the_session_file(session, qtbot):
    set_id = divided(session, qtbot)
    document = session.regions.sets[set_id]
    again = document_from_dict(document.to_dict(), "x")
    assert again.rule == "depth"
    assert np.array_equal(again.labels(), document.labels())
    assert [r.color_index for r in again.regions] == [r.color_index for r in document.regions]
    (dataset_shown,) = session.data.datasets.values()
    assert document_from_dict(document.set.to_dict(), "y").is_of(dataset_shown), "by its name"
    session.regions.restore([{"broken": 1}])
    assert len(session.regions.sets) == 1


def test_without_a_run_nothing_tells_what_the_crystal_looks_like(session):
    told = []
    session.messages.notified.connect(told.append)
    session.data.add(slab(), Role.INSPECT)
    session.regions.by_distance(session.runs.current)
    assert "EOS reference" in told[0].text


# the panel ----------------------------------------------------------------------------------------------
def test_an_empty_panel_says_what_to_do(session, shown):
    panel = shown(MappingPanel, session)
    assert panel.body.message == mapping_panel.EMPTY
    assert panel.table() is None
    assert panel.figure_task() is None
    panel = shown(ForetoldPanel, session)
    assert panel.body.message == ForetoldPanel.no_run
    assert panel.table() is None


def test_regions_without_a_run_wait_for_one(session, qtbot, shown):
    divided(session, qtbot)
    panel = shown(MappingPanel, session)
    assert [texts[0] for texts in panel.table_view.texts()] == ["bulk", "surface"]
    assert panel.text.text() == mapping_panel.NO_RUN
    assert panel.figure_task() is None


def test_numbers_are_copied_at_once_though_the_table_is_drawn_later(session, qtbot, shown, silicon_potential):
    divided(session, qtbot)
    panel = shown(MappingPanel, session)
    run = RunDocument("r", "r", SETTINGS, RunState.FINISHED, potential=silicon_potential)
    session.runs.documents["r"] = run
    session.runs.set_current("r")  # nothing is drawn anew before the next turn of the event loop
    assert f"{run.name}: error (meV/atom)" in panel.table()
    assert panel.figure() is not None


def test_errors_are_those_of_the_core(session, qtbot, shown, silicon_potential, tmp_path):
    set_id = divided(session, qtbot)
    document = session.regions.sets[set_id]
    run = with_run(session, silicon_potential)
    panel = shown(MappingPanel, session)
    expected = region_errors(silicon_potential, with_references(document.set))
    for row, error in zip(panel.rows, expected, strict=True):
        assert row.reference == pytest.approx(error.reference)
        assert row.errors[0].error_mev == pytest.approx(error.error_mev)
        assert row.errors[0].std_mev == pytest.approx(error.std_mev)
    texts = panel.table_view.texts()[0]
    assert texts[2] == f"{expected[0].reference:.4f} exact".replace("-", "−")
    assert texts[3].startswith(f"{expected[0].error_mev:+.0f}".replace("-", "−"))
    judged = verdict(None, None, None, run.result(REGION_ERRORS).all)
    assert [row.errors[0].level for row in panel.rows] == [judged.of_region(e.name) for e in expected]
    assert run.verdict() == judged
    assert panel.text.text() == judged.text
    panel.figure_task()(tmp_path / "mapping.png")
    assert (tmp_path / "mapping.png").stat().st_size > 5000


def test_a_row_selects_renames_recolours_and_deletes_its_region(session, qtbot, shown):
    set_id = divided(session, qtbot)
    panel = shown(MappingPanel, session)
    table = panel.table_view
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualRect(table.model().index(1, 0)).center())
    surface = session.regions.sets[set_id].regions[1].atoms.tolist()
    assert session.selection.current.in_frame(session.data.current_id, 0).tolist() == surface
    panel.edit_name(set_id, 1)
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "bulk")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    wait_for(lambda: table.item(1, 0).text() == "bulk 2")
    assert session.regions.sets[set_id].regions[1].name == "bulk 2", "names are unique in a structure"
    menu = panel.menu_of(set_id, 0)
    colors = next(a.menu() for a in menu.actions() if a.menu() is not None)
    colors.actions()[4].trigger()
    assert session.regions.sets[set_id].regions[0].color_index == 4
    next(a for a in menu.actions() if a.text() == "Delete").trigger()
    panel.refresh()
    assert [texts[0] for texts in table.texts()] == ["bulk 2"]
    for _ in range(3):
        session.undo_stack.undo()
    assert [r.name for r in session.regions.sets[set_id].regions] == ["bulk", "surface"]
    assert panel.menu_of("", 0) is None


def test_without_references_it_says_what_is_missing(session, qtbot, shown, silicon_potential):
    bare = slab()
    frames = tuple(replace(f, arrays={}) for f in bare.frames)
    session.data.add(replace(bare, frames=frames), Role.INSPECT)
    with qtbot.waitSignal(session.regions.changed, timeout=60_000):
        session.regions.by_depth()
    with_run(session, silicon_potential)
    panel = shown(MappingPanel, session)
    assert "EOS reference" in panel.text.text()
    assert [row.errors[0].error_mev for row in panel.rows] == [None, None]
    assert panel.table_view.texts()[0][-1] == "–"


def test_the_structure_shows_the_regions_colours(session, qtbot, shown):
    set_id = divided(session, qtbot)
    panel = shown(StructurePanel, session, 500, 400)
    session.coloring.set(kind="region")
    for region in session.regions.sets[set_id].regions:
        assert (panel.shown.colors[region.atoms] == rgb_of(f"series:{region.color_index}")).all()
        assert region.name in panel.shown.message
    session.regions.delete_all(set_id)
    assert "Mapping panel" in panel.shown.message
    session.closing.emit()


def test_crystals_that_are_none_are_refused_with_their_spread(session, qtbot, shown):
    good = read_dataset(f"{example_path('eos')}@0:3")
    bent = good.frames[1].positions.copy()
    bent[0] += 0.3
    frames = (good.frames[0], replace(good.frames[1], positions=bent), good.frames[2])
    session.data.add(replace(good, frames=frames), Role.EOS)
    wait_for(lambda: bool(session.invariance.found))
    panel = shown(EosPanel, session)
    assert panel.points.isVisible()
    texts = [[panel.points.item(r, c).text() for c in (0, 2, 4)] for r in range(3)]
    assert [row[2] for row in texts] == ["ok", "refused", "ok"]
    assert float(texts[1][1]) > 1.0
    assert texts[0][1] == "< 0.001"
    assert "1 of 3 frames are no invariant points" in panel.note.text()
    at = panel.points.visualItemRect(panel.points.item(1, 0)).center()
    qtbot.mouseClick(panel.points.viewport(), LEFT, pos=at)
    assert session.data.frame_index == 1


# grouping -----------------------------------------------------------------------------------------------
def test_labels_divide_by_region_and_temperature(session, qtbot):
    session.data.add(slab(3), Role.INSPECT)
    with qtbot.waitSignal(session.regions.changed, timeout=60_000):
        session.regions.by_depth()
    (document,) = session.data.datasets.values()
    labels = labels_of(session.regions.sets, [document])
    assert labels.groupings() == ["dataset", "region", "temperature"]
    n = document.frames[0].n_atoms
    frame, atom = np.repeat(np.arange(3), n), np.tile(np.arange(n), 3)
    parts = {p.name: p.rows for p in labels.parts("region", document.id, frame, atom)}
    bulk = session.regions.current().regions[0].atoms
    assert np.array_equal(parts["bulk"], np.concatenate([bulk + k * n for k in range(3)]))
    parts = {p.name: p.rows for p in labels.parts("temperature", document.id, frame, atom)}
    assert {name: np.unique(frame[rows]).tolist() for name, rows in parts.items()} == {
        "100 K": [0, 2], "200 K": [1],
    }  # fmt: skip
    assert labels.parts("region", "unknown", frame, atom) == []
    rest, random = document.frames[0], np.random.default_rng(1)
    shaken = replace(
        rest, source="md.xyz", positions=rest.positions + random.normal(0, 0.2, (n, 3)) + rest.cell[0]
    )
    other = replace(rest, source="other.xyz", positions=random.permutation(rest.positions))
    for moved, n_parts in ((shaken, 2), (other, 0)):
        key = session.data.add(replace(slab(1), frames=(moved,), name=moved.source), Role.INSPECT)
        found = labels_of(session.regions.sets, [session.data.datasets[key]])
        assert len(found.parts("region", key, frame[:n], atom[:n])) == n_parts, moved.source


@pytest.fixture(scope="module")
def trained(qapp, tmp_path_factory) -> Iterator[Session]:
    """A session with a training on slabs divided into regions, and an EOS reference."""
    session = Session(Settings(folder=str(tmp_path_factory.mktemp("runs"))))
    session.data.add(slab(8), Role.TRAINING)
    session.data.add(read_dataset(example_path("eos")), Role.EOS)
    session.regions.by_depth()
    wait_for(lambda: bool(session.regions.sets))
    session.trainings.start(SETTINGS)
    settled(session)
    yield session
    session.shutdown()


def test_a_training_follows_regions_and_crystal(trained, shown):
    run = trained.runs.current
    names = {"EOS rmse in range", "E_at(V0)", "slab bulk", "slab surface"}
    assert all(set(record.mapping) == names for record in run.history)
    panel = shown(MappingPanel, trained, 760)
    now = {row.name: row.errors[0].error_mev for row in panel.rows}
    best = run.potential.info["best_epoch"]
    if len(set(best)) == 1:  # all members' weights are of the same epoch: what was monitored is what is shown
        record = run.history[best[0] - 1]
        assert now["bulk"] == pytest.approx(record.mapping["slab bulk"], abs=1e-6)
    assert set(panel.plot.legend.entries[k].label for k in range(4)) >= {"crystal at V₀", "slab bulk"}


def test_a_reopened_run_shows_its_stored_curve(trained, shown, app_home):
    again = Session(Settings(folder=str(app_home)))
    again.runs.open(trained.runs.current.folder)
    wait_for(lambda: bool(again.runs.documents) and not again.tasks.tasks)
    panel = shown(MappingPanel, again, 760)
    line = panel.plot._lines[0, "slab bulk"]
    expected = [abs(record.mapping["slab bulk"]) for record in trained.runs.current.history]
    assert line.getOriginalDataset()[1].tolist() == expected
    settled(again)
    panel.refresh()
    now = {row.name: row.errors[0].error_mev for row in panel.rows}
    mine = {r.name.removeprefix("slab "): r.error_mev for r in trained.runs.current.result(REGION_ERRORS).all}
    assert {name: now[name] for name in mine} == pytest.approx(mine), "its regions come with it"
    again.regions.take([known.set for known in trained.regions.sets.values()])
    assert len(again.regions.sets) == 1
    again.shutdown()


def test_connectivity_and_pca_by_region(trained, shown):
    panel = shown(ConnectivityPanel, trained)
    tip = panel.matrix.tips[0, 1]  # a file that is trained on is here without its validation frames
    assert "slab: 72 atoms, of its training frames\neos.extxyz: 15 atoms\n" in tip and "±" not in tip
    panel.grouping.setCurrentIndex(panel.grouping.findData("region"))
    panel.grouping.activated.emit(panel.grouping.currentIndex())
    settled(trained)
    found = trained.runs.current.result(CONNECTIVITY).result
    assert found.names == ("bulk", "surface", "eos.extxyz")
    (group,) = trained.runs.current.result(ATOMS).of_role("training")
    labels = next(iter(trained.regions.sets.values())).labels()[group.atom]
    whitened = trained.runs.current.whitening.transform(group.values, group.species)
    x = {"bulk": whitened[labels == 0], "surface": whitened[labels == 1]}
    assert found.matrix[0, 1] == pytest.approx(connectivity(x).matrix[0, 1])
    trained.analyses.choose(GROUPING, "dataset")
    settled(trained)
    pca = shown(PcaPanel, trained)
    color_by_kind(pca, "region")
    counts = {g.name: len(g.xy) for g in pca.plot.groups}
    assert counts["bulk"] == int((labels == 0).sum())
    surface = next(k for k, g in enumerate(pca.groups) if g.name == "surface")
    atom = pca.atom(pca.plot.groups[surface].key, 0)
    assert atom is not None and atom[2] in next(iter(trained.regions.sets.values())).regions[1].atoms
    color_by_kind(pca, "temperature")
    assert {"100 K", "200 K"} <= {g.name for g in pca.plot.groups}


def test_regions_by_distance_to_the_crystal_are_those_of_the_core(trained, qtbot):
    trained.data.show(dataset(trained, "slab"), 0)
    before = dict(trained.regions.sets)
    run, frame = trained.runs.current, trained.data.frame
    crystal = invariant_points(
        trained.data.datasets[dataset(trained, "eos")].frames, run.functions, n_threads=1
    )
    expected = distance_regions(frame, run.functions, run.whitening, crystal.values, element="Si")
    with qtbot.waitSignal(trained.regions.changed, timeout=60_000):
        trained.regions.by_distance(trained.runs.current)
    (known,) = trained.regions.sets.values()
    assert known.rule == "distance"
    found = {r.name: r.atoms.tolist() for r in known.regions}
    assert found == {r.name: r.atoms.tolist() for r in expected.regions}
    trained.undo_stack.undo()
    assert trained.regions.sets == before
    settled(trained)


# what the data determine --------------------------------------------------------------------------------
def test_spreads_are_foretold_when_somebody_looks_and_nothing_trains(trained, shown, monkeypatch, tmp_path):
    run = trained.runs.current
    assert run.result(FORETOLD) is None, "nobody asked for it yet"
    with monkeypatch.context() as patch:
        patch.setattr(type(trained.trainings), "active", property(lambda _self: True))
        panel = shown(ForetoldPanel, trained, 760)
        assert panel.compute.isVisible()
        assert panel.body.message
        assert not trained.analyses.is_pending(FORETOLD)
    trained.trainings.idle.emit()
    settled(trained)
    panel.refresh()
    found = run.result(FORETOLD)
    assert panel.text.text() == found.text
    assert panel.curves.spread == pytest.approx(found.spread_mev[: found.n_points])
    assert (found.spread_mev > 0).all() and np.isfinite(found.error_mev).all()
    eos = run.result(EOS)
    assert found.error_mev[: found.n_points] == pytest.approx(eos.report.error_mev)
    table = panel.table()
    assert table["target"][-2:] == ["slab bulk", "slab surface"]
    assert table["volume (Å³/atom)"][-1] is None
    curve = shown(EosPanel, trained)
    curve.refresh()
    assert curve.series[0].foretold == pytest.approx(found.spread_mev[: found.n_points])
    low, high = (line.getOriginalDataset()[1] for line in curve.plot.open)
    middle = int(np.abs(np.asarray(high) - np.asarray(low)).argmin())
    assert (np.asarray(high) > np.asarray(low)).all() and high[0] - low[0] > high[middle] - low[middle]
    panel.figure_task()(tmp_path / "foretold.png")
    assert (tmp_path / "foretold.png").stat().st_size > 5000


def test_another_epoch_does_not_make_the_posterior_anew(trained, shown):
    run = trained.runs.current
    shown(ForetoldPanel, trained)
    settled(trained)
    before = run.result(FORETOLD)
    assert before is not None
    run.evaluation.set(POTENTIAL, replace(run.potential))
    trained.analyses.ask(FORETOLD)
    settled(trained)
    after = run.result(FORETOLD)
    assert after is not before and after.data is before.data


def test_atoms_are_coloured_by_their_foretold_spread(trained, shown):
    panel = shown(StructurePanel, trained, 500, 400)
    trained.data.show(dataset(trained, "slab"), 3)
    trained.coloring.restore({"kind": "rigidity"})  # what an older session calls it
    assert trained.coloring.current.kind == "foretold"
    settled(trained)
    wait_for(lambda: trained.runs.foretold is not None)
    values, label, unit, _ = trained.coloring.atom_values()
    assert (label, unit) == ("Foretold spread", "meV")
    posterior = trained.runs.current.result(DATA_POSTERIOR).posterior
    expected = posterior.spread(atom_targets(trained.data.frame))
    assert values == pytest.approx(1000 * expected, rel=1e-6)
    wait_for(lambda: panel.shown.bar is not None)
    trained.coloring.set(kind="element")
    assert not trained.analyses.watched(FRAME_FORETOLD)


def test_without_the_training_frames_the_panel_says_what_to_open(trained, shown, monkeypatch):
    run = trained.runs.current
    monkeypatch.setattr(trained.analyses._inputs, "_training_frames", lambda _run: ())
    panel = shown(ForetoldPanel, trained)
    trained.analyses.ask(FORETOLD)
    settled(trained)
    panel.refresh()
    assert "Open the files" in panel.body.message
    assert run.result(FORETOLD) is None
    assert ForetoldPanel.lacks(trained) is not None
    monkeypatch.undo()
    trained.analyses._inputs.refresh(run)
    panel.refresh()
    assert ForetoldPanel.lacks(trained) is None and panel.body.message == panel.waiting, "they are open now"


# invariant points and distance --------------------------------------------------------------------------
def test_the_list_of_points_is_there_on_demand(trained, shown):
    panel = shown(EosPanel, trained)
    assert not panel.points.isVisible()
    panel.list_points.setChecked(True)
    checks = trained.invariance.of(dataset(trained, "eos"))
    assert (
        panel.points.rowCount() == len(checks) == len(trained.data.datasets[dataset(trained, "eos")].frames)
    )
    distances = trained.runs.current.result(DISTANCE)
    shown_distance = panel.points.item(int(distances.points.frame_indices[0]), 3).text()
    assert shown_distance == f"{distances.bracket.distances[0]:.2f}"
    panel.list_points.setChecked(False)
    assert panel.plot.isVisible()


def judged(run: RunDocument) -> Verdict:
    """Return the verdict on what the run has now, by the rules of the core."""
    eos, regions = run.result(EOS), run.result(REGION_ERRORS)
    report, bracket = (None, None) if eos is None else (eos.report, eos.bracket)
    known, foretold = () if regions is None else regions.all, run.result(FORETOLD)
    return verdict(
        energy_rmse(run.history), report, bracket, known, None if foretold is None else foretold.limits
    )


def test_the_table_takes_an_error_as_the_verdict_does(trained, shown, monkeypatch):
    """A small error at V0 is not good where the data leave the crystal open."""
    panel, run = shown(MappingPanel, trained), trained.runs.current
    crystal = [row.name for row in panel.rows].index("crystal at V₀")
    known = run.verdict()
    finding = replace(known.findings[0], subject="E_at of the crystal", unit="meV", cure=CURE, limit=4.0)
    for foretold, level, tone in ((0.0, "right", "good"), (500.0, "open", "warning")):
        judged = replace(finding, error=0.1, std=0.0, foretold=foretold)
        monkeypatch.setattr(run, "verdict", lambda judged=judged: replace(known, findings=(judged,)))
        panel.refresh()
        assert panel.rows[crystal].errors[0].level == level
        text, told, _ = panel.table_view.rows[crystal].errors[0]
        assert told == tone and text.endswith(", open") == (level == "open")


def test_the_verdict_is_on_regions_and_crystal_as_far_as_they_are_there(trained):
    run = trained.runs.current
    crystal = trained.data.datasets[dataset(trained, "eos")]
    settled(trained)
    assert run.verdict() == judged(run)
    trained.regions.delete_all(next(iter(trained.regions.sets)))
    settled(trained)
    assert run.result(REGION_ERRORS) is None
    assert run.verdict() == judged(run)
    trained.data.set_role(crystal.id, Role.INSPECT)
    settled(trained)
    assert run.result(EOS) is None and run.verdict() is None
    trained.undo_stack.undo()
    trained.undo_stack.undo()
    settled(trained)
    assert run.verdict() == judged(run)
    assert run.result(EOS) is not None
    nothing = replace(judged(run), level="unknown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.evaluation._entries[VERDICT], "value", nothing)
        assert run.verdict() is nothing
        patch.setattr(run.evaluation, "is_current", lambda node: node is not VERDICT)
        assert run.verdict() is None, "it was made before the equation of state was there"


def test_a_monitor_leaves_out_what_cannot_be_followed(trained):
    crystal = trained.data.datasets[dataset(trained, "eos")].frames
    train = trained.data.datasets[dataset(trained, "slab")].frames
    regions = tuple(trained.regions.sets.values())
    full = make_monitor(Monitored(crystal, regions), train)
    assert full is not None and len(full.crystals) == len(full.region_sets) == 1
    bent = replace(crystal[0], positions=crystal[0].positions + np.eye(3)[0] * np.arange(8)[:, None] * 0.1)
    assert not make_monitor(Monitored((bent, *crystal[1:]), regions), train).crystals
    carbon = [replace(f, numbers=np.full_like(f.numbers, 6)) for f in train]
    assert make_monitor(Monitored(crystal, regions), carbon) is None


def test_distances_without_a_crystal_and_by_element(trained, shown, tmp_path):
    run = trained.runs.current
    known = run.result(REACH)
    panel = shown(DistancePanel, trained)
    assert not panel.element.isVisible(), "one element needs no choice"
    far = replace(known.found["Si"], distances=known.found["Si"].distances + 5.0)
    replace_result(run, REACH, replace(known, found={**known.found, "C": far}))
    try:
        panel.refresh()
        panel.element.setCurrentText("C")
        panel.element.activated.emit(1)
        x, counts = panel.histogram.bars.getOriginalDataset()
        assert counts.sum() == len(far.distances)
        assert x.min() >= 5.0
        assert not len(panel.histogram.inside.points())
        assert not panel.by_volume.isVisible()
        assert panel.table() == {"distance of C atoms": far.distances.tolist()}
        panel.figure_task()(tmp_path / "reach.svg")
    finally:
        replace_result(run, REACH, known)
    trained.data.set_role(dataset(trained, "eos"), Role.INSPECT)
    settled(trained)
    panel.refresh()
    assert run.result(DISTANCE) is None
    assert panel.body.message == ""
    assert panel.histogram.bars.isVisible()
    trained.undo_stack.undo()
    settled(trained)
