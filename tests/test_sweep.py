"""Sweeps: trainings one after another that differ in one setting, and what RMSE and mapping error choose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import position_of, wait_for
from PySide6.QtCore import QPointF, Qt
from test_panels_mapping import SETTINGS, settled, slab

from app.dialogs.sweep import SweepDialog
from app.documents import session_file
from app.documents.run import RunDocument, RunState
from app.documents.sweep import SETTINGS as SWEPT
from app.documents.sweep import (
    Choice,
    SweepPoint,
    best_record,
    choose,
    plan_sweep,
    positions,
    sentence,
    setting_named,
    value_text,
)
from app.panels.data_panel import DataPanel
from app.panels.sweep_panel import EMPTY, SweepPanel
from app.session.session import Session
from app.settings import Settings
from app.shell.restoring import SessionKeeper
from nnpcore.errors import SettingsError
from nnpcore.structures import Role, example_path, read_dataset
from nnpcore.training import EpochRecord, TrainSettings

LEFT = Qt.MouseButton.LeftButton
L2 = setting_named("l2")


def point(text: str, energy: float, force: float, mapping: float = math.nan, **more) -> SweepPoint:
    return SweepPoint(text, text, text, 0.0, **({"done": True, "epoch": 3} | more), energy=energy,
                      force=force, mapping=mapping)  # fmt: skip


def queued(session: Session, text: str = "0, 1e-4, 1e-2") -> list[str]:
    if not session.data.datasets:
        session.data.add(slab(6), Role.TRAINING)
    return session.sweeps.start(plan_sweep(L2, text, SETTINGS))


# values -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("setting", SWEPT, ids=lambda setting: setting.name)
def test_every_setting_can_be_swept_and_read_again(setting):
    plan = plan_sweep(setting, setting.shown.values, TrainSettings(energy_weight=2.0, baseline="linear"))
    for value, settings in zip(plan.values, plan.settings, strict=True):
        assert setting.read(settings) == (value if isinstance(value, tuple) else pytest.approx(value))
    assert [value_text(value) for value in plan.values] == setting.shown.values.split(", ")
    places = positions(plan.values, setting.shown.logarithmic)
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_what_cannot_be_swept_is_said_at_its_field():
    base, ridge = TrainSettings(baseline="linear"), setting_named("baseline_ridge")
    wrong = {"1e-4": "two values", "0, x": "“x” is no value", "0, 0.0": "twice", "0, -1": "not sensible"}
    for text, message in wrong.items():
        with pytest.raises(SettingsError, match=message) as caught:
            plan_sweep(L2, text, base)
        assert caught.value.where == "values"
    with pytest.raises(SettingsError, match="too many"):
        plan_sweep(setting_named("seed"), " ".join(map(str, range(41))), base)
    with pytest.raises(SettingsError, match="no baseline") as caught:
        plan_sweep(ridge, ridge.shown.values, TrainSettings(baseline="none"))
    assert caught.value.where == "setting"


def test_zero_stands_a_decade_below_the_smallest_value():
    assert positions([1e-2, 0.0, 1e-6], True) == pytest.approx([-2.0, -7.0, -6.0])


# choosing -----------------------------------------------------------------------------------------------
def test_rmse_and_mapping_error_choose():
    points = [point("0", 1.0, 0.06, 61.0), point("1e-4", 1.1, 0.07, 24.0), point("1e-2", 9.0, 0.4, 70.0)]
    assert choose(points) == Choice(0, 1)
    assert sentence(points) == (
        "RMSE chooses 0 (1 meV/atom, 0.06 eV/Å), the mapping error 1e-4 (24 instead of 61 meV/atom)."
    )
    both = [points[0], replace(points[1], energy=0.5)]
    assert sentence(both) == (
        "RMSE and mapping error both choose 1e-4 (0.5 meV/atom, 0.07 eV/Å; 24 meV/atom)."
    )
    going = [*points, point("1", 0.1, 0.01, 0.1, done=False)]
    assert choose(going) == Choice(0, 1), "one that goes on is not chosen"
    assert sentence(going).startswith("3 of 4 done. So far, RMSE chooses 0")
    bare = [replace(p, mapping=math.nan) for p in points]
    assert choose(bare) == Choice(0, None)
    assert "open an EOS reference" in sentence(bare)
    assert sentence(going[-1:]) == "0 of 1 done."
    failed = [points[0], point("1", math.nan, math.nan, epoch=0)]
    assert choose(failed) == Choice()
    assert "Fewer than two" in sentence(failed)


def test_the_best_epoch_counts_what_is_in_the_loss():
    def record(epoch: int, energy: float, force: float) -> EpochRecord:
        valid = {"energy": {"mean": energy}, "force": {"mean": force}}
        return EpochRecord(epoch, 0.0, "adam", {}, valid, np.ones(1, dtype=bool))  # type: ignore[arg-type]

    run = RunDocument("r", "r", TrainSettings())
    assert best_record(run) is None
    run.history = [record(1, 4.0, 0.5), record(2, 2.0, 0.2), record(3, 1.0, 0.6), record(4, math.nan, 0.1)]
    assert best_record(run).epoch == 2
    run.settings = TrainSettings(force_weight=0.0)
    assert best_record(run).epoch == 3


# the queue ----------------------------------------------------------------------------------------------
def test_trainings_wait_and_can_be_dropped(session, qtbot):
    panel = DataPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    first, second, third = queued(session)
    states = [session.runs.documents[key].state for key in (first, second, third)]
    assert states == [RunState.PREPARING, RunState.WAITING, RunState.WAITING]
    assert [session.runs.documents[key].name for key in (second, third)] == ["slab l2=1e-4", "slab l2=1e-2"]
    assert session.runs.current_id == first
    row = panel.runs.row(second)
    assert row.state.text().strip() == "waiting"
    assert not row.resume_button.isVisible()
    qtbot.mouseClick(row.stop_button, LEFT)
    assert second not in session.runs.documents
    assert "Resume" not in [action.text() for action in panel.menu_of_run(third).actions()]
    wait_for(lambda: session.runs.documents[third].state.active)
    assert not session.runs.documents[first].state.active
    assert session.runs.current_id == third, "the one at work is shown, unless the user looks at another"
    again = queued(session)
    assert [session.runs.documents[key].state for key in again] == [RunState.WAITING] * 3
    names = [run.name for run in session.runs.documents.values()]
    folders = {run.folder for run in session.runs.documents.values()}
    assert len(set(names)) == len(folders) == 5
    next(a for a in panel.menu_of_run(again[0]).actions() if a.text() == "Drop all that wait").trigger()
    assert list(session.runs.documents) == [first, third]
    settled(session)
    assert session.runs.documents[third].state is RunState.FINISHED


def test_closing_drops_what_waits(window, qtbot):
    asked = []
    window.confirm_close = lambda: bool(asked.append(1)) or True
    queued(window.session)
    window.close()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=60_000)
    assert asked
    assert len(window.session.runs.documents) == 1
    assert window.session.trainings.n_waiting == 0


# the dialog ---------------------------------------------------------------------------------------------
def test_the_dialog_proposes_checks_and_queues(session, qtbot):
    session.trainings.settings = SETTINGS
    dialog = SweepDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    fields = dialog.widgets
    assert fields["values"].text() == "0, 1e-6, 1e-4, 1e-2"
    assert dialog.look.text().startswith("4 trainings one after another (0, 1e-6, 1e-4, 1e-2), each 2")
    assert dialog.unwatched.isVisible()
    fields["setting"].setCurrentIndex(fields["setting"].findData("hidden"))
    assert fields["values"].text() == "5-5, 10-10, 30-30"
    for field, value, message in (("values", "5-5", "two values"), ("n_members", 0, "not sensible")):
        before = dialog.values()[field]
        (fields[field].setText if field == "values" else fields[field].setValue)(value)
        dialog.start()
        assert message in dialog.error.text()
        assert fields[field].property("wrong")
        assert not dialog.look.text(), "it is said once"
        (fields[field].setText if field == "values" else fields[field].setValue)(before)
        assert not dialog.error.text()
    dialog.start()
    assert "there are no training frames" in dialog.error.text()
    assert not session.runs.documents
    session.data.add(slab(6), Role.TRAINING)
    fields["values"].setText("4, 3-3")
    dialog.start()
    assert dialog.ended
    assert [run.settings.hidden for run in session.runs.documents.values()] == [(4,), (3, 3)]
    assert [run.settings.epochs for run in session.runs.documents.values()] == [2, 2]
    again = SweepDialog(session)
    qtbot.addWidget(again)
    assert again.values()["setting"] == "hidden"
    assert again.values()["values"] == "4, 3-3"
    again.end()
    settled(session)


# the panel ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def swept(qapp, tmp_path_factory) -> Iterator[Session]:
    """A session with a sweep of two trainings beside an EOS reference."""
    session = Session(Settings(folder=str(tmp_path_factory.mktemp("runs"))))
    session.data.add(slab(6), Role.TRAINING)
    session.data.add(read_dataset(example_path("eos")), Role.EOS)
    queued(session, "0, 100")
    settled(session)
    yield session
    session.shutdown()


def test_the_panel_says_what_to_do(session, qtbot):
    panel = SweepPanel(session)
    qtbot.addWidget(panel)
    assert panel.body.message == EMPTY
    assert panel.table() is None
    assert panel.figure_task() is None


def test_the_panel_shows_both_errors_and_the_choices(swept, qtbot, tmp_path):
    panel = SweepPanel(swept)
    qtbot.addWidget(panel)
    panel.resize(435, 220)
    panel.show()
    qtbot.waitExposed(panel)
    panel.refresh()
    runs = list(swept.runs.documents.values())
    records = [best_record(run) for run in runs]
    assert [p.energy for p in panel.points] == [r.valid["energy"]["mean"] for r in records]
    assert [p.mapping for p in panel.points] == [max(map(abs, r.mapping.values())) for r in records]
    lines = panel.plot.lines
    assert lines["mapping"].getOriginalDataset()[1].tolist() == [p.mapping for p in panel.points]
    chosen = choose(panel.points)
    assert chosen.by_rmse is not None
    assert chosen.by_mapping is not None
    ring = panel.plot.rings["mapping"].getData()
    best = panel.points[chosen.by_mapping]
    assert (ring[0][0], 10 ** ring[1][0]) == pytest.approx((best.x, best.mapping))
    assert panel.text.text() == sentence(panel.points)
    assert panel.force.isVisible()
    columns = panel.table()
    assert columns["L2 strength"] == ["0", "100"]
    assert any("mapping error" in text for text in columns["chosen by"])
    panel.figure_task()(tmp_path / "sweep.svg")
    assert (tmp_path / "sweep.svg").stat().st_size > 5000
    panel.grab()
    swept.runs.set_current(runs[1].id)
    where = position_of(panel.plot, "energy", 0)
    panel.plot.canvas.clicked.emit(QPointF(where), Qt.KeyboardModifier.NoModifier)
    panel.plot.canvas.held.release()
    assert swept.runs.current_id == runs[0].id
    panel.resize(300, 220)
    panel.refresh()
    assert not panel.force.isVisible()


def test_a_sweep_comes_back_with_the_session(swept, app_home, tmp_path):
    session = Session(Settings(folder=str(app_home)))
    keeper = SessionKeeper(swept, swept.settings, swept)
    session_file.write(tmp_path / "s.json", keeper.snapshot())
    saved = session_file.read(tmp_path / "s.json")
    again = SessionKeeper(session, session.settings, session)
    again.restore(replace(saved, datasets=[]))
    wait_for(lambda: len(session.runs.documents) == 2 and not session.tasks.tasks)
    shown = [replace(p, run_id="", name="") for p in session.sweeps.points()]
    assert shown == [replace(p, run_id="", name="") for p in swept.sweeps.points()]
    session.sweeps.restore({"setting": "unknown", "runs": []})
    assert session.sweeps.latest.setting is L2
    settled(session)
    for made in (keeper, again):
        made._timer.stop()
    session.shutdown()
