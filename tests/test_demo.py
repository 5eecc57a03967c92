"""The demonstration: the paper's first result, on the bundled data, with less effort than the real one."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nnpcore.demo import DemoSettings, run_demo

KEYS = {
    "rmse_energy_mev_per_atom",
    "rmse_force_ev_per_ang",
    "v0",
    "b0_gpa",
    "slope_error_gpa",
    "eos_rmse_in_bracket_mev_per_atom",
    "eos_std_mev_per_atom",
    "bracket_volume",
    "train_seconds",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demonstration with two members and few epochs."""
    folder = tmp_path_factory.mktemp("demo")
    run_demo(folder, DemoSettings(n_members=2, epochs=4))
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """Return its report.json."""
    return json.loads((folder / "report.json").read_text())


def test_report_has_the_promised_keys(report: dict[str, Any]) -> None:
    assert set(report) == {"runs", "reference"}
    assert set(report["runs"]) == {"nvt", "npt", "nvt_stress"}
    for run in report["runs"].values():
        assert set(run) >= KEYS
        low, high = run["bracket_volume"]
        assert low < report["reference"]["v0"] < high
    assert report["reference"]["v0"] == pytest.approx(20.59, abs=0.01)
    assert report["reference"]["b0_gpa"] == pytest.approx(87, abs=1)


def test_all_fit_the_totals(report: dict[str, Any]) -> None:
    for run in report["runs"].values():
        assert run["rmse_energy_mev_per_atom"] < 3
        assert run["rmse_force_ev_per_ang"] < 0.15


def test_nvt_fails_the_slope_and_both_cures_work(report: dict[str, Any]) -> None:
    runs = report["runs"]
    slope = {name: abs(run["slope_error_gpa"]) for name, run in runs.items()}
    error = {name: run["eos_rmse_in_bracket_mev_per_atom"] for name, run in runs.items()}
    for cured in ("npt", "nvt_stress"):
        assert slope["nvt"] > 3 * slope[cured]
        assert error["nvt"] > 2 * error[cured]
    assert error["nvt"] > 5 * runs["nvt"]["rmse_energy_mev_per_atom"]


def test_figures_and_tables(folder: Path) -> None:
    for suffix in ("png", "svg", "pdf"):
        assert (folder / f"fig1.{suffix}").stat().st_size > 5000
    for name in ("nvt", "npt", "nvt_stress"):
        with (folder / f"eos_{name}.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 15
