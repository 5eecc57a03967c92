"""Prediction paths: stored descriptors, threads, chunks, bounded memory, cancelling."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential

from nnpcore.descriptors import DescriptorSet, compute_descriptors
from nnpcore.errors import Cancelled, PotentialError
from nnpcore.potential import Potential
from nnpcore.potential.inference import stress_volumes
from nnpcore.progress import Progress
from nnpcore.threads import in_order


def mixed_frames() -> list:
    return [
        build_frame("SiC", seed=1),
        build_frame("Si", repeat=(3, 2, 2), seed=2),
        build_frame("SiC", repeat=(2, 1, 1), seed=3),
        replace(build_frame("Si", seed=4), pbc=np.array([True, False, True])),
    ]


@pytest.fixture(scope="module")
def potential() -> Potential:
    return build_potential(
        build_functions(["C", "Si"]), [build_frame("SiC", rattle=0.2, seed=s) for s in range(5)]
    )


def of_stored(potential: Potential, stored: DescriptorSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies (M, n), forces (M, n, 3) and virials (M, n_frames, 3, 3) by the formulas, of stored dG/dr."""
    energies, gradients = potential.gradients_of(stored.values, stored.species)
    center = np.repeat(np.arange(stored.n_atoms), np.diff(stored.pair_start))
    assert stored.derivatives is not None
    pairs = np.einsum("mpd,pcd->pmc", gradients[:, center], stored.derivatives)
    forces = np.zeros((stored.n_atoms, *pairs.shape[1:]))
    np.add.at(forces, center, pairs)
    np.subtract.at(forces, stored.pair_neighbor, pairs)
    virials = np.zeros((stored.n_frames, *pairs.shape[1:], 3))
    moments = np.einsum("pa,pmb->pmab", stored.pair_vector, pairs)
    np.add.at(virials, stored.frames_of_atoms[center], moments)
    return energies, forces.swapaxes(0, 1), virials.swapaxes(0, 1)


def test_stored_descriptors_give_the_same(potential: Potential) -> None:
    frames = mixed_frames()
    stored = compute_descriptors(frames, potential.functions, dtype=np.float64)
    direct = potential.predict(frames)
    energies, forces, virials = of_stored(potential, stored)
    stress = virials / stress_volumes(frames)[:, None, None]
    np.testing.assert_allclose(energies, direct.atomic_energies_members, rtol=0, atol=1e-11)
    totals = np.add.reduceat(energies, stored.frame_start[:-1], axis=1)
    np.testing.assert_allclose(totals, direct.energy_members, rtol=0, atol=1e-11)
    np.testing.assert_allclose(forces, direct.forces_members, rtol=0, atol=1e-11)
    np.testing.assert_allclose(forces.std(axis=0), direct.forces_std, rtol=0, atol=1e-11)
    np.testing.assert_allclose(stress, direct.stress_members, rtol=0, atol=1e-11)
    some = stored.select(2, 4)
    energies, forces, _ = of_stored(potential, some)
    totals = np.add.reduceat(energies, some.frame_start[:-1], axis=1)
    np.testing.assert_allclose(totals.mean(axis=0), direct.energy[2:4], atol=1e-11)
    first = forces.mean(axis=0)[: some.frame_start[1]]
    np.testing.assert_allclose(first, direct.forces[direct.atoms_of(2)], atol=1e-11)
    mean = potential.predict(frames[2:4], stress=False, members=False)
    np.testing.assert_allclose(mean.forces, forces.mean(axis=0), atol=1e-11)
    assert mean.forces_members is None and mean.stress is None


def test_single_precision_derivatives_are_good_to_a_millionth(potential: Potential) -> None:
    frames = mixed_frames()
    stored = compute_descriptors(frames, potential.functions)
    assert stored.derivatives is not None and stored.derivatives.dtype == np.float32
    forces = of_stored(potential, stored)[1].mean(axis=0)
    direct = potential.predict(frames)
    np.testing.assert_allclose(forces, direct.forces, rtol=0, atol=2e-6 * np.abs(direct.forces).max())


def test_the_result_does_not_depend_on_threads_or_company(potential: Potential) -> None:
    frames = mixed_frames()
    one, two, five = (potential.predict(frames, n_threads=n) for n in (1, 2, 5))
    for other in (two, five):
        np.testing.assert_array_equal(one.forces_members, other.forces_members)
        np.testing.assert_array_equal(one.stress_members, other.stress_members)
        np.testing.assert_array_equal(one.atomic_energies_members, other.atomic_energies_members)
    for k, frame in enumerate(frames):
        alone = potential.predict([frame])
        np.testing.assert_allclose(alone.energy_members[:, 0], one.energy_members[:, k], rtol=0, atol=1e-11)
        np.testing.assert_allclose(alone.forces, one.forces[one.atoms_of(k)], rtol=0, atol=1e-11)


def test_energies_alone(potential: Potential) -> None:
    frames = mixed_frames()
    result = potential.predict(frames, forces=False, stress=False)
    assert result.forces is None and result.forces_std is None and result.stress is None
    np.testing.assert_allclose(result.energy, potential.predict(frames).energy, rtol=0, atol=1e-11)
    assert potential.predict(frames, forces=False).stress is not None
    empty = potential.predict([])
    assert empty.n_frames == 0 and empty.energy.shape == (0,) and empty.forces.shape == (0, 3)


def test_reference_energies_count_atoms_by_element(potential: Potential) -> None:
    frame = build_frame("SiC", seed=1)
    frame = replace(frame, numbers=np.array([6, 14, 14, 14, 6, 14, 14, 14], dtype=np.int32))
    shifted = replace(potential, element_energies={"C": -10.0, "Si": -1000.0})
    zero = replace(potential, element_energies={"Si": 0.0, "C": 0.0})
    difference = shifted.predict([frame]).atomic_energies - zero.predict([frame]).atomic_energies
    np.testing.assert_allclose(difference, np.where(frame.numbers == 6, -10.0, -1000.0), rtol=0, atol=1e-11)


def test_memory_stays_far_below_the_derivatives(potential: Potential) -> None:
    frame = build_frame("Si", repeat=(8, 8, 6))
    potential.predict([build_frame("Si")])
    stored = compute_descriptors([frame], potential.functions, derivatives=False)
    derivatives = len(stored.pair_neighbor) * 3 * potential.functions.n_descriptors * 8
    tracemalloc.start()
    potential.predict([frame], members=False, n_threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert derivatives > 25e6 and peak < derivatives / 4


def test_unknown_element_names_the_frame(silicon_potential: Potential) -> None:
    frames = [build_frame("Si"), replace(build_frame("SiC"), source="run.xyz", index=7)]
    with pytest.raises(PotentialError, match=r"run\.xyz, frame 7: the structure contains C"):
        silicon_potential.predict(frames)


def test_progress_reaches_the_end_and_cancels(silicon_potential: Potential) -> None:
    seen: list[float | None] = []
    progress = Progress(lambda fraction, _: seen.append(fraction))
    silicon_potential.predict([build_frame("Si", repeat=(2, 2, 2))], progress=progress)
    assert seen[-1] == 1.0 and seen == sorted(seen, key=lambda f: f or 0.0)
    progress.cancel()
    with pytest.raises(Cancelled):
        silicon_potential.predict([build_frame("Si")], progress=progress)


@pytest.mark.parametrize("threads", [1, 3])
def test_in_order_keeps_order_and_passes_failures(threads: int) -> None:
    assert list(in_order(lambda k: k * k, range(50), threads)) == [k * k for k in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda k: 1 / (k - 20), range(50), threads))
    drawn: list[int] = []
    first = next(iter(in_order(lambda k: k, (drawn.append(k) or k for k in range(1000)), threads)))
    assert first == 0 and len(drawn) < 20
