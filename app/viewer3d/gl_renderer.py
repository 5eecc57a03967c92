"""Draws a :class:`~app.viewer3d.scene.DrawRequest` with OpenGL 3.3 into memory, without any window.

The picture is read back and painted like any image: the main window stays free of OpenGL compositing (slow
with a software driver, and a source of trouble when docks are torn off), and drawing may have its own thread.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat

from app.viewer3d import gl_api as g
from app.viewer3d import shaders
from app.viewer3d.gl_api import Gl, GlError
from app.viewer3d.scene import BOND_RADIUS, DrawRequest, Scene

OCCLUSION_REACH = 1.5
"""Å from which shadows between atoms come."""

MAX_SAMPLES = 100_000_000
"""Samples of a picture, eight bytes each; larger pictures get fewer for each pixel."""


def surface_format() -> QSurfaceFormat:
    """OpenGL 3.3 core, nothing else wanted: all buffers are our own."""
    wanted = QSurfaceFormat()
    wanted.setVersion(3, 3)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    return wanted


def make_surface(parent: QObject | None = None) -> QOffscreenSurface:
    """The surface the context needs to be current; Qt wants it made on the main thread."""
    surface = QOffscreenSurface(None, parent)
    surface.setFormat(surface_format())
    surface.create()
    return surface


@dataclass
class _Batch:
    """One vertex array with its buffers; ``count`` instances."""

    array: int
    buffers: tuple[int, ...]
    count: int = 0


@dataclass(frozen=True)
class _Target:
    """Something to draw into: a framebuffer of one size with its textures (depth 0: none)."""

    size: tuple[int, int]
    frame: int
    color: int
    depth: int


class GlRenderer:
    """OpenGL drawing; make, use and close it on one thread. Raises GlError where OpenGL cannot."""

    name = "OpenGL"

    def __init__(self, surface: QOffscreenSurface) -> None:
        self._surface = surface
        self._context = QOpenGLContext()
        self._context.setFormat(surface_format())
        if not surface.isValid() or not self._context.create() or not self._context.makeCurrent(surface):
            raise GlError("no OpenGL context can be made here")
        version = self._context.format().version()
        if version < (3, 3) or self._context.isOpenGLES():
            raise GlError(f"OpenGL 3.3 is needed, this is {version[0]}.{version[1]}")
        self._gl = gl = Gl(self._context)
        self.description = f"{gl.text(g.RENDERER)}, OpenGL {gl.text(g.VERSION)}"
        self._max_size = gl.integer(g.MAX_TEXTURE_SIZE)
        self._programs = {
            "spheres": gl.program(shaders.SPHERE_VERTEX, shaders.SPHERE_FRAGMENT, ("sphere", "tint")),
            "bonds": gl.program(shaders.BOND_VERTEX, shaders.BOND_FRAGMENT, ("start", "vector", "tint")),
            "lines": gl.program(shaders.LINE_VERTEX, shaders.LINE_FRAGMENT, ("start", "end")),
            "shadow": gl.program(shaders.RESOLVE_VERTEX, shaders.SHADOW_FRAGMENT),
            "smooth": gl.program(shaders.RESOLVE_VERTEX, shaders.SMOOTH_FRAGMENT),
            "resolve": gl.program(shaders.RESOLVE_VERTEX, shaders.RESOLVE_FRAGMENT),
            "shaded": gl.program(shaders.RESOLVE_VERTEX, shaders.SHADED_RESOLVE_FRAGMENT),
        }
        self._locations: dict[tuple[str, str], int] = {}
        self._batches = {
            "spheres": self._make_batch(((4, g.FLOAT, 0),), ((4, g.UNSIGNED_BYTE, 0),)),
            "bonds": self._make_batch(((3, g.FLOAT, 0), (3, g.FLOAT, 12)), ((4, g.UNSIGNED_BYTE, 0),)),
            "lines": self._make_batch(((3, g.FLOAT, 0), (3, g.FLOAT, 12))),
        }
        self._empty = gl.generate("VertexArrays")
        self._targets: dict[str, _Target] = {}
        self._scene: Scene | None = None
        self._tints: tuple[np.ndarray, np.ndarray] | None = None

    # set-up -------------------------------------------------------------------------------------------
    def _make_batch(self, *layouts: tuple[tuple[int, int, int], ...]) -> _Batch:
        """A vertex array with one buffer per layout; a layout lists (components, type, byte offset)."""
        gl = self._gl
        array = gl.generate("VertexArrays")
        gl.BindVertexArray(array)
        buffers = []
        location = 0
        for layout in layouts:
            buffers.append(gl.generate("Buffers"))
            gl.BindBuffer(g.ARRAY_BUFFER, buffers[-1])
            stride = sum(n * (4 if kind == g.FLOAT else 1) for n, kind, _ in layout)
            for components, kind, offset in layout:
                gl.EnableVertexAttribArray(location)
                gl.VertexAttribPointer(location, components, kind, kind == g.UNSIGNED_BYTE, stride, offset)
                gl.VertexAttribDivisor(location, 1)
                location += 1
        return _Batch(array, tuple(buffers))

    def _target(self, name: str, width: int, height: int, *, with_depth: bool = False) -> _Target:
        """A framebuffer with its textures, kept while the size stays; GlError when the memory is full."""
        old = self._targets.get(name)
        if old is not None and old.size == (width, height):
            return old
        self._drop_target(name)
        gl = self._gl
        color = self._texture(width, height, g.RGBA8, g.RGBA, g.UNSIGNED_BYTE)
        frame, depth = gl.generate("Framebuffers"), 0
        gl.BindFramebuffer(g.FRAMEBUFFER, frame)
        gl.FramebufferTexture2D(g.FRAMEBUFFER, g.COLOR_ATTACHMENT0, g.TEXTURE_2D, color, 0)
        if with_depth:
            depth = self._texture(width, height, g.DEPTH_COMPONENT24, g.DEPTH_COMPONENT, g.UNSIGNED_INT)
            gl.FramebufferTexture2D(g.FRAMEBUFFER, g.DEPTH_ATTACHMENT, g.TEXTURE_2D, depth, 0)
        self._targets[name] = target = _Target((width, height), frame, color, depth)
        if gl.CheckFramebufferStatus(g.FRAMEBUFFER) != g.FRAMEBUFFER_COMPLETE:
            self._drop_target(name)
            raise GlError(f"the driver gives no memory for a picture of {width} by {height}")
        return target

    def _texture(self, width: int, height: int, inside: int, outside: int, kind: int) -> int:
        gl = self._gl
        name = gl.generate("Textures")
        gl.BindTexture(g.TEXTURE_2D, name)
        gl.TexImage2D(g.TEXTURE_2D, 0, inside, width, height, 0, outside, kind, None)
        for what in (g.TEXTURE_MIN_FILTER, g.TEXTURE_MAG_FILTER):
            gl.TexParameteri(g.TEXTURE_2D, what, g.NEAREST)
        for what in (g.TEXTURE_WRAP_S, g.TEXTURE_WRAP_T):
            gl.TexParameteri(g.TEXTURE_2D, what, g.CLAMP_TO_EDGE)
        return name

    def _drop_target(self, name: str) -> None:
        target = self._targets.pop(name, None)
        if target is not None:
            self._gl.delete("Framebuffers", target.frame)
            for texture in filter(None, (target.color, target.depth)):
                self._gl.delete("Textures", texture)

    # drawing ------------------------------------------------------------------------------------------
    def draw(self, request: DrawRequest) -> np.ndarray:
        """Draw and return (height, width, 4) uint8: blue, green, red, alpha, premultiplied, top row first."""
        if not self._context.makeCurrent(self._surface):
            raise GlError("the OpenGL context was lost")
        width, height = request.size
        samples = request.samples
        while samples > 1 and (
            max(width, height) * samples > self._max_size or width * height * samples**2 > MAX_SAMPLES
        ):
            samples -= 1
        self._upload(request)
        target = self._target("scene", width * samples, height * samples, with_depth=True)
        gl = self._gl
        self._draw_into(target, "spheres")
        gl.Disable(g.BLEND)
        gl.Disable(g.CULL_FACE)
        gl.Enable(g.DEPTH_TEST)
        gl.DepthFunc(g.LEQUAL)
        gl.ClearColor(0.0, 0.0, 0.0, 0.0)
        gl.Clear(g.COLOR_BUFFER_BIT | g.DEPTH_BUFFER_BIT)
        for name in ("spheres", "bonds", "lines"):
            self._draw_batch(name, request, samples)
        gl.Disable(g.DEPTH_TEST)
        if request.occlusion:
            self._resolve_shaded(request, samples, target)
        elif samples > 1:
            self._draw_into(self._target("picture", width, height), "resolve")
            self._pass("resolve", samples, {"colors": target.color})
        return self._read(width, height)

    def _draw_batch(self, name: str, request: DrawRequest, samples: int) -> None:
        batch = self._batches[name]
        if batch.count == 0:
            return
        self._use(name, request)
        look = request.look
        if name == "spheres":
            self._set(name, "selection", *look.selection)
            self._set(name, "hover", *look.hover)
        elif name == "bonds":
            self._set(name, "radius", BOND_RADIUS * request.scene.options.radius_scale)
        else:
            self._set(name, "line", *look.line)
            self._set(name, "width", max(1.1 * samples * request.pixel_ratio, 0.8))
            self._set(name, "viewport", request.size[0] * samples, request.size[1] * samples)
        self._gl.BindVertexArray(batch.array)
        self._gl.DrawArraysInstanced(g.TRIANGLE_STRIP, 0, 4, batch.count)

    def _use(self, name: str, request: DrawRequest) -> None:
        """Make a program current and give it the camera and the look."""
        gl, camera, look = self._gl, request.camera, request.look
        gl.UseProgram(self._programs[name])
        rotation = np.ascontiguousarray(camera.rotation, dtype=np.float32)
        gl.UniformMatrix3fv(self._where(name, "rotation"), 1, 1, rotation.ctypes.data)
        self._set(name, "target", *camera.target)
        self._set(name, "extent", camera.extent * request.size[0] / request.size[1], camera.extent)
        self._set(name, "eye", camera.eye_distance if camera.perspective else 0.0)
        self._set(name, "zrange", *request.scene.depth_range(camera))
        self._set(name, "background", *look.background)
        self._set(name, "fog", look.fog)
        self._set(name, "outline", look.outline)
        self._set(name, "specular", look.specular)

    def _where(self, program: str, uniform: str) -> int:
        key = (program, uniform)
        if key not in self._locations:
            self._locations[key] = self._gl.GetUniformLocation(self._programs[program], uniform.encode())
        return self._locations[key]

    def _set(self, program: str, uniform: str, *values: float) -> None:
        where = self._where(program, uniform)
        if where >= 0:
            getattr(self._gl, f"Uniform{len(values)}f")(where, *map(float, values))

    def _draw_into(self, target: _Target, program: str) -> None:
        self._gl.BindFramebuffer(g.FRAMEBUFFER, target.frame)
        self._gl.Viewport(0, 0, *target.size)
        self._gl.UseProgram(self._programs[program])

    def _pass(self, name: str, samples: int, textures: dict[str, int]) -> None:
        """Run a program over all pixels of the target in use."""
        gl = self._gl
        gl.Uniform1i(self._where(name, "samples"), samples)
        for unit, (uniform, texture) in enumerate(textures.items()):
            gl.ActiveTexture(g.TEXTURE0 + unit)
            gl.BindTexture(g.TEXTURE_2D, texture)
            gl.Uniform1i(self._where(name, uniform), unit)
        gl.ActiveTexture(g.TEXTURE0)
        gl.BindVertexArray(self._empty)
        gl.DrawArrays(g.TRIANGLES, 0, 3)

    def _resolve_shaded(self, request: DrawRequest, samples: int, scene: _Target) -> None:
        """Average the samples into the picture and darken them by soft shadows between atoms."""
        camera, (width, height) = request.camera, request.size
        nearest, farthest = request.scene.depth_range(camera)
        scale = camera.pixels_per_angstrom(height) * samples
        half = (width + 1) // 2, (height + 1) // 2
        grainy, smooth = self._target("shadow", *half), self._target("smooth", *half)
        self._draw_into(grainy, "shadow")
        self._set("shadow", "depth_scale", nearest - farthest)
        self._set("shadow", "nearest", nearest)
        self._set("shadow", "reach", max(OCCLUSION_REACH * scale, 2.0))
        self._set("shadow", "reach_angstrom", OCCLUSION_REACH)
        self._set("shadow", "eye", camera.eye_distance if camera.perspective else 0.0)
        self._pass("shadow", samples, {"depths": scene.depth})
        self._draw_into(smooth, "smooth")
        self._set("smooth", "depth_scale", nearest - farthest)
        self._pass("smooth", samples, {"shadows": grainy.color})
        self._draw_into(self._target("picture", width, height), "shaded")
        self._set("shaded", "depth_scale", nearest - farthest)
        self._set("shaded", "occlusion", request.look.occlusion)
        textures = {"colors": scene.color, "depths": scene.depth, "shadows": smooth.color}
        self._pass("shaded", samples, textures)

    def _read(self, width: int, height: int) -> np.ndarray:
        """Read back what was drawn last."""
        gl = self._gl
        picture = np.empty((height, width, 4), dtype=np.uint8)
        gl.PixelStorei(g.PACK_ALIGNMENT, 4)
        gl.ReadPixels(0, 0, width, height, g.BGRA, g.UNSIGNED_BYTE, picture.ctypes.data)
        if gl.GetError() == g.OUT_OF_MEMORY:
            raise GlError("the graphics memory is full")
        return picture

    # data ---------------------------------------------------------------------------------------------
    def _upload(self, request: DrawRequest) -> None:
        """Send to the driver what is new since the last picture."""
        scene = request.scene
        new_scene = scene is not self._scene
        if new_scene:
            spheres = np.column_stack([scene.centers, scene.radii]).astype(np.float32)
            bonds = np.concatenate([scene.bond_starts, scene.bonds.vector], axis=1)
            self._fill("spheres", 0, spheres)
            self._fill("bonds", 0, bonds)
            self._fill("lines", 0, scene.lines.reshape(-1, 6))
            self._scene = scene
        if new_scene or self._tints is None or not _same(self._tints, (request.colors, request.marks)):
            tints = np.column_stack([request.colors, request.marks]).astype(np.uint8)
            self._fill("spheres", 1, tints[scene.atom])
            self._fill("bonds", 1, tints[scene.bonds.atom])
            self._tints = request.colors, request.marks

    def _fill(self, name: str, buffer: int, values: np.ndarray) -> None:
        batch = self._batches[name]
        batch.count = len(values)
        data = np.ascontiguousarray(values)
        self._gl.BindBuffer(g.ARRAY_BUFFER, batch.buffers[buffer])
        self._gl.BufferData(g.ARRAY_BUFFER, data.nbytes, data.ctypes.data_as(ctypes.c_void_p), g.DYNAMIC_DRAW)

    def close(self) -> None:
        """Give everything back to the driver."""
        if self._context.makeCurrent(self._surface):
            for name in list(self._targets):
                self._drop_target(name)
            self._context.doneCurrent()
        del self._context


def _same(old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]) -> bool:
    return old[0] is new[0] and old[1] is new[1]
