"""n2p2's folders: what goes out comes back, a second evaluation agrees, and bad files are refused by line."""

from __future__ import annotations

import itertools
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from exchange_cases import (
    CASES,
    differences,
    edit,
    mixed,
    potential_of,
    reference_differences,
    structures,
    values_of,
)
from reference_n2p2 import N2p2Folder, energies_and_forces

from nnpcore.descriptors import G2, G4, G5, SymmetryFunctions, Whitening
from nnpcore.descriptors.functions import SymmetryFunction
from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.n2p2 import read_n2p2, write_n2p2
from nnpcore.exchange.n2p2.conventions import LETTERS, SCALINGS
from nnpcore.potential import NetworkWeights, Potential


def written(case: str, folder: Path, **options: Any) -> list[Path]:
    write_n2p2(potential_of(case), folder, values_of(case), **options)
    return [folder / "member-1", folder / "member-2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One member of two elements, scaled and centered."""
    write_n2p2(potential_of("binary").member(0), tmp_path, values_of("binary"), scaling="scale-center")
    return tmp_path


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("case", CASES)
def test_round_trip_and_second_evaluation(case: str, scaling: str, tmp_path: Path) -> None:
    potential, frames = potential_of(case), structures(case)
    folders = written(case, tmp_path, scaling=scaling)
    back = read_n2p2(folders)
    energies, forces = differences(potential.predict(frames), back.predict(frames))
    assert energies < 1e-9 and forces < 1e-9
    second = N2p2Folder(folders[1])
    frame = frames[list(SCALINGS).index(scaling) % len(frames)]
    energies, forces = reference_differences(second.energy, second.cutoff, potential, 1, frame)
    assert energies < 1e-9 and forces < 1e-9


def test_a_single_member_lies_in_the_folder_itself(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"input.nn", "scaling.data", "weights.006.data", "weights.014.data"}


@pytest.mark.parametrize("name", sorted(set(LETTERS.values())))
def test_every_activation_carries_the_linear_part(name: str, tmp_path: Path) -> None:
    potential, values = mixed(potential_of("binary"), (name, "tanh", "identity")), values_of("binary")
    write_n2p2(potential, tmp_path, values)
    back = read_n2p2([tmp_path / "member-1", tmp_path / "member-2"])
    for e, element in enumerate(potential.elements):
        rows = values.values[values.species == e]
        functions, species = potential.functions.functions[element], np.full(len(rows), e)
        order = [functions.index(f) for f in back.functions.functions[element]]
        turned = np.pad(rows[:, order], ((0, 0), (0, rows.shape[1] - len(order))))
        one, other = (
            potential.atomic_energies_of(rows, species),
            back.atomic_energies_of(turned, species),
        )
        assert np.abs(one - other).max() < 1e-9
        linear = potential.weights.skip
        assert linear is not None
        x = potential.whitening.transform(rows, species)
        assert np.abs(linear[element] @ x.T).max() > 0.1  # there is something to carry


def test_layers_of_different_activations_against_the_second_evaluation(tmp_path: Path) -> None:
    potential = mixed(potential_of("unary", skip=False), ("softplus", "gaussian", "tanh"))
    write_n2p2(potential, tmp_path, values_of("unary"))
    folder = tmp_path / "member-1"
    assert "global_activation_short p g t" in (folder / "input.nn").read_text()
    assert "atom_energy Si" in (folder / "input.nn").read_text()  # no bias behind the output takes it
    second = N2p2Folder(folder)
    frame = structures("unary")[0]
    assert max(reference_differences(second.energy, second.cutoff, potential, 0, frame)) < 1e-9
    back = read_n2p2(folder)
    assert max(reference_differences(second.energy, second.cutoff, back, 0, frame)) < 1e-9


def test_scaling_data_holds_the_true_statistics(folder: Path) -> None:
    potential, values = potential_of("binary"), values_of("binary")
    back = read_n2p2(folder)
    second = N2p2Folder(folder)
    for e, element in enumerate(potential.elements):
        rows = values.values[values.is_training & (values.species == e)]
        functions = potential.functions.functions[element]
        rows = rows[:, [functions.index(f) for f in back.functions.functions[element]]]
        table = [rows.min(0), rows.max(0), rows.mean(0), rows.std(0, ddof=1)]
        np.testing.assert_allclose(second.rows[element], np.transpose(table), rtol=1e-14)


def test_without_training_atoms_nothing_is_scaled_by_them(tmp_path: Path) -> None:
    potential = potential_of("unary").member(0)
    write_n2p2(potential, tmp_path)
    frames = structures("unary")
    assert max(differences(potential.predict(frames), read_n2p2(tmp_path).predict(frames))) < 1e-9
    with pytest.raises(SettingsError, match=r"not known without the training atoms.*'center'"):
        write_n2p2(potential, tmp_path, scaling="sigma")


def test_order_of_lines_and_elements_does_not_matter(folder: Path) -> None:
    before = read_n2p2(folder)
    path = folder / "input.nn"
    lines = path.read_text().splitlines()
    functions = [line for line in lines if line.startswith("symfunction_short")]
    swapped = [re.sub(r"(symfunction_short \S+ [39]) (\S+) (\S+)", r"\1 \3 \2", line) for line in functions]
    random.Random(3).shuffle(swapped)
    others = [line for line in lines if line not in functions]
    path.write_text("\n".join([*swapped, *others, "epochs 20 ! of the training", "elements_unknown x", ""]))
    edit(path, "elements C Si", "elements Si C")
    after = read_n2p2(folder)
    assert after.functions == before.functions
    np.testing.assert_array_equal(after.weights.flatten(), before.weights.flatten())


def mixed_up(seed: int) -> tuple[SymmetryFunction, ...]:
    """Functions of all types, cutoffs, shifts and pairs in an order of their own."""
    listed: list[SymmetryFunction] = []
    for rc, eta in itertools.product((4.0, 3.1), (0.5, 0.02)):
        listed += [G2(e, eta, r_s, rc) for e in ("C", "Si") for r_s in (2.2, 0.0, 1.5)]
        pairs = (("Si", "C"), ("Si", "Si"), ("C", "C"))
        for kind, pair, zeta, sign in itertools.product((G5, G4), pairs, (4.0, 1.0), (1.0, -1.0)):
            listed.append(kind(pair, eta, zeta, sign, rc))
    random.Random(seed).shuffle(listed)
    return tuple(listed)


def test_inputs_are_in_the_order_n2p2_sorts_them(tmp_path: Path) -> None:
    functions = SymmetryFunctions({e: mixed_up(seed) for seed, e in enumerate(("Si", "C"))})
    n_d = functions.n_descriptors
    whitening = Whitening(np.zeros((2, n_d)), np.stack([np.eye(n_d)] * 2))
    weights = NetworkWeights.initial(functions, (3,), 1, 0)
    write_n2p2(Potential(functions, whitening, weights, {"C": 0.0, "Si": 0.0}), tmp_path)
    second = N2p2Folder(tmp_path)
    for element, own in read_n2p2(tmp_path).functions.functions.items():
        listed = [(f.cutoff, f.eta) + ((f.r_s,) if isinstance(f, G2) else (f.zeta, f.lambda_)) for f in own]
        wanted = [(f[3], f[4]) + ((f[5],) if f[0] == 2 else (f[6], f[7])) for f in second.functions[element]]
        assert listed == wanted
        first = [functions.functions[element].index(f) for f in own]
        column = weights.layers[element][0][0][0, first].ravel()
        np.testing.assert_allclose(second.weights[element][: 3 * n_d], column, rtol=0, atol=1e-16)


def against_second(folder: Path, case: str = "binary") -> float:
    second, frame = N2p2Folder(folder), structures(case)[1]
    return max(reference_differences(second.energy, second.cutoff, read_n2p2(folder), 0, frame))


def test_normalization_atom_energies_and_neuron_normalization(folder: Path) -> None:
    edit(
        folder / "input.nn",
        "cutoff_type 1",
        "mean_energy -3.7\nconv_energy 0.31\nconv_length 2.5\natom_energy Si -7.25\natom_energy C 2.5\n"
        "normalize_nodes\ncutoff_type 1 0.0",
    )
    edit(folder / "input.nn", "scale_min_short 0.0", "scale_min_short -0.7")
    edit(folder / "input.nn", "scale_max_short 1.0", "scale_max_short 1.4")
    assert against_second(folder) < 1e-9


def test_widths_of_one_element(folder: Path) -> None:
    edit(folder / "input.nn", "cutoff_type 1", "element_nodes_short C 2 3\ncutoff_type 1")
    path = folder / "weights.006.data"
    lines = path.read_text().splitlines()
    n_f, (one, two) = potential_of("binary").functions.count("C"), (6, 5)  # each with the linear neuron
    wanted = (n_f + 1) * one + (one + 1) * 3 + 3 + 1
    assert len(lines) - 1 == (n_f + 1) * one + (one + 1) * two + two + 1
    path.write_text("\n".join(lines[: wanted + 1]) + "\n")
    assert against_second(folder) < 1e-9


def test_bohr_and_hartree(folder: Path) -> None:
    potential, frame = read_n2p2(folder, units="bohr-hartree"), structures("binary")[1]
    second, bohr = N2p2Folder(folder), units.Bohr
    symbols = frame.to_atoms().get_chemical_symbols()
    small = replace(frame, positions=frame.positions * bohr, cell=frame.cell * bohr)
    energies, forces = energies_and_forces(
        second.energy, second.cutoff, symbols, frame.positions, frame.cell, list(frame.pbc)
    )
    found = potential.predict([small])
    assert found.forces is not None
    np.testing.assert_allclose(found.atomic_energies, energies * units.Hartree, atol=1e-9)
    np.testing.assert_allclose(found.forces, forces * units.Hartree / bohr, atol=1e-9)


def test_members_scaled_differently_become_one_ensemble(tmp_path: Path) -> None:
    potential, frames = potential_of("binary"), structures("binary")
    folders = [tmp_path / "a", tmp_path / "b"]
    write_n2p2(potential.member(0), folders[0], values_of("binary"), scaling="scale")
    write_n2p2(potential.member(1), folders[1], values_of("binary"), scaling="sigma")
    assert max(differences(potential.predict(frames), read_n2p2(folders).predict(frames))) < 1e-9


def test_members_of_different_widths_become_one_ensemble(tmp_path: Path) -> None:
    first = mixed(potential_of("binary"), ("sigmoid", "gaussian", "identity"))
    weights = NetworkWeights.initial(first.functions, (3, 7), 1, 4)
    second = replace(first, weights=replace(weights, activations=first.weights.activations))
    write_n2p2(first.member(1), tmp_path / "a", values_of("binary"), scaling="scale-center")
    write_n2p2(second, tmp_path / "b", values_of("binary"), scaling="scale-center")
    frames = structures("binary")
    both = read_n2p2([tmp_path / "a", tmp_path / "b"]).predict(frames)
    for m, alone in enumerate((first.member(1), second)):
        found = alone.predict(frames).atomic_energies_members[0]
        np.testing.assert_allclose(both.atomic_energies_members[m], found, rtol=0, atol=1e-9)


def test_an_epoch_of_a_training(folder: Path) -> None:
    for number in ("006", "014"):
        path = folder / f"weights.{number}.data"
        (folder / f"weights.{number}.000012.out").write_text(path.read_text())
        path.unlink()
    with pytest.raises(PotentialError, match=r"weights\.006\.data.*missing.*--epoch: 12"):
        read_n2p2(folder)
    assert read_n2p2(folder, epoch=12).n_members == 1


def test_units_are_asked_for_where_the_cutoff_looks_like_bohr(tmp_path: Path) -> None:
    functions = potential_of("unary").functions.functions["Si"]
    wide = {"Si": tuple(replace(f, cutoff=12.0) for f in functions)}
    potential = potential_of("unary")
    wide_potential = Potential(
        type(potential.functions)(wide), potential.whitening, potential.weights, potential.element_energies
    )
    write_n2p2(wide_potential.member(0), tmp_path)
    with pytest.raises(PotentialError, match=r"input\.nn: the cutoff radius of 12 looks like Bohr.*--units"):
        read_n2p2(tmp_path)
    assert read_n2p2(tmp_path, units="angstrom-ev").cutoff == 12.0
    assert read_n2p2(tmp_path, units="bohr-hartree").cutoff == pytest.approx(12 * units.Bohr)


def test_runners_names_mean_the_same(folder: Path, tmp_path: Path) -> None:
    """RuNNer writes scale_min_short_atomic; passed over it would scale the inputs wrongly in silence."""
    other = tmp_path / "runner"
    shutil.copytree(folder, other)
    edit(other / "input.nn", "scale_min_short 0.0", "nn_type_short 1\nscale_min_short_atomic 0.0")
    edit(other / "input.nn", "scale_max_short 1.0", "scale_max_short_atomic 1.0")
    frame = structures("binary")[0]
    energies = [read_n2p2(path).predict([frame]).energy[0] for path in (folder, other)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-12)
    edit(other / "input.nn", "scale_min_short_atomic 0.0", "scale_min_short_atomic -1.0")
    assert abs(read_n2p2(other).predict([frame]).energy[0] - energies[0]) > 1e-6
    edit(other / "input.nn", "cutoff_type 1", "cutoff_type 6\ninner_cutoff_ratio 0.3")
    functions = read_n2p2(other).functions.functions["Si"]
    assert {(f.cutoff_function, f.values["inner_cutoff"]) for f in functions} == {("poly2", 0.3)}


BAD_INPUT = [
    ("cutoff_type 1", "cutoff_type 9", "cutoff_type 9 is not to be had"),
    ("cutoff_type 1", "cutoff_type 1 1.5", "the inner cutoff must be from 0 to below 1, not 1.5"),
    ("cutoff_type 1", "cutoff_type 1 0.5\ncutoff_alpha 0.4", "cutoff is 0.5, but cutoff_alpha is 0.4"),
    ("number_of_elements 2", "number_of_elements 3", "number_of_elements is 3, but elements are C Si"),
    ("elements C Si", "elements C Xx", "'Xx' is not a chemical element"),
    ("global_nodes_short 6 5", "global_nodes_short 6", "1 widths for 2 hidden layers"),
    ("global_activation_short t t l", "global_activation_short t q l", "activation 'q'"),
    ("cutoff_type 1", "cutoff_type 1\nelements C Si", "'elements' is given twice, first in line"),
    ("cutoff_type 1", "cutoff_type 1\nmean_energy 1.0", "'mean_energy' without 'conv_energy'"),
    ("cutoff_type 1", "cutoff_type 1\nnnp_type 4", "nnp_type 4 needs charges"),
    ("cutoff_type 1", "cutoff_type 1\nnnp_generation 4G", "nnp_generation 4G needs charges"),
    ("cutoff_type 1", "cutoff_type 1\nnn_type 4G-HDNNP", "nn_type 4G-HDNNP needs charges"),
    ("cutoff_type 1", "cutoff_type 1\nrunner_mode 3\natom_energy C -1.0", "only with 'remove_atom_energies'"),
    ("scale_min_short 0.0", "scale_min_short -1.0\nrunner_mode 3", "from -1 to 1 by n2p2, from 0 to 1 by"),
    ("cutoff_type 1", "cutoff_type 1\ninitial_hardness C 10.0", "'initial_hardness' asks for charges"),
    ("cutoff_type 1", "cutoff_type 1\nuse_electrostatics", "'use_electrostatics' asks for an electrostatic"),
    ("cutoff_type 1", "cutoff_type 1\nnn_type_short 2", "it is no network for atoms"),
    ("cutoff_type 1", "cutoff_type 1\nuse_electrostatic_nn", "'use_electrostatic_nn' asks for charges"),
    (
        "cutoff_type 1",
        "cutoff_type 1\nglobal_nodes_pair 5 5",
        "'global_nodes_pair' asks for networks of pairs",
    ),
    ("cutoff_type 1", "cutoff_type 1\natom_energy O 1.0", "'O' is not among the elements"),
    ("symfunction_short Si 3", "symfunction_short Si 4", r"type 4 \(a sum of cosines\)"),
    ("symfunction_short Si 3", "symfunction_short Si 21", "the shape is missing"),
    ("symfunction_short Si 2 C 0.05", "symfunction_short Si 2 C eta", "eta must be a number, not 'eta'"),
    ("symfunction_short Si 2 C 0.05", "symfunction_short Si 2 H 0.05", "'H' is not among the elements"),
    ("symfunction_short Si 2 C 0.05 0.0 3.6", "symfunction_short Si 2 C 0.05 0.0", "rc is missing"),
    ("symfunction_short Si 2 C 0.05 0.0 3.6", "symfunction_short Si 2 C 0.5 0.0 3.6", "listed again"),
    ("-1.0 1.0 3.6", "-1.0 1.0 3.6 0.8 1.0", "'1.0' is too much"),
    ("-1.0 1.0 3.6", "-0.5 1.0 3.6", "lambda must be"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD_INPUT)
def test_input_is_refused_by_line(folder: Path, old: str, new: str, message: str) -> None:
    edit(folder / "input.nn", old, new)
    with pytest.raises(PotentialError, match=r"input\.nn, line \d+: .*" + message):
        read_n2p2(folder)


def cut(name: str, keep: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text("\n".join(path.read_text().splitlines()[:keep]) + "\n")

    return change


def append(name: str, line: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text() + line + "\n")

    return change


def replaced(name: str, line: int, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        lines[line - 1] = text
        (folder / name).write_text("\n".join(lines) + "\n")

    return change


def chop(path: Path) -> None:
    """Take the last seven characters: what remains of the last number is a number."""
    path.write_text(path.read_text()[:-7])


BAD_FILES = [
    (lambda f: (f / "scaling.data").unlink(), r"scaling\.data: the file is missing"),
    (lambda f: (f / "weights.014.data").unlink(), r"weights\.014\.data: the file is missing"),
    (lambda f: (f / "input.nn").unlink(), r"input\.nn: the file is missing"),
    (cut("weights.014.data", 40), r"weights\.014\.data, line 40: the file is truncated: 39 values, wanted"),
    (append("weights.006.data", "0.5"), r"weights\.006\.data, line \d+: the file holds too much"),
    (replaced("weights.006.data", 7, "nan"), r"weights\.006\.data, line 7: a weight must be a finite number"),
    (replaced("weights.006.data", 7, "-1E300"), r"weights\.006\.data, line 7: a weight is -1e\+300, beyond"),
    (replaced("weights.006.data", 7, "1.5E-"), r"line 7: a weight must be a number, not '1.5E-'"),
    (cut("scaling.data", 9), r"scaling\.data, line 9: the file is truncated: 8 rows for C, which has"),
    (replaced("scaling.data", 5, "2 4 0 1 .5 .2"), r"line 5: element and function are 2 4, wanted 1 4"),
    (replaced("scaling.data", 5, "1 4 1 1 1 0"), r"scaling\.data, line 5: max - min is not positive"),
    (lambda f: chop(f / "weights.014.data"), r"weights\.014\.data, line \d+: .* its last line has no end"),
    (lambda f: chop(f / "scaling.data"), r"scaling\.data, line \d+: .* its last line has no end"),
    (lambda f: (f / "weights.006.data").write_text(""), r"weights\.006\.data: the file is truncated: 0"),
    (
        lambda f: edit(f / "input.nn", "scale_min_short 0.0", "scale_min_short 1.0"),
        r"input\.nn, line \d+: scale_min_short and scale_max_short are both 1",
    ),
    (append("scaling.data", "3 1 0 1 0.5 0.1"), r"scaling\.data, line \d+: there are more rows"),
]


@pytest.mark.parametrize(("change", "message"), BAD_FILES)
def test_files_are_refused_by_line(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(PotentialError, match=message):
        read_n2p2(folder)


def test_members_of_different_ensembles_are_refused(tmp_path: Path) -> None:
    write_n2p2(potential_of("unary").member(0), tmp_path / "a")
    write_n2p2(potential_of("unary", "sigmoid").member(0), tmp_path / "b")
    write_n2p2(potential_of("binary").member(0), tmp_path / "c")
    with pytest.raises(PotentialError, match=r"b: its networks of Si have other layers"):
        read_n2p2([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(PotentialError, match=r"c: it knows C, Si, but .*a knows Si"):
        read_n2p2([tmp_path / "a", tmp_path / "c"])
    line = next(x for x in (tmp_path / "a/input.nn").read_text().splitlines() if " 2 Si 0.05 " in x)
    write_n2p2(potential_of("unary").member(0), tmp_path / "d")
    edit(tmp_path / "d" / "input.nn", line, line.replace("0.05", "0.06"))
    with pytest.raises(PotentialError, match=r"d: its symmetry functions of Si are not those of"):
        read_n2p2([tmp_path / "a", tmp_path / "d"])


def test_what_n2p2_does_not_know_is_not_written(tmp_path: Path) -> None:
    swish = mixed(potential_of("unary"), ("swish", "tanh", "identity"))
    with pytest.raises(PotentialError, match="does not know the activation 'swish'"):
        write_n2p2(swish, tmp_path)
    weights = potential_of("binary").weights
    own = {"C": ("tanh", "tanh", "identity"), "Si": ("tanh", "sigmoid", "identity")}
    unlike = replace(potential_of("binary"), weights=replace(weights, activations=own))
    with pytest.raises(PotentialError, match="different layers or activations"):
        write_n2p2(unlike, tmp_path)
    with pytest.raises(EatlasError, match="no scaling 'both'"):
        write_n2p2(potential_of("unary"), tmp_path, scaling="both")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_smaller_ensemble_does_not_mix_with_a_larger_one(tmp_path: Path) -> None:
    (tmp_path / "member-3").mkdir()
    with pytest.raises(EatlasError, match="member-3 of another ensemble"):
        write_n2p2(potential_of("unary"), tmp_path)


def test_wide_angular_functions_are_type_nine(folder: Path) -> None:
    functions = potential_of("binary").functions.functions
    n_wide = sum(isinstance(f, G5) for own in functions.values() for f in own)
    assert (folder / "input.nn").read_text().count(" 9 ") == n_wide


KEYWORDS = (
    "symfunction",
    "global_hidden_layers",
    "global_nodes",
    "global_activation",
    "scale_min",
    "scale_max",
)


def test_keywords_may_lack_their_end(folder: Path) -> None:
    wanted, frames = read_n2p2(folder), structures("binary")
    text = (folder / "input.nn").read_text() + "nnp_generation 2G-HDNNP\n"
    for keyword in KEYWORDS:
        assert f"{keyword}_short" in text
        text = text.replace(f"{keyword}_short", keyword)
    (folder / "input.nn").write_text(text)
    energies, forces = differences(wanted.predict(frames), read_n2p2(folder).predict(frames))
    assert energies == 0 and forces == 0


@pytest.mark.parametrize("last", ["symfunction_short", "global_activation_short t t l", "elements C Si"])
def test_the_last_line_may_lack_its_end(folder: Path, last: str) -> None:
    lines = (folder / "input.nn").read_text().splitlines()
    line = next(line for line in reversed(lines) if line.startswith(last))
    lines.remove(line)
    (folder / "input.nn").write_text("\n".join([*lines, line]))
    read_n2p2(folder)


def test_every_type_and_cutoff_function_comes_back(tmp_path: Path) -> None:
    from test_descriptors_shapes import every_kind

    from nnpcore.descriptors.shapes import CUTOFF_FUNCTIONS
    from nnpcore.exchange.n2p2.function_lines import TYPES

    for name in CUTOFF_FUNCTIONS:
        known = [f for f in every_kind() if type(f) in TYPES]
        listed = [f for f in known if f.cutoff_function == name or "Compact" in type(f).__name__]
        inner = max(f.values.get("inner_cutoff", 0.0) for f in listed)
        own = tuple(f for f in listed if "Compact" in type(f).__name__ or f.inner_cutoff == inner)  # type: ignore[attr-defined]
        functions = SymmetryFunctions({"O": own[::2], "Si": own})
        whitening = Whitening(
            np.zeros((2, functions.n_descriptors)), np.stack([np.eye(functions.n_descriptors)] * 2)
        )
        weights = NetworkWeights.initial(functions, (3,), 1, 0)
        potential = Potential(functions, whitening, weights, {"O": 0.0, "Si": 0.0})
        write_n2p2(potential, tmp_path / name, None)
        back = read_n2p2(tmp_path / name)
        for element in ("O", "Si"):
            assert set(back.functions.functions[element]) == set(functions.functions[element])
    text = (tmp_path / "poly2" / "input.nn").read_text()
    assert "cutoff_type 6 0.3" in text and "symfunction_short Si 25 " in text


def test_cutoff_functions_that_differ_are_not_written(tmp_path: Path) -> None:
    own = (G2("Si", 0.1, 0.0, 5.0), G2("Si", 0.1, 0.0, 5.0, "poly2"))
    functions = SymmetryFunctions({"Si": own})
    weights = NetworkWeights.initial(functions, (3,), 1, 0)
    potential = Potential(functions, Whitening(np.zeros((1, 2)), np.eye(2)[None]), weights, {"Si": 0.0})
    with pytest.raises(PotentialError, match="different cutoff functions"):
        write_n2p2(potential, tmp_path)
