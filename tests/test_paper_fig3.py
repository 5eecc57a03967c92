"""Fig. 3's rules: when a curve has settled, which claims hold, and a small study from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nnpcore.paper import study_fig3 as fig3
from nnpcore.paper.context import StudyContext
from nnpcore.paper.study_fig3 import Closeness, Course


def course(energy: list[float], bulk: list[float], name: str = fig3.KALMAN) -> Course:
    """A training whose force RMSE is constant and whose surface is always right."""
    return Course(
        name,
        cast(Any, SimpleNamespace(folder=Path("run"))),
        np.array(energy),
        np.full(len(energy), 0.1),
        {"bulk": np.array(bulk), "surface": np.zeros(len(bulk))},
    )


def test_rmse_settles_at_the_best_value_so_far_and_mapping_within_the_best_rmse() -> None:
    found = course([9.0, 5.0, 1.2, 3.0, 1.0, 2.0], [80.0, 60.0, 40.0, 10.0, 2.5, 2.0])
    assert found.rmse_epoch == 3  # 1.2 <= 1.25 x 1.0; the later 3.0 does not undo it
    assert found.mapping_epoch == 5  # 2.5 is within 1.0 of 2.0
    assert fig3._settles_late(found).holds
    assert not fig3._settles_late(course([9.0, 5.0, 4.0, 3.0, 2.0, 1.0], [8.0] * 6)).holds


def test_reach_counts_the_atoms_within_the_threshold() -> None:
    near = Closeness(np.array([0.1, 0.2, 0.9, 0.3]), np.linspace(0.0, 1.0, 50), 0.5, 0.8)
    assert near.share == 0.75
    assert not fig3._within_reach(near).holds
    assert fig3._connected(near).holds


def test_smooth_part_must_halve_the_error_without_costing_rmse() -> None:
    alone = course([2.0] * 4, [100.0] * 4)
    good = course([2.1] * 4, [100.0, 100.0, 40.0, 40.0], fig3.KALMAN_SMOOTH)
    dear = course([2.5] * 4, [100.0, 100.0, 40.0, 40.0], fig3.KALMAN_SMOOTH)
    assert fig3._smooth_is_sooner(alone, good).holds
    assert not fig3._smooth_is_sooner(alone, dear).holds
    same = course([2.0] * 4, [100.0] * 4, fig3.KALMAN_SMOOTH)
    assert not fig3._smooth_is_sooner(alone, same).holds


def test_outer_atoms_of_a_ball_are_its_skin() -> None:
    positions = np.random.default_rng(0).normal(size=(500, 3))
    radius = 10.0 * np.random.default_rng(1).random(500) ** (1 / 3)
    positions *= (radius / np.linalg.norm(positions, axis=1))[:, None]
    outer = fig3._is_outer(cast(Any, SimpleNamespace(positions=positions)))
    assert radius[outer].min() > 5.0
    assert radius[~outer].max() < 7.0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The study with few frames, epochs and members."""
    monkeypatch.setattr(fig3, "EPOCHS", {name: (2, 2) for name in fig3.EPOCHS})
    monkeypatch.setattr(fig3, "N_MEMBERS", 2)
    whole = fig3.cluster_frames

    def few(context: StudyContext) -> tuple[list[Any], list[Any]]:
        train, valid = whole(context)
        return train[::8], valid[::6]

    monkeypatch.setattr(fig3, "cluster_frames", few)
    monkeypatch.setattr("nnpcore.paper.silicon_slab.CLUSTER_TEMPERATURES", (1500.0,))


@pytest.mark.usefixtures("small")
def test_study_follows_the_slab_and_says_what_the_window_opens(tmp_path: Path) -> None:
    context = StudyContext("fig3", tmp_path, quick=True, n_threads=1)
    outcome = fig3.run(context)
    assert len(outcome.claims) == 6
    late = outcome.claims[0].to_dict()["ours"]
    assert late["epochs"] == 2
    rows = outcome.tables[0].read_text().splitlines()
    assert len(rows) == 1 + 3 * 2
    assert all(path.stat().st_size > 5000 for path in outcome.figures)
    assert outcome.session is not None
    assert {r["name"] for r in outcome.session["regions"][0]["regions"]} == {"bulk", "surface"}
    for run in outcome.session["runs"]:
        history = json.loads((Path(run) / "monitor.json").read_text())
        assert history["region_sets"]
