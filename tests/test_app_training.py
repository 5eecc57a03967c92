"""Training through the window: to the end, paused, stopped, resumed, closed in the middle, refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.documents.frame_refs import FrameRefs
from app.documents.run import RunState
from app.session.runs import LOCATE
from app.workers.tasks import Task
from nnpcore import Potential
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.pca import MAP_ENERGIES, PCA
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.analyses.verdict import VERDICT
from nnpcore.mapping.verdict import Verdict
from nnpcore.structures import Role
from nnpcore.training import RunFolder, TrainSettings

ENDLESS = 100_000
SMALL = TrainSettings(
    descriptors={"cutoff": 4.0},  # type: ignore[arg-type]
    hidden=(4,),
    n_members=2,
    epochs=3,
    n_threads=1,
    optimizer="adam",
)


def opened(window, qtbot, *paths, role=Role.TRAINING):
    with qtbot.waitSignals([window.session.data.added] * len(paths), timeout=60_000):
        window.session.data.open_paths([str(path) for path in paths], {str(path): role for path in paths})
    qtbot.waitUntil(lambda: not window.session.data.reading, timeout=60_000)  # all of it, with its role


def started(window, qtbot, silicon_file, **changes):
    """Start a training on rattled silicon and return its run once it has had an epoch."""
    opened(window, qtbot, silicon_file("train.extxyz", 6))
    run = window.session.runs.documents[window.session.trainings.start(SMALL.replace(**changes))]
    qtbot.waitUntil(lambda: run.epoch > 0 or not run.state.active, timeout=60_000)
    return run


def ended(qtbot, run):
    qtbot.waitUntil(lambda: not run.state.active, timeout=60_000)


@pytest.fixture
def eos_file(tmp_path):
    """Write an equation of state of perfect silicon with a minimum at 5.43 Å."""
    from ase.build import bulk
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    frames = []
    for a in np.linspace(5.2, 5.7, 7):
        atoms = bulk("Si", cubic=True, a=a)
        atoms.calc = SinglePointCalculator(atoms, energy=8 * (-5.0 + 2.0 * (a - 5.43) ** 2))
        frames.append(atoms)
    path = tmp_path / "eos.extxyz"
    write(path, frames, format="extxyz")
    return path


def test_a_training_runs_to_its_end_and_is_analysed(window, qtbot, silicon_file, eos_file, tmp_path):
    opened(window, qtbot, eos_file, role=Role.EOS)
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    assert (run.state, run.epoch, run.n_epochs) == (RunState.FINISHED, 3, 3)
    assert [record.epoch for record in run.history] == [1, 2, 3]
    kinds = (PCA, DISTANCE, CONNECTIVITY, EOS, VERDICT, PREDICTION)
    qtbot.waitUntil(lambda: all(run.result(kind) is not None for kind in kinds), timeout=60_000)
    assert (len(run.train), len(run.valid)) == (4, 2)
    assert window.docks["data"].panel.runs.row(run.id).line.text().startswith("epoch 3/3 · ")
    qtbot.waitUntil(lambda: window.verdict.verdict.text() == run.result(VERDICT).text)
    assert window.settings.recent_runs == [str(run.folder)]
    dialog = window.dialogs.open("export_potential")
    dialog.widgets["target"].setText(str(tmp_path / "potential"))
    with qtbot.waitSignal(window.session.messages.notified):
        dialog.start()
    frame = window.session.data.datasets["train"].frames[0]
    assert Potential.load(tmp_path / "potential").predict([frame]).energy.shape == (1,)


def test_pca_points_know_their_atoms(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    analyses = window.session.analyses  # results may be of an earlier epoch for a moment
    qtbot.waitUntil(lambda: run.result(MAP_ENERGIES) is not None and analyses.up_to_date(), timeout=60_000)
    frames = window.session.data.datasets["train"].frames
    groups = {g.role: g for g in window.docks["pca"].panel.whole_groups()}
    used = {role: sorted(set(group.frame.tolist())) for role, group in groups.items()}
    assert sorted(used["training"] + used["validation"]) == list(range(6))
    group = groups["validation"]
    assert group.atom.tolist() == list(range(8)) * 2
    index = int(group.frame[8])
    energies = run.potential.predict([frames[index]], forces=False, stress=False).atomic_energies
    np.testing.assert_allclose(group.values["atomic_energy"][8:], energies, rtol=1e-9)


def test_atoms_can_be_coloured_by_what_was_learned(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    session = window.session
    session.data.show("train", 4)
    session.coloring.set(kind="atomic_energy")
    qtbot.waitUntil(
        lambda: session.coloring.atom_values() is not None and session.analyses.up_to_date(), timeout=60_000
    )
    values, label, unit, _ = session.coloring.atom_values()
    assert abs(values.sum()) < 1e-6 and unit == "meV" and "frame" in label
    session.coloring.set(relative=False)
    values, _, unit, _ = session.coloring.atom_values()
    prediction = run.potential.predict([session.data.frame])
    np.testing.assert_allclose(values, prediction.atomic_energies)
    assert unit == "eV"
    session.coloring.set(kind="force_error")
    values, *_ = session.coloring.atom_values()
    error = np.linalg.norm(prediction.forces - session.data.frame.forces, axis=1)
    np.testing.assert_allclose(values, error, rtol=1e-6)


def test_export_menu_and_a_target_that_cannot_be_written(window, qtbot, silicon_file, tmp_path):
    window.commands.refresh()
    assert not window.commands.actions["file.potential"].isEnabled()
    run = started(window, qtbot, silicon_file, epochs=1)
    ended(qtbot, run)
    menu = window.toolbar.export_menu

    def texts() -> list[str]:
        menu.aboutToShow.emit()
        return [action.text() for action in menu.actions() if not action.isSeparator()]

    assert {"Export Structure…", "Export Training…"} <= set(texts())
    empty = {f"Export {n}…" for n in ("PCA", "Connectivity", "Cure", "Learning curve")}
    assert empty.isdisjoint(texts()), "nobody has looked at them: they are computed for who does"
    window.spaces.choose("map")
    qtbot.waitUntil(lambda: "Export PCA…" in texts(), timeout=60_000)
    assert texts()[0] == "Export Potential…"
    assert "Export EOS…" not in texts(), "there is no crystal"
    assert menu.actions()[0].isEnabled()
    (tmp_path / "taken").write_text("a file")
    dialog = window.dialogs.open("export_potential")
    dialog.widgets["target"].setText(str(tmp_path / "taken" / "potential"))
    dialog.start()
    qtbot.waitUntil(dialog.error_box.isVisible)
    assert str(tmp_path / "taken") in dialog.error.text()
    dialog.reject()


def test_pause_resume_and_stop(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file, epochs=ENDLESS)
    commands = window.commands
    commands.actions["training.pause"].trigger()
    assert run.state is RunState.PAUSED
    qtbot.wait(300)
    paused_at = run.epoch
    qtbot.wait(300)
    assert run.epoch == paused_at
    assert commands.actions["training.resume"].isEnabled()
    assert not commands.actions["training.start"].isEnabled()
    commands.actions["training.resume"].trigger()
    qtbot.waitUntil(lambda: run.epoch > paused_at, timeout=60_000)
    commands.actions["training.stop"].trigger()
    ended(qtbot, run)
    assert run.state is RunState.STOPPED
    assert RunFolder.open(run.folder).checkpoint_path.is_file()


def test_a_stopped_run_goes_on_where_it_was(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file, epochs=ENDLESS)
    window.session.trainings.stop()
    ended(qtbot, run)
    before = run.epoch
    run.history.append(run.history[-1])  # as after a crash: an epoch younger than the checkpoint
    window.session.trainings.train_longer(run.id, before + 2)
    ended(qtbot, run)
    assert (run.state, run.epoch) == (RunState.FINISHED, before + 2)
    assert [record.epoch for record in run.history] == list(range(1, before + 3))


def test_a_run_is_reopened_from_its_folder_with_its_data(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    session = window.session
    session.runs.remove(run.id)
    session.data.remove("train")
    started_tasks: list[Task] = []
    session.tasks.started.connect(started_tasks.append)
    with qtbot.waitSignal(session.data.added, timeout=60_000):
        window.files.open_paths([str(run.folder)])
    again = session.runs.current
    assert (again.name, again.state, again.epoch) == (run.name, RunState.FINISHED, 3)
    qtbot.waitUntil(lambda: again.result(PCA) is not None, timeout=60_000)
    qtbot.waitUntil(lambda: located(again.train)[0] == located(run.train)[0], timeout=60_000)
    assert [task.key for task in started_tasks].count(LOCATE) == 1, (
        "its frames are looked for when they are read"
    )
    window.files.open_paths([str(run.folder)])
    assert len(session.runs.documents) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "data.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "settings.toml").unlink(), "settings.toml"),
        (lambda folder: shutil.rmtree(folder / "potential"), "potential"),
    ],
)
def test_damaged_run_folders_are_told(window, qtbot, silicon_file, damage, words):
    run = started(window, qtbot, silicon_file, epochs=1)
    ended(qtbot, run)
    window.session.runs.remove(run.id)
    damage(run.folder)
    told = []
    window.session.messages.notified.connect(told.append)
    window.session.runs.open(run.folder)
    wanted = f"The run {run.name} was not opened"
    qtbot.waitUntil(lambda: any(message.title == wanted for message in told), timeout=60_000)
    assert words in next(message.text for message in told if message.title == wanted)


def test_the_file_of_an_opened_run_joins_no_training_set_twice(window, qtbot, silicon_file, tmp_path):
    run = started(window, qtbot, silicon_file, epochs=1)
    ended(qtbot, run)
    data, runs = window.session.data, window.session.runs
    (own,) = data.of_role(Role.TRAINING)
    copy = tmp_path / "copy.extxyz"
    shutil.copy(own.path, copy)
    runs.remove(run.id)
    data.remove(own.id)
    data.open_paths([str(copy)])
    qtbot.waitUntil(lambda: len(data.of_role(Role.TRAINING)) == 1, timeout=60_000)
    n_before = len(data.datasets)
    runs.open(run.folder)
    qtbot.waitUntil(lambda: len(data.datasets) > n_before, timeout=60_000)
    assert [document.path for document in data.of_role(Role.TRAINING)] == [str(copy)]


def test_closing_while_training_writes_the_checkpoint_and_ends(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file, epochs=ENDLESS)
    window.confirm_close = lambda: False
    window.close()
    assert window.isVisible() and run.state is RunState.RUNNING
    window.confirm_close = lambda: True
    window.close()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=60_000)
    assert run.state is RunState.STOPPED
    checkpoint = RunFolder.open(run.folder).read_checkpoint()
    assert len(checkpoint.state["history"]) == run.epoch


def refused(window, qtbot, settings=SMALL):
    with qtbot.waitSignal(window.session.messages.notified) as told:
        assert window.session.trainings.start(settings) is None
    assert told.args[0].title == "Training cannot start"
    return told.args[0].text


def test_nothing_to_train_on(window, qtbot, silicon_file):
    assert "There are no training frames" in refused(window, qtbot)
    opened(window, qtbot, silicon_file("bare.extxyz", energies=False))
    assert "bare.extxyz: no training frame has an energy or forces" in refused(window, qtbot)


def test_one_frame_cannot_be_split(window, qtbot, silicon_file):
    opened(window, qtbot, silicon_file("one.extxyz", 1))
    assert "only one frame" in refused(window, qtbot)


def test_a_folder_that_cannot_be_written(window, qtbot, silicon_file, tmp_path):
    (tmp_path / "file").write_text("in the way")
    window.settings.folder = str(tmp_path / "file")
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    assert run.state is RunState.FAILED
    assert "a part of this path is a file" in run.message
    assert window.toasts.shown[-1].notification.title == f"Training {run.name} ended with an error"


def test_eos_data_that_are_no_crystals_are_told_in_words(window, qtbot, silicon_file):
    opened(window, qtbot, silicon_file("eos.extxyz", 5), role=Role.EOS)
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    qtbot.waitUntil(lambda: bool(run.why(EOS)), timeout=60_000)
    assert "its atoms are not equivalent" in run.why(EOS)


def test_analyses_follow_the_open_data(window, qtbot, silicon_file, eos_file):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    qtbot.waitUntil(lambda: run.result(PREDICTION) is not None, timeout=60_000)
    assert "Open a crystal's volume scan" in window.verdict.verdict.text()
    opened(window, qtbot, eos_file, role=Role.EOS)
    qtbot.waitUntil(
        lambda: run.result(EOS) is not None and run.result(EOS).bracket is not None, timeout=60_000
    )
    assert run.result(DISTANCE).points.frame_indices.tolist() == list(range(7))
    window.session.data.set_role("eos", Role.INSPECT)
    qtbot.waitUntil(lambda: run.result(EOS) is None and run.verdict() is None, timeout=60_000)
    qtbot.waitUntil(lambda: run.result(DISTANCE) is None, timeout=60_000)
    assert "Open a crystal's volume scan" in window.verdict.verdict.text()


def test_while_a_scan_is_looked_at_nothing_asks_for_one(window, qtbot, silicon_file, eos_file, monkeypatch):
    opened(window, qtbot, eos_file, role=Role.EOS)
    run = started(window, qtbot, silicon_file)
    assert run.result(EOS) is None
    monkeypatch.setattr(run, "verdict", lambda: Verdict("Nothing tells it: add a scan", "unknown"))
    window.verdict.refresh()
    assert window.verdict.verdict.text() == f"{run.name}: no verdict yet."
    monkeypatch.setattr(run, "why", lambda analysis: "its atoms are not equivalent")
    window.verdict.refresh()
    assert window.verdict.verdict.text() == "Nothing tells it: add a scan"
    ended(qtbot, run)


def located(refs: FrameRefs) -> list[tuple[str, int]]:
    """Return (data set id, frame index there) of every frame of a run."""
    return [(dataset_id, int(index)) for dataset_id, indices in refs.parts for index in indices]


def test_frame_refs_locate_and_subset():
    refs = FrameRefs((("a", np.arange(3)), ("b", np.array([5, 7]))))
    assert located(refs) == [("a", 0), ("a", 1), ("a", 2), ("b", 5), ("b", 7)]
    part = refs.subset([1, 4])
    assert located(part) == [("a", 1), ("b", 7)]


def test_run_folders_get_new_names(tmp_path: Path):
    from app.workers.opening import free_folder

    first = free_folder(tmp_path, "Si bulk/2×2")
    first.mkdir()
    assert first.name == "Si-bulk-2-2-01"
    assert free_folder(tmp_path, "Si bulk/2×2").name == "Si-bulk-2-2-02"
    assert free_folder(tmp_path, "…").name == "run-01"


def test_a_verdict_that_asks_for_structures_leads_to_the_cure(window, qtbot):
    bar = window.verdict
    assert not bar.cure_button.isVisibleTo(bar)
    opened = []
    bar.offer_cure(lambda: opened.append(True))
    assert not bar.cure_button.isVisibleTo(bar), "without a verdict there is nothing to cure"
    bar._curable = True
    bar._show_cure()
    assert bar.cure_button.isVisibleTo(bar)
    bar.cure_button.click()
    assert opened == [True]
