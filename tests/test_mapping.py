"""Distance and bracket, PCA, connectivity, and the study that does everything."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders import build_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpcore.analyses import MappingStudy, study
from nnpcore.descriptors import compute_descriptors
from nnpcore.errors import AnalysisError, Cancelled, EatlasError
from nnpcore.figures import tables
from nnpcore.mapping import (
    ConnectivityResult,
    bracket_from_distances,
    connectivity,
    nearest_distances,
    pca_of,
    reach_of,
    subsample,
)
from nnpcore.mapping.connectivity import spanning_tree
from nnpcore.mapping.distance import Reach, left_out_distances
from nnpcore.mapping.nearest import core_distances
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.structures import example_path, read_dataset

RNG = np.random.default_rng(7)


# distance and bracket


def test_distances_against_all_pairs() -> None:
    from scipy.spatial.distance import cdist

    train, points = RNG.normal(size=(3000, 12)), RNG.normal(size=(1500, 12))
    expected = cdist(points, train).min(axis=1)
    np.testing.assert_allclose(nearest_distances(points, train), expected, atol=1e-12)
    assert nearest_distances(train[:5], train).max() == 0.0
    with pytest.raises(AnalysisError, match="no atom of this element"):
        nearest_distances(points, np.zeros((0, 12)))


def test_left_out_distances_skip_the_same_frame() -> None:
    x = RNG.normal(size=(300, 3))
    frames = np.repeat(np.arange(3), 100)
    x[frames == 2] += 50.0  # its nearest atoms of another frame are farther than all its own
    queries = np.array([0, 5, 150, 250, 299])
    found = left_out_distances(x, frames, queries)
    every = np.linalg.norm(x[queries][:, None] - x[None], axis=2)
    every[frames[queries][:, None] == frames[None]] = np.inf
    np.testing.assert_allclose(found, every.min(axis=1))
    with pytest.raises(AnalysisError, match="one training frame and no validation frames"):
        left_out_distances(x[:100], frames[:100], queries[:2])


def test_reach_is_the_99th_percentile() -> None:
    train, valid = RNG.normal(size=(2000, 4)), RNG.normal(size=(500, 4))
    reach = reach_of(train, valid)
    assert reach.threshold == pytest.approx(np.percentile(nearest_distances(valid, train), 99))
    assert not reach.n_left_out and len(reach.distances) == 500
    alone = reach_of(train, None, np.arange(2000) // 50)
    assert alone.n_left_out == 2000 and alone.threshold == pytest.approx(reach.threshold, rel=0.4)
    with pytest.raises(AnalysisError, match="needs validation atoms"):
        reach_of(train)


def test_one_odd_validation_frame_of_few_does_not_tell_the_reach() -> None:
    rng = np.random.default_rng(5)
    train, frames = rng.normal(size=(2000, 4)), np.arange(2000) // 50
    usual = reach_of(train, None, frames).threshold
    for odd in (0.01, 6.0):  # both validation frames close together at the center; one of them far out
        valid = np.concatenate([0.1 * rng.normal(size=(50, 4)), odd * rng.normal(size=(50, 4))])
        assert reach_of(train, valid, frames).threshold == pytest.approx(usual, rel=0.35)
        assert reach_of(train, valid).threshold != pytest.approx(usual, rel=0.35)


def test_bracket_edges_are_interpolated() -> None:
    volumes = np.array([18.0, 19.0, 20.0, 21.0, 22.0, 23.0])
    distances = np.array([0.1, 3.0, 1.0, 0.5, 2.5, 0.2])
    found = bracket_from_distances(volumes, distances, 20.5, 2.0)
    assert found.low == pytest.approx(19.5) and found.high == pytest.approx(21.75)
    assert not found.low_open and not found.high_open
    assert found.in_reach.tolist() == [True, False, True, True, False, True]
    assert found.contains(volumes).tolist() == [False, False, True, True, False, False]
    on_grid = bracket_from_distances(volumes, distances, 21.0, 2.0)
    assert (on_grid.low, on_grid.high) == (found.low, found.high)
    wide = bracket_from_distances(volumes, distances, 20.5, 4.0)
    assert (wide.low, wide.high) == (18.0, 23.0) and wide.low_open and wide.high_open


def test_no_bracket_says_why() -> None:
    volumes, distances = np.array([18.0, 20.0, 22.0]), np.array([1.0, 5.0, 1.0])
    out = bracket_from_distances(volumes, distances, 20.0, 2.0)
    assert out.low is None and out.high is None and not out.contains(volumes).any()
    assert "out of reach of the training set (distance 5.00, usual up to 2.00)" in out.message
    beyond = bracket_from_distances(volumes, distances, 23.0, 2.0)
    assert beyond.low is None and "23.00 Å³/atom lies outside the scan" in beyond.message


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_bracket_holds_what_its_definition_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    volumes = np.sort(rng.uniform(15, 25, 12))
    distances = rng.uniform(0, 2, 12)
    v0 = float(rng.uniform(volumes[0], volumes[-1]))
    found = bracket_from_distances(volumes, distances, v0, 1.0)
    fine = np.linspace(volumes[0], volumes[-1], 4001)
    reached = np.interp(fine, volumes, distances) <= 1.0
    if found.low is None or found.high is None:
        assert np.interp(v0, volumes, distances) > 1.0
        return
    assert found.low <= v0 <= found.high
    step = fine[1] - fine[0]
    assert reached[(fine > found.low + step) & (fine < found.high - step)].all()
    for edge, side, open_ in ((found.low, -1, found.low_open), (found.high, 1, found.high_open)):
        assert open_ == (edge in (volumes[0], volumes[-1]))
        if not open_:
            assert np.interp(edge + 1e-6 * side, volumes, distances) >= 1.0 - 1e-9


def test_bracket_from_points() -> None:
    train = RNG.normal(size=(4000, 2))
    volumes = np.linspace(18, 24, 13)
    points = np.stack([2.0 * (volumes - 21.0), np.zeros(13)], axis=1)
    reach = reach_of(train, RNG.normal(size=(2000, 2)))
    found = bracket_from_distances(volumes, nearest_distances(points, train), 21.0, reach.threshold)
    assert found.low is not None and found.high is not None
    assert 19.0 < found.low < 20.5 and 21.5 < found.high < 23.0


# PCA


def test_pca_against_the_eigenvectors_of_the_correlations() -> None:
    values = RNG.normal(size=(400, 6)) @ RNG.normal(size=(6, 6)) * [1, 10, 1e-3, 1, 5, 1] + [
        0,
        3,
        1,
        0,
        -7,
        2,
    ]
    found = pca_of(values, 4)
    variances, vectors = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    variances, components = variances[::-1][:4], vectors.T[::-1][:4]
    np.testing.assert_allclose(found.explained, variances / 6, rtol=1e-9)
    signs = np.sign((found.components * components).sum(axis=1))
    np.testing.assert_allclose(found.components, signs[:, None] * components, atol=1e-9)
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(found.scores, signs * (standard @ components.T), atol=1e-8)
    np.testing.assert_allclose(found.transform(values), found.scores, atol=1e-10)
    assert (found.components[np.arange(4), np.abs(found.components).argmax(axis=1)] > 0).all()


def test_components_of_very_many_atoms_are_those_of_all_at_once() -> None:
    """Parts of 20,000 atoms; directions of small variance keep their digits."""
    values = RNG.normal(size=(45_000, 4)) @ (RNG.normal(size=(4, 4)) * [1.0, 1e-2, 1e-4, 1e-6])
    found = pca_of(values)
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    np.testing.assert_allclose(found.explained, singular**2 / (singular**2).sum(), rtol=1e-6)
    signs = np.sign((found.components * axes).sum(axis=1))
    np.testing.assert_allclose(found.components, signs[:, None] * axes, atol=1e-7)
    np.testing.assert_allclose(found.scores, standard @ found.components.T, atol=1e-9)


def test_errors_of_sampling_are_those_of_other_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    train, valid = rng.normal(size=(3000, 2)), rng.normal(size=(40_000, 2))
    reach = reach_of(train, valid)
    assert "20,000 of 40,000 atoms, drawn at random" in reach.sampling
    others = [np.quantile(nearest_distances(rng.normal(size=(20_000, 2)), train), 0.99) for _ in range(8)]
    assert 0.4 < reach.error / np.std(others, ddof=1) < 2.5
    assert reach_of(train, valid[:5000]).sampling == ""
    alike = Reach(0.0, np.zeros(10), n_atoms=40)  # copies of training atoms
    assert "10 of 40 atoms" in alike.sampling and "± 0" in alike.sampling
    groups = {"a": rng.normal(size=(3000, 3)), "b": rng.normal(size=(3000, 3)) + np.array([5.0, 0, 0])}
    found = connectivity(groups, max_points=300, transform=lambda x: 2.0 * x)
    draws = [connectivity({k: 2.0 * rng.permutation(x)[:300] for k, x in groups.items()}) for _ in range(8)]
    assert all((draw.sampling_error == 0).all() for draw in draws)
    spread = np.std([draw.matrix[0, 1] for draw in draws], ddof=1)
    assert 0.0 < found.sampling_error[0, 1] < 4 * spread and " ± " in found.text
    near = np.mean([draw.matrix[0, 1] for draw in draws])
    assert abs(found.matrix[0, 1] - near) < 4 * spread


def test_pca_drops_constant_functions_and_padding() -> None:
    values = RNG.normal(size=(50, 5))
    padded = np.concatenate([values[:, :2], np.full((50, 1), 3.7), values[:, 2:], np.zeros((50, 2))], axis=1)
    found, plain = pca_of(padded), pca_of(values)
    assert found.components.shape == (5, 8) and (found.components[:, [2, 6, 7]] == 0).all()
    np.testing.assert_allclose(found.scores, plain.scores, atol=1e-9)
    assert found.explained.sum() == pytest.approx(1.0)
    with pytest.raises(AnalysisError, match="at least two atoms"):
        pca_of(values[:1])
    with pytest.raises(AnalysisError, match="all atoms have the same surroundings"):
        pca_of(np.ones((5, 3)))


def test_subsample() -> None:
    assert subsample(5, 10).tolist() == [0, 1, 2, 3, 4]
    chosen = subsample(1000, 50)
    assert len(np.unique(chosen)) == 50 and (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, subsample(1000, 50))


# connectivity


def brute_force(a: np.ndarray, b: np.ndarray, k: int) -> tuple[float, float]:
    """Bottleneck and median core distance by trying every threshold on the full distance matrix."""
    x = np.concatenate([a, b])
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    core = np.sort(d, axis=1)[:, min(k, len(x) - 1)]
    reach = np.maximum(np.maximum(core[:, None], core[None]), d)
    for threshold in np.unique(reach[~np.eye(len(x), dtype=bool)]):
        label = np.arange(len(x))
        joined = reach <= threshold + 1e-12
        while True:  # spread the smallest label
            new = np.where(joined, label[None], len(x)).min(axis=1)
            new = np.minimum(new, label)
            if (new == label).all():
                break
            label = new
        for component in np.unique(label):
            inside = label == component
            if 2 * inside[: len(a)].sum() > len(a) and 2 * inside[len(a) :].sum() > len(b):
                return float(threshold), float(np.median(core))
    raise AssertionError


@given(seed=st.integers(0, 100_000), n=st.integers(3, 40), m=st.integers(1, 40), gap=st.floats(0.0, 6.0))
@settings(max_examples=40, deadline=None)
def test_connectivity_against_brute_force(seed: int, n: int, m: int, gap: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + np.array([gap, 0, 0])
    found = connectivity({"a": a, "b": b}, n_neighbors=4)
    bottleneck, core = brute_force(a, b, 4)
    assert found.links[0, 1].bottleneck == pytest.approx(bottleneck, rel=1e-6)
    assert found.matrix[0, 1] == pytest.approx(core / bottleneck, rel=1e-6)
    assert 0.0 < found.matrix[0, 1] <= 1.0 + 1e-12


def test_core_distances_against_all_pairs() -> None:
    from scipy.spatial.distance import cdist

    x = RNG.normal(size=(500, 8)) * np.geomspace(1.0, 1e-3, 8) + 1000.0
    x[1] = x[0]
    expected = np.sort(cdist(x, x), axis=1)
    np.testing.assert_allclose(core_distances(x, 10), expected[:, 10], atol=1e-10)
    np.testing.assert_allclose(core_distances(x[:4], 10), np.sort(cdist(x[:4], x[:4]), axis=1)[:, -1])
    assert core_distances(x[:1], 10).tolist() == [0.0]


def test_spanning_tree_against_scipy() -> None:
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    x = RNG.normal(size=(300, 5)) + 40.0
    core = core_distances(x, 10)
    reach = np.maximum(np.maximum(core[:, None], core[None]), cdist(x, x))
    expected = np.sort(minimum_spanning_tree(np.triu(reach, 1)).data)
    edges, lengths = spanning_tree(x, core)
    np.testing.assert_allclose(lengths, expected, rtol=1e-7)
    np.testing.assert_allclose(lengths, reach[edges[:, 0], edges[:, 1]], rtol=1e-7)


def blobs(gap: float, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return two boxes of points whose facing walls are ``gap`` apart."""
    rng = np.random.default_rng(1)
    a = rng.uniform(0, 1, (n, 2))
    return a, rng.uniform(0, 1, (n, 2)) + np.array([1.0 + gap, 0.0])


def test_islands_and_a_bridge() -> None:
    a, b = blobs(5.0)
    apart = connectivity({"bulk": a, "surface": b})
    assert apart.matrix[0, 1] < 0.05
    assert apart.links[0, 1].bottleneck == pytest.approx(5.0, abs=0.2)
    link = apart.links[0, 1]
    ends = [(a, b)[group][index] for group, index in zip(link.groups, link.indices, strict=True)]
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(link.bottleneck, abs=1e-9)
    assert sorted(link.groups) == [0, 1]
    assert "weakest: bulk and surface, 0.0" in apart.text
    bridge = np.random.default_rng(2).uniform([1, 0.3], [6, 0.7], (1200, 2))
    joined = connectivity({"bulk": np.concatenate([a, bridge]), "surface": b})
    assert joined.matrix[0, 1] > 0.5
    together = connectivity({"one": a, "two": a.copy()})
    assert together.matrix[0, 1] > 0.7
    assert joined.matrix[0, 0] > 0.5 and joined.names == ("bulk", "surface")


def test_a_split_group_does_not_hang_together() -> None:
    a, b = blobs(5.0)
    found = connectivity({"both": np.concatenate([a[:200], b[:201]]), "left": a[200:]})
    assert found.matrix[0, 0] > 0.3  # its main body, more than half of it, lies on one side
    assert found.matrix[0, 1] < 0.05


def test_large_groups_are_thinned_the_same_way_every_time() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(10_000, 6)), rng.normal(size=(10_000, 6)) + 12.0 * np.eye(6)[0]
    found = connectivity({"a": a, "b": b}, max_points=500)
    assert found.n_points.tolist() == [10_000, 10_000] and found.n_used.tolist() == [500, 500]
    assert "(500 atoms a group drawn at random)" in found.text
    again = connectivity({"a": a, "b": b}, max_points=500)
    np.testing.assert_array_equal(found.matrix, again.matrix)
    link = found.links[0, 1]
    ends = [(a, b)[group][index] for group, index in zip(link.groups, link.indices, strict=True)]
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(link.bottleneck, rel=1e-6)
    fuller = connectivity({"a": a, "b": b}, max_points=1000)
    assert fuller.matrix[0, 1] == pytest.approx(found.matrix[0, 1], abs=0.15)


def test_odd_groups() -> None:
    a = RNG.normal(size=(30, 3))
    point = connectivity({"a": a, "point": a[:1] + 9.0})
    assert 0 < point.matrix[0, 1] < 1 and point.matrix[1, 1] == 1.0
    same = connectivity({"a": np.zeros((5, 3)), "b": np.zeros((7, 3))})
    assert (same.matrix == 1.0).all()
    with pytest.raises(AnalysisError, match=r"there is only one\. Choose at least two groups"):
        connectivity({"a": a})
    with pytest.raises(AnalysisError, match="no groups to compare"):
        connectivity({})
    with pytest.raises(AnalysisError, match="group 'b' has no atoms"):
        connectivity({"a": a, "b": a[:0]})


def test_connectivity_can_be_cancelled() -> None:
    progress = Progress(lambda fraction, text: progress.cancel())
    with pytest.raises(Cancelled):
        connectivity({"a": RNG.normal(size=(300, 3)), "b": RNG.normal(size=(300, 3))}, progress=progress)


# the study, and its tables


@pytest.fixture(scope="module")
def silicon_study(silicon_potential: Potential) -> MappingStudy:
    """Return the study of a random potential, with training values of rattled crystals."""
    frames = [
        build_frame("Si", rattle=0.15, scale=s, seed=k) for k, s in enumerate(np.linspace(0.97, 1.03, 30))
    ]
    found = compute_descriptors(frames, silicon_potential.functions, derivatives=False, n_threads=1)
    values = SimpleNamespace(
        values=found.values,
        species=found.species,
        frame=found.frames_of_atoms,
        is_training=found.frames_of_atoms % 3 != 0,
    )
    return study(silicon_potential, values, read_dataset(example_path("eos")).frames, rmse_energy_mev=1.0)  # type: ignore[arg-type]


def test_study_of_a_potential(silicon_study: MappingStudy) -> None:
    data = silicon_study
    assert silicon_study.element == "Si"
    assert list(data.scores) == ["training", "validation", "EOS"]
    n_points = data.points.n_points
    assert len(data.scores["EOS"]) == n_points == len(silicon_study.curve.volumes)
    assert data.connectivity is not None and data.connectivity.names == ("training", "validation", "EOS")
    assert (
        silicon_study.bracket.threshold == data.reach.threshold
        and data.reach.whose == "validation and left-out training atoms"
    )
    assert silicon_study.report.reference_fit is not None
    assert silicon_study.verdict.level in ("wrong", "unknown") and silicon_study.verdict.text.startswith(
        "RMSE 1.0"
    )


def read_csv(text: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows."""
    rows = list(csv.reader(io.StringIO(text)))
    return rows[0], rows[1:]


def test_tables_of_a_study(silicon_study: MappingStudy, tmp_path: Path) -> None:
    s, connected = silicon_study, silicon_study.connectivity
    assert isinstance(connected, ConnectivityResult)
    n, m = s.points.n_points, s.curve.energies.shape[0]
    expected = {
        "eos": (tables.eos_table(s.curve, s.report, s.bracket), n, 7 + m),
        "parameters": (tables.eos_parameters_table(s.report), 1 + (s.report.mean_fit is not None), 7),
        "distance": (tables.distance_table(s.bracket), n, 5),
        "pca": (tables.pca_table(s.scores), sum(map(len, s.scores.values())), None),
        "components": (tables.pca_components_table(s.pca), len(s.pca.components), None),
        "connectivity": (tables.connectivity_table(connected), 6, 7),
    }
    for name, (columns, n_rows, n_columns) in expected.items():
        tables.write_csv(tmp_path / f"{name}.csv", columns)
        header, rows = read_csv((tmp_path / f"{name}.csv").read_text(encoding="utf-8"))
        assert len(rows) == n_rows, name
        assert header == list(columns) and len(header) == (n_columns or len(header)), name
        assert not any(re.search(r"nan|None|\[|np\.", cell) for row in rows for cell in row), name
    header, rows = read_csv((tmp_path / "eos.csv").read_text(encoding="utf-8"))
    means = [float(row[header.index("mean (eV/atom)")]) for row in rows]
    assert means == s.curve.mean.tolist()


def test_csv_of_missing_values_and_bad_targets(tmp_path: Path) -> None:
    text = tables.format_csv(
        {"a": [1.5, None, float("nan")], "b, c": ["x", 'say "y"', True], "d": np.arange(3)}
    )
    assert text == 'a,"b, c",d\n1.5,x,0\n,"say ""y""",1\n,True,2\n'
    with pytest.raises(AnalysisError, match="not equally long"):
        tables.format_csv({"a": [1], "b": [1, 2]})
    (tmp_path / "file").write_text("")
    with pytest.raises(EatlasError, match="Choose another folder"):
        tables.write_csv(tmp_path / "file" / "x.csv", {"a": [1]})


def test_mapping_imports_nothing_heavy() -> None:
    code = (
        "import sys, nnpcore.mapping, nnpcore.figures.tables\n"
        "print([m for m in ('scipy', 'torch', 'sklearn', 'matplotlib', 'ase.io') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
