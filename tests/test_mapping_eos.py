"""Invariant points, equation of state, slope error, verdict."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.eos import birchmurnaghan
from builders import build_frame, build_functions, build_potential
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpcore.errors import AnalysisError
from nnpcore.mapping import (
    Bracket,
    EosCurve,
    EosReport,
    analyse_eos,
    bracket_from_distances,
    eos_curve,
    fit_eos,
    fit_near_minimum,
    invariant_points,
    verdict,
)
from nnpcore.mapping.eos_fit import local_slopes
from nnpcore.mapping.findings import Finding
from nnpcore.mapping.slope import slopes_at
from nnpcore.mapping.verdict import Foretold
from nnpcore.potential import CalculatorModel, Potential
from nnpcore.structures import Frame, example_path, read_dataset
from nnpcore.units import GPA_PER_EV_PER_ANG3

V0, E0, B0, B0P = 20.5, -107.0, 90.0, 4.2


def energies_at(volumes: np.ndarray, b0_prime: float = B0P) -> np.ndarray:
    """Return the Birch-Murnaghan energies of ASE's own formula, eV/atom."""
    return birchmurnaghan(volumes, E0, B0 / GPA_PER_EV_PER_ANG3, b0_prime, V0)


def curve_of(volumes: np.ndarray, members: np.ndarray, reference: np.ndarray | None = None) -> EosCurve:
    """Return a curve with the given member energies (M, n)."""
    known = energies_at(volumes) if reference is None else reference
    return EosCurve("Si", volumes, np.atleast_2d(members), known, np.arange(len(volumes)))


def whole(volumes: np.ndarray) -> Bracket:
    """Return a bracket around all volumes."""
    return bracket_from_distances(volumes, np.zeros(len(volumes)), V0, 1.0)


VOLUMES = np.linspace(18.5, 22.5, 11)


@given(
    v0=st.floats(5.0, 60.0), e0=st.floats(-1e4, 10.0), b0=st.floats(1.0, 500.0), b0_prime=st.floats(2.0, 8.0)
)
@settings(max_examples=25, deadline=None)
def test_birch_murnaghan_is_recovered(v0: float, e0: float, b0: float, b0_prime: float) -> None:
    volumes = v0 * np.linspace(0.9, 1.12, 9)
    fit = fit_eos(volumes, birchmurnaghan(volumes, e0, b0 / GPA_PER_EV_PER_ANG3, b0_prime, v0))
    assert fit.v0 == pytest.approx(v0, rel=1e-5)
    assert fit.e0 == pytest.approx(e0, abs=1e-6)
    assert fit.b0_gpa == pytest.approx(b0, rel=1e-3)
    assert fit.b0_prime == pytest.approx(b0_prime, rel=1e-2)
    h = 1e-4 * v0
    slope = (fit.energy(volumes + h) - fit.energy(volumes - h)) / (2 * h)
    np.testing.assert_allclose(fit.slope(volumes), slope, atol=1e-6 * b0)


@pytest.mark.parametrize(
    ("volumes", "energies", "said"),
    [
        (VOLUMES[:4], energies_at(VOLUMES[:4]), "at least 5 different volumes, there are 4"),
        (np.repeat(VOLUMES[:4], 2), energies_at(np.repeat(VOLUMES[:4], 2)), "at least 5 different volumes"),
        (VOLUMES + 4, energies_at(VOLUMES + 4), "no minimum between 22.50 and 26.50"),
        (VOLUMES, -energies_at(VOLUMES), "no minimum between"),
        (VOLUMES, np.zeros(11), "no minimum between"),
        (VOLUMES, np.where(VOLUMES > 22, np.nan, 1.0), "points without an energy"),
    ],
)
def test_scans_without_an_answer(volumes: np.ndarray, energies: np.ndarray, said: str) -> None:
    with pytest.raises(AnalysisError, match=said) as caught:
        fit_eos(volumes, energies)
    assert caught.value.fix


def test_dft_reference_of_the_example() -> None:
    frames = read_dataset(example_path("eos")).frames
    volumes = np.array([f.volume / f.n_atoms for f in frames])
    fit = fit_eos(volumes, np.array([f.energy / f.n_atoms for f in frames if f.energy is not None]))
    assert (8 * fit.v0) ** (1 / 3) == pytest.approx(5.481, abs=0.002)
    assert fit.b0_gpa == pytest.approx(87.4, abs=0.6)
    assert fit.rms < 1e-3
    stress = np.array([f.stress[0, 0] for f in frames if f.stress is not None])
    np.testing.assert_allclose(fit.slope(volumes), stress, atol=0.004)


def copper(low: float, high: float, n: int, c_over_a: float = 1.0) -> list[Frame]:
    """Return crystals of copper by ASE's EMT at multiples of 3.6 Å; ``c_over_a`` of the last one."""
    frames = []
    for a, ratio in zip(3.6 * np.linspace(low, high, n), np.linspace(1.0, c_over_a, n), strict=True):
        atoms = bulk("Cu", a=a)
        atoms.set_cell(atoms.cell.array * [1.0, 1.0, ratio], scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_stress()
        frames.append(Frame.from_atoms(atoms))
    return frames


@pytest.mark.parametrize(
    ("low", "high", "n"), [(0.95, 1.05, 21), (0.8, 1.5, 24), (0.97, 1.02, 7), (0.8, 1.1, 30)]
)
def test_the_width_of_a_scan_does_not_move_its_minimum(low: float, high: float, n: int) -> None:
    """V0 and B0 of EMT copper by finite differences are 11.565 Å³ and 134.5 GPa."""
    points = invariant_points(copper(low, high, n))
    fit = fit_near_minimum(points.volumes, points.reference)
    assert fit.v0 == pytest.approx(11.565, abs=0.015)
    assert fit.b0_gpa == pytest.approx(134.5, abs=3.0)
    assert fit.doubt == ""
    curve = EosCurve(
        "Cu", points.volumes, points.reference[None] + 0.001, points.reference, points.frame_indices
    )
    report = analyse_eos(curve)
    assert report.reference_fit == fit and report.mean_fit is not None
    assert report.mean_fit.v0 == pytest.approx(fit.v0)
    assert report.slope_error_gpa == pytest.approx(0.0, abs=1e-6)


def test_a_form_that_misses_its_points_is_said() -> None:
    points = invariant_points(copper(0.8, 1.5, 24))
    assert "misses the points from 5.97 to 39.37" in fit_eos(points.volumes, points.reference).doubt
    rough = energies_at(VOLUMES) + 0.02 * np.cos(np.arange(11) ** 2)
    report = analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES), rough), whole(VOLUMES))
    assert report.message.startswith("reference: the Birch-Murnaghan form misses the points")
    assert report.message.endswith("scan more finely around the minimum")
    assert analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES)), whole(VOLUMES)).message == ""


def test_the_slope_by_the_stress_is_the_derivative(silicon_potential: Potential) -> None:
    frames = read_dataset(example_path("eos")).frames
    points = invariant_points(frames, silicon_potential.functions)
    fit = fit_near_minimum(points.volumes, points.reference)
    found = slopes_at(silicon_potential, points, fit)
    assert found.members is not None and found.reference is not None
    step = 1e-4 * fit.v0
    around = [crystal_at(points.frames[7], fit.v0 + sign * step) for sign in (-1, 1)]
    low, high = (silicon_potential.predict(around, stress=False).energy_members / 8).T
    np.testing.assert_allclose(found.members, (high - low) / (2 * step), atol=2e-6)
    stress = np.array([np.trace(f.stress) / 3 for f in points.frames if f.stress is not None])
    assert found.reference == pytest.approx(np.interp(fit.v0, points.volumes, stress), abs=3e-4)
    curve = eos_curve(silicon_potential, points)
    report = analyse_eos(curve, None, found)
    assert report.slope_members_gpa is not None
    np.testing.assert_allclose(
        report.slope_members_gpa, (found.members - found.reference) * GPA_PER_EV_PER_ANG3
    )
    pulay = analyse_eos(curve, None, replace(found, reference=0.01))  # 1.6 GPa beside its energies
    np.testing.assert_allclose(pulay.slope_members_gpa, found.members * GPA_PER_EV_PER_ANG3)


def crystal_at(frame: Frame, volume: float) -> Frame:
    factor = (volume * frame.n_atoms / frame.volume) ** (1 / 3)
    return replace(frame, cell=factor * frame.cell, positions=factor * frame.positions)


def test_the_stress_tells_the_slope_of_scaled_copies_only() -> None:
    model = CalculatorModel(EMT())
    cubic, sheared = (invariant_points(copper(0.96, 1.04, 9, ratio)) for ratio in (1.0, 1.1))
    fit = fit_near_minimum(cubic.volumes, cubic.reference)
    found = slopes_at(model, cubic, fit)
    assert found.members is not None and found.reference is not None
    assert abs(found.members[0]) * GPA_PER_EV_PER_ANG3 < 0.1  # the same potential, near its minimum
    assert found.members[0] == pytest.approx(found.reference, abs=1e-4)
    other = slopes_at(model, sheared, fit)
    assert other.members is None and other.reference is None


@given(slope=st.floats(-0.1, 0.1), shift=st.floats(-0.05, 0.05))
@settings(max_examples=25, deadline=None)
def test_slope_error_of_a_tilted_curve_is_its_tilt(slope: float, shift: float) -> None:
    """E + shift + a (V^-2/3 - V0^-2/3) stays of Birch-Murnaghan form, with the slope -2/3 a V0^-5/3 at V0."""
    a = -1.5 * slope * V0 ** (5 / 3)
    tilted = energies_at(VOLUMES) + shift + a * (VOLUMES ** (-2 / 3) - V0 ** (-2 / 3))
    report = analyse_eos(curve_of(VOLUMES, np.stack([tilted, energies_at(VOLUMES)])), whole(VOLUMES))
    assert report.v0 == pytest.approx(V0, abs=1e-6)
    assert report.slope_members_gpa is not None
    expected = slope * GPA_PER_EV_PER_ANG3
    np.testing.assert_allclose(report.slope_members_gpa, [expected, 0.0], atol=1e-4)
    assert report.slope_error_gpa == pytest.approx(expected / 2, abs=1e-4)
    assert report.slope_std_gpa == pytest.approx(abs(expected) / 2, abs=1e-4)


def test_slope_needs_no_minimum() -> None:
    falling = 3.0 - 0.7 * VOLUMES
    assert local_slopes(VOLUMES, falling[None], V0)[0] == pytest.approx(-0.7, abs=1e-3)
    report = analyse_eos(curve_of(VOLUMES, falling), whole(VOLUMES))
    assert report.mean_fit is None and "ensemble: the energy has no minimum" in report.message
    assert report.slope_error_gpa == pytest.approx(-0.7 * GPA_PER_EV_PER_ANG3, rel=1e-3)


def test_errors_are_absolute_and_counted_in_the_bracket_only() -> None:
    offsets = np.linspace(-0.05, 0.05, 11)
    members = energies_at(VOLUMES) + np.stack([offsets + 0.003, offsets - 0.001])
    distances = np.where(np.abs(VOLUMES - V0) < 1.0, 0.5, 1.5)
    found = bracket_from_distances(VOLUMES, distances, V0, 1.0)
    report = analyse_eos(curve_of(VOLUMES, members), found)
    inside = np.abs(VOLUMES - V0) < 1.0
    np.testing.assert_array_equal(report.in_bracket, inside)
    np.testing.assert_allclose(report.error_mev, 1000 * (offsets + 0.001), atol=1e-9)
    expected = 1000 * np.sqrt(np.mean((offsets[inside] + 0.001) ** 2))
    assert report.rmse_in_bracket_mev == pytest.approx(expected)
    assert report.rmse_mev == pytest.approx(1000 * np.sqrt(np.mean((offsets + 0.001) ** 2)))
    assert report.std_in_bracket_mev == pytest.approx(2.0)
    assert report.worst == np.flatnonzero(inside)[-1]
    assert inside.sum() == 5 and report.fitted.sum() == 6
    nothing = analyse_eos(curve_of(VOLUMES, members))
    assert nothing.rmse_in_bracket_mev is None and nothing.worst is None and nothing.fitted.all()


def test_garbage_outside_the_bracket_does_not_spoil_the_fit() -> None:
    members = energies_at(VOLUMES)
    members[[0, 1, -1]] += [5.0, -3.0, 4.0]
    found = bracket_from_distances(VOLUMES, np.abs(VOLUMES - V0), V0, 1.3)
    report = analyse_eos(curve_of(VOLUMES, members), found)
    assert report.mean_fit is not None
    assert report.mean_fit.v0 == pytest.approx(V0, abs=1e-4)
    assert report.slope_error_gpa == pytest.approx(0.0, abs=1e-6)


def test_curve_without_reference() -> None:
    report = analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES), np.full(11, np.nan)), whole(VOLUMES))
    assert report.reference_fit is None and report.slope_error_gpa is None and report.rmse_mev is None
    assert report.mean_fit is not None and report.v0 == report.mean_fit.v0
    assert report.message == "the EOS frames have no energies"


# invariant points


def scan(n: int = 6) -> list[Frame]:
    """Return diamond crystals, larger and smaller, in mixed order and with different cells."""
    frames = []
    for k, a in enumerate(np.linspace(5.2, 5.7, n)):
        atoms = bulk("Si", "diamond", a=a, cubic=k % 2 == 0)
        frames.append(replace(Frame.from_atoms(atoms), energy=-5.0 * len(atoms) + k))
    return [frames[i] for i in np.random.default_rng(0).permutation(n)]


def test_eos_curve_is_the_predicted_energy_per_atom(silicon_potential: Potential) -> None:
    frames = scan()
    curve = eos_curve(silicon_potential, frames)
    expected = silicon_potential.predict(frames, forces=False, stress=False)
    n_atoms = np.array([f.n_atoms for f in frames])
    assert (np.diff(curve.volumes) > 0).all()
    np.testing.assert_allclose(
        curve.energies, (expected.energy_members / n_atoms)[:, curve.frame_indices], atol=1e-10
    )
    np.testing.assert_allclose(curve.mean, (expected.energy / n_atoms)[curve.frame_indices], atol=1e-10)
    np.testing.assert_allclose(curve.std, curve.energies.std(axis=0))
    for position, index in enumerate(curve.frame_indices):
        assert curve.reference[position] == pytest.approx((frames[index].energy or 0) / frames[index].n_atoms)
    points = invariant_points(frames, silicon_potential.functions)
    np.testing.assert_array_equal(eos_curve(silicon_potential, points).energies, curve.energies)
    assert points.inequivalence.max() < 1e-10 and points.element == "Si"


def test_frames_that_are_no_invariant_points(silicon_potential: Potential) -> None:
    functions = build_functions(["Si", "C", "Ni"])
    good = scan(3)
    rattled = replace(build_frame("Si", rattle=0.01), source="/data/md.xyz", index=7)
    cases = [
        ([], "there are no invariant points"),
        (
            [*good, rattled],
            r"/data/md.xyz, frame 7: its atoms are not equivalent.*differ by [\d.]+ % \(allowed 0.2 %\)",
        ),
        ([build_frame("SiC", rattle=0.0)], "frame 0: atoms of C and Si are not equivalent"),
        ([*good, build_frame("Ni", rattle=0.0)], "frame 3: the volume scan mixes Si and Ni"),
        ([*good, replace(good[0], pbc=np.array([True, True, False]))], "frame 3: .*periodic in all three"),
    ]
    for frames, said in cases:
        with pytest.raises(AnalysisError, match=said) as caught:
            invariant_points(frames, functions)
        assert caught.value.fix


def test_rounded_positions_are_still_equivalent() -> None:
    frames = [replace(f, positions=np.round(f.positions, 4)) for f in scan()]
    assert invariant_points(frames, build_functions(["Si"])).inequivalence.max() < 2e-3


# verdict


def report_of(
    tilt_gpa: float = 0.0, error: float = 0.0, std: float = 0.0, reach: float = 9.0
) -> tuple[EosReport, Bracket]:
    """Return a report with a slope error, an error of the wave kind (no slope at V0), and a spread."""
    volumes = np.linspace(18.5, 22.5, 21)
    a = -1.5 * tilt_gpa / GPA_PER_EV_PER_ANG3 * V0 ** (5 / 3)
    wrong = a * (volumes ** (-2 / 3) - V0 ** (-2 / 3)) + error
    members = energies_at(volumes) + wrong + np.array([[std], [-std]])
    found = bracket_from_distances(volumes, np.abs(volumes - V0), V0, reach)
    return analyse_eos(curve_of(volumes, members), found), found


@pytest.mark.parametrize(
    ("arguments", "level", "said"),
    [
        (
            {},
            "right",
            "RMSE 0.9 meV/atom, and E_at of the crystal is right to 0.0 meV in reach of the training set",
        ),
        ({"error": 0.002}, "right", "right to 2.0 meV"),
        (
            {"error": 0.004},
            "doubtful",
            r"but the mapping is doubtful: E_at of the crystal is off by \+4 meV .*; 4 meV would be",
        ),
        (
            {"error": -0.02},
            "wrong",
            r"off by −20 meV .*: ad hoc mapping; add structures at other volumes\.$",
        ),
        (
            {"tilt_gpa": 5.0},
            "wrong",
            r"off by [+−]\d+ meV at [+−]\d+ % volume and its slope by \+5.0 GPa: ad hoc mapping",
        ),
        (
            {"tilt_gpa": -1.4, "reach": 0.3},
            "doubtful",
            r"the slope of E_at\(V\) is off by −1.4 GPa.*stress loss",
        ),
        (
            {"std": 0.04},
            "open",
            "the members disagree by 40 meV on E_at of the crystal: the data",
        ),
        (
            {"error": 0.04, "std": 0.03},
            "doubtful",
            "the members differ by 30 meV, so that the data may leave it open",
        ),
        ({"std": 0.0015}, "right", "right to"),
    ],
)
def test_verdict_levels(arguments: dict[str, float], level: str, said: str) -> None:
    found = verdict(0.9, *report_of(**arguments))
    assert found.level == level, found.text
    assert re.search(said, found.text), found.text
    assert found.text.endswith(".") and "nan" not in found.text and "None" not in found.text


@pytest.mark.parametrize(
    ("error", "foretold", "level", "said"),
    [
        (0.03, 5.0, "wrong", r"ad hoc mapping, though the data tell it to ± 5 meV there; train on"),
        (
            0.03,
            30.0,
            "open",
            r"\+30 meV .*: the data leave it open \(foretold ± 30 meV there\); add structures",
        ),
        (0.03, 15.0, "doubtful", r"times what the data leave open, and up to 2 would"),
        (0.001, 3.0, "right", "right to 1.0 meV"),
        (0.001, 4.0, "doubtful", r"\+1 meV .*; the data tell it only to ± 4 meV there; add structures"),
        (
            0.001,
            10.0,
            "open",
            "only 1 meV may be luck: the data tell it to ± 10 meV at its equilibrium volume; add",
        ),
        (0.001, 90.0, "open", "may be luck: the data tell it to ± 90 meV at its .*; add structures"),
        (0.005, 90.0, "open", "the data leave it open"),
    ],
)
def test_what_is_foretold_tells_wrong_from_open(error: float, foretold: float, level: str, said: str) -> None:
    report, found = report_of(error=error)
    spreads = Foretold(np.full(len(report.volumes), foretold), None, 0.3)
    judged = verdict(0.9, report, found, foretold=spreads)
    assert judged.level == level and re.search(said, judged.text), judged.text
    assert judged.curable == (level in ("open", "doubtful"))


@pytest.mark.parametrize(
    ("stiffer", "shift", "level", "said"),
    [
        (0.05, 0.0, "right", r"right to \d+.\d meV"),
        (0.5, 0.0, "wrong", r"off by \+\d+ meV at −10 % volume: ad hoc"),
        (0.1, 0.02, "wrong", r"off by \+2\d meV at [+−]\d % volume: ad hoc"),
    ],
)
def test_a_strained_crystal_is_right_to_a_share_of_what_the_strain_costs(
    stiffer: float, shift: float, level: str, said: str
) -> None:
    """Of a crystal four times as stiff as silicon 5 % of the strain energy are 13 meV at the ends."""
    volumes = np.linspace(18.5, 22.5, 21)
    strain = 4.0 * (energies_at(volumes) - energies_at(np.array([V0])))
    found = bracket_from_distances(volumes, np.abs(volumes - V0), V0, 9.0)
    report = analyse_eos(curve_of(volumes, (1.0 + stiffer) * strain + shift, strain), found)
    judged = verdict(0.9, report, found, foretold=Foretold(np.full(21, 2.0), None, 0.3))
    assert judged.level == level and re.search(said, judged.text), judged.text


@pytest.mark.parametrize(
    ("std", "n_members", "foretold", "level"),
    [
        (3.6, 5, 1.0, "right"),  # the data tell it, and five members' mean is known to 1.6
        (3.6, 5, None, "doubtful"),  # what all members miss is as likely as what they differ by
        (3.6, 1, 1.0, "doubtful"),
        (12.0, 5, 1.0, "open"),  # a mean of such members is luck, whatever the data tell
        (0.0, 5, 3.6, "doubtful"),
        (1.0, 5, 6.0, "open"),
    ],
)
def test_noise_of_training_counts_once_and_less_with_more_members(
    std: float, n_members: int, foretold: float | None, level: str
) -> None:
    """The error is 1.5, up to 4 would be right."""
    assert Finding("", "", 1.5, std, n_members, 4.0, foretold, "meV", "").level == level


@pytest.mark.parametrize(("foretold", "many", "few"), [(2.5, "right", "doubtful"), (7.0, "open", "doubtful")])
def test_what_few_atoms_foretell_is_known_less_well(foretold: float, many: str, few: str) -> None:
    report, found = report_of(error=0.001)
    spread = np.full(len(report.volumes), foretold)
    for n_atoms, level in ((None, many), (100, many), (40, few)):
        judged = verdict(0.9, report, found, foretold=Foretold(spread, None, 0.1, n_atoms=n_atoms))
        assert judged.level == level, (n_atoms, judged.text)


def test_a_border_lies_within_doubt_on_both_sides() -> None:
    """Whatever grows by a third at most, no level turns into another but by way of "doubtful"."""
    for values in (
        [(error, None) for error in np.geomspace(1.0, 100.0, 60)],
        [(40.0, spread) for spread in np.geomspace(2.0, 400.0, 60)],
    ):
        levels = []
        for error, spread in values:
            report, found = report_of(error=error / 1000)
            spreads = None if spread is None else Foretold(np.full(len(report.volumes), spread), None, 0.3)
            levels.append(verdict(0.9, report, found, foretold=spreads).level)
        turns = [level for k, level in enumerate(levels) if k == 0 or level != levels[k - 1]]
        assert len(turns) == 3 and turns[1] == "doubtful" and turns[0] != turns[2]
        assert 5 < levels.count("doubtful") < 25


def test_the_same_error_is_fine_for_a_coarse_potential() -> None:
    assert verdict(10.0, *report_of(error=-0.02)).level == "right"
    assert verdict(5.0, *report_of(error=-0.02)).level == "doubtful"


def test_verdict_says_what_is_missing() -> None:
    nothing = verdict(0.9, None)
    assert nothing.level == "unknown" and "add a crystal's volume scan" in nothing.text
    assert verdict(None, None).text.startswith("Nothing tells")
    bare = curve_of(VOLUMES, energies_at(VOLUMES), np.full(11, np.nan))
    no_reference = verdict(0.9, analyse_eos(bare, whole(VOLUMES)), whole(VOLUMES))
    assert no_reference.level == "unknown" and "add reference energies" in no_reference.text
    far = bracket_from_distances(VOLUMES, np.full(11, 3.0), V0, 1.0)
    out = verdict(0.9, analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES)), far), far)
    assert out.level == "unknown"
    assert "out of reach of the training set (distance 3.00, usual up to 1.00)" in out.text
    edge = bracket_from_distances(VOLUMES, np.full(11, 1.5), V0, 1.0)  # another split may turn it
    assert verdict(0.9, analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES)), edge), edge).level == "doubtful"
    narrow = bracket_from_distances(VOLUMES, np.abs(VOLUMES - V0), V0, 0.5)
    holes = np.where(narrow.contains(VOLUMES), np.nan, energies_at(VOLUMES))
    between = verdict(0.9, analyse_eos(curve_of(VOLUMES, energies_at(VOLUMES), holes), narrow), narrow)
    assert between.level == "unknown"
    assert "no reference energies in reach of the training set (20.00 to 21.00 Å³/atom)" in between.text


def test_ad_hoc_mapping_of_a_real_ensemble_is_seen(silicon_potential: Potential) -> None:
    """A random potential is wrong about the crystal, whatever RMSE is claimed for it."""
    frames = [f for f in read_dataset(example_path("eos")).frames]
    curve = eos_curve(silicon_potential, frames)
    report = analyse_eos(curve, whole(curve.volumes))
    assert verdict(0.9, report, whole(curve.volumes)).level in ("wrong", "open")
    with pytest.raises(AnalysisError, match="not equivalent"):
        eos_curve(build_potential(build_functions(["Si"]), frames), [build_frame("Si", rattle=0.2)])
