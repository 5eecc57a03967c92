"""Structures to start from and crystals to be asked about: built as told, refused where they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.mapping.invariant import require_invariant
from nnpcore.progress import Progress
from nnpcore.reference import CrystalRange, SamplerSettings, StartStructure, StillingerWeber, preview
from nnpcore.reference.starts import check_ensemble, name_of, relaxed_samples
from nnpcore.structures import example_path
from nnpcore.structures.frame import Frame


def test_the_calculator_decides_on_the_lattice_unless_it_is_given() -> None:
    own = StartStructure("crystal", repeat=(2, 1, 1)).build(StillingerWeber())
    assert own.get_chemical_formula() == "Si16"
    np.testing.assert_allclose(own.cell.lengths(), [2 * 5.431, 5.431, 5.431], atol=2e-3)
    given = StartStructure("crystal", constant=5.5).build(StillingerWeber())
    np.testing.assert_allclose(given.cell.lengths(), 5.5)
    touching = StartStructure("crystal", element="Ni", lattice="fcc").build(StillingerWeber())
    assert touching.cell.lengths()[0] == pytest.approx(2 * 1.24 * np.sqrt(2))  # covalent radii


def test_a_frame_or_a_file_is_taken_bare() -> None:
    frame = Frame.from_atoms(bulk("Si", cubic=True))
    built = StartStructure("frame", frame).build()
    assert built.calc is None and len(built) == 8
    first, fifth = (
        StartStructure("file", path=f"{example_path('nvt')}{part}").build() for part in ("", "@4")
    )
    assert len(first) == len(fifth) == 64 and np.abs(first.positions - fifth.positions).max() > 1e-3


@pytest.mark.parametrize(
    ("start", "where", "text"),
    [
        (StartStructure("frame"), "start", "no structure is shown"),
        (StartStructure("file"), "file", "no file is given"),
        (StartStructure("file", path="missing.xyz"), "file", "no such file"),
        (StartStructure("crystal", constant=5.4, repeat=(30, 30, 30)), "repeat", "more than 20000"),
        (StartStructure("crystal", element="Xx"), "element", "no element 'Xx'"),
    ],
)
def test_what_cannot_be_built_says_which_field(start: StartStructure, where: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        start.build()
    assert refused.value.where == where


def test_a_preview_measures_a_step_and_refuses_what_does_not_fit() -> None:
    found = preview(StartStructure("crystal"), "stillinger-weber", True, Progress())
    assert (found.formula, found.n_atoms, found.periodic) == ("Si8", 8, (True, True, True))
    assert found.step_seconds is not None and 0 < found.step_seconds < 1
    slab = StartStructure("slab", n_layers=8)
    assert preview(slab, "", False, Progress()).step_seconds is None
    with pytest.raises(SettingsError, match="constant pressure needs"):
        check_ensemble(slab.build(), npt=True)
    with pytest.raises(SettingsError, match="knows Si only, not Ni"):
        preview(StartStructure("cluster", element="Ni", n_atoms=55), "stillinger-weber", False, Progress())
    with pytest.raises(SettingsError, match="too large"):
        preview(StartStructure("crystal", repeat=(50, 50, 50)), "", False, Progress())


def test_frames_from_a_relaxed_start_report_their_whole_way() -> None:
    seen: list[float] = []
    atoms = bulk("Si", a=5.6, cubic=True)
    atoms.rattle(0.2, seed=1)
    settings = SamplerSettings((300.0,), n_frames=2, equilibration_fs=0.0, spacing_fs=4.0)
    progress = Progress(lambda part, _: seen.append(part or 0.0))
    frames = relaxed_samples(atoms, StillingerWeber(), settings, True, progress)
    assert len(frames) == 2 and seen == sorted(seen) and seen[-1] == 1.0 and min(seen) < 0.2
    assert name_of(StartStructure("crystal"), "Si8", settings) == "Si8-nvt-300K"


def test_crystals_of_a_range_lie_where_it_says() -> None:
    volumes = [f.volume / f.n_atoms for f in CrystalRange(n=3).frames(StillingerWeber())]
    np.testing.assert_allclose(volumes, np.array([0.95, 1.0, 1.05]) * 20.02, rtol=2e-3)
    bare = CrystalRange(span="volume", low=18.0, high=22.0, n=5).frames()
    np.testing.assert_allclose([f.volume / f.n_atoms for f in bare], np.linspace(18, 22, 5))
    assert all(f.energy is None for f in bare) and [f.index for f in bare] == [0, 1, 2, 3, 4]
    lengths = [f.cell[0, 0] for f in CrystalRange(span="constant", low=5.2, high=5.6, n=3).frames()]
    np.testing.assert_allclose(lengths, [5.2, 5.4, 5.6])
    require_invariant(bare)


@pytest.mark.parametrize(
    ("values", "where", "text"),
    [
        ({}, "span", "without a calculator there is no equilibrium"),
        ({"span": "volume", "low": 22.0, "high": 18.0}, "low", "22 to 18 is no range"),
        ({"span": "constant", "low": 0.0, "high": 5.0}, "low", "0 to 5 is no range"),
    ],
)
def test_ranges_that_are_none(values: dict[str, Any], where: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        CrystalRange(**values).frames()
    assert refused.value.where == where


def test_crystals_that_are_none_are_refused_by_the_worst() -> None:
    good, bad = bulk("Si", cubic=True), bulk("Si", cubic=True)
    bad.rattle(0.05, seed=1)
    with pytest.raises(AnalysisError, match="1 of 2 are no invariant points; the worst: its") as refused:
        require_invariant([Frame.from_atoms(good), Frame.from_atoms(bad)])
    assert refused.value.where == "frame 1"
    with pytest.raises(AnalysisError, match="the crystals are of Ge and Si"):
        require_invariant([Frame.from_atoms(good), Frame.from_atoms(bulk("Ge", cubic=True))])
