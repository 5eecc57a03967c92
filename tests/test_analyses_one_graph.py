"""One graph for all: nobody calls an analysis outside it, and everybody shows the same numbers."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from panel_helpers import wait_for

from nnpcore.analyses import required
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import FORETOLD
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.inputs import CHOSEN_GROUPS
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.exchange import export_run
from nnpcore.mapping import depth_regions, with_references
from nnpcore.mapping.verdict import verdict as judge
from nnpcore.progress import Progress
from nnpcore.report.facts import RunFacts, analyse, read_run
from nnpcore.structures import Role, example_path, read_dataset, split_frames
from nnpcore.training import Trainer, TrainSettings
from nnpcore.training.history import best_record, energy_rmse

ROOT = Path(__file__).parents[1]
ROOMS_OF_METHODS = ("nnpcore/analyses/", "nnpcore/mapping/")
ALLOWED = {
    (
        "nnpcore/paper/silicon_slab.py",
        "with_references",
    ): "makes an input of the calculator's energy",
    (
        "nnpcore/paper/silicon_slab.py",
        "connectivity",
    ): "training atoms, divided by one structure",
    ("nnpcore/paper/study_fig3.py", "connectivity"): "atoms divided by how deep they lie in a cluster",
    ("nnpcore/paper/study_fig3.py", "nearest_distances"): "the atoms of a slab are no invariant points",
}
"""Calls outside the graph, with the reason for each: no input of the graph describes what they are asked."""


# nobody calls an analysis outside the graph -------------------------------------------------------------
def methods() -> set[str]:
    """Return the functions of the mapping room that the analyses call."""
    found = set()
    for path in (ROOT / "nnpcore" / "analyses").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnpcore.mapping")
            for alias in node.names
        }
        found |= imported & called(tree)
    return {name for name in found if name.islower() and name not in HELPERS}


HELPERS = {"is_potential", "atomic_energies", "frame_of", "plain_frame", "thinned", "subsample"}
"""What is no analysis: asking a model for energies, reading and writing."""


def called(tree: ast.AST) -> set[str]:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, (ast.Name, ast.Attribute))
    }


def test_the_methods_are_found() -> None:
    assert {
        "eos_curve", "analyse_eos", "invariant_points", "reference_fit", "reach_of", "nearest_distances",
        "bracket_from_distances", "region_errors", "with_references", "pca_of", "connectivity",
        "eos_spread", "slope_spread_gpa", "verdict",
    } <= methods()  # fmt: skip


def test_no_analysis_is_called_outside_the_graph() -> None:
    known = methods()
    offenders = [
        (where, name)
        for room in ("app", "nnpcore")
        for path in sorted((ROOT / room).rglob("*.py"))
        if not (where := path.relative_to(ROOT).as_posix()).startswith(ROOMS_OF_METHODS)
        for name in sorted(called(imported_only(path)) & known)
    ]
    assert set(offenders) == set(ALLOWED)


def imported_only(path: Path) -> ast.AST:
    """Return the calls of a file to what it imports from the mapping room."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnpcore.mapping")
        for alias in node.names
    }
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]  # fmt: skip
    return ast.Module(body=[ast.Expr(call) for call in calls], type_ignores=[])


# everybody shows the same numbers -----------------------------------------------------------------------
T = TypeVar("T")


def reported(facts: RunFacts, analysis: Analysis[T]) -> T:
    """Return what a report has of an analysis."""
    return required(facts.evaluation.value(analysis))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small training on the bundled data."""
    folder = tmp_path_factory.mktemp("one") / "run"
    frames = read_dataset(f"{example_path('nvt')}@0:12").frames
    train, valid = split_frames(frames, 0.34, 0)
    settings = TrainSettings(epochs=4, n_members=2, hidden=(8,), n_threads=1)
    Trainer(settings, [frames[i] for i in train], [frames[i] for i in valid], run_folder=folder).run()
    return folder


def test_window_command_line_report_and_export_say_the_same(
    run_folder: Path, session, qtbot, capfd, tmp_path: Path
) -> None:
    from app.shell.verdict_bar import VerdictBar
    from nnpcore.cli import main

    scan = str(example_path("eos"))
    map_folder = str(tmp_path / "map")
    assert main(["map", str(run_folder), "--eos", scan, "-o", map_folder, "--threads", "1", "--json"]) == 0
    line = json.loads(capfd.readouterr().out)
    stored = json.loads((tmp_path / "map" / "report.json").read_text())
    assert {key: line[key] for key in stored} == stored

    facts = read_run(run_folder, list(read_dataset(scan).frames), (), Progress())
    analyse(facts, 1, Progress())

    verdict, told = reported(facts, VERDICT), reported(facts, EOS)
    assert told.bracket is not None

    bar = VerdictBar(session)
    qtbot.addWidget(bar)
    session.data.open_paths([scan], {scan: Role.EOS})
    session.runs.open(run_folder)
    wait_for(lambda: bool(session.runs.documents) and session.data.current is not None)
    wait_for(lambda: not session.tasks.tasks and session.analyses.up_to_date())
    run = session.runs.current
    eos, distances, reach = run.result(EOS), run.result(DISTANCE), run.result(REACH)

    assert run.verdict().level == verdict.level == line["verdict_level"]
    assert bar.verdict.text() == run.verdict().text == verdict.text == line["verdict"]
    limits = reported(facts, FORETOLD).limits
    np.testing.assert_array_equal(run.result(FORETOLD).limits.crystal_mev, limits.crystal_mev)
    assert verdict == judge(energy_rmse(run.history), told.report, told.bracket, (), limits)
    np.testing.assert_array_equal(eos.curve.energies, told.curve.energies)
    for name, key in (
        ("slope_error_gpa", "slope_error_gpa"),
        ("slope_std_gpa", "slope_std_gpa"),
        ("rmse_mev", "eos_rmse_mev_per_atom"),
        ("rmse_in_bracket_mev", "eos_rmse_in_bracket_mev_per_atom"),
        ("std_in_bracket_mev", "eos_std_mev_per_atom"),
    ):
        assert getattr(eos.report, name) == getattr(told.report, name) == line[key], name
    bracket = distances.bracket
    assert [bracket.low, bracket.high] == [told.bracket.low, told.bracket.high] == line["bracket_volume"]
    np.testing.assert_array_equal(bracket.distances, told.bracket.distances)
    assert reach.found["Si"].threshold == reported(facts, REACH).found["Si"].threshold == bracket.threshold
    mine, theirs = run.result(PCA), reported(facts, PCA).result
    np.testing.assert_array_equal(mine.result.components, theirs.components[:5])

    session.analyses.choose(CHOSEN_GROUPS, tuple(group.name for group in mine.groups))
    wait_for(lambda: session.analyses.up_to_date())
    links = run.result(CONNECTIVITY).result
    assert (
        len(links.names)
        == len(line["connectivity"]["names"])
        == len(reported(facts, CONNECTIVITY).result.names)
        == 3
    )
    np.testing.assert_array_equal(reported(facts, CONNECTIVITY).result.matrix, line["connectivity"]["matrix"])
    np.testing.assert_allclose(links.matrix, reported(facts, CONNECTIVITY).result.matrix, rtol=1e-12)

    export_run(run_folder, tmp_path / "export")
    (readme,) = (tmp_path / "export").rglob("README*")
    best = best_record(run.history)
    assert best is not None and f"epoch {best.epoch}" in readme.read_text()
    assert f"{best.valid['energy']['mean']:.3g} meV/atom" in readme.read_text()


def test_regions_are_judged_alike(run_folder: Path, session, tmp_path: Path) -> None:
    from ase.build import diamond100

    from nnpcore.structures.frame import Frame

    slab = Frame.from_atoms(diamond100("Si", (2, 2, 24), vacuum=6.0))
    rng = np.random.default_rng(0)
    slab = Frame(
        numbers=slab.numbers, positions=slab.positions, cell=slab.cell, pbc=np.array([True, True, True]),
        energy=-400.0, arrays={"reference_energies": rng.normal(-4.2, 0.1, slab.n_atoms)},
    )  # fmt: skip
    regions = with_references(depth_regions(slab, name="slab"))
    facts = read_run(run_folder, (), [regions], Progress())
    analyse(facts, 1, Progress())
    session.regions.take([regions])
    session.analyses.watch(FORETOLD, "test", True)
    session.runs.open(run_folder)
    wait_for(lambda: bool(session.runs.documents))
    wait_for(lambda: not session.tasks.tasks and session.analyses.up_to_date())
    run = session.runs.current
    mine = run.result(REGION_ERRORS).all
    assert [e.error_mev for e in mine] == pytest.approx(
        [e.error_mev for e in reported(facts, REGION_ERRORS).all], rel=1e-9
    )
    assert run.verdict() == reported(facts, VERDICT)
