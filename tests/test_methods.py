"""The methods paragraph says what the run folder says, and cites what was used and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nnpcore.cli import main
from nnpcore.descriptors import SymmetryFunctions
from nnpcore.report.methods import made_from_data, methods, methods_of_run
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import DescriptorSettings, RunFolder, Trainer, TrainSettings
from nnpcore.training.history import best_record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a small run, trained by Adam on a split of one file."""
    frames = read_dataset(f"{example_path('npt')}@:8").frames
    settings = TrainSettings(
        epochs=2,
        n_members=2,
        hidden=(5, 4),
        optimizer="adam",
        guidance=0.0,
        l2=1e-6,
        n_threads=1,
        device="cpu",
        seed=7,
        descriptors=DescriptorSettings(cutoff=4.0),
    )
    path = tmp_path_factory.mktemp("methods") / "run"
    Trainer(settings, frames[:6], frames[6:], run_folder=path).run()
    return RunFolder.open(path)


def test_the_paragraph_says_what_the_run_is(run: RunFolder) -> None:
    found = methods_of_run(run.path)
    text = found.text
    record = best_record(run.read_history())
    assert record is not None
    for wanted in (
        "ensemble of 2 neural network potentials",
        "5-4 nodes and tanh",
        "26 atom-centered symmetry functions",
        "within 4 Å",
        f"6 frames for training (SHA-256 {run.sources[0].fingerprint[:12]})",
        f"2 frames for validation (SHA-256 {run.sources[1].fingerprint[:12]})",
        "split at random with seed 7",
        "energy 1, force 0.005",
        "L2 strength of 1e-06",
        f"{record.valid['energy']['mean']:.3g} meV/atom (energy)",
        f"After {record.epoch} epoch",
    ):
        assert wanted in text, wanted
    keys = [source.key for source in found.sources]
    assert "kingma2015" in keys
    assert not {"singraber2019", "bartok2015", "imbalzano2018", "yoo2019"} & set(keys)


def test_every_source_is_cited_once_and_listed(run: RunFolder) -> None:
    found = methods_of_run(run.path)
    keys = [source.key for source in found.sources]
    cited = [key for part in re.findall(r"\\cite\{([^}]+)\}", found.latex) for key in part.split(",")]
    assert list(dict.fromkeys(cited)) == keys == re.findall(r"@\w+\{(\w+),", found.bibtex)
    paragraph, listed = found.text.split("\n\n")
    numbers = [n for part in re.findall(r"\[([\d, ]+)\]", paragraph) for n in part.split(", ")]
    assert (
        sorted(map(int, set(numbers)))
        == list(range(1, len(keys) + 1))
        == [int(n) for n in re.findall(r"^\[(\d+)\]", listed, re.MULTILINE)]
    )
    assert found.bibtex.count("{") == found.bibtex.count("}")


def test_what_was_used_is_what_is_said(run: RunFolder) -> None:
    potential, history = methods_parts(run)
    run = RunFolder.open(run.path)
    run.settings = run.settings.replace(
        guidance=0.1, baseline="linear", **{"descriptors.preset": "auto", "stress_weight": 2.0}
    )
    history[-1].mapping.update({"crystal": -12.34, "surface": 3.0})
    object.__setattr__(history[-1], "best", True)
    found = methods(run, potential, history)
    keys = {source.key for source in found.sources}
    assert {"bartok2015", "yoo2019", "ziegler1985", "daw1984"} <= keys
    assert "imbalzano2018" not in keys  # the preset auto took preset 26
    assert not made_from_data(potential.functions)
    few = SymmetryFunctions({"Si": potential.functions.functions["Si"][:3]})
    assert made_from_data(few)
    assert "the largest of 2 mapping errors was 12.3 meV/atom" in found.text
    assert "stress 2" in found.text and "A linear function" in found.text
    assert "Members differ by draws" in found.text and "count" not in found.text
    first, *others = run.sources
    run.sources = (replace(first, count=4.0), *others)
    assert "In this training count 6 frames 4 times." in methods(run, potential, history).text
    run.imported = "n2p2"
    found = methods(run, potential, [])
    assert "imported from n2p2" in found.text
    assert "Adam" not in found.text and "RMSE" not in found.text


def methods_parts(run: RunFolder) -> tuple:
    """Return the run's potential and its history."""
    from nnpcore.potential import Potential

    return Potential.load(run.path), run.read_history()


def test_latex_prints_what_the_text_says(run: RunFolder) -> None:
    latex = methods_of_run(run.path).latex
    assert "Å" not in latex and r"\AA{}" in latex
    bare = re.sub(r"\\cite\{[^}]*\}|\\AA\{\}|\\[&%$#_{}]", "", latex)
    assert not set(bare) & set("&%$#_{}\\^")


def test_the_command_writes_three_files(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["methods", str(run.path), "-o", str(tmp_path / "m"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (tmp_path / "m" / "methods.txt").read_text().strip() == said["text"].strip()
    assert (tmp_path / "m" / "methods.tex").read_text().strip() == said["latex"]
    assert (tmp_path / "m" / "references.bib").read_text() == said["bibtex"]
    assert main(["methods", str(run.path), "-o", str(tmp_path / "m")]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["methods", str(tmp_path / "none")]) == 1


def test_a_lost_history_is_said_and_nothing_made_up(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it the paragraph would say that the weights were found "by auto"."""
    there = tmp_path / "run"
    shutil.copytree(run.path, there)
    (there / "history.csv").unlink()
    assert main(["methods", str(there)]) == 1
    found = capsys.readouterr()
    assert not found.out and "history of this run is missing" in found.err
    os.mkfifo(there / "history.csv")
    assert main(["methods", str(there)]) == 1 and "cannot be read" in capsys.readouterr().err


def test_into_a_training_says_nothing_of_resuming(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["methods", str(run.path), "-o", str(run.path)]) == 1
    said = capsys.readouterr().err
    assert "holds a training already" in said and "--resume" not in said and "anew" not in said
