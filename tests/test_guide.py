"""The guided pages of an example: what each of them sets, and the paper's claim beside ours."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.documents.chart import ChartWish
from app.documents.coloring import LABELS
from app.documents.tour import tours
from app.settings import examples_folder
from app.shell.guide import GuideBar
from app.shell.workspaces import BY_NAME
from app.workers import example_sessions
from app.workers.example_sessions import BUNDLED, DATA_PLACE, EXAMPLES, PLACE
from nnpcore.cure.aims import aims_of_frames
from nnpcore.cure.example import CLAIM, claim_of, error_of
from nnpcore.paper.claims import TEXTS
from nnpcore.progress import Progress
from nnpcore.structures import example_path, read_dataset, write_frames
from nnpcore.training import RunFolder, TrainingValues, TrainSettings

LEFT = Qt.MouseButton.LeftButton


def test_every_example_has_pages_that_name_what_there_is():
    assert set(tours()) <= {example.name for example in EXAMPLES}
    texts = " ".join([*TEXTS.read_text("utf-8").replace("\\\n", "").split(), *CLAIM.split()])
    for name, steps in tours().items():
        assert 3 <= len(steps) <= 5, name
        for step in steps:
            which = "as in the paper|over a smooth closed-form part"
            claim = re.sub(f"^Networks ({which})", "Networks {which}", step.claim)
            claim = re.sub("^Kalman filter:", "{training}:", claim)
            claim = re.sub("^(Networks alone|With a smooth part)", "{kind}", claim)
            assert step.workspace in BY_NAME and step.color in ("", *LABELS) and step.frame >= 1
            assert claim in texts, claim
            assert len(step.text) <= 200 and len(step.otherwise) <= 200, step.text
            assert bool(step.claim) or not step.otherwise, step.text


def test_bundled_examples_know_no_place_and_open_where_they_are_put(tmp_path):
    names = [path.name for path in BUNDLED.iterdir() if (path / "session.json").is_file()]
    assert "fig1" in names
    for name in names:
        session = json.loads((BUNDLED / name / "session.json").read_text("utf-8"))
        for path in [entry["path"] for entry in session["data"]] + session["runs"]:
            assert path.startswith((PLACE, DATA_PLACE)), path
        wanted = {run for step in tours()[name] for run in (step.run, *step.compared) if run}
        assert {Path(run).name for run in session["runs"]} == wanted
        for run in wanted:
            assert RunFolder.open(BUNDLED / name / "runs" / run).sources, "it stands for its place, and opens"
        files = {Path(entry["path"]).name for entry in session["data"]}
        assert {name for step in tours()[name] for name in (step.data, *step.hidden) if name} <= files
        claims = example_sessions.read_claims(BUNDLED / name)
        for step in tours()[name]:
            if claim := next((c for c in claims if step.claim and step.claim in c.claim and c.numbers), None):
                told = step.measured(claim.numbers)
                assert told and len(told) + len(step.paper or claim.paper) < 125, step.text
                assert step.measured({}) == "", "numbers of another study"
    example_sessions.unpack(tmp_path, "fig1")
    found = example_sessions.read_example(tmp_path, "fig1")
    assert len(found.runs) == 3 and all(Path(path).exists() for path in (*found.runs, *found.data))
    kept = (tmp_path / "fig1" / "session.json").stat().st_mtime_ns
    example_sessions.unpack(tmp_path, "fig1")
    assert (tmp_path / "fig1" / "session.json").stat().st_mtime_ns == kept, "what is there stays"


def test_the_same_atoms_of_an_example_are_described_once(tmp_path, monkeypatch):
    described, work = [], TrainingValues.of_frames
    monkeypatch.setattr(
        TrainingValues, "of_frames", lambda *given, **named: described.append(1) or work(*given)
    )
    example_sessions.unpack(tmp_path, "fig1")
    paths = list((tmp_path / "fig1" / "runs").iterdir())
    assert not any("training_set.safetensors" in os.listdir(path) for path in paths), "it opens before"
    found = example_sessions.describe(paths, Progress())
    assert list(found) == list(example_sessions.describe(paths, Progress())) == paths, "or they are read"
    names = ("npt-networks", "nvt-networks", "nvt_stress-networks")
    npt, nvt, stress = (RunFolder.open(tmp_path / "fig1" / "runs" / name).training_values() for name in names)
    assert len(described) == 2 and (nvt.values == stress.values).all() and len(npt.values) != len(nvt.values)


def test_the_loops_of_the_cure_tell_what_they_have_measured(window, qtbot, silicon_potential):
    own = examples_folder() / "heal"
    runs = [RunFolder.create(own / name, TrainSettings(epochs=1), {}) for name in ("healed", "before")]
    for run in runs:
        silicon_potential.save(run.potential_path)
    files = {"nvt": "inspect", "eos": "eos", "labelled": "inspect"}
    frames = read_dataset(f"{example_path('eos')}@:8").frames
    for name in files:
        write_frames(own / f"{name}.extxyz", frames)
    aims = aims_of_frames(frames, "eos")
    energies = silicon_potential.predict(frames).energy / [frame.n_atoms for frame in frames]
    off = [replace(aim, reference=float(e) + 0.012) for aim, e in zip(aims, energies, strict=True)]
    assert error_of(runs[0].path, off) == pytest.approx(12.0, rel=1e-3)
    assert not claim_of(off, runs[1].path, runs[0].path)["holds"], "the same run twice has healed nothing"
    claim = {"claim": CLAIM, "ours": "12 before, 3 healed", "holds": True}
    data = [{"path": str(own / f"{name}.extxyz"), "role": role} for name, role in files.items()]
    session = {"data": data, "runs": [str(run.path) for run in runs], "claims": [claim]}
    (own / "session.json").write_text(json.dumps(session))
    bar = window.findChild(GuideBar)
    window.commands.run("file.example.heal")
    qtbot.waitUntil(lambda: bar.isVisible() and len(window.session.runs.documents) == 2, timeout=60_000)
    for _ in range(3):
        QTest.mouseClick(bar.next, LEFT)
    current = window.session.runs
    qtbot.waitUntil(lambda: [r.name for r in current.shown()] == ["healed", "before"], timeout=60_000)
    assert bar.claim.text() == "✓ 12 before, 3 healed" and "Paper" not in bar.claim.toolTip()


def test_next_sets_workspace_run_frame_and_colour(window, qtbot):
    session, bar = window.session, window.findChild(GuideBar)
    window.commands.run("file.example.fig1")
    qtbot.waitUntil(lambda: session.runs.current is not None and bar.isVisible(), timeout=60_000)

    def run_name():
        return "" if session.runs.current is None else session.runs.current.name

    qtbot.waitUntil(lambda: run_name() == "nvt-networks" and len(session.data.datasets) == 3, timeout=60_000)
    qtbot.waitUntil(lambda: session.data.current.name == "nvt.extxyz")
    assert window.spaces.name == "train" and session.coloring.current.kind == "atomic_energy"
    assert bar.claim.text().startswith("✓ Paper: 0.9 meV/atom and 0.11 eV/Å. Here: 1 meV/atom and 0.07 eV/Å")
    assert bar.place.text() == "page 1 of 5" and not bar.back.isEnabled()
    for _ in range(3):
        QTest.mouseClick(bar.next, LEFT)
    qtbot.waitUntil(lambda: run_name() == "npt-networks")
    assert window.spaces.name == "crystal" and session.data.frame_index == 7
    assert [run.name for run in session.runs.shown()] == ["npt-networks", "nvt-networks"]
    height = bar.height()
    QTest.mouseClick(bar.next, LEFT)
    qtbot.waitUntil(lambda: bar.next.text() == "End")
    assert bar.height() == height, "pages do not move the panels"
    QTest.mouseClick(bar.next, LEFT)
    assert not bar.isVisible()
    assert (examples_folder() / "fig1" / "runs" / "npt-networks").is_dir()


def test_pages_draw_what_the_study_has_measured():
    for name in ("fig2", "cluster", "connectivity", "surface"):
        claims = example_sessions.read_claims(BUNDLED / name)
        for step in tours()[name]:
            if step.chart is None:
                continue
            claim = next(c for c in claims if step.claim in c.claim)
            chart = step.chart.draw(claim.numbers)
            assert chart is not None and list(chart.lines) == list(step.chart.lines.values()), step.text
            assert "measured" in dict(step.panels)
        assert any(step.chart for step in tours()[name])
    wish = ChartWish("cutoff", "Cutoff (Å)", "Error", {"error": "e"})
    assert wish.draw({"cutoff": [5.0, 6.0], "error": [1.0]}) is None and wish.draw({}) is None
    named = wish.draw({"cutoff": ["a", "b"], "error": [1.0, 2.0]})
    assert named is not None and named.names == ("a", "b") and named.x == (0.0, 1.0)


def test_a_page_brings_its_panels_to_the_front(window, qtbot):
    bar = window.findChild(GuideBar)
    window.commands.run("file.example.cluster")
    qtbot.waitUntil(lambda: bar.isVisible() and len(window.session.runs.documents) == 3, timeout=60_000)
    window.guide.go(1)
    parity = window.docks["parity"]
    atomic = parity.panel.plots["atomic"]
    qtbot.waitUntil(lambda: atomic.isVisible(), timeout=60_000)
    assert not parity.visibleRegion().isEmpty() and window.session.told.chart is None
    QTest.mouseClick(bar.next, LEFT)
    measured = window.docks["measured"]
    qtbot.waitUntil(lambda: not measured.visibleRegion().isEmpty(), timeout=60_000)
    assert measured.panel.table()["Cutoff (Å)"] == [4.5, 5.0, 5.5, 6.0]
    window.guide.end()
    qtbot.waitUntil(measured.isHidden)
