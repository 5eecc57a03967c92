"""The package: what a wheel holds, what importing costs, and the check of the system libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import nnpcore

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("nnpcore", "app", "resources", "docs", "pyproject.toml", "README.md", "LICENSE")
FOREIGN = ("app", "resources", "docs")
"""Names that another package may have, too."""
HEAVY = ("torch", "numba", "scipy", "sklearn", "matplotlib", "PySide6", "typer", "rich", "pydantic")

sys.path.insert(0, str(ROOT / "tools"))
import system_libraries  # noqa: E402


def python(code: str, *, path: Path = ROOT) -> str:
    """Run code in a fresh interpreter that finds the packages in ``path``; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from a copy of what is shipped."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation", "-q"]
    done = subprocess.run([*command, "-w", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(target.glob("eatlas-*.whl"))


def test_wheel_holds_every_resource_and_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {
        f"{'' if name == 'nnpcore' else 'eatlas/'}{file.relative_to(ROOT)}"
        for name in ("nnpcore", "app", "resources")
        for file in (ROOT / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted <= packed, sorted(wanted - packed)
    assert {name.partition("/")[0] for name in packed if ".dist-info/" not in name} == {"nnpcore", "eatlas"}
    assert any(name.endswith("licenses/LICENSE") for name in packed)


def test_wheel_holds_the_documentation_with_its_pictures(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for page in (ROOT / "docs").glob("*.md"):
        assert f"eatlas/docs/{page.name}" in packed
        for picture in re.findall(r"!\[.*?\]\((.*?)\)", page.read_text(encoding="utf-8")):
            assert f"eatlas/docs/{picture}" in packed, f"{page.name} shows {picture}"


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` of an environment with the wheel and foreign packages of our folders' names."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # not the editable project in it
    for name in FOREIGN:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"CONTENT = 'foreign {name}'\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    done = subprocess.run(
        [*command, "--no-deps", "--no-index", str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def said(*command: str | Path, cwd: Path) -> str:
    """Run a command of the environment without a screen, its files in ``cwd``; return what it prints."""
    names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
    own = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", **dict.fromkeys(names, str(cwd))}
    done = subprocess.run([*command], capture_output=True, text=True, check=False, cwd=cwd, env=own)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheel_and_packages_of_its_folders_names_share_an_environment(
    environment: Path, tmp_path: Path
) -> None:
    assert said(environment / "eatlas", "--version", cwd=tmp_path) == f"eatlas {nnpcore.__version__}"
    assert said(environment / "eatlas", "--info", cwd=tmp_path).startswith(f"Eatlas {nnpcore.__version__}\n")
    assert int(said(environment / "eatlas", "--exit-when-ready", cwd=tmp_path)) > 0
    code = (
        "import nnpcore.cli, nnpcore.ase_plugins, app, resources, docs\n"
        "from nnpcore.structures import example_path, read_dataset\n"
        "print(app.CONTENT, resources.CONTENT, docs.CONTENT, sep='; ')\n"
        "print(nnpcore.__file__)\n"
        "print(read_dataset(example_path('eos')).summary().formula)"
    )
    contents, location, formula = said(environment / "python", "-c", code, cwd=tmp_path).splitlines()
    assert contents == "foreign app; foreign resources; foreign docs"
    assert location.startswith(str(environment.parent))
    assert formula == "Si8"


def test_the_window_starts_where_the_users_folder_has_an_app(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('the wrong one')\n")
    code = "from nnpcore.cli import main; main(['--exit-when-ready'])"
    assert int(said(environment / "python", "-c", code, cwd=tmp_path)) > 0


def test_the_version_is_the_same_everywhere(wheel: Path) -> None:
    assert wheel.name.startswith(f"eatlas-{nnpcore.__version__}-")
    assert f"\nversion: {nnpcore.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{nnpcore.__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_importing_the_entry_point_is_cheap() -> None:
    code = f"import sys, nnpcore.cli; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]"


@pytest.mark.parametrize("module", ["nnpcore", "app.main", "app.shell.main_window"])
def test_the_window_is_there_before_numerical_libraries(module: str) -> None:
    late = ("torch", "numba", "scipy", "sklearn", "matplotlib")
    assert python(f"import sys, {module}; print([m for m in {late} if m in sys.modules])") == "[]"


def test_public_names_are_loaded_when_they_are_asked_for() -> None:
    code = (
        f"import sys, nnpcore; print([m for m in ('numpy', *{HEAVY}) if m in sys.modules])\n"
        "print([name for name in nnpcore.__all__ if getattr(nnpcore, name) is None])\n"
        "print('numpy' in sys.modules)"
    )
    assert python(code).splitlines() == ["[]", "[]", "True"]


def test_help_answers_without_numerical_libraries() -> None:
    code = (
        "import sys, contextlib, io\nfrom nnpcore.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as text: status = main(['--help'])\n"
        "heavy = [m for m in ('torch', 'numba', 'scipy', 'PySide6') if m in sys.modules]\n"
        "print(status, 'train' in text.getvalue(), heavy)"
    )
    assert python(code) == "0 True []"


def test_missing_libraries_give_one_command_to_a_plain_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system_libraries, "loads", lambda names: names != "libglib-2.0.so.0")
    monkeypatch.setattr(system_libraries, "privilege", lambda: None)
    monkeypatch.setattr(system_libraries, "known_to_apt", lambda name: name == "libglib2.0-0")
    monkeypatch.setattr(system_libraries.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "argv", ["system_libraries.py"])
    assert system_libraries.main() == 1
    assert "apt-get install --no-install-recommends libglib2.0-0\n" in capsys.readouterr().out


def test_nothing_is_installed_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_libraries, "missing_packages", lambda tests: [])
    monkeypatch.setattr(system_libraries.subprocess, "run", lambda *a, **k: pytest.fail("a command was run"))
    monkeypatch.setattr(sys, "argv", ["system_libraries.py", "--tests"])
    assert system_libraries.main() == 0
