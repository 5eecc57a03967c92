"""Compiled networks are those of arrays; steps of a calculator are those of fresh searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential

from nnpcore.descriptors import NeighborFinder, compute_descriptors
from nnpcore.descriptors.skin import SKIN, SkinList
from nnpcore.errors import DataError
from nnpcore.potential import NetworkWeights, Potential
from nnpcore.potential.compiled import CompiledNetworks, contracted, slopes_of
from nnpcore.structures.frame import Frame


@pytest.fixture(scope="module")
def mixed() -> Potential:
    frames = [build_frame("SiC", rattle=0.2, seed=s) for s in range(5)]
    return build_potential(build_functions(["C", "Si"]), frames)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gaussian"])
@pytest.mark.parametrize(("hidden", "n_members"), [((), 2), ((3,), 1), ((33, 7, 4), 9)])
def test_compiled_networks_are_those_of_arrays(
    mixed: Potential, activation: str, hidden: tuple[int, ...], n_members: int
) -> None:
    frames = [build_frame("SiC", rattle=0.2, seed=s) for s in range(5)]
    options = {"hidden": hidden, "n_members": n_members, "activation": activation}
    potential = build_potential(mixed.functions, frames, skip=True, baseline="quadratic", seed=4, **options)
    found = compute_descriptors([build_frame("SiC", rattle=0.3, seed=9)], mixed.functions, dtype=np.float64)
    assert CompiledNetworks.fits(potential) and found.derivatives is not None
    compiled = CompiledNetworks(potential).slopes(found.values, found.species)
    arrays = slopes_of(potential, found.values, found.species)
    size = np.abs(arrays.gradients).max()
    np.testing.assert_allclose(compiled.energies, arrays.energies, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(compiled.gradients, arrays.gradients, rtol=0, atol=1e-12 * size)
    parts = [
        contracted(arrays, found.pair_start, found.pair_vector, found.derivatives, virials)
        for virials in (True, False)
    ]
    center = np.repeat(np.arange(found.n_atoms), np.diff(found.pair_start))
    pairs = np.einsum("pdm,pcd->pcm", arrays.gradients[center][:, :, :n_members], found.derivatives)
    np.testing.assert_allclose(parts[0].pairs, pairs, rtol=0, atol=1e-12 * size)
    moments = np.einsum("pa,pbm->pabm", found.pair_vector, pairs)
    for i in range(found.n_atoms):
        np.testing.assert_allclose(parts[0].own[i], pairs[center == i].sum(axis=0), atol=1e-11 * size)
        np.testing.assert_allclose(parts[0].virials[i], moments[center == i].sum(axis=0), atol=1e-10 * size)
    assert parts[1].virials.shape == (0, 3, 3, n_members)
    np.testing.assert_array_equal(parts[0].own, parts[1].own)


def test_other_networks_are_left_to_arrays(mixed: Potential) -> None:
    soft = replace(mixed, weights=NetworkWeights.initial(mixed.functions, (4,), 2, 0, "softplus"))
    assert not CompiledNetworks.fits(soft)
    frame = build_frame("SiC", rattle=0.2, seed=1)
    one, two = (soft.predict([frame], n_threads=n) for n in (1, 2))
    assert one.forces_members is not None and two.forces_members is not None
    np.testing.assert_array_equal(one.forces_members, two.forces_members)


@pytest.mark.parametrize("pbc", [True, (True, True, False), False])
def test_steps_of_a_calculator_are_fresh_predictions(mixed: Potential, pbc: bool | tuple) -> None:
    rng = np.random.default_rng(5)
    atoms = build_frame("SiC", repeat=(2, 1, 1), rattle=0.1, seed=3).to_atoms()
    atoms.pbc = pbc
    atoms.calc = calculator = mixed.calculator(n_threads=1)
    lists = []
    for step in range(12):
        if step == 6:
            atoms.set_cell(1.01 * atoms.cell.array, scale_atoms=True)
        if step == 9:
            atoms.wrap()
        atoms.positions += rng.normal(0, 0.02 if step % 4 else 0.3, atoms.positions.shape)
        fresh = mixed.predict([Frame.from_atoms(atoms)])
        assert fresh.forces is not None and fresh.forces_std is not None and fresh.stress is not None
        np.testing.assert_allclose(atoms.get_forces(), fresh.forces, rtol=0, atol=1e-10)
        np.testing.assert_allclose(atoms.get_potential_energies(), fresh.atomic_energies, rtol=0, atol=1e-10)
        np.testing.assert_allclose(calculator.results["forces_std"], fresh.forces_std, rtol=0, atol=1e-10)
        if pbc is True:
            np.testing.assert_allclose(atoms.get_stress(voigt=False), fresh.stress[0], rtol=0, atol=1e-11)
        assert calculator._stepping is not None
        lists.append(calculator._stepping._skin)
    assert 3 <= len(set(map(id, lists))) < 12  # lists are used more than once, and given up


def test_a_list_with_a_skin_finds_the_pairs_of_a_search() -> None:
    frame = build_frame("Si", repeat=(2, 2, 1), rattle=0.1, seed=2)
    kept = SkinList(frame, 4.0)
    rng = np.random.default_rng(1)
    moves = rng.normal(size=frame.positions.shape)
    moves *= 0.499 * SKIN / np.linalg.norm(moves, axis=1)[:, None]
    moved = replace(frame, positions=frame.positions + moves)
    assert kept.moved_to(moved)
    fresh = NeighborFinder(moved, 4.0).pairs(3, 11)
    found = kept.pairs(3, 11)
    np.testing.assert_array_equal(found.start, fresh.start)
    for a, b in zip(found.start[:-1], found.start[1:], strict=True):
        orders = [np.lexsort(np.round(p.vector[a:b], 6).T) for p in (found, fresh)]
        np.testing.assert_array_equal(found.neighbor[a:b][orders[0]], fresh.neighbor[a:b][orders[1]])
        np.testing.assert_allclose(found.vector[a:b][orders[0]], fresh.vector[a:b][orders[1]], atol=1e-12)
    assert not kept.moved_to(replace(frame, positions=frame.positions + 1.01 * moves * 0.5 / 0.499))
    assert not kept.moved_to(replace(frame, cell=frame.cell * 1.0001))
    assert not kept.moved_to(replace(frame, positions=frame.positions * np.nan))


def test_atoms_that_meet_within_the_skin_are_named(silicon_potential: Potential) -> None:
    frame = build_frame("Si", rattle=0.05, seed=1)
    near = frame.positions.copy()
    near[1] = near[0] + [0.2, 0.0, 0.0]
    atoms = replace(frame, positions=near).to_atoms()
    atoms.calc = silicon_potential.calculator()
    atoms.get_forces()
    atoms.positions[1] += [0.01, 0.0, 0.0]
    atoms.get_forces()
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(DataError, match="on one spot: atoms 0 and 1"):
        atoms.get_forces()
