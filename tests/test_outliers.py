"""Errors by group and outliers: against sums worked out apart, planted faults, and frames left out."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from training_data import TINY, silicon_frames

from nnpcore.analyses import required
from nnpcore.analyses.calibration import Calibration
from nnpcore.analyses.errors import GROUP_KEY, OUTLIERS, RUN_ERRORS, RUN_FRAMES, run_frames
from nnpcore.analyses.graph import Evaluation
from nnpcore.analyses.inputs import FUNCTIONS, POTENTIAL, TRAINING_FRAMES
from nnpcore.cli import main
from nnpcore.cli.result_tables import calibration_rows, group_tables, rmse_table
from nnpcore.errors import SettingsError, TrainingError
from nnpcore.mapping.calibration import SpreadErrors, calibrate
from nnpcore.mapping.outliers import MANY, foretold_errors, usual_error
from nnpcore.progress import Progress
from nnpcore.report import facts
from nnpcore.report.run_info import info_of_run
from nnpcore.report.run_sections import groups_section
from nnpcore.structures import read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, rmse_report
from nnpcore.training.apart import ended_run
from nnpcore.training.frame_errors import FrameErrors
from nnpcore.training.learning_curve import plan_learning
from nnpcore.training.leaving_out import content_of, left_out, read_left_out, write_left_out

BAD_ENERGY, BAD_FORCE, BAD_ATOM = 3, 7, 5


def planted(n: int = 14) -> list[Frame]:
    """Return frames of two groups; one has a wrong energy, one a wrong force on one atom."""
    frames = [replace(f, info={"config_type": "ab"[k % 2]}) for k, f in enumerate(silicon_frames(n))]
    frames[BAD_ENERGY] = replace(frames[BAD_ENERGY], energy=(frames[BAD_ENERGY].energy or 0.0) + 2.0)
    known = frames[BAD_FORCE].forces
    assert known is not None
    forces = known.copy()
    forces[BAD_ATOM] += (2.0, -1.0, 1.0)
    frames[BAD_FORCE] = replace(frames[BAD_FORCE], forces=forces)
    return frames


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trained run whose data file has the planted faults."""
    folder = tmp_path_factory.mktemp("outliers")
    write_frames(folder / "data.extxyz", planted())
    frames = list(read_dataset(folder / "data.extxyz").frames)
    settings = TINY.replace(epochs=8, hidden=(6,), **{"descriptors.preset": "26"})
    Trainer(settings, frames[:10], frames[10:], run_folder=folder / "run").run()
    return folder / "run"


def test_errors_by_group_are_those_of_the_frames_of_each_group() -> None:
    frames = planted()[:8]
    trainer = Trainer(TINY.replace(epochs=1, **{"descriptors.preset": "26"}), frames, [])
    trainer.run()
    potential = trainer.potential()
    report = rmse_report(potential, {"all": frames})["all"]
    assert report["n_frames"] == 8 and list(report["groups"]) == ["a", "b"]
    for group, own in report["groups"].items():
        mine = [f for f in frames if f.info["config_type"] == group]
        predicted = potential.predict(mine)
        assert predicted.forces is not None
        energy = [(predicted.energy[k] - (f.energy or 0.0)) / f.n_atoms for k, f in enumerate(mine)]
        force = predicted.forces - np.concatenate([f.forces for f in mine if f.forces is not None])
        assert own["n_frames"] == 4
        assert own["rmse_energy_mev_per_atom"]["mean"] == pytest.approx(
            1e3 * np.sqrt(np.mean(np.square(energy)))
        )
        assert own["rmse_force_ev_per_ang"]["mean"] == pytest.approx(np.sqrt(np.mean(force**2)), rel=1e-5)
        alone = rmse_report(potential, {"mine": mine})["mine"]
        assert "groups" not in alone
        assert alone["rmse_stress_gpa"]["members"] == pytest.approx(own["rmse_stress_gpa"]["members"])
    found = FrameErrors.of(potential, frames)
    errors = potential.predict(frames).energy - np.array([f.energy or 0.0 for f in frames])
    np.testing.assert_allclose(found.energy, errors / 8, atol=1e-9)
    nothing = FrameErrors.of(potential, [replace(frames[0], energy=None, forces=None), frames[1]])
    assert np.isnan(nothing.energy[0]) and np.isnan(nothing.forces[:8]).all()
    assert nothing.counts[0].tolist() == [0, 0, 9] and not nothing.sums(slice(0, 1)).rmses().keys() & {
        "energy"
    }


def test_usual_errors_do_not_follow_outliers() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 2.0, 4000)
    assert usual_error(errors) == pytest.approx(2.0, rel=0.06)
    errors[:200] = 1e4
    assert usual_error(errors) == pytest.approx(2.1, rel=0.1)
    assert np.isnan(usual_error(np.array([np.nan])))
    roles = ["training"] * 2000 + ["validation"] * 2000
    errors[2000:] *= 3
    foretold = foretold_errors(errors, np.full(4000, 1.5), roles)
    assert foretold[0] == pytest.approx(np.hypot(1.5, usual_error(errors[:2000])))
    assert foretold[-1] == pytest.approx(6.0, rel=0.08)  # the same spread for all tells nothing


def test_a_wrong_label_does_not_hide_in_spreads_that_are_too_large() -> None:
    errors = np.random.default_rng(1).normal(0, 1.0, 200)
    errors[7] = 8.0
    foretold = foretold_errors(errors, np.linspace(2.0, 20.0, 200), ["training"] * 200)
    assert np.argmax(np.abs(errors) / foretold) == 7
    assert abs(errors[7]) > MANY * foretold[7]
    few = foretold_errors(errors[:20], np.full(20, 10.0), ["training"] * 20)
    assert few == pytest.approx(np.hypot(10.0, usual_error(errors[:20])))  # too few to tell


def test_planted_faults_come_first() -> None:
    frames = planted()
    settings = TINY.replace(epochs=12, **{"descriptors.preset": "26"})
    clean = [f for k, f in enumerate(frames) if k not in (BAD_ENERGY, BAD_FORCE)]
    trainer = Trainer(settings, clean, [])
    trainer.run()
    evaluation = Evaluation()
    evaluation.set(POTENTIAL, trainer.potential())
    evaluation.set(RUN_FRAMES, run_frames({"training": [replace(f, index=k) for k, f in enumerate(frames)]}))
    evaluation.set(GROUP_KEY, "config_type")
    evaluation.set(TRAINING_FRAMES, tuple(clean))
    evaluation.set(FUNCTIONS, trainer.functions)
    found, errors = required(evaluation.value(OUTLIERS)), required(evaluation.value(RUN_ERRORS))
    assert (found.frames[0].index, found.frames[0].atom, found.frames[0].group) == (BAD_ENERGY, None, "b")
    assert (found.atoms[0].index, found.atoms[0].atom) == (BAD_FORCE, BAD_ATOM)
    assert len(found.frame_ratios) == 14 and len(found.atom_ratios) == 14 * 8
    assert (found.frame_ratios > 4).any()
    assert found.frames[0].error == pytest.approx(errors.errors.energy[BAD_ENERGY])
    assert "energy off by -" in found.frames[0].why and "times what is foretold" in found.atoms[0].text
    assert [one.ratio for one in found.atoms] == sorted((one.ratio for one in found.atoms), reverse=True)
    assert [(g.role, g.group, g.n_frames) for g in errors.by_group] == [
        ("training", "a", 7),
        ("training", "b", 7),
    ]


def test_what_the_command_lists_can_be_left_out_with_the_reason(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "out.toml"
    assert main(["outliers", str(run), "--times", "0", "-n", "2", "--leave-out", str(listed), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["frames"]) == len(result["atoms"]) == 2 and result["n_left_out"] >= 2
    assert main(["outliers", str(run), "--times", "1e6"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("None is listed. Off most: data.extxyz, frame ") == 2
    assert "more than 1e+06 times what is foretold: 0 of 14 frames" in said
    most = result["frames"][0]["times"]
    one = ["--times", str(0.999 * most), "-n", "1", "--leave-out", str(tmp_path / "one.toml")]
    assert main(["outliers", str(run), *one]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ": 1 of 14 frames" in said
    assert "1 frame is in" not in said or ": look at it; then" in said
    named = read_left_out(listed)
    first = next(one for one in named if one.frame == result["frames"][0]["frame"])
    assert "times what is foretold" in first.why and len(first.fingerprint) == 16
    data, again = str(run.parent / "data.extxyz"), tmp_path / "again"
    options = ["--epochs", "1", "--members", "1", "--hidden", "4", "--preset", "26", "--guidance", "0"]
    assert main(["train", data, "-o", str(again), "--without", str(listed), *options]) == 0
    text = capsys.readouterr()
    assert first.why in text.err.replace("\n", " ") or first.why in text.out
    folder = RunFolder.open(again)
    used = {index for source in folder.sources for index in source.indices}
    assert used == set(range(14)) - {one.frame for one in named}
    assert folder.settings.left_out == named
    assert main(["evaluate", str(run), data, "--group-key", "phase"]) == 1
    assert "no frame has a value 'phase'" in " ".join(capsys.readouterr().err.split())


def test_tables_are_whole_in_a_terminal_of_80_columns(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["outliers", str(run), "--times", "0", "-n", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[1:-1] for line in lines if line.startswith("│")]
    assert len(rows) == 2 and all(row[-2].strip() in ("training", "validation") for row in rows)
    titles = [line for line in lines if line.startswith(("Frames by", "Atoms by"))]
    assert [title.rstrip().endswith("of data.extxyz") for title in titles] == [True, True]
    whole = {"mean": 0.145, "members": [0.15, 0.22]}
    report = dict.fromkeys(("rmse_energy_mev_per_atom", "rmse_force_ev_per_ang", "rmse_stress_gpa"), whole)
    groups = {"a rather long group of frames": report | {"n_frames": 1000}}
    sets = {"a-long-name.training.extxyz.xz": report | {"groups": groups}}
    found = calibrate(SpreadErrors("shear stress", np.full(9, 0.2), np.ones((9, 9)), np.arange(9)), "members")
    calibrated = calibration_rows(Calibration((found,), ("data",), 9))
    console = Console(width=80, record=True, file=StringIO())
    console.print(rmse_table(sets), *group_tables(sets), calibrated)
    wide = {key: {"mean": 0.0731, "members": [0.0811, 0.0982]} for key in report}
    console.print(rmse_table({"training": wide, "validation": wide}))
    text = console.export_text()
    assert text.count("0.145 (0.150–0.220)") == 3 and text.count(" 0.145 │") == 3
    assert "│ validation │" in text and text.count("0.0731") == text.count("(0.0811–0.0982)") == 6
    assert "1000" in text and "shear stress, members" in text and "…" not in text


def test_frames_are_left_out_by_what_they_hold(tmp_path: Path) -> None:
    frames = [replace(f, source="/x/data.xyz", index=k) for k, f in enumerate(planted()[:6])]
    named = tuple(left_out(frames[k], "looks wrong") for k in (1, 4))
    settings = TINY.replace(left_out=named)
    trainer = Trainer(settings, frames[:4], frames[4:], counts=[1, 2, 3, 4])
    assert [f.index for f in trainer.train_frames] == [0, 2, 3] and trainer.counts == (1, 3, 4)
    assert [f.index for f in trainer.valid_frames] == [5]
    other = [replace(f, energy=(f.energy or 0.0) + 1.0) for f in frames]
    trainer = Trainer(settings, other, [])
    assert len(trainer.train_frames) == 6  # the file has changed: these are other frames
    assert any("has another structure or energy than listed" in m.text for m in trainer._opening)
    with pytest.raises(TrainingError):
        Trainer(TINY.replace(left_out=tuple(left_out(f, "") for f in frames)), frames, [])
    write_left_out(tmp_path / "a.toml", named)
    assert read_left_out(tmp_path / "a.toml") == named
    (tmp_path / "b.toml").write_text("[[left_out]]\nfile = 'a'\nframe = -1\n")
    for name, what in (("b.toml", "not sensible"), ("c.toml", "cannot be read")):
        with pytest.raises(SettingsError, match=what):
            read_left_out(tmp_path / name)


def test_a_report_without_a_crystal_lists_outliers_or_says_why_not(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for seconds in (20.0, 0.0):
        monkeypatch.setattr(facts, "MOST_OUTLIER_SECONDS", seconds)
        known = facts.read_run(run, None, (), Progress())
        facts.analyse(known, 1, Progress())
        (section,) = groups_section(known)
        texts.append(" ".join(str(block) for block in section.blocks))
    assert "Off by more than 4 times what is foretold" in texts[0] and "not looked for" not in texts[0]
    assert "Outliers were not looked for" in texts[1] and "80 training atoms" in texts[1]
    assert "Off by more" not in texts[1]


def listed_of(path: Path, *frames: Frame) -> Path:
    """Return a list of frames to leave out."""
    write_left_out(path, [left_out(frame, "looks wrong") for frame in frames])
    return path


OPTIONS = ["--epochs", "1", "--members", "1", "--hidden", "4", "--preset", "26", "--guidance", "0"]


def test_frames_are_left_out_whatever_their_file_is_called_and_their_labels_are_read_by(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = read_dataset(run.parent / "data.extxyz").frames
    assert frames[3].stress is not None
    elsewhere = replace(frames[5], positions=frames[5].positions + 0.1)
    listed = listed_of(tmp_path / "out.toml", frames[3], elsewhere, frames[7])
    packed = tmp_path / "other.extxyz.xz"
    packed.write_bytes(lzma.compress((run.parent / "data.extxyz").read_bytes()))
    command = ["train", str(packed), "-o", str(tmp_path / "new"), "--without", str(listed), *OPTIONS]
    assert main([*command, "--stress-key", "none", "--test-fraction", "0"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 3 entries to leave out matches no frame, such as data.extxyz, frame 5" in said
    folder = RunFolder.open(tmp_path / "new")
    used = [index for source in folder.sources for index in source.indices]
    assert sorted(used) == [k for k in range(14) if k not in (3, 7)]
    assert [(one.file, one.frame) for one in folder.settings.left_out] == [(packed.name, 3), (packed.name, 7)]
    assert dict(info_of_run(folder.path).rows)["Left out"] == "2 frames"
    assert Trainer.resume(folder.path, folder.settings.replace(epochs=2)).asked.left_out
    assert ended_run(folder.path, folder.settings, *_roles(folder)) is not None


def _roles(folder: RunFolder) -> tuple[list[Frame], list[Frame]]:
    found = folder.find_frames()
    return found["training"], found["validation"]


def test_a_list_that_matches_no_frame_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parent / "data.extxyz"
    frames = read_dataset(data).frames
    listed = listed_of(tmp_path / "out.toml", *(replace(f, energy=1.0) for f in frames[:2]))
    command = [str(data), "-o", str(tmp_path / "new"), *OPTIONS]
    assert main(["train", *command, "--without", str(listed)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "none of the 2 entries matches a frame of these data" in said and "out.toml" in said
    named = tuple(left_out(replace(f, energy=1.0), "") for f in frames[:2])
    TINY.replace(left_out=named).to_toml(tmp_path / "settings.toml")
    for name in (["learning-curve"], ["sweep", "--setting", "seed", "--values", "1 2"]):
        assert main([*name, *command, "--config", str(tmp_path / "settings.toml")]) == 1
        assert "none of the 2 entries" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


def test_a_list_replaces_no_file_unasked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "data.extxyz"
    kept.write_text("mine")
    command = ["outliers", str(run), "--leave-out", str(kept)]
    assert main(command) == 1 and kept.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0 and "left_out" in kept.read_text()
    assert main(["outliers", str(run), "--overwrite"]) == 0


def test_a_learning_curve_has_none_of_the_frames_left_out() -> None:
    frames = [replace(f, source="data.xyz", index=k) for k, f in enumerate(planted())]
    plan = plan_learning(
        frames, TINY.replace(left_out=(left_out(frames[3], ""),)), test=silicon_frames(2, 90)
    )
    assert 3 not in [f.index for f in (*plan.pool, *plan.valid)] and len(plan.settings.left_out) == 1


def test_a_copy_in_digits_is_the_same_frame() -> None:
    rng = np.random.default_rng(3)
    for frame in silicon_frames(3):
        for _ in range(20):
            noise = rng.uniform(-1e-8, 1e-8, frame.positions.shape)
            assert content_of(replace(frame, positions=frame.positions + noise)) == content_of(frame)
        moved = frame.positions.copy()
        moved[0, 0] += 2e-3
        assert content_of(replace(frame, positions=moved)) != content_of(frame)
