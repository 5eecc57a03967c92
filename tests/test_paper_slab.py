"""The slab studies: what counts as a mapping error and as a cutoff, their claims, and small whole runs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnpcore.mapping import RegionSet
from nnpcore.paper import StudyContext, relaxed_slabs, run_study, silicon_slab
from nnpcore.paper import study_connectivity as connectivity
from nnpcore.paper import study_fig2 as fig2
from nnpcore.paper import study_surface as surface
from nnpcore.paper.relaxed_slabs import SurfaceEnergies, surface_energies
from nnpcore.paper.silicon_slab import KINDS, NETWORKS, SMOOTH, Plan, SlabRun
from nnpcore.paper.study_connectivity import cutoff_of
from nnpcore.paper.study_surface import settled_epoch
from nnpcore.reference import StillingerWeber

TEMPERATURES = (100.0, 300.0, 500.0, 700.0, 1000.0)


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    context = StudyContext("fig2", tmp_path_factory.mktemp("paper"), quick=True)
    return silicon_slab.slab_regions(silicon_slab.relaxed_slab(context))


def slab_run(regions, offset, *, temperature=100.0, rmse=1.0, joined=0.5, kind=NETWORKS):
    """An ensemble of two that errs by ``offset`` (meV) in the bulk, cancelled by the surface."""
    energies = regions.frame.arrays["reference_energies"] + regions.region("bulk").reference
    energies -= regions.frame.arrays["reference_energies"][regions.region("bulk").atoms].mean()
    bulk, outside = regions.region("bulk"), regions.region("surface")
    energies = energies.copy()
    energies[bulk.atoms] += offset / 1000.0
    energies[outside.atoms] -= offset / 1000.0 * bulk.n_atoms / outside.n_atoms
    spread = 0.01 * np.array([[1.0], [-1.0]])
    run = SimpleNamespace(folder=Path("run"))
    return SlabRun(temperature, kind, 0, run, regions, rmse, 0.1, energies + spread, joined)


def series(regions, offsets, rmses, joined, kind=NETWORKS):
    rows = zip(TEMPERATURES, offsets, rmses, joined, strict=True)
    return [slab_run(regions, o, temperature=t, rmse=r, joined=c, kind=kind) for t, o, r, c in rows]


# mapping errors ---------------------------------------------------------------------------------------
def test_the_slab_is_divided_as_in_the_paper(regions):
    bulk, outside = regions.region("bulk"), regions.region("surface")
    assert regions.frame.n_atoms == 64 and bulk.n_atoms + outside.n_atoms == 64
    assert bulk.reference == pytest.approx(-4.3366, abs=1e-6)
    total = bulk.n_atoms * bulk.reference + outside.n_atoms * outside.reference
    assert total == pytest.approx(regions.frame.energy)
    exact = silicon_slab.slab_regions(regions.frame, exact=True)
    for name in ("bulk", "surface"):
        assert exact.region(name).reference == pytest.approx(regions.region(name).reference, abs=1e-3)


def test_cancelling_offsets_are_seen_by_regions_and_atoms_but_not_by_the_total(regions):
    found = slab_run(regions, 100.0)
    assert found.error("bulk") == pytest.approx(100.0, abs=0.01)
    assert found.error("surface") == pytest.approx(-60.0, abs=0.5)
    assert found.members("bulk").std() == pytest.approx(10.0)
    assert abs(found.cancelled) < 0.5
    assert found.largest == pytest.approx(100.0, abs=0.01)
    assert found.atom_mae == pytest.approx((24 * 100.0 + 40 * 60.0) / 64, rel=0.02)
    assert found.row()["bulk error (meV/atom)"] == pytest.approx(found.error("bulk"))


# claims -----------------------------------------------------------------------------------------------
JOINED = (0.2, 0.3, 0.4, 0.5, 0.7)


def test_claims_hold_for_a_map_as_in_the_paper(regions):
    offsets, rmses = (-108.0, -70.0, -40.0, -15.0, -4.0), (0.3, 0.6, 1.0, 2.0, 3.0)
    alone = series(regions, offsets, rmses, JOINED)
    smooth = series(regions, [o / 2 for o in offsets], rmses, JOINED, SMOOTH)
    held = [claim.holds for claim in fig2._claims(alone, smooth)]
    assert held[:7] == [True] * 7 and held[8]


def test_claims_do_not_hold_for_offsets_that_stay(regions):
    alone = series(regions, (160.0, 161.0, 155.0, 150.0, 140.0), (0.1, 0.2, 0.3, 0.6, 1.0), JOINED)
    flat = series(regions, (20.0,) * 5, (0.1, 0.2, 0.3, 0.6, 1.0), (0.6,) * 5, SMOOTH)
    claims = fig2._claims(alone, flat)
    cold, cancel, fall, fall_smooth, comparable = (c.holds for c in claims[:5])
    assert cold and cancel and not fall and not fall_smooth and not comparable
    assert not fig2._claims(flat, alone)[5].holds  # connected from the start
    assert not fig2._claims(flat, alone)[6].holds  # the second kind is worse


def test_a_cutoff_parts_small_errors_from_large_ones():
    connected = np.array([0.8, 0.1, 0.5, 0.3, 0.7, 0.2])
    errors = np.array([3.0, 100.0, 60.0, 90.0, -10.0, 110.0])
    found = cutoff_of(connected, errors)
    assert found.value == pytest.approx(0.6) and found.n_wrong == 0 and found.holds
    assert found.small == pytest.approx(100.0 / 3)


def test_no_cutoff_where_errors_stay_or_do_not_follow():
    connected = np.linspace(0.1, 0.9, 9)
    stays = cutoff_of(connected, np.full(9, 100.0))
    assert np.isnan(stays.value) and not stays.holds
    mixed = cutoff_of(connected, np.array([90.0, 80, 2, 3, 90, 95, 1, 100, 2]))
    assert mixed.n_wrong >= 2 and not mixed.holds


def test_the_rmse_has_settled_when_it_stays():
    assert settled_epoch(np.array([9.0, 5.0, 1.2, 1.1, 1.0])) == 3
    assert settled_epoch(np.array([9.0, 1.0, 5.0, 1.1, 1.0])) == 4
    assert settled_epoch(np.array([1.0, 1.0])) == 1


# surface energies -------------------------------------------------------------------------------------
def test_surface_energies_of_the_reference():
    found = surface_energies(StillingerWeber(), n_layers=10)
    assert found.lattice == pytest.approx(5.431, abs=2e-3)
    assert found.bulk == pytest.approx(-4.3366, abs=1e-4)
    assert found.energies == pytest.approx({"100": 1.44, "110": 1.666, "111": 1.80}, abs=0.02)
    assert max(found.max_forces.values()) <= 0.01


def test_claims_about_surface_energies():
    reference = SurfaceEnergies({"100": 1.0, "110": 2.0, "111": 1.5}, 5.43, -4.3, {"100": 0.0})
    good = SurfaceEnergies({"100": 1.05, "110": 1.9, "111": 1.5}, 5.43, -4.3, {"100": 0.0})
    fair = SurfaceEnergies({"100": 1.18, "110": 1.9, "111": 1.5}, 5.43, -4.3, {"100": 0.0})
    poor = SurfaceEnergies({"100": 1.30, "110": 1.9, "111": 1.5}, 5.43, -4.3, {"100": 0.0})

    def held(*pairs):
        rmse = np.ones(4)
        learned = [surface.Learned(k, None, rmse, rmse, {}, 2, *p) for k, p in zip(KINDS, pairs, strict=True)]
        return [claim.holds for claim in surface._claims(reference, learned)]

    assert held((fair, good), (fair, good)) == [True, True, True, True, False]
    assert held((poor, fair), (good, good)) == [False, True, False, False, True]


# whole runs -------------------------------------------------------------------------------------------
@pytest.fixture
def tiny(monkeypatch):
    """Two temperatures, a handful of frames, one epoch."""
    plan = Plan((100.0, 1000.0), 10, 4, 1, 2)
    for module in (silicon_slab, fig2, connectivity):
        monkeypatch.setattr(module, "plan_of", lambda _: plan)


def check_outcome(folder, name):
    claims = json.loads((folder / name / "claims.json").read_text())["claims"]
    assert claims and all(set(c) == {"claim", "paper", "ours", "holds"} for c in claims)
    session = json.loads((folder / name / "session.json").read_text())
    assert session["runs"] and all(Path(run).is_dir() for run in session["runs"])
    assert all(Path(entry["path"]).is_file() for entry in session["data"])
    restored = RegionSet.from_dict(session["regions"][0])
    assert [r.name for r in restored.regions] == ["bulk", "surface"]
    for suffix in ("png", "svg", "pdf"):
        assert (folder / name / f"{name}.{suffix}").stat().st_size > 5000
    return session


def test_fig2_and_connectivity_share_their_runs(tiny, tmp_path, monkeypatch):
    texts = []
    run_study("fig2", tmp_path, True, n_threads=1, on_text=texts.append)
    session = check_outcome(tmp_path, "fig2")
    assert len(session["runs"]) == 4 and any("1000 K, networks alone: bulk" in t for t in texts)
    rows = (tmp_path / "fig2" / "fig2.csv").read_text().splitlines()
    assert len(rows) == 5 and "connectivity bulk-surface" in rows[0]
    history = (Path(session["runs"][0]) / "history.csv").read_text()
    assert "mapping_bulk_mev" in history

    def no_training(*_, **__):
        raise AssertionError("the runs of fig2 are there already")

    monkeypatch.setattr("nnpcore.training.Trainer.run", no_training)
    outcome = run_study("connectivity", tmp_path, True, n_threads=1)
    assert len(outcome.claims) == 4 and check_outcome(tmp_path, "connectivity")["runs"] == session["runs"]
    merged = json.loads((tmp_path / "claims.json").read_text())
    assert len(merged) == len(outcome.claims) + 9


def test_surface_study_relaxes_with_what_it_has_trained(tmp_path, monkeypatch):
    asked = []

    def quickly(potential, **options):
        asked.append(potential)
        return relaxed_slabs.nnp_surface_energies(potential, n_threads=1, n_layers=8, fmax=2.0)

    def few_frames(context):
        frames = silicon_slab.slab_frames(context, 1700.0)
        return frames[:10], frames[10:]

    monkeypatch.setattr(silicon_slab, "plan_of", lambda _: Plan((1700.0,), 10, 4, 1, 2))
    monkeypatch.setattr(surface, "cluster_frames", few_frames)
    monkeypatch.setattr(surface, "nnp_surface_energies", quickly)
    monkeypatch.setattr(surface, "EPOCHS", (2, 2))
    monkeypatch.setattr(surface, "N_MEMBERS", 2)
    outcome = run_study("surface", tmp_path, True, n_threads=1)
    check_outcome(tmp_path, "surface")
    assert len(asked) == 4 and len(outcome.claims) == 5
    rows = (tmp_path / "surface" / "surface.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 5


def test_looseness_must_have_the_order_of_the_errors_and_the_posterior_their_size():
    from nnpcore.paper.slab_rigidity import Looseness, rigidity_claims

    class Run:
        def __init__(self, kind: str, offset: float) -> None:
            self.kind, self.temperature, self.offset = kind, 1000.0 - offset, offset

        def error(self, region: str) -> float:
            return self.offset if region == "bulk" else -0.5 * self.offset

    offsets = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
    runs: Any = [Run(kind, offset) for kind in silicon_slab.KINDS for offset in offsets]
    told = [Looseness(np.sqrt(r.offset), 0.6 * r.offset) for r in runs]
    order, size = rigidity_claims(runs, told)
    assert order.holds and size.holds
    assert size.ours[silicon_slab.SMOOTH]["error_over_spread"] == pytest.approx([2.5] * 6)
    order, size = rigidity_claims(runs, [Looseness(-item.value, 0.1 * item.posterior_std) for item in told])
    assert not order.holds and not size.holds
