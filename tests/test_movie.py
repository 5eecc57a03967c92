"""Movies of the structure: what is on their pictures, and that a failed or cancelled one leaves nothing."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QFileDialog
from test_viewer_panel import open_file, panel
from test_viewer_view import WAIT

from app.dialogs.fields import set_value
from app.dialogs.movie import MovieWish
from app.viewer3d.camera import Camera
from app.workers import movie as movies
from app.workers.movie import MovieError, gif_durations, turned, write_movie
from nnpcore.errors import Cancelled, SettingsError
from nnpcore.progress import Progress

__all__ = ["panel"]
SMALL = (160, 120)


def test_a_turn_comes_back_and_stays_upright():
    start = Camera()
    cameras = turned(start, 8)
    assert np.allclose(cameras[0].rotation, start.rotation)
    assert np.allclose(cameras[7].turned(np.pi / 4).rotation, start.rotation)
    for camera in cameras:
        assert camera.rotation[1] @ [0, 0, 1] == pytest.approx(start.rotation[1] @ [0, 0, 1])
    assert np.allclose(cameras[4].rotation @ [0, 0, 1], start.rotation @ [0, 0, 1])
    assert cameras[2].rotation[2] @ start.rotation[2] < 0.2


@pytest.mark.parametrize("fps", [1, 7, 24, 30, 50])
def test_the_pictures_of_a_gif_last_as_long_as_they_should(fps):
    durations = gif_durations(90, fps)
    assert len(durations) == 90 and all(d % 10 == 0 and d >= 20 for d in durations)
    assert sum(durations) == pytest.approx(90_000 / fps, abs=10)


@pytest.fixture
def shown(qtbot, session, panel, silicon_file):
    open_file(qtbot, session, silicon_file(n_frames=3))
    session.coloring.set(kind="mobility", range_mode="locked", low=-1.0, high=1.0)
    qtbot.waitUntil(lambda: panel.shown.bar is not None, timeout=WAIT)
    return panel


def wish(turn: bool = False, **changes) -> MovieWish:
    values = {"n_pictures": 4, "frames": (0, 1, 2), "size": SMALL, "fps": 10, "bar": True, "axes": True}
    return MovieWish(turn, **(values | changes))


def test_a_gif_shows_the_frames_in_their_colours(shown, session, tmp_path):
    movie = shown.movie_of(wish())
    for k, shot in enumerate(movie.shots):
        session.data.show(session.data.current_id, k)
        assert np.array_equal(movie.paint(shot.frame, Progress()), shown.shown.colors)
    told = []
    write_movie(movie, tmp_path / "a.gif", Progress(lambda fraction, text: told.append((fraction, text))))
    assert [text for _, text in told] == [f"Picture {k} of 3" for k in (1, 2, 3)]
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 3 and film.size == SMALL
        pictures = []
        for k in range(3):
            film.seek(k)
            assert film.info["duration"] == 100
            pictures.append(np.asarray(film.convert("RGB"), float))
    assert np.abs(pictures[0] - pictures[1]).max() > 50, "another frame"
    assert movie.trimmings.bar.note == "" and shown.shown.bar.note == "locked"
    assert not movie.like.marks.any()


def pictures_of(path: Path) -> list[np.ndarray]:
    command = [movies.ffmpeg_program(), "-loglevel", "error", "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return list(np.frombuffer(raw, np.uint8).reshape(-1, SMALL[1], SMALL[0], 3))


def test_a_turn_as_mp4(shown, tmp_path):
    movie = shown.movie_of(wish(turn=True, n_pictures=5))
    write_movie(movie, tmp_path / "a.mp4", Progress())
    pictures = pictures_of(tmp_path / "a.mp4")
    fps = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "a.mp4"))
    assert fps[0] == 5 and fps[1] == pytest.approx(0.5)
    assert len(pictures) == 5
    assert np.abs(pictures[0].astype(float) - pictures[2]).max() > 50
    assert [path.name for path in tmp_path.glob("*a.*")] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_cancelled_movie_leaves_nothing(shown, tmp_path, suffix):
    folder = tmp_path / "films"
    progress = Progress(lambda fraction, _: progress.cancel() if fraction else None)
    with pytest.raises(Cancelled):
        write_movie(shown.movie_of(wish()), folder / f"a.{suffix}", progress)
    assert list(folder.iterdir()) == []


def test_what_ffmpeg_says_is_told(shown, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such codec here' >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(movies, "ffmpeg_program", lambda: str(program))
    folder = tmp_path / "films"
    with pytest.raises(MovieError, match="no such codec here"):
        write_movie(shown.movie_of(wish()), folder / "a.mp4", Progress())
    assert list(folder.iterdir()) == []


def test_colours_known_of_one_frame_allow_a_turn_only(shown, session):
    session.coloring.set(kind="region")
    with pytest.raises(SettingsError, match="known of the frame shown alone"):
        shown.movie_of(wish())
    assert len(shown.movie_of(wish(turn=True)).shots) == 4


def test_the_dialog_makes_it_in_the_background(qtbot, shown, session, tmp_path, monkeypatch):
    dialog = shown.ask_movie()
    values = {"what": "trajectory", "format": "gif", "size": "own", "width": 101, "height": 80, "every": 2}
    for name, value in values.items():
        set_value(dialog.widgets[name], value)
    assert dialog.note.text().startswith("2 pictures, 0.1 s.")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "film"), ""))
    dialog.start_button.click()
    qtbot.waitUntil(lambda: dialog.ended, timeout=WAIT)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2 and film.size == (102, 80)
    again = shown.ask_movie()
    assert again.values()["format"] == "gif" and again.values()["every"] == 1
    again.reject()


def test_without_ffmpeg_the_dialog_says_what_to_do(shown, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("app.dialogs.movie.ffmpeg_program", lambda: None)
    dialog = shown.ask_movie()
    assert "pip install 'eatlas[movie]'" in dialog.note.text()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a.mp4"), ""))
    dialog.start_button.click()
    assert dialog.error.text().startswith("Format: MP4 needs ffmpeg") and not (tmp_path / "a.mp4").exists()
    dialog.reject()
