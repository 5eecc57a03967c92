"""Other programs' potentials as run folders: command line, mapping, window, comparison with LAMMPS."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_cases import differences, potential_of, structures, values_of
from training_data import labelled, silicon_frames

from nnpcore.analyses import study
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.pca import PCA
from nnpcore.cli import main
from nnpcore.descriptors import Whitening
from nnpcore.errors import EatlasError, PotentialError, RunFolderError, SettingsError
from nnpcore.exchange import export_as, import_run, read_foreign
from nnpcore.exchange.n2p2 import write_n2p2
from nnpcore.exchange.simple_nn import write_simple_nn
from nnpcore.potential import Potential
from nnpcore.report.mapping_folder import map_run
from nnpcore.structures import example_path, read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, TrainSettings

DATA, VALID = f"{example_path('npt')}@:4", f"{example_path('npt')}@4:6"
EOS = str(example_path("eos"))


def ask(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main([*arguments, "--json"])
    return status, json.loads(capfd.readouterr().out)


@pytest.fixture(scope="module")
def n2p2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign") / "n2p2"
    write_n2p2(potential_of("unary"), folder, values_of("unary"), scaling="scale")
    return folder


@pytest.fixture(scope="module")
def run(n2p2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported") / "run"
    frames = read_dataset(DATA).frames, read_dataset(VALID).frames
    import_run(n2p2, folder, data=frames[0], valid=frames[1], n_threads=1)
    return folder


def test_import_tells_what_it_found_and_how_good_it_is(
    n2p2: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    status, found = ask(
        capfd, "import", str(n2p2), "-o", str(out), "--data", DATA, "--valid", VALID, "--threads", "1"
    )
    assert status == 0
    assert (found["format"], found["elements"], found["n_members"]) == ("n2p2", ["Si"], 2)
    status, again = ask(capfd, "evaluate", str(out), VALID, "--threads", "1")
    assert status == 0
    errors = found["data_sets"]["validation"]["rmse_force_ev_per_ang"]
    (evaluated,) = again["data_sets"].values()
    assert errors == evaluated["rmse_force_ev_per_ang"]
    history = RunFolder.open(out).read_history()
    assert [record.optimizer for record in history] == ["imported"]
    assert history[0].valid["force"]["mean"] == pytest.approx(errors["mean"])


def test_data_may_have_other_names(n2p2: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from ase.io import read, write

    plain = [str(tmp_path / "plain.extxyz"), str(tmp_path / "named.extxyz")]
    write(plain[0], read(example_path("npt"), ":4"))
    text = Path(plain[0]).read_text()
    names = {" energy=": " REF_energy=", ":forces:": ":dft_forces:", " stress=": " my_stress="}
    for old, new in names.items():
        assert old in text
        text = text.replace(old, new)
    Path(plain[1]).write_text(text)
    options = ["--energy-key", "REF_energy", "--forces-key", "dft_forces"]
    options += ["--stress-key", "my_stress=stress:eV/A^3"]
    common = ["import", str(n2p2), "--threads", "1", "-o"]
    _, usual = ask(capfd, *common, str(tmp_path / "a"), "--data", plain[0])
    status, named = ask(capfd, *common, str(tmp_path / "b"), "--data", plain[1], *options)
    assert status == 0
    assert named["data_sets"] == usual["data_sets"]
    found = RunFolder.open(tmp_path / "b").find_frames()["training"]
    assert [f.energy for f in found] == [f.energy for f in read_dataset(plain[0]).frames]
    assert main([*common, str(tmp_path / "c"), "--data", plain[1], "--data-units", "Ry"]) == 1
    assert "--data-units: 'Ry' are no units" in capfd.readouterr().err


def test_the_run_is_marked_and_not_trained_on(run: Path) -> None:
    folder = RunFolder.open(run)
    assert folder.imported == "n2p2"
    assert {s.role: len(s.indices) for s in folder.sources} == {"training": 4, "validation": 2}
    with pytest.raises(RunFolderError, match="imported from n2p2 and cannot be trained here"):
        Trainer.resume(run)
    assert main(["train", "-o", str(run), "--resume"]) == 1
    assert not folder.checkpoint_path.exists()


def test_distances_are_measured_in_a_whitening_of_the_data(run: Path) -> None:
    potential, values = Potential.load(run), RunFolder.open(run).training_values()
    chosen = values.is_training
    wanted = Whitening.fit(values.values[chosen], values.species[chosen], potential.functions)
    np.testing.assert_allclose(potential.metric.matrix, wanted.matrix, rtol=1e-12)
    assert np.count_nonzero(potential.whitening.matrix[0]) == potential.functions.count("Si")  # its scaling
    x = potential.metric.transform(values.values[chosen], values.species[chosen])
    assert x.std(axis=0)[0] == pytest.approx(1.0)
    frames = structures("unary")
    close = np.abs(
        potential.predict(frames).atomic_energies_members
        - potential_of("unary").predict(frames).atomic_energies_members
    )
    assert close.max() < 1e-9


def test_the_map_is_that_of_the_original(run: Path) -> None:
    frames, original = read_dataset(EOS).frames, potential_of("unary")
    found = map_run(run, frames, n_threads=1)
    values, potential = RunFolder.open(run).training_values(), Potential.load(run)
    order = [original.functions.functions["Si"].index(f) for f in potential.functions.functions["Si"]]
    turned = np.empty_like(values.values)
    turned[:, order] = values.values
    again = type(values)(turned, values.species, values.frame, values.is_training)
    metric = Whitening.fit(turned[values.is_training], values.species[values.is_training], original.functions)
    wanted = study(original, again, frames, whitening=metric, n_threads=1)
    np.testing.assert_allclose(found.curve.mean, wanted.curve.mean, atol=1e-9)
    np.testing.assert_allclose(found.bracket.distances, wanted.bracket.distances, rtol=1e-6)
    assert found.connectivity is not None and wanted.connectivity is not None
    np.testing.assert_allclose(found.connectivity.matrix, wanted.connectivity.matrix, rtol=1e-6)
    np.testing.assert_allclose(found.pca.explained, wanted.pca.explained, rtol=1e-8)


def test_without_data_the_map_says_what_to_do(
    n2p2: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(n2p2), "-o", str(tmp_path / "run")]) == 0
    assert "Without --data" in capfd.readouterr().err
    status, found = ask(
        capfd, "map", str(tmp_path / "run"), "--eos", EOS, "-o", str(tmp_path / "map"), "--threads", "1"
    )
    assert status == 1
    assert "imported without its training data" in found["error"]["what"]
    assert found["error"]["fix"] == "Import it again with --data FILE"


def test_formats_are_told_apart(n2p2: Path, run: Path, tmp_path: Path) -> None:
    write_simple_nn(potential_of("unary"), tmp_path / "nn")
    potential_of("unary").save(tmp_path / "own")
    assert read_foreign([n2p2])[1] == "n2p2"
    assert read_foreign([tmp_path / "nn"])[1] == "simple-nn"
    assert read_foreign([tmp_path / "nn" / "member-2" / "potential_saved"])[1] == "simple-nn"
    assert read_foreign([tmp_path / "own"])[1] == read_foreign([run])[1] == "potential"
    for path, words in ((tmp_path, "here is no potential Eatlas reads"), (tmp_path / "no", "no such file")):
        with pytest.raises(PotentialError, match=words):
            read_foreign([path])
    with pytest.raises(SettingsError, match="no format 'vasp'"):
        read_foreign([n2p2], "vasp")
    with pytest.raises(SettingsError, match="epoch and units are for n2p2 only"):
        read_foreign([tmp_path / "nn"], epoch=3)


def test_a_missing_member_is_named(n2p2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(n2p2, tmp_path / "foreign")
    (folder / "member-1").rename(folder / "member-3")
    with pytest.raises(PotentialError, match=r"foreign: member-1 is missing beside member-3\."):
        read_foreign([folder])
    assert read_foreign([folder / "member-2", folder / "member-3"])[0].n_members == 2


def test_a_foreign_folder_given_as_a_run_is_to_be_imported(
    n2p2: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in (n2p2, n2p2 / "member-1"):
        status, found = ask(capfd, "evaluate", str(folder), DATA)
        assert status == 1 and found["error"]["fix"] == f"Import it first: eatlas import {folder} -o RUN"


def test_elements_of_the_data_must_be_known(n2p2: Path, tmp_path: Path) -> None:
    with pytest.raises(EatlasError, match="contains C"):
        import_run(n2p2, tmp_path / "run", data=structures("binary"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(SettingsError, match="validation data but no training data"):
        import_run(n2p2, tmp_path / "run", valid=structures("unary"))


@pytest.mark.parametrize("format", ["n2p2", "simple-nn", "torch", "potential"])
def test_export_of_every_format_by_command(
    run: Path, format: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status, found = ask(capfd, "export", str(run), "-o", str(tmp_path / "out"), "--format", format)
    assert status == 0
    assert all(Path(file).is_file() for file in found["files"])
    assert found["read_back_difference_ev"] < 1e-9
    text = (tmp_path / "out" / "README.md").read_text()
    lines = {"n2p2": 'pair_style hdnnp 3.6 dir "member-1"', "simple-nn": "pair_style nn"}
    assert lines.get(format, "potential") in text
    assert main(["export", str(run), "-o", str(tmp_path / "out"), "--format", format]) == 1


@pytest.mark.parametrize("format", ["n2p2", "simple-nn"])
def test_members_come_back_each_with_its_own_linear_part(
    over_linear: tuple[Path, list[Frame]], format: str, tmp_path: Path
) -> None:
    trained, frames = over_linear
    export_as(trained, tmp_path / "out", format)
    imported = import_run(tmp_path / "out", tmp_path / "run", data=frames[:6], n_threads=1)
    back = imported.potential
    assert "repulsion of nuclei (ZBL)" in imported.left_out and "lifts crowded atoms" in imported.left_out
    assert imported.folder.read_history()[0].messages[-1].text == imported.left_out
    wanted, found = (p.predict(frames, n_threads=1) for p in (Potential.load(trained), back))
    assert max(differences(wanted, found)) < 1e-9
    np.testing.assert_allclose(found.atomic_energies, wanted.atomic_energies, rtol=0, atol=1e-9)
    assert found.forces is not None and wanted.forces is not None
    np.testing.assert_allclose(found.forces, wanted.forces, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def over_linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Frame]]:
    """A short training over a linear baseline, and its frames."""
    frames = silicon_frames(8)
    folder = tmp_path_factory.mktemp("linear") / "run"
    settings = TrainSettings(epochs=4, n_members=2, hidden=(4, 3), n_threads=1, baseline="linear")
    Trainer(settings, frames[:6], frames[6:], run_folder=folder).run()
    skip = Potential.load(folder).weights.skip
    assert skip is not None and np.abs(skip["Si"][0] - skip["Si"][1]).max() > 1e-3
    return folder, frames


def test_unknown_formats_are_refused(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, found = ask(capfd, "export", str(run), "-o", str(tmp_path / "out"), "--format", "vasp")
    assert status == 1 and "no format 'vasp'" in found["error"]["what"]
    status, found = ask(capfd, "export", str(run), "-o", str(tmp_path / "out"), "--check-with", "lmp")
    assert status == 1 and "needs a format" in found["error"]["what"]


def engine(command: str, run: Path, out: Path, data: Path) -> list[str]:
    return [
        *("export", str(run), "-o", str(out), "--format", "n2p2"),
        *("--check-with", command, "--check-data", str(data)),
    ]


def test_comparison_with_lammps(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Cell, rotation, order of atoms and units are those LAMMPS wants: a stand-in computes from its files."""
    data = tmp_path / "small.extxyz"
    skew = structures("unary")[1]
    turned = Frame.from_atoms(skew.to_atoms())
    write_frames(data, labelled([turned]))
    fake = Path(__file__).with_name("fake_lammps.py")
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(fake))}"
    status, found = ask(capfd, *engine(command, run, tmp_path / "good", data))
    assert status == 0
    assert found["engine"]["energy_ev_per_atom"] < 1e-9 and found["engine"]["force_ev_per_ang"] < 1e-9
    status, found = ask(capfd, *engine(command, run, tmp_path / "wrong", data))
    assert status == 1
    assert "LAMMPS and Eatlas differ by at most" in found["error"]["what"]
    status, found = ask(capfd, *engine("no-such-lammps", run, tmp_path / "none", data))
    assert status == 1 and "could not be called" in found["error"]["what"]


def test_the_window_opens_an_imported_run(session, qtbot, run: Path) -> None:
    from app.documents.run import RunState

    session.data.open_paths([EOS])
    session.runs.open(run)
    qtbot.waitUntil(lambda: len(session.runs.documents) == 1, timeout=60_000)
    (opened,) = session.runs.documents.values()
    assert opened.state is RunState.IMPORTED and opened.message == "Imported from n2p2"
    np.testing.assert_array_equal(opened.whitening.matrix, Potential.load(run).metric.matrix)
    qtbot.waitUntil(lambda: None not in (opened.result(PCA), opened.result(DISTANCE)), timeout=60_000)
    session.trainings.resume(opened.id)
    assert opened.state is RunState.IMPORTED and not session.trainings.active
    assert not RunFolder.open(run).checkpoint_path.exists()


def test_the_window_says_what_is_missing_without_data(session, qtbot, n2p2: Path, tmp_path: Path) -> None:
    import_run(n2p2, tmp_path / "run")
    session.data.open_paths([EOS])
    session.runs.open(tmp_path / "run")
    qtbot.waitUntil(lambda: len(session.runs.documents) == 1, timeout=60_000)
    (opened,) = session.runs.documents.values()
    qtbot.waitUntil(lambda: "Import it again with --data" in opened.why(DISTANCE), timeout=60_000)
    assert opened.potential.n_members == 2


def test_every_program_is_named_where_users_choose_one() -> None:
    import typing

    from nnpcore.cli import options
    from nnpcore.cli.table import COMMANDS
    from nnpcore.exchange.programs import OWN, PROGRAMS, READ

    for option, programs in ((options.ExportFormat, PROGRAMS), (options.ImportFormat, READ)):
        text = typing.get_args(option)[1].help
        assert [program.name for program in programs if program.name not in text] == []
    readme = (Path(__file__).parent.parent / "README.md").read_text().partition("somebody else's potential?")
    for text in (COMMANDS["import"], readme[2].partition("\n")[0]):
        assert [p.title for p in READ if p is not OWN and p.title not in text] == []
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)
    for program in PROGRAMS:
        assert program.title and program.about and (not program.reads or program.marker)
