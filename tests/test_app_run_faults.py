"""Runs in the window while their data and folders change: the right frames, and nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import build_frame
from test_app_training import SMALL, ended, opened, started
from training_data import labelled

from app.documents import session_file
from app.documents.frame_refs import FrameRefs
from app.documents.run import RunState
from app.documents.session_file import SavedDataset, SavedSession
from app.session.inputs import RunInputs
from app.widgets.row_list import ID
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.errors import RUN_FRAMES
from nnpcore.analyses.inputs import TRAINING_PARTS
from nnpcore.analyses.parity import COMPARED_FRAMES
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.structures import Role, example_path, read_dataset, write_frames
from nnpcore.structures.groups import group_of
from nnpcore.structures.labels.foretold_stress import reordered
from nnpcore.training import RunFolder, keeping


def titles(window) -> list[str]:
    return [toast.notification.title for toast in window.toasts.shown]


def messages(window) -> list[str]:
    told: list[str] = []
    window.session.messages.notified.connect(lambda n: told.append(f"{n.title}: {n.text}"))
    return told


def two_of_one_name(tmp_path: Path, silicon_file) -> tuple[Path, Path]:
    """Files a/nvt.extxyz and b/nvt.extxyz with as many frames, but other ones."""
    made = [tmp_path / name / "nvt.extxyz" for name in "ab"]
    frames = read_dataset(silicon_file("made.extxyz", 12)).frames
    for path, part in zip(made, (frames[:6], frames[6:]), strict=True):
        path.parent.mkdir()
        write_frames(path, part)
    return made[0], made[1]


@pytest.mark.parametrize("reopened", [False, True])
def test_another_file_of_the_same_name_is_not_taken_for_the_runs_own(
    window, qtbot, silicon_file, tmp_path, reopened
):
    a, b = two_of_one_name(tmp_path, silicon_file)
    session = window.session
    opened(window, qtbot, a)
    run = session.runs.documents[session.trainings.start(SMALL)]
    ended(qtbot, run)
    qtbot.waitUntil(lambda: session.runs.prediction is not None, timeout=60_000)
    own = [session.data.datasets["nvt"].frames[k] for _, part in run.train.parts for k in part]
    if reopened:
        session.runs.remove(run.id)
    session.data.remove("nvt")
    assert session.runs.prediction is None
    opened(window, qtbot, b)
    if reopened:
        session.runs.open(run.folder)
        qtbot.waitUntil(lambda: len(session.runs.documents) == 1 and len(session.data.datasets) == 2)
        run = session.runs.current
    else:
        assert {key for key, _ in run.train.parts} == {""}
        opened(window, qtbot, a)
    (other,) = (key for key, d in session.data.datasets.items() if d.path == str(a))
    qtbot.waitUntil(lambda: {key for key, _ in run.train.parts} == {other}, timeout=60_000)
    found = [session.data.datasets[other].frames[k] for _, part in run.train.parts for k in part]
    assert [frame.energy for frame in found] == [frame.energy for frame in own]
    result = run.result(PREDICTION)
    assert session.runs.prediction is None or result.frame is session.data.frame


def test_a_file_that_was_shortened_is_said_and_never_a_crash(window, qtbot, silicon_file, tmp_path):
    path = silicon_file("train.extxyz", 6)
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    told, session = messages(window), window.session
    write_frames(path, list(read_dataset(path).frames)[:3])
    session.data.reload("train")
    qtbot.waitUntil(lambda: any("was trained on other data" in text for text in told), timeout=60_000)
    assert {key for key, _ in run.train.parts} == {""}
    session.trainings.train_longer(run.id, 5)
    ended(qtbot, run)
    assert run.state is RunState.FAILED and "train.extxyz" in run.message
    assert "frame" in run.message and "Put the file back" in run.message


def test_a_full_disk_ends_no_training(window, qtbot, silicon_file, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "SECONDS_BETWEEN_CHECKPOINTS", 0.05)
    monkeypatch.setattr(keeping, "SAVING_PART", 0.0)
    run = started(window, qtbot, silicon_file, epochs=100_000)
    told, fsync = messages(window), os.fsync

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    qtbot.waitUntil(lambda: any("cannot be written" in text for text in told), timeout=60_000)
    assert "the disk is full" in run.unsaved and run.state is RunState.RUNNING
    monkeypatch.setattr(os, "fsync", fsync)
    qtbot.waitUntil(lambda: run.unsaved == "", timeout=60_000)
    monkeypatch.setattr(os, "fsync", full)
    window.session.trainings.stop()
    ended(qtbot, run)
    assert run.unsaved and run.id in window.session.trainings.unsaved
    assert any("ended and is not saved" in text for text in told)
    reached = run.epoch
    monkeypatch.setattr(os, "fsync", fsync)
    window.session.trainings.unsaved.ask_folder = lambda _name: tmp_path / "elsewhere"
    window.session.trainings.unsaved.save_elsewhere(run.id)
    qtbot.waitUntil(lambda: run.unsaved == "", timeout=60_000)
    assert run.folder.parent == tmp_path / "elsewhere"
    folder = RunFolder.open(run.folder)
    assert folder.read_history()[-1].epoch == reached
    assert len(folder.read_checkpoint().state["history"]) == len(run.history)


def test_a_folder_that_vanishes_is_written_anew_and_said(window, qtbot, silicon_file, monkeypatch):
    monkeypatch.setattr(keeping, "SECONDS_BETWEEN_CHECKPOINTS", 0.05)
    monkeypatch.setattr(keeping, "SAVING_PART", 0.0)
    run = started(window, qtbot, silicon_file, epochs=100_000)
    told = messages(window)
    run.folder.rename(run.folder.with_name("moved"))
    qtbot.waitUntil(lambda: any("is written anew" in text for text in told), timeout=60_000)
    window.session.trainings.stop()
    ended(qtbot, run)
    assert run.state is RunState.STOPPED
    assert RunFolder.open(run.folder).read_history()[-1].epoch == run.epoch


def test_a_run_that_is_gone_is_missed(window, qtbot, silicon_file, tmp_path):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    folder = run.folder
    window.session.runs.remove(run.id)
    shutil.rmtree(folder)
    window.keeper.restore(SavedSession(runs=[str(folder)]))
    assert window.toasts.shown[-1].notification.title == "A run is gone"
    assert str(folder) in window.toasts.shown[-1].notification.text


def test_a_run_that_trains_elsewhere_is_refused(window, qtbot, silicon_file):
    run = started(window, qtbot, silicon_file)
    ended(qtbot, run)
    other = RunFolder.open(run.folder)
    other.lock()
    window.session.trainings.train_longer(run.id, 6)
    ended(qtbot, run)
    assert run.state is RunState.FAILED and "another training writes into this folder" in run.message
    other.release()
    window.session.trainings.train_longer(run.id, 6)
    ended(qtbot, run)
    assert (run.state, run.epoch) == (RunState.FINISHED, 6)


def test_the_bottom_line_says_nothing_untrue_while_files_are_opened(window, qtbot, silicon_file):
    shown: list[str] = []
    path, data = silicon_file("train.extxyz", 6), window.session.data
    data.open_paths([str(path)])
    data.added.connect(lambda _: shown.append(window.verdict.verdict.text()))
    assert window.verdict.verdict.text() == "Opening files…"
    qtbot.waitUntil(lambda: bool(shown) and window.verdict.verdict.text() != "Opening files…", timeout=60_000)
    assert "train" in window.verdict.verdict.text().lower()


def test_nothing_untrue_is_said_while_a_session_is_restored(window, qtbot, silicon_file, tmp_path):
    run, session = started(window, qtbot, silicon_file), window.session
    scan = tmp_path / "scan.extxyz"
    write_frames(scan, read_dataset(example_path("eos")).frames)
    session.data.open_paths([str(scan)], {str(scan): Role.EOS})
    ended(qtbot, run)
    qtbot.waitUntil(lambda: run.result(EOS) is not None, timeout=60_000)
    saved = window.keeper.snapshot()
    for run_id in list(session.runs.documents):
        session.runs.remove(run_id)
    for key in list(session.data.datasets):
        session.data.remove(key)
    said: list[str] = []

    def look(*_: object) -> None:
        said.extend([window.verdict.verdict.text(), *(text for text, _ in window.spaces.lines)])

    for signal in (session.data.added, session.runs.added, session.tasks.finished, session.analyses.changed):
        signal.connect(look)
    window.spaces.lines_changed.connect(look)
    window.keeper.restore(saved)
    look()
    qtbot.waitUntil(lambda: session.runs.current is not None, timeout=60_000)
    qtbot.waitUntil(lambda: session.runs.current.result(EOS) is not None, timeout=60_000)
    assert "Opening files…" in said
    assert not [text for text in said if "EOS reference" in text or "open a crystal" in text.lower()]


def test_the_example_is_opened_beside_files_that_are_named(window, qtbot, silicon_file):
    from app.main import begin, parser

    begin(window, parser().parse_args(["--example", str(silicon_file("mine.extxyz"))]))
    qtbot.waitUntil(lambda: len(window.session.data.datasets) == 4, timeout=60_000)
    assert set(window.session.data.datasets) == {"mine", "nvt", "npt", "eos"}


def test_files_that_are_named_are_opened_although_a_panel_cannot_be_loaded(
    window, qtbot, silicon_file, monkeypatch
):
    from app.main import begin, parser

    def broken(_progress):
        raise ImportError("no such module")

    monkeypatch.setattr("app.panels.load_panels", broken)
    told = messages(window)
    begin(window, parser().parse_args([str(silicon_file("mine.extxyz"))]))
    qtbot.waitUntil(lambda: "mine" in window.session.data.datasets, timeout=60_000)
    assert any("Not all panels can be used" in text for text in told)


def test_a_window_closed_before_everything_is_open_again_loses_nothing(window, silicon_file, app_home):
    from app.main import make_application, make_window
    from app.settings import load

    saved = SavedSession([SavedDataset(str(silicon_file("a.extxyz")), "validation", 2, 1)])
    last = session_file.last_path(app_home)
    session_file.write(last, saved)
    window.close()  # before anything was restored
    assert session_file.read(last).datasets == saved.datasets
    again = make_window(make_application(), load())
    again.keeper.restore_last()
    again.close()  # while the file is being read
    assert session_file.read(last).datasets == saved.datasets


def test_frames_of_a_run_are_put_together_once_and_not_kept_when_their_file_is_closed(
    window, qtbot, silicon_file
):
    opened(window, qtbot, silicon_file("a.extxyz"))
    session = window.session
    run = session.runs.add("run", SMALL)
    run.train, run.test = (FrameRefs((("a", np.arange(k, k + 2)),)) for k in (0, 2))
    inputs = RunInputs(session.data, session.regions)
    inputs.refresh(run)
    first = run.evaluation.known(RUN_FRAMES)
    assert [part.frames for part in first] == [
        session.data.datasets["a"].frames[:2],
        session.data.datasets["a"].frames[2:4],
    ]
    inputs.refresh(run)
    again = run.evaluation.known(RUN_FRAMES)
    assert all(a.frames is b.frames for a, b in zip(first, again, strict=True))
    session.data.remove("a")
    inputs.refresh(run)
    assert not inputs._of_parts


def test_a_run_is_compared_with_stresses_put_right_once(window, qtbot, tmp_path):
    write_frames(tmp_path / "a.extxyz", labelled([build_frame("Si", rattle=0.1, seed=k) for k in range(4)]))
    opened(window, qtbot, tmp_path / "a.extxyz")
    session, key = window.session, "a"
    frames = session.data.datasets[key].frames
    assert all(np.ptp(frame.stress[[1, 0, 0], [2, 2, 1]]) > 0 for frame in frames)
    run = session.runs.add("run", SMALL.replace(stress_order={group_of(frames[0]): "xz yz xy"}))
    run.train = FrameRefs(((key, np.arange(len(frames))),))
    inputs = RunInputs(session.data, session.regions)
    found = []
    for _ in range(2):
        inputs.refresh(run)
        found += [run.evaluation.known(node)[0].frames for node in (COMPARED_FRAMES, RUN_FRAMES)]
    assert found[0] is found[2] and found[1] is found[3]
    for own in found:
        for frame, given in zip(own, frames, strict=True):
            np.testing.assert_array_equal(frame.stress, reordered(given.stress, "xz yz xy"))
    session.data.remove(key)
    inputs.refresh(run)
    assert not inputs._put_right


def test_parts_of_a_run_whose_files_are_not_open_are_told_apart(session):
    parts = tuple(("", np.arange(k, k + 2)) for k in (0, 2))
    run = session.runs.add("run", SMALL)
    run.train, run.valid = FrameRefs(parts), FrameRefs(parts)
    RunInputs(session.data, session.regions).refresh(run)
    found = run.evaluation.known(TRAINING_PARTS)
    assert [part.name for part in found] == ["training", "training (2)", "validation", "validation (2)"]


def test_restored_runs_keep_their_order_their_colors_and_the_one_looked_at(
    window, qtbot, silicon_file, tmp_path
):
    session, first = window.session, started(window, qtbot, silicon_file, epochs=1)
    ended(qtbot, first)
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        shutil.copytree(first.folder, folder)
    session.runs.remove(first.id)

    def n_put() -> int:
        return sum(run.potential is not None for run in list(session.runs.documents.values()))

    window.keeper.restore(SavedSession(runs=[str(f) for f in folders], current_run=str(folders[1])))
    qtbot.waitUntil(lambda: n_put() == 3, timeout=60_000)
    assert [run.name for run in session.runs.documents.values()] == ["one", "two", "three"]
    listed = window.docks["data"].panel.runs.list
    ids = [listed.item(k).data(ID) for k in range(listed.count())]
    assert [session.runs.documents[key].name for key in ids] == ["three", "two", "one"]
    qtbot.waitUntil(lambda: session.runs.current.name == "two")
    colors = [run.color_index for run in session.runs.documents.values()]
    assert colors == sorted(set(colors))
    assert Path(window.keeper.snapshot().current_run).name == "two"
