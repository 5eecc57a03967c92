"""A run is what it says: one writer, files that belong together, whole folders whatever happens to them."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from builders import build_frame, build_functions
from training_data import silicon_frames

from nnpcore.analyses import MappingMonitor
from nnpcore.cli.output import refuse_to_replace
from nnpcore.errors import AnalysisError, EatlasError, PotentialError, RunFolderError, SettingsError
from nnpcore.potential import Potential
from nnpcore.training import EpochRecord, RunFolder, TrainControl, Trainer, TrainSettings, keeping
from nnpcore.training.folder_lock import LOCK_FILE, FolderLock, Writer, writer_of
from nnpcore.training.history import MOST_RECORDS, Message, best_record, gains, thin
from nnpcore.training.notes import change_note, read_note

SETTINGS = TrainSettings(
    descriptors={"functions": build_functions(["Si"]).to_dict()},  # type: ignore[arg-type]
    hidden=(4,),
    n_members=2,
    epochs=3,
    n_threads=1,
    device="cpu",
)
FRAMES = silicon_frames(5)


def trainer(folder: Path, **changes: object) -> Trainer:
    return Trainer(SETTINGS.replace(**changes), FRAMES[:3], FRAMES[3:], run_folder=folder)


def resumed(folder: Path, **changes: object) -> Trainer:
    settings = RunFolder.open(folder).settings.replace(**changes)
    return Trainer.resume(folder, settings, train=FRAMES[:3], valid=FRAMES[3:])


@pytest.fixture
def run(run_folder: Path) -> Path:
    trainer(run_folder).run()
    return run_folder


@pytest.fixture(autouse=True)
def _write_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(keeping, "SAVING_PART", 0.0)


def is_whole(folder: Path, epochs: int) -> bool:
    opened = RunFolder.open(folder)
    opened.training_values()
    mine = Potential.load(folder).info["run"] == opened.id
    return mine and len(opened.read_history()) == len(opened.read_checkpoint().state["history"]) == epochs


# one writer -----------------------------------------------------------------------------------------
def test_a_folder_has_one_writer(run_folder: Path) -> None:
    first = trainer(run_folder)
    first.prepare()
    mark = json.loads((run_folder / LOCK_FILE).read_text())
    assert mark["pid"] == os.getpid() and os.uname().nodename not in mark["host"]
    with pytest.raises(RunFolderError, match=rf"another training writes .*process {os.getpid()}\).*Stop it"):
        trainer(run_folder, hidden=(3,)).prepare()
    first.run()
    assert is_whole(run_folder, 3) and not (run_folder / LOCK_FILE).exists()
    second = resumed(run_folder, epochs=4)
    second.prepare()
    with pytest.raises(RunFolderError, match="another training writes"):
        resumed(run_folder, epochs=5).prepare()
    second.run()
    assert is_whole(run_folder, 4)


@pytest.mark.parametrize("mark", ['{"pid": 2, "started": 1.0, "host": "elsewhere"}', "", "[" * 900, "{"])
def test_the_lock_of_one_that_is_gone_does_not_count(run: Path, mark: str) -> None:
    (run / LOCK_FILE).write_text(mark)
    resumed(run, epochs=4).run()
    assert is_whole(run, 4) and not (run / LOCK_FILE).exists()


def test_without_locks_of_the_system_the_process_is_looked_up(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    first = resumed(run, epochs=4)
    first.prepare()
    with pytest.raises(RunFolderError, match=f"another training writes.*delete {LOCK_FILE}"):
        resumed(run, epochs=5).prepare()
    mark = json.loads((run / LOCK_FILE).read_text())
    first.run()
    (run / LOCK_FILE).write_text(json.dumps(mark | {"pid": 2**22 + 1}))
    resumed(run, epochs=5).run()
    (run / LOCK_FILE).write_text(json.dumps(mark | {"host": "elsewhere"}))
    with pytest.raises(RunFolderError, match="on another computer"):
        resumed(run, epochs=6).prepare()


# files that belong together -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("checkpoint.safetensors", lambda folder: RunFolder.open(folder).read_checkpoint()),
        ("training_set.safetensors", lambda folder: RunFolder.open(folder).training_values()),
        ("history.csv", lambda folder: RunFolder.open(folder).read_history()),
        ("settings.toml", RunFolder.open),
        ("potential", Potential.load),
        ("monitor.json", MappingMonitor.load),
    ],
)
def test_files_of_another_training_are_refused(
    run: Path, tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    scan = [replace(build_frame("Si", scale=1 + 0.01 * k), energy=-40.0 + k * k) for k in range(-2, 3)]
    MappingMonitor(scan).save(run)
    other = tmp_path / "other"
    trainer(other).run()
    MappingMonitor(scan).save(other)
    read(run)
    if (run / name).is_dir():
        shutil.rmtree(run / name)
        shutil.copytree(other / name, run / name)
    else:
        shutil.copy(other / name, run / name)
    with pytest.raises((RunFolderError, PotentialError, AnalysisError), match="of another training"):
        read(run)


def test_a_potential_cut_off_between_its_files_is_whole(run: Path) -> None:
    old = (run / "potential" / "potential.json").read_bytes()
    resumed(run, epochs=5).run()
    wanted = Potential.load(run)
    (run / "potential" / "potential.json").write_bytes(old)
    found = Potential.load(run)
    assert found.info == wanted.info
    np.testing.assert_array_equal(found.weights.flatten(), wanted.weights.flatten())
    (run / "potential" / "potential.json").unlink()
    assert Potential.load(run).info == wanted.info


def test_a_description_changed_by_hand_is_refused(run: Path) -> None:
    path = run / "potential" / "potential.json"
    path.write_text(path.read_text().replace('"cutoff": ', '"cutoff": 1'))
    with pytest.raises(PotentialError, match=r"potential\.json: it was changed after it was written"):
        Potential.load(run)


def test_a_potential_of_a_newer_version_is_not_overwritten(run: Path) -> None:
    path = run / "potential" / "potential.json"
    path.write_text(re.sub(r'"format_version": \d', '"format_version": 99', path.read_text()))
    with pytest.raises(PotentialError, match="newer Eatlas"):
        resumed(run, epochs=4)
    assert '"format_version": 99' in path.read_text()


def test_a_history_that_was_cut_names_the_line(run: Path) -> None:
    path = run / "history.csv"
    whole = path.read_text()
    path.write_text(whole[:-30])
    with pytest.raises(RunFolderError, match=r"history\.csv: .*line 4 is cut off.*Go on with the training"):
        RunFolder.open(run).read_history()
    path.write_text("".join(whole.splitlines(keepends=True)[:3]))
    with pytest.raises(RunFolderError, match="it was changed, has lost lines"):
        RunFolder.open(run).read_history()
    resumed(run, epochs=4).run()
    assert is_whole(run, 4)


def test_nothing_of_an_older_training_survives(run: Path) -> None:
    (run / "monitor.json").write_text("{}")
    (run / ".data.json.abcd1234.part").write_text("{")
    (run / "potential" / ".potential.json.abcd1234.part").write_text("{")
    trainer(run, hidden=(3,)).run()
    assert not (run / "monitor.json").exists() and not list(run.rglob("*.part"))
    assert is_whole(run, 3)


def test_a_folder_killed_in_its_first_write_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".data.json.abcd1234.part").write_text("{")
    (tmp_path / LOCK_FILE).write_text("")
    refuse_to_replace(tmp_path, overwrite=False)
    trainer(tmp_path).run()
    assert is_whole(tmp_path, 3)
    (tmp_path / "mine.part").write_text("a user's own")
    shutil.rmtree(tmp_path / "potential")
    for path in tmp_path.glob("*.*[nlsv]"):
        path.unlink()
    with pytest.raises(RunFolderError, match=r"mine\.part"):
        trainer(tmp_path).prepare()


def test_a_training_that_cannot_begin_leaves_what_was_there(run: Path, tmp_path: Path) -> None:
    """Its crystal is none, which is found when its descriptors are known: an older run is still whole."""
    scan = [replace(f, energy=-40.0) for f in FRAMES[:2]]
    for folder in (run, tmp_path / "new"):
        wrong = Trainer(SETTINGS, FRAMES[:3], FRAMES[3:], run_folder=folder, monitor=MappingMonitor(scan))
        with pytest.raises(AnalysisError, match="equivalent"):
            wrong.prepare()
    assert is_whole(run, 3) and not (run / LOCK_FILE).exists()
    assert not (tmp_path / "new").exists()


# folders that change, disks that fill up ------------------------------------------------------------
def at_epoch(number: int, act: Callable[[], object]) -> Callable[[EpochRecord, Trainer], None]:
    def on_epoch(record: EpochRecord, _: Trainer) -> None:
        if record.epoch == number:
            act()

    return on_epoch


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: folder.rename(folder.with_name("moved")),
        shutil.rmtree,
        lambda folder: (folder / "data.json").unlink(),
        lambda folder: (folder / "training_set.safetensors").unlink(),
        lambda folder: (folder / LOCK_FILE).unlink(),
    ],
)
def test_a_folder_that_loses_files_is_whole_at_the_end(run_folder: Path, act: Callable) -> None:
    training = trainer(run_folder)
    training.run(at_epoch(2, lambda: act(run_folder)))
    assert is_whole(run_folder, 3)
    assert not (run_folder / LOCK_FILE).exists()


def vanishing(
    folder: Path, part: str, monkeypatch: pytest.MonkeyPatch, after: Callable = lambda: None
) -> None:
    """Move the folder away once, just before a part of it is written; ``after`` that something may happen."""
    write = getattr(RunFolder, part)

    def instead(run: RunFolder, *given: object) -> None:
        monkeypatch.setattr(RunFolder, part, write)
        folder.rename(folder.with_name("moved"))
        write(run, *given)
        after()

    monkeypatch.setattr(RunFolder, part, instead)


@pytest.mark.parametrize("part", ["write_potential", "write_history", "write_checkpoint"])
def test_a_folder_that_vanishes_while_it_is_written_is_whole_at_the_end(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """What is then written makes the folder anew, which is not taken for somebody else's."""
    training = trainer(run_folder)
    training.run(at_epoch(1, lambda: vanishing(run_folder, part, monkeypatch)))
    assert is_whole(run_folder, 3) and (run_folder.with_name("moved") / "data.json").is_file()
    assert any("is written anew" in text for text in training.keeper.take_notes())


def test_what_another_run_has_left_in_the_place_of_a_folder_is_left_alone(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(tmp_path / "other").run()
    place = run_folder / "checkpoint.safetensors"
    foreign = (tmp_path / "other" / place.name).read_bytes()
    training = trainer(run_folder)
    put = partial(place.write_bytes, foreign)
    with pytest.raises(RunFolderError, match="something else has come into the place"):
        training.run(at_epoch(1, lambda: vanishing(run_folder, "write_checkpoint", monkeypatch, put)))
    assert place.read_bytes() == foreign


def test_a_folder_that_was_replaced_is_left_alone(run_folder: Path, tmp_path: Path) -> None:
    def exchange() -> None:
        shutil.rmtree(run_folder)
        trainer(run_folder, hidden=(3,)).run()

    training = trainer(run_folder)
    with pytest.raises(RunFolderError, match="something else has come into the place"):
        training.run(at_epoch(2, exchange))
    assert RunFolder.open(run_folder).settings.hidden == (3,) and is_whole(run_folder, 3)
    assert len(training.history) == 3
    training.save_to(tmp_path / "elsewhere")
    assert is_whole(tmp_path / "elsewhere", 3) and not (tmp_path / "elsewhere" / LOCK_FILE).exists()


def test_a_full_disk_is_said_and_written_when_there_is_room(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    told: list[str] = []

    def on_epoch(record: EpochRecord, training: Trainer) -> None:
        told.append("" if training.keeper.trouble is None else str(training.keeper.trouble))
        if record.epoch == 1:
            monkeypatch.setattr(os, "fsync", full)
        elif record.epoch == 3:
            monkeypatch.undo()
            keeping.SECONDS_BETWEEN_CHECKPOINTS, keeping.SAVING_PART = 0.0, 0.0

    try:
        trainer(run_folder, epochs=5).run(on_epoch)
    finally:
        keeping.SECONDS_BETWEEN_CHECKPOINTS, keeping.SAVING_PART = 3.0, 20
    assert ["the disk is full" in text for text in told] == [False, True, True, False, False]
    assert is_whole(run_folder, 5)


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


FULL_FROM_THE_START = [
    ("new", "fsync"),
    ("older", "fsync"),
    ("resumed", "fsync"),
    ("new", "mkdir"),
    ("new", "write"),
]
"""What is in the folder, and the first of the system's functions that has no room."""


@pytest.mark.parametrize(("beginning", "fails"), FULL_FROM_THE_START)
def test_a_disk_that_is_full_from_the_start_ends_no_training(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, beginning: str, fails: str
) -> None:
    if beginning == "older":
        trainer(run_folder, hidden=(3,)).run()
    elif beginning == "resumed":
        trainer(run_folder, epochs=1).run()
    training = resumed(run_folder, epochs=4) if beginning == "resumed" else trainer(run_folder, epochs=4)
    with monkeypatch.context() as disk:
        disk.setattr(os, fails, no_room)
        training.prepare()
        first = "" if training.keeper.trouble is None else str(training.keeper.trouble)
        assert "the disk is full" in first or fails == "write"  # the lock's own text is not missed
    training.run()
    assert training.keeper.trouble is None and is_whole(run_folder, 4)
    assert RunFolder.open(run_folder).settings.epochs == 4
    assert not (run_folder / LOCK_FILE).exists()


def test_what_ended_on_a_full_disk_is_written_later_unless_another_run_came(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(run_folder, hidden=(3,)).run()
    training = trainer(run_folder)
    with monkeypatch.context() as disk, pytest.raises(RunFolderError, match="the disk is full"):
        disk.setattr(os, "fsync", no_room)
        training.run()
    training.save()
    assert is_whole(run_folder, 3) and RunFolder.open(run_folder).settings.hidden == (4,)
    late = trainer(run_folder)
    with monkeypatch.context() as disk, pytest.raises(RunFolderError, match="the disk is full"):
        disk.setattr(os, "fsync", no_room)
        late.run()
    trainer(run_folder, hidden=(2,)).run()
    with pytest.raises(RunFolderError, match="something else has come into the place"):
        late.save()
    assert RunFolder.open(run_folder).settings.hidden == (2,) and is_whole(run_folder, 3)


def test_an_unwritable_place_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    folder = tmp_path / "run"
    monkeypatch.setattr(os, "mkdir", denied)
    with pytest.raises(RunFolderError) as caught:
        trainer(folder).prepare()
    assert str(caught.value) == f"{folder}: you may not write here. Choose a folder of your own."


def test_a_training_goes_on_elsewhere(run_folder: Path, tmp_path: Path) -> None:
    training = trainer(run_folder, epochs=4)
    elsewhere = tmp_path / "elsewhere"
    training.run(at_epoch(2, lambda: training.save_to(elsewhere)))
    assert is_whole(elsewhere, 4) and len(RunFolder.open(run_folder).read_history()) == 2
    assert [note for note in training.keeper.take_notes() if str(elsewhere) in note]


# what happens in an epoch ---------------------------------------------------------------------------
def test_what_an_epoch_tells_survives_a_stop_in_it(run_folder: Path) -> None:
    control = TrainControl()
    training = trainer(run_folder, baseline="linear", baseline_epochs=1)
    put_under = training._put_under

    def stop_then() -> None:
        put_under()
        control.stop()

    training._put_under = stop_then  # type: ignore[method-assign]
    assert training.run(control=control).reason == "stopped"
    more = resumed(run_folder)
    more.run()
    told = [m.text for record in more.history for m in record.messages if "Baseline under" in m.text]
    assert len(told) == 1


@pytest.mark.parametrize("history", ["as it was", "lost", "damaged"])
def test_a_run_of_version_0_2_gets_an_id_when_it_goes_on(tmp_path: Path, history: str) -> None:
    old = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "data" / "run-0.2", old)
    if history == "lost":
        (old / "history.csv").unlink()
    elif history == "damaged":
        (old / "history.csv").write_text("epoch\nnone\n")
    folder = RunFolder.open(old)
    assert folder.id == ""
    with pytest.raises(RunFolderError, match=r"seed is no longer what the run was started with"):
        Trainer.resume(old, folder.settings.replace(seed=5))
    Trainer.resume(old, folder.settings.replace(epochs=5)).run()
    assert RunFolder.open(old).id and is_whole(old, 5)


def record(epoch: int, error: float = np.nan, best: bool = False, text: str = "") -> EpochRecord:
    messages = (Message(text),) if text else ()
    mapping = {} if np.isnan(error) else {"region": error}
    return EpochRecord(epoch, 1.0 * epoch, "adam", {}, {}, np.ones(1, bool), messages, best, mapping)


def test_a_long_history_is_thinned_without_losing_what_counts() -> None:
    history: list[EpochRecord] = []
    for epoch in range(1, 100_001):
        best = epoch in (5, 777, 31_313)
        history.append(record(epoch, 1000.0 / epoch if epoch < 90 else 500.0, best, "odd" * (epoch == 4242)))
        if len(history) > MOST_RECORDS:
            wanted = [r.epoch for r in gains(history)], best_record(history)
            thin(history)
            assert ([r.epoch for r in gains(history)], best_record(history)) == wanted
    assert len(history) <= MOST_RECORDS
    epochs = [r.epoch for r in history]
    assert epochs == sorted(set(epochs)) and epochs[0] == 1
    assert epochs[-500:] == list(range(99_501, 100_001))
    assert {4242, 31_313} <= set(epochs) and max(np.diff(epochs)) <= 64


def test_training_goes_on_over_a_thinned_history(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnpcore.training.history.MOST_RECORDS", 6)
    monkeypatch.setattr("nnpcore.training.history._RECENT", 2)
    trainer(run_folder, epochs=9, patience=50).run()
    assert resumed(run_folder, epochs=12).run().history[-1].epoch == 12
    opened = RunFolder.open(run_folder).read_history()
    assert opened[-1].epoch == 12 and len(opened) <= 8


def test_pipes_in_a_run_are_refused_without_waiting(run: Path) -> None:
    def read() -> None:
        RunFolder.open(run).read_checkpoint()
        RunFolder.open(run).training_values()
        Potential.load(run)

    for name in ("data.json", "settings.toml", "checkpoint.safetensors", "training_set.safetensors"):
        content = (run / name).read_bytes()
        (run / name).unlink()
        os.mkfifo(run / name)
        with pytest.raises(EatlasError):
            read()
        (run / name).unlink()
        (run / name).write_bytes(content)
    read()


def test_what_writes_for_a_moment_is_waited_for_and_what_holds_a_folder_is_named(run: Path) -> None:
    note = FolderLock.acquire(run, Writer.NOTE)
    assert writer_of(run) == "", "nobody trains there"
    Timer(0.3, note.release).start()
    resumed(run, epochs=4).run()
    held = FolderLock.acquire(run, Writer.CALIBRATION)
    with pytest.raises(
        RunFolderError, match=rf"a calibration writes .*process {os.getpid()}\).*Try again"
    ) as told:
        resumed(run, epochs=5).prepare()
    assert LOCK_FILE not in str(told.value), "it is held: deleting its mark would let a second one in"
    held.release()
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(lambda k: change_note(run, text=f"{k}") if k else change_note(run, star=True), range(8))
        )
    note_now = read_note(RunFolder.open(run))
    assert note_now.star and note_now.text in map(str, range(1, 8))
    assert not (run / LOCK_FILE).exists()


def test_fewer_epochs_than_are_done_are_refused(run: Path) -> None:
    with pytest.raises(SettingsError, match="3 epochs are done, more than the 2 it is to go to"):
        resumed(run, epochs=2)
    assert RunFolder.open(run).settings.epochs == 3
    resumed(run, epochs=3).run()
    assert is_whole(run, 3)
