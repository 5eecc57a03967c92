"""SIMPLE-NN's files: what goes out comes back, a second evaluation agrees, bad files are refused by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exchange_cases import (
    CASES,
    differences,
    edit,
    mixed,
    potential_of,
    reference_differences,
    structures,
)
from reference_simple_nn import SimpleNnFile

from nnpcore.descriptors import G4, SymmetryFunctions, Whitening
from nnpcore.errors import PotentialError
from nnpcore.exchange.simple_nn.potential_saved import LONGEST_LINE, NAME, read_simple_nn, write_simple_nn
from nnpcore.potential import NetworkWeights, Potential


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_simple_nn(potential_of("binary").member(0), tmp_path)
    return tmp_path / NAME


@pytest.mark.parametrize("activations", [("tanh", "tanh"), ("selu", "sigmoid"), ("swish", "relu")])
@pytest.mark.parametrize("case", CASES)
def test_round_trip_and_second_evaluation(case: str, activations: tuple[str, str], tmp_path: Path) -> None:
    potential = mixed(potential_of(case), (*activations, "identity"))
    frames = structures(case)
    write_simple_nn(potential, tmp_path)
    files = [tmp_path / "member-1" / NAME, tmp_path / "member-2" / NAME]
    assert max(differences(potential.predict(frames), read_simple_nn(files).predict(frames))) < 1e-9
    second = SimpleNnFile(files[1])
    assert second.longest_line < LONGEST_LINE
    frame = frames[1 if case == "binary" else 0]
    assert max(reference_differences(second.energy, second.cutoff, potential, 1, frame)) < 1e-9


def test_principal_components_in_the_file_are_a_linear_layer(file: Path) -> None:
    lines = file.read_text().splitlines()
    rng = np.random.default_rng(4)
    out: list[str] = []
    n_f = 0
    for line in lines:
        words = line.split()
        if words[:1] == ["SYM"]:
            n_f = int(words[1])
        if words[:1] == ["NET"]:
            out.append(f"NET {int(words[1]) + 1} {n_f} {' '.join(words[2:])}")
            out.append("LAYER 0 linear PCA")
            for k in range(n_f):
                row = np.eye(n_f)[k] + 0.05 * rng.standard_normal(n_f)
                out += [f"w{k} {' '.join(map(str, row))}", f"b{k} {0.1 * rng.standard_normal()}"]
            continue
        out.append(f"LAYER {int(words[1]) + 1} {words[2]}" if words[:1] == ["LAYER"] else line)
    file.write_text("\n".join(out))
    second, back = SimpleNnFile(file), read_simple_nn(file)
    frame = structures("binary")[1]
    assert max(reference_differences(second.energy, second.cutoff, back, 0, frame)) < 1e-9


BAD = [
    ("ELEM_LIST C Si", "ELEM_LIST C Xx", "line 1: 'Xx' is not a chemical element"),
    ("ELEM_LIST C Si", "ELEM_LIST C Si O", "truncated: there is no POT of O"),
    ("POT Si", "POT C", r"'C' comes twice"),
    ("POT Si", "POT O", r"'O' is not in ELEM_LIST"),
    ("SYM 15", "SYM 16", "'scale1'"),
    ("SYM 15", "SYM 14", r"found '\d', wanted scale1"),
    ("POT C 3.1", "POT C 2.0", "cutoff radius 2 is below that of a function"),
    ("scale1 ", "scale1 0.5 ", "scale1: wanted 15 numbers, found 16"),
    ("scale2 1.0", "scale2 0.0", "must not be zero"),
    ("LAYER 1 tanh", "LAYER 1 gelu", "activation 'gelu'"),
    ("LAYER 1 tanh", "LAYER 2 tanh", "layer 2 where layer 1 was wanted"),
    ("NET 2 7 6 1", "NET 3 7 6 1", "3 hidden layers and the widths"),
    ("NET 2 7 6 1", "NET 2 7 7 1", "found 'LAYER', wanted w6"),
    ("b0 ", "b0 nan ", "bias b0 of layer 0: wanted 1 numbers, found 2"),
    ("\n2 3.1", "\n3 3.1", "symmetry functions of type 3 are not to be had"),
    ("\n2 3.1 2.0 2.4 0.0 Si", "\n2 3.1 2.0 2.4 0.0 O", "the neighbors 'O' do not fit type 2"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_files_are_refused_by_line(file: Path, old: str, new: str, message: str) -> None:
    edit(file, old, new)
    with pytest.raises(PotentialError, match=rf"{NAME}, line \d+: .*|line 1: .*") as caught:
        read_simple_nn(file)
    assert caught.match(message)


@pytest.mark.parametrize("keep", [1, 5, 12, 30, -4])
def test_truncated_files_are_refused(file: Path, keep: int) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    file.write_text("\n".join(lines[:keep]) + "\n")
    with pytest.raises(PotentialError, match=rf"{NAME}, line \d+: the file is truncated: "):
        read_simple_nn(file)


def test_a_number_cut_short_is_refused(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    file.write_text("\n".join(lines)[:-5])  # the last bias is a number still
    with pytest.raises(PotentialError, match=rf"{NAME}, line \d+: .* its last line has no end"):
        read_simple_nn(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PotentialError, match=f"{NAME}: the file is missing"):
        read_simple_nn(tmp_path)


def wide(n_functions: int, zeta: float = 1.0) -> Potential:
    functions = SymmetryFunctions(
        {"Si": tuple(G4(("Si", "Si"), 0.01 * k, zeta, 1.0, 4.0) for k in range(n_functions))}
    )
    whitening = Whitening(np.zeros((1, n_functions)), np.eye(n_functions)[None] / 3)
    weights = NetworkWeights.initial(functions, (2,), 1, 0)
    return Potential(functions, whitening, weights, {"Si": 0.0})


def test_what_simple_nn_does_not_know_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(PotentialError, match="does not know the activation 'softplus'"):
        write_simple_nn(potential_of("unary", "softplus"), tmp_path)
    with pytest.raises(PotentialError, match="wants a linear output"):
        write_simple_nn(mixed(potential_of("unary", skip=False), ("tanh", "tanh", "tanh")), tmp_path)
    with pytest.raises(PotentialError, match=r"zeta below 1: G4\("):
        write_simple_nn(wide(3, zeta=0.5), tmp_path)
    with pytest.raises(PotentialError, match=r"a line would have \d+ characters"):
        write_simple_nn(wide(2600), tmp_path)
    assert not list(tmp_path.iterdir())
