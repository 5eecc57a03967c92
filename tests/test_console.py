"""The console: what its Python knows, that it follows the window, and that it can be interrupted."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from ase import Atoms
from panel_helpers import show_panel, wait_for

from app.panels.console_panel import ENDED, LONGEST, ConsolePanel
from nnpcore.console.kernel import Names, Shown, described, read_shown, write_shown
from nnpcore.errors import RunFolderError
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import RunFolder, TrainSettings


@pytest.fixture(scope="module")
def frames():
    return read_dataset(f"{example_path('npt')}@:3").frames


def shown(**changes) -> Shown:
    return Shown([{"name": "a.xyz", "path": str(example_path("npt")), "role": "training", "n_frames": 95}],
                 **({"file": "a.xyz", "frame": 1, "version": 1} | changes))  # fmt: skip


def test_names_follow_the_window_and_leave_the_users_own_alone(tmp_path, frames):
    names: dict = {}
    follow = Names(tmp_path / "shown", names).follow
    follow("1 + 1")
    assert names["atoms"] is None and names["run"] is None and "nothing" in repr(names["session"])
    write_shown(tmp_path / "shown", shown(selection=[["a.xyz", 1, 5]]), frames[1])
    follow("atoms")
    assert isinstance(names["atoms"], Atoms)
    np.testing.assert_allclose(names["atoms"].positions, frames[1].positions, atol=1e-8)
    assert names["atoms"].get_potential_energy() == frames[1].energy
    session = names["session"]
    assert (session.frame_index, session.file, session.selection) == (1, "a.xyz", [("a.xyz", 1, 5)])
    names["atoms"] = "mine"
    follow("atoms")
    assert names["atoms"] == "mine"
    write_shown(tmp_path / "shown", shown(frame=2, version=2), frames[2])
    follow("atoms")
    np.testing.assert_allclose(names["atoms"].positions, frames[2].positions, atol=1e-8)
    with pytest.raises(AttributeError):
        session.frame_index = 0


def test_run_and_potential_come_from_the_folder(tmp_path, frames, silicon_potential, run_folder, capsys):
    folder = RunFolder.create(run_folder, TrainSettings(), {})
    folder.write_potential(silicon_potential)
    folder.release()
    write_shown(tmp_path, shown(run=str(run_folder)), frames[0])
    names: dict = {}
    follow = Names(tmp_path, names).follow
    follow("atoms")
    assert names["run"].path == run_folder and "potential" not in names, "loaded where it is named"
    follow("potential.predict")
    energies = names["potential"].predict([frames[0]]).atomic_energies
    np.testing.assert_allclose(energies, silicon_potential.predict([frames[0]]).atomic_energies, rtol=1e-6)
    loaded = names["potential"]
    follow("potential")
    assert names["potential"] is loaded
    for file in folder.potential_path.iterdir():  # as a training goes on
        os.utime(file, ns=(1, file.stat().st_mtime_ns + 10**9))
    follow("potential")
    assert names["potential"] is not loaded, "another one is in the folder"
    assert described(loaded).startswith(f"Potential of {loaded.n_members} members for Si")
    write_shown(tmp_path, shown(run=str(tmp_path / "gone")), None)
    follow("run")
    assert "gone" in capsys.readouterr().err


def test_what_is_shown_is_only_read(tmp_path):
    assert read_shown(tmp_path) == Shown()
    (tmp_path / "shown.json").write_text('{"format": "eatlas-console", "format_version": 1}')
    with pytest.raises(RunFolderError, match="entry 'files' is missing"):
        read_shown(tmp_path)


def test_without_the_extra_one_line_says_how_to_get_it(qtbot, session, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "qtconsole"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "qtconsole", None)
    panel = show_panel(qtbot, ConsolePanel(session), 500, 300)
    wait_for(lambda: "pip install" in panel.body.message)
    assert panel.body.message == "The console needs qtconsole: pip install 'eatlas[console]'."
    assert not panel.interrupt_button.isEnabled()


@pytest.mark.filterwarnings("default")  # of libraries of the console that are not ours
def test_a_console_follows_and_is_interrupted(qtbot, session, silicon_file):
    session.data.open_paths([str(silicon_file())])
    wait_for(lambda: session.data.frame is not None)
    panel = show_panel(qtbot, ConsolePanel(session), 600, 400)
    panel.take_keys()
    wait_for(lambda: panel.console is not None)
    kernel, folder = panel.kernel, panel._folder

    def text() -> str:
        return panel.console._control.toPlainText()

    wait_for(lambda: "In [1]" in text())
    assert "copies" in text(), "the banner"
    assert panel.focusWidget() is panel.console._control, "keys go to the cell"
    panel.console.execute("print('here', len(atoms), session.frame_index)")
    wait_for(lambda: "here 8 0" in text())
    session.data.show(session.data.current_id, 2)
    wait_for(lambda: read_shown(folder).frame == 2)
    panel.console.execute("print('there', session.frame_index, round(atoms.cell[0, 0], 2))")
    wait_for(lambda: "there 2 5.47" in text())
    panel.console.execute("while True: pass")
    qtbot.wait(300)
    panel.interrupt_button.click()
    wait_for(lambda: "KeyboardInterrupt" in text())
    wait_for(lambda: "In [4]" in text() and not panel.console._executing)
    qtbot.wait(200)  # what comes right after an interrupted cell is dropped with it
    panel.console.execute("print('z' * 60_000)")
    wait_for(lambda: "letters more)" in text())
    assert "z" * LONGEST in text() and "z" * (LONGEST + 1) not in text()
    panel.console.execute("import os; os._exit(1)")
    wait_for(lambda: panel.body.message == ENDED)
    panel.restart_button.click()
    wait_for(lambda: panel.console is not None and "In [1]" in text())
    assert panel.kernel is not kernel and panel.kernel.alive
    kernel = panel.kernel
    session.shutdown()
    assert not kernel.alive and not folder.exists()
