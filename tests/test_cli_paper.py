"""``eatlas paper``: what it prints, writes and answers to mistakes."""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from nnpcore.cli import main
from nnpcore.paper import Claim, Study, StudyContext, StudyOutcome, running


def fake(monkeypatch: pytest.MonkeyPatch, **runs: Any) -> None:
    """Put other studies in the place of the real ones."""
    studies = {name: Study(name, f"About {name}") for name in runs}
    monkeypatch.setattr(running, "STUDIES", studies)
    for name, run in runs.items():
        monkeypatch.setitem(sys.modules, f"nnpcore.paper.study_{name}", types.SimpleNamespace(run=run))


def good(context: StudyContext) -> StudyOutcome:
    return StudyOutcome([Claim("It is so", "it says so", {"error_mev": 1.5}, True)])


def test_spline_from_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docs = tmp_path / "docs"
    command = ["paper", "spline", "-o", str(tmp_path / "out"), "--quick", "--docs", str(docs), "--json"]
    assert main(command) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["studies"]["spline"]["claims"] == result["studies"]["spline"]["hold"] == 4
    learned, arbitrary, _, mixed = (claim["ours"] for claim in result["claims"])
    assert learned["rmse_of_the_function"] < 0.02
    assert arbitrary["spread_of_the_level"] > 0.05
    assert all(abs(a + b) < 0.02 for a, b in arbitrary["offsets_of_both_islands_by_network"])
    assert mixed["spread_of_the_level"] < 0.01
    assert (tmp_path / "out" / "spline" / "spline.svg").is_file()
    assert "![" in (docs / "paper.md").read_text(encoding="utf-8")
    assert (docs / "images" / "paper" / "spline.png").is_file()


def test_a_failed_study_gives_status_1_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def bad(context: StudyContext) -> StudyOutcome:
        raise ValueError("a mistake")

    fake(monkeypatch, alpha=bad, beta=good)
    assert main(["paper", "all", "-o", str(tmp_path / "out")]) == 1
    shown = capfd.readouterr()
    assert "It is so" in shown.out
    assert "alpha has failed" in shown.err
    assert [c["claim"] for c in json.loads((tmp_path / "out" / "claims.json").read_text())] == ["It is so"]


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [("nothing", "new", "there is no study of this name"), ("spline", ".", "holds other things already")],
)
def test_mistakes_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, folder: str, message: str
) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    assert main(["paper", name, "-o", str(tmp_path / folder)]) == 1
    assert message in " ".join(capfd.readouterr().err.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["letter.txt"]


def test_ctrl_c_stops_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(context: StudyContext) -> StudyOutcome:
        os.kill(os.getpid(), signal.SIGINT)
        context.report(0.5, "going on")
        raise AssertionError("it was stopped")

    fake(monkeypatch, alpha=good, beta=interrupted, gamma=good)
    assert main(["paper", "all", "-o", str(tmp_path / "out")]) == 130
    assert "studies that have ended are kept" in capfd.readouterr().err
    assert len(json.loads((tmp_path / "out" / "claims.json").read_text())) == 1
    assert not (tmp_path / "out" / "gamma").exists()
