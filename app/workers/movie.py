"""Movies of the structure: pictures drawn one after the other off the screen, into MP4 or GIF."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QImage

from app.viewer3d.camera import Camera
from app.viewer3d.drawing import Picture
from app.viewer3d.picture import Trimmings, finished_image
from app.viewer3d.scene import DrawRequest, build_scene
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.files import file_beside
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from PIL import Image

SAMPLES = 2
"""Of a picture along each axis."""

NO_FFMPEG = "MP4 needs ffmpeg, which is not here"
GET_FFMPEG = "Install ffmpeg, or pip install 'eatlas[movie]', or choose GIF"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18")
MPEG4 = ("-c:v", "mpeg4", "-q:v", "3")
"""Where an ffmpeg has no H.264."""

GIF_STEP_MS = 10
SHORTEST_MS = 20
"""What browsers show of a GIF at least."""


class MovieError(EatlasError):
    """A movie that could not be written."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture of the movie: a frame, and from where it is seen."""

    frame: Frame
    camera: Camera


@dataclass(frozen=True, eq=False)
class Movie:
    """Everything a movie is drawn of; a snapshot for a thread.

    Attributes
    ----------
    shots : its pictures in order. fps : of them, a second.
    like : the drawing all pictures are like, and their size, which is even.
    paint : colours (n_atoms, 3) uint8 of a frame. trimmings : background, axes, colour bar.
    draw : draws a request and waits for it.
    """

    shots: tuple[Shot, ...]
    fps: int
    like: DrawRequest
    paint: Callable[[Frame, Progress], np.ndarray]
    trimmings: Trimmings
    draw: Callable[[DrawRequest], Picture]


def turned(camera: Camera, n: int) -> list[Camera]:
    """Cameras that go once around what is seen, in ``n`` equal steps."""
    return [camera.turned(2 * np.pi * k / n) for k in range(n)]


def write_movie(movie: Movie, path: Path, progress: Progress) -> Path:
    """Draw a movie into a .mp4 or .gif, all or nothing.

    Raises
    ------
    SettingsError : another suffix, or no ffmpeg for MP4. MovieError : ffmpeg refused the pictures.
    RunFolderError : the file cannot be written. Cancelled : by ``progress``; nothing is left.
    """
    writers = {".mp4": _write_mp4, ".gif": _write_gif}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise SettingsError(f"a movie cannot be written as '{path.suffix}'", fix="Use .mp4 or .gif")
    with file_beside(path) as beside:
        write(movie, beside, progress)
    return path


def pictures(movie: Movie, progress: Progress) -> Iterator[QImage]:
    """Draw the movie's pictures one after the other."""
    nobody = Progress(within=progress)
    like, frame, colors = replace(movie.like, samples=SAMPLES, moving=False), None, np.empty((0, 3), np.uint8)
    for number, shot in enumerate(movie.shots):
        progress.check()
        progress.report(number / len(movie.shots), f"Picture {number + 1} of {len(movie.shots)}")
        if shot.frame is not frame:
            frame, colors = shot.frame, movie.paint(shot.frame, nobody)
            marks = np.zeros(frame.n_atoms, np.uint8)
            like = replace(like, scene=build_scene(frame, like.scene.options), colors=colors, marks=marks)
        yield finished_image(movie.draw(replace(like, camera=shot.camera)), movie.trimmings)
    progress.check()


# MP4 --------------------------------------------------------------------------------------------------
def ffmpeg_program() -> str | None:
    """Return the ffmpeg of this system, else the one that imageio-ffmpeg brings, or None."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


def _write_mp4(movie: Movie, path: Path, progress: Progress) -> None:
    program = ffmpeg_program()
    if program is None:
        raise SettingsError(NO_FFMPEG, where="format", fix=GET_FFMPEG)
    width, height = movie.like.size
    source = ("-f", "rawvideo", "-pix_fmt", "bgra", "-s", f"{width}x{height}", "-r", str(movie.fps))
    codec = H264 if _knows_h264(program) else MPEG4
    target = ("-an", *codec, "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path))
    with tempfile.TemporaryFile() as told:
        command = [program, "-y", "-loglevel", "error", *source, "-i", "-", *target]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told, bufsize=0
        )
        try:
            assert process.stdin is not None
            _feed(process.stdin, pictures(movie, progress))
            process.stdin.close()
            failed = process.wait() != 0
        except BrokenPipeError:
            failed = True
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None and not process.stdin.closed:
                _close(process.stdin)
        if failed:
            told.seek(0)
            raise MovieError(f"ffmpeg could not write the movie ({_last_line(told.read())})")


def _feed(stream: IO[bytes], drawn: Iterator[QImage]) -> None:
    """Write each picture while the next one is drawn."""
    with ThreadPoolExecutor(1, "eatlas-movie") as writer:
        before: Future[int] | None = None
        for image in drawn:
            if before is not None:
                before.result()
            before = writer.submit(_write, stream, image)
        if before is not None:
            before.result()


def _write(stream: IO[bytes], image: QImage) -> int:
    return stream.write(image.constBits())


def _close(stream: IO[bytes]) -> None:
    """Close a pipe whose other end may be gone."""
    with suppress(OSError):
        stream.close()


def _knows_h264(program: str) -> bool:
    command = [program, "-hide_banner", "-encoders"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return "libx264" in answer.stdout


def _last_line(told: bytes) -> str:
    lines = told.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it gave no reason"


# GIF --------------------------------------------------------------------------------------------------
def gif_durations(n: int, fps: int) -> list[int]:
    """Milliseconds of each picture in the steps of ten that a GIF keeps; all together last as they should."""
    each = max(1000.0 / fps, float(SHORTEST_MS))
    ends = [round((k + 1) * each / GIF_STEP_MS) * GIF_STEP_MS for k in range(n)]
    return [end - before for before, end in zip([0, *ends], ends, strict=False)]


def _write_gif(movie: Movie, path: Path, progress: Progress) -> None:
    drawn = (_as_indexed(image) for image in pictures(movie, progress))
    first = next(drawn)
    durations = gif_durations(len(movie.shots), movie.fps)
    options = {"save_all": True, "append_images": drawn, "duration": durations, "loop": 0, "optimize": False}
    first.save(path, format="GIF", **options)


def _as_indexed(image: QImage) -> Image.Image:
    """A picture with 256 colours of its own, for Pillow."""
    from PIL import Image

    size = image.width(), image.height()
    whole = Image.frombuffer("RGB", size, bytes(image.constBits()), "raw", "BGRX", 0, 1)
    return whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
