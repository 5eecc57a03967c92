"""Dialogs as a user meets them: typed into, refused with words, at work, done, remembered."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDialog, QLineEdit

from app.dialogs.questions import AGAIN_MS
from app.settings import data_folder, examples_folder
from app.workers.example_sessions import EXAMPLES
from app.workers.foreign import SharedModel, shifts_to
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.cure.example import NAMES as HEALINGS
from nnpcore.paper import STUDIES
from nnpcore.reference import StillingerWeber, label
from nnpcore.structures import Role, example_path, read_dataset, write_frames
from nnpcore.training import TrainSettings


def pick(dialog, name, value):
    box = dialog.widgets[name]
    assert isinstance(box, QComboBox) and box.findData(value) >= 0
    box.setCurrentIndex(box.findData(value))


def type_in(qtbot, dialog, name, text):
    box = dialog.widgets[name]
    edit = box if isinstance(box, QLineEdit) else box.lineEdit()
    edit.selectAll()
    qtbot.keyClicks(edit, text)


def finish(qtbot, dialog, seconds=30):
    qtbot.waitUntil(lambda: dialog.ended or dialog.task is None, timeout=1000 * seconds)
    assert dialog.ended, dialog.error.text()


def refused(qtbot, dialog) -> str:
    qtbot.waitUntil(lambda: dialog.ended or dialog.task is None, timeout=60_000)
    assert not dialog.ended
    assert dialog.form.isEnabled() and dialog.error_box.isVisible()
    return dialog.error.text()


def short_sampling(qtbot, window):
    dialog = window.dialogs.open("training_set")
    pick(dialog, "start", "crystal")
    for name, text in (("temperatures", "300, 600"), ("repeat", "1"), ("n_frames", "2")):
        type_in(qtbot, dialog, name, text)
    type_in(qtbot, dialog, "equilibration_fs", "0")
    type_in(qtbot, dialog, "spacing_fs", "4")
    return dialog


# a new training set -----------------------------------------------------------------------------------
def test_a_training_set_is_made_by_keyboard_kept_undone_and_remembered(window, qtbot):
    dialog = short_sampling(qtbot, window)
    qtbot.waitUntil(lambda: "4 frames" in dialog.look.text(), timeout=60_000)
    assert dialog.look.text().startswith("Si8 (8 atoms) · 4 frames · 8 steps")
    qtbot.keyClick(dialog.widgets["temperatures"], Qt.Key.Key_Return)
    finish(qtbot, dialog)
    session = window.session
    (document,) = session.data.datasets.values()
    assert document.role is Role.TRAINING
    assert Path(document.path) == data_folder() / "Si8-nvt-300-600K.extxyz"
    assert [frame.info["temperature"] for frame in document.frames] == [300, 300, 600, 600]
    for frame in document.frames:
        assert frame.arrays["reference_energies"].sum() == pytest.approx(frame.energy, abs=1e-7)
    window.commands.run("edit.undo")
    assert not session.data.datasets
    with qtbot.waitSignal(session.data.added):
        window.commands.run("edit.redo")
    again = window.dialogs.open("training_set")
    assert again is not dialog
    assert again.values() | {"start": "crystal"} == dialog_values(session)
    again.reject()


def dialog_values(session):
    return session.settings.dialogs["training_set"] | {"path": ""}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("temperatures", "warm", "Temperatures: “warm” are no temperatures. Write them as 300, 1000."),
        ("temperatures", "300, -5", "Temperatures: -5 is out of range"),
        ("repeat", "2 times", "Repeat: “2 times” says no repetition"),
        ("spacing_fs", "0.5", "Spacing: 0.5 is out of range. It must be at least one time step."),
        ("path", "/tmp/frames.pdf", "Keep in: frames.pdf does not end in .extxyz"),
        ("element", "Sx", "There is no element|there is no element 'Sx'"),
    ],
)
def test_senseless_fields_are_refused_where_they_stand(window, qtbot, name, text, words):
    dialog = short_sampling(qtbot, window)
    type_in(qtbot, dialog, name, text)
    dialog.start()
    message = refused(qtbot, dialog)
    assert any(word in message for word in words.split("|"))
    assert text in dialog.widgets[name].text()
    assert dialog.widgets[name].property("wrong")
    assert window.toasts.shown == []
    type_in(qtbot, dialog, name, "1")
    assert not dialog.error_box.isVisible() and not dialog.widgets[name].property("wrong")
    dialog.reject()


def test_what_only_the_work_finds_out_comes_back_to_the_dialog(window, qtbot):
    dialog = short_sampling(qtbot, window)
    pick(dialog, "start", "slab")
    pick(dialog, "ensemble", "npt")
    dialog.start()
    assert refused(qtbot, dialog).startswith("Ensemble: constant pressure needs a structure")
    pick(dialog, "ensemble", "nvt")
    pick(dialog, "start", "nickel")
    assert dialog.values()["calculator"] == "cleri-rosato"
    pick(dialog, "calculator", "stillinger-weber")  # which does not know it
    assert dialog.values()["calculator"] == "cleri-rosato"
    dialog.reject()


def test_sampling_is_stopped_and_goes_on_in_the_background(window, qtbot):
    dialog = short_sampling(qtbot, window)
    type_in(qtbot, dialog, "n_frames", "50000")
    dialog.start()
    qtbot.waitUntil(lambda: dialog.bar.value() > 0, timeout=60_000)
    assert not dialog.form.isEnabled()
    qtbot.mouseClick(dialog.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.form.isEnabled() and not dialog.ended)
    dialog.start()
    qtbot.mouseClick(dialog.background_button, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible() and dialog.task is not None
    assert window.dialogs.open("training_set") is dialog
    dialog.reject()
    assert not dialog.isVisible() and dialog.task is not None
    window.session.tasks.cancel_all()
    qtbot.waitUntil(lambda: dialog.ended)
    assert window.session.data.datasets == {}


# invariant points -------------------------------------------------------------------------------------
def test_invariant_points_are_made_and_others_refused(window, qtbot):
    dialog = window.dialogs.open("invariant_points")
    type_in(qtbot, dialog, "n", "7")
    dialog.start()
    finish(qtbot, dialog)
    (made,) = window.session.data.datasets.values()
    volumes = [frame.volume / frame.n_atoms for frame in made.frames]
    assert made.role is Role.EOS and made.n_frames == 7
    assert (volumes[0], volumes[-1]) == pytest.approx((20.02 * 0.95, 20.02 * 1.05), rel=2e-3)
    dialog = window.dialogs.open("invariant_points")
    pick(dialog, "source", "file")
    dialog.widgets["file"].setText(f"{example_path('nvt')}@:2")
    pick(dialog, "calculator", "none")
    dialog.start()
    message = refused(qtbot, dialog)
    assert "2 of 2 are no invariant points" in message and "differ by" in message and "%" in message
    dialog.reject()


# exporting and importing ------------------------------------------------------------------------------
@pytest.fixture
def with_run(window, silicon_potential):
    run = window.session.runs.add("demo", TrainSettings())
    run.potential = silicon_potential
    window.session.runs.set_current(run.id)
    return window


def test_a_potential_goes_out_and_comes_back(with_run, qtbot, tmp_path, silicon_file, silicon_potential):
    window, frames = with_run, read_dataset(silicon_file()).frames
    menu = window.docks["data"].panel.menu_of_run(window.session.runs.current_id)
    next(action for action in menu.actions() if action.text() == "Export potential…").trigger()
    dialog = window.dialogs.open("export_potential")
    pick(dialog, "format", "n2p2")
    assert dialog.values()["target"].endswith("demo-n2p2")
    dialog.widgets["target"].setText(str(tmp_path / "out"))
    dialog.start()
    finish(qtbot, dialog)
    assert "agree to" in window.toasts.shown[-1].notification.text
    again = window.dialogs.open("export_potential")
    assert again.values()["format"] == "n2p2"
    again.widgets["target"].setText(str(tmp_path / "out"))
    again.start()
    assert "is there already and not empty" in refused(qtbot, again)
    again.reject()
    dialog = window.dialogs.open("import_potential")
    dialog.start()
    assert "no folder is given" in refused(qtbot, dialog)
    dialog.sources.add([str(tmp_path / "out")])
    with qtbot.waitSignal(window.session.runs.added, timeout=60_000):
        dialog.start()
    back = list(window.session.runs.documents.values())[-1].potential
    found = [p.predict(frames).atomic_energies for p in (back, silicon_potential)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


def test_structures_go_out_with_predictions(with_run, qtbot, tmp_path, silicon_file, silicon_potential):
    window, target = with_run, tmp_path / "predicted.extxyz"
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file())])
    dialog = window.dialogs.open("export_potential")
    pick(dialog, "format", "structures")
    dialog.widgets["target"].setText(str(tmp_path / "predicted.pdf"))
    dialog.start()
    assert "says no format" in refused(qtbot, dialog)
    dialog.widgets["target"].setText(str(target))
    dialog.start()
    finish(qtbot, dialog)
    frames = read_dataset(target).frames
    wanted = silicon_potential.predict(frames).atomic_energies
    np.testing.assert_allclose(np.concatenate([f.arrays["atomic_energies"] for f in frames]), wanted)


def test_units_that_the_file_does_not_tell_are_asked_for(window, qtbot, tmp_path, silicon_potential):
    from nnpcore.exchange.n2p2 import write_n2p2

    write_n2p2(silicon_potential, tmp_path / "out")
    for path in tmp_path.rglob("input.nn"):
        path.write_text(path.read_text().replace("4.5", "12.0"))
    window.files.open_paths([str(tmp_path / "out")])
    dialog = window.dialogs.open("import_potential")
    assert dialog.sources.paths() == [str(tmp_path / "out")]
    dialog.start()
    message = refused(qtbot, dialog)
    assert message.startswith("Units: ") and "Choose Å and eV, or Bohr and Hartree" in message
    pick(dialog, "units", "bohr-hartree")
    with qtbot.waitSignal(window.session.runs.added, timeout=60_000):
        dialog.start()


def test_a_report_takes_what_the_window_knows(with_run, qtbot, tmp_path, monkeypatch):
    from app.dialogs.report import export_report

    def write_report(folder, target, *, eos, regions, properties, n_threads, progress):
        target.write_text(f"{folder.name} {len(eos)} {len(regions)}")

    fake = SimpleNamespace(write_report=write_report)
    monkeypatch.setitem(sys.modules, "nnpcore.report.run_report", fake)
    with qtbot.waitSignal(with_run.session.data.added, timeout=60_000):
        with_run.files.open_paths([str(example_path("eos"))])
    run = with_run.session.runs.current
    run.folder = tmp_path / "run"
    export_report(with_run.session, run, tmp_path / "page.html")

    def titles() -> list[str]:
        return [toast.notification.title for toast in with_run.toasts.shown]

    qtbot.waitUntil(lambda: "Report written" in titles())
    assert (tmp_path / "page.html").read_text() == "run 15 0"


# calculators from elsewhere ---------------------------------------------------------------------------
def test_an_external_calculator_is_tried_and_becomes_a_run(window, qtbot):
    with qtbot.waitSignal(window.session.data.added, timeout=60_000):
        window.files.open_paths([f"{example_path('nvt')}@:6"])
    dialog = window.dialogs.open("external_calculator")
    type_in(qtbot, dialog, "import_path", "nnpcore.reference:Stillinger")
    dialog.start()
    assert "has no 'Stillinger'" in refused(qtbot, dialog)
    type_in(qtbot, dialog, "import_path", "nnpcore.reference:StillingerWeber")
    type_in(qtbot, dialog, "arguments", "{")
    dialog.start()
    assert refused(qtbot, dialog).startswith("Arguments: ")
    dialog.widgets["arguments"].clear()
    type_in(qtbot, dialog, "python", "/no/such/python")
    dialog.start()
    assert refused(qtbot, dialog).startswith("Python: this is no Python")
    dialog.widgets["python"].clear()
    dialog.start()
    finish(qtbot, dialog)
    session = window.session
    (run,) = session.runs.documents.values()
    assert isinstance(run.potential, SharedModel) and run.values is not None
    qtbot.waitUntil(
        lambda: run.result(PREDICTION) is not None and run.result(PCA) is not None, timeout=60_000
    )
    frames = session.data.current.frames
    assert run.potential.predict(frames).energy.mean() == pytest.approx(
        np.mean([frame.energy for frame in frames]), abs=1e-6
    )
    assert "It gives atomic energies" in run.message
    saved = window.keeper.snapshot()
    session.runs.remove(run.id)
    window.keeper.restore(replace(saved, datasets=[]))
    toast = window.toasts.shown[-1]
    call = "from nnpcore.reference import StillingerWeber; StillingerWeber()"
    assert call in toast.notification.text and not session.runs.documents
    with qtbot.waitSignal(session.runs.added, timeout=60_000):
        toast.buttons[0].click()


def test_a_calculator_without_atomic_energies_is_told_so(window, qtbot, silicon_file):
    with qtbot.waitSignals([window.session.data.added] * 2, timeout=60_000):
        window.session.data.open_paths([str(silicon_file()), str(example_path("eos"))])
    dialog = window.dialogs.open("external_calculator")
    type_in(qtbot, dialog, "import_path", "foreign_calculators:Exits")
    type_in(qtbot, dialog, "arguments", json.dumps({"sigma": 2.2}))
    dialog.start()
    message = refused(qtbot, dialog)
    assert "License expired" in message
    type_in(qtbot, dialog, "import_path", "foreign_calculators:OnlyTotals")
    dialog.start()
    finish(qtbot, dialog)
    toast = window.toasts.shown[-1].notification
    assert toast.level == "warning" and "no energies of single atoms" in toast.text
    (run,) = window.session.runs.documents.values()
    qtbot.waitUntil(lambda: run.result(EOS) is not None, timeout=60_000)
    assert run.result(EOS).curve.energies.shape == (1, 15)
    qtbot.waitUntil(lambda: not window.session.tasks.tasks, timeout=60_000)
    assert [t.notification.title for t in window.toasts.shown if t.notification.level == "error"] == []


def test_zeros_of_energy_are_found_by_element():
    from ase.build import bulk

    frames = [label(bulk("Si", cubic=True, a=a), StillingerWeber()) for a in (5.3, 5.43, 5.6)]
    model = SharedModel(StillingerWeber(), {"Si": 2.5})
    found = model.predict(frames)
    np.testing.assert_allclose(found.energy, [frame.energy + 8 * 2.5 for frame in frames])
    assert shifts_to(frames, found.energy.tolist()) == {"Si": pytest.approx(-2.5)}
    kinds = ([14] * 8, [14] * 6 + [6] * 2)
    mixed = [replace(frames[0], numbers=np.array(n, np.int32), energy=0.0) for n in kinds]
    shifts = shifts_to(mixed, [-8.0, -6.0 - 2 * 3.0])
    assert shifts == {"C": pytest.approx(3.0), "Si": pytest.approx(1.0)}


# other label names ------------------------------------------------------------------------------------
@pytest.fixture
def renamed_file(tmp_path):
    def write(name):
        frames = [
            replace(
                frame,
                info={"REF_energy": frame.energy, "comment": name},
                arrays={"dft_forces": frame.forces},
                energy=None,
                forces=None,
                stress=None,
            )
            for frame in read_dataset(f"{example_path('npt')}@:3").frames
        ]
        write_frames(tmp_path / name, frames)
        return str(tmp_path / name)

    return write


def test_other_label_names_are_confirmed_once(window, qtbot, renamed_file):
    session, first, second = window.session, renamed_file("a.extxyz"), renamed_file("b.extxyz")
    window.files.open_paths([first, second])
    qtbot.waitUntil(lambda: window.key_asker.dialog is not None)
    dialog = window.key_asker.dialog
    assert dialog.values()["energy"] == "REF_energy" and dialog.values()["forces"] == "dft_forces"
    assert "First frame: energy -106.9" in dialog.preview.text()
    qtbot.waitUntil(lambda: not session.tasks.reading())
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(session.data.datasets) == 2)
    assert window.key_asker.dialog is None
    assert all(document.summary.n_forces == 3 for document in session.data.datasets.values())
    with qtbot.waitSignal(session.data.added):
        window.files.open_paths([renamed_file("c.extxyz")])
    assert "energy from ref_energy" in window.docks["log"].panel.text.toPlainText().lower()
    assert session.settings.key_names


def test_questions_wait_for_each_other_and_for_open_dialogs(window, qtbot):
    asked, answers = [], []

    def question(name):
        def ask(answered):
            asked.append(name)
            answers.append(answered)

        return ask

    modal = QDialog(window)
    modal.setModal(True)
    modal.show()
    for name in "abc":
        window.questions.ask(question(name))
    qtbot.wait(2 * AGAIN_MS)
    assert asked == []
    modal.close()
    qtbot.waitUntil(lambda: asked == ["a"])
    qtbot.wait(10)
    answers[0]()
    qtbot.waitUntil(lambda: asked == ["a", "b"])
    answers[1]()
    qtbot.waitUntil(lambda: asked == ["a", "b", "c"])
    answers[2]()


def test_a_file_that_is_not_confirmed_is_not_opened(window, qtbot, renamed_file):
    window.files.open_paths([renamed_file("a.extxyz")])
    qtbot.waitUntil(lambda: window.key_asker.dialog is not None)
    dialog = window.key_asker.dialog
    pick(dialog, "negative_forces", True)
    assert dialog.names().negative_forces
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert window.key_asker.dialog is None and not window.session.data.datasets
    assert window.session.settings.key_names == {}


# examples ---------------------------------------------------------------------------------------------
def test_an_example_is_run_once_and_opened_from_then_on(window, qtbot, monkeypatch, silicon_file):
    asked = []

    def run_study(name, folder, quick, *, n_threads, progress):
        asked.append((name, quick))
        session = {"data": [{"path": str(silicon_file()), "role": "validation"}], "runs": [], "regions": []}
        (folder / name).mkdir(parents=True)
        (folder / name / "session.json").write_text(json.dumps(session))
        return SimpleNamespace(session=session)

    monkeypatch.setattr("nnpcore.paper.run_study", run_study)
    monkeypatch.setattr("app.workers.example_sessions.BUNDLED", examples_folder())
    with qtbot.waitSignal(window.session.data.added, timeout=60_000):
        window.files.open_paths([str(example_path("eos"))])
    window.commands.run("file.example.fig1")
    dialog = window.dialogs.known["fig1"]
    with qtbot.waitSignal(window.session.data.added, timeout=60_000):
        qtbot.keyClick(dialog, Qt.Key.Key_Return)
    (document,) = window.session.data.datasets.values()
    assert document.role is Role.VALIDATION and asked == [("fig1", True)]
    window.session.data.remove(document.id)
    with qtbot.waitSignal(window.session.data.added, timeout=60_000):
        window.commands.run("file.example.fig1")
    assert len(asked) == 1
    silicon_file().unlink()
    window.commands.run("file.example.fig1")
    qtbot.waitUntil(lambda: not window.dialogs.known["fig1"].ended)
    assert "a part of the kept example is gone" in window.toasts.shown[-1].notification.text
    window.dialogs.known["fig1"].reject()
    assert (examples_folder() / "fig1").is_dir()


def test_the_runs_of_an_example_are_compared_and_the_first_is_shown(window, qtbot, silicon_potential):
    from nnpcore.training import RunFolder

    folders = [examples_folder() / "fig2" / "runs" / f"{number}K" for number in range(6)]
    for folder in folders:
        run = RunFolder.create(folder, TrainSettings(epochs=1), {})
        silicon_potential.save(run.potential_path)
    content = {"data": [], "runs": [str(folder) for folder in folders], "regions": []}
    (examples_folder() / "fig2" / "session.json").write_text(json.dumps(content))
    window.commands.run("file.example.fig2")
    session = window.session
    qtbot.waitUntil(lambda: len(session.runs.documents) == 6 and not session.tasks.tasks, timeout=60_000)
    qtbot.waitUntil(lambda: session.runs.current.name == "0K")
    assert {session.runs.documents[key].name for key in session.runs.compared} == {"0K", "1K", "3K", "5K"}


def test_examples_are_studies_of_the_paper():
    assert {example.name for example in EXAMPLES} <= {*STUDIES, *HEALINGS}
