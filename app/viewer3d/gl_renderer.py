"""Draws a :class:`~app.viewer3d.scene.DrawRequest` with OpenGL 3.3 into memory, without any window.

The picture is read back and painted like any image: the main window stays free of OpenGL compositing (slow
with a software driver, and a source of trouble when docks are torn off), and drawing may have its own thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import c_int, c_ssize_t, c_uint, c_void_p
from typing import Any

import moderngl
import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat

from app.viewer3d.hidden import seen_spheres
from app.viewer3d.scene import BOND_RADIUS, DrawRequest, Scene
from nnpcore.installation import RESOURCES

SHADERS = RESOURCES / "shaders"
"""GLSL 3.30; parts that several shaders include end in ``.glsl``."""

OCCLUSION_REACH = 1.5
"""Å from which shadows between atoms come."""

MAX_SAMPLES = 100_000_000
"""Samples of a picture, eight bytes each; larger pictures get fewer for each pixel."""

_SCENE = {
    "spheres": (("4f/i", "sphere"), ("4f1/i", "tint")),
    "bonds": (("3f 3f/i", "start", "vector"), ("4f1/i", "tint")),
    "lines": (("3f 3f/i", "start", "end"),),
}
"""Kinds of primitives, each with a shader of its own: what its buffers hold for each instance."""

_PASSES = ("shadow", "smooth", "resolve", "shaded")
"""Shaders that run over all pixels of a picture."""

_LOOKS = ("background", "fog", "outline", "specular", "selection", "hover", "line")
"""What a scene's shaders take from the look, by its own names."""

_SLOW_FUNCTIONS = {
    "glBufferData": (c_uint, c_ssize_t, c_void_p, c_uint),
    "glBufferSubData": (c_uint, c_ssize_t, c_ssize_t, c_void_p),
    "glClear": (c_uint,),
    "glCompileShader": (c_uint,),
    "glDrawArraysInstanced": (c_uint, c_int, c_int, c_int),
    "glLinkProgram": (c_uint,),
    "glReadPixels": (c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p),
}
"""What may wait for the driver, with its arguments."""


class GlError(Exception):
    """OpenGL cannot draw the structure; the text says why."""


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


class _Loader:
    """Looks functions up for moderngl through Qt, whatever Qt is built on (GLX, EGL, WGL, Cocoa).

    moderngl never lets go of the interpreter lock. Slow functions therefore go through ctypes, which does so:
    else the window stands still for as long as a software driver draws.
    """

    def __init__(self, context: QOpenGLContext) -> None:
        self._context: QOpenGLContext | None = context
        self._detours: list[object] = []  # alive as long as this object, which moderngl keeps

    def load_opengl_function(self, name: str) -> int:
        """The address of a function, 0 where there is none."""
        address = int(self._context.getProcAddress(name.encode()) or 0) if self._context else 0
        if not address or name not in _SLOW_FUNCTIONS:
            return address
        kind = ctypes.CFUNCTYPE(None, *_SLOW_FUNCTIONS[name])
        detour = kind(kind(address))
        self._detours.append(detour)
        return ctypes.cast(detour, c_void_p).value or 0

    def release(self) -> None:
        """Let go of the context, which ends on the thread it was made on."""
        self._context = None


def open_context(surface: QOffscreenSurface) -> tuple[QOpenGLContext, moderngl.Context]:
    """A context of OpenGL 3.3, current on this thread, and its functions; GlError where there is none."""
    context = QOpenGLContext()
    context.setFormat(surface_format())
    if not surface.isValid() or not context.create() or not context.makeCurrent(surface):
        raise GlError("no OpenGL context can be made here")
    version = context.format().version()
    if version < (3, 3) or context.isOpenGLES():
        raise GlError(f"OpenGL 3.3 is needed, this is {version[0]}.{version[1]}")
    settings: dict[str, Any] = {"context": _Loader(context)}
    return context, moderngl.create_context(**settings)


class GlRenderer:
    """OpenGL drawing; make, use and close it on one thread. Raises GlError where OpenGL cannot."""

    name = "OpenGL"

    def __init__(self, surface: QOffscreenSurface) -> None:
        self._surface = surface
        self._context, self._gl = open_context(surface)
        self.description = f"{self._gl.info['GL_RENDERER']}, OpenGL {self._gl.info['GL_VERSION']}"
        self._buffers: dict[str, list[moderngl.Buffer]] = {}
        self._arrays: dict[str, moderngl.VertexArray] = {}
        try:
            self._compile()
        except moderngl.Error as error:
            raise GlError(f"the driver refuses a shader: {error}") from error
        self._targets: dict[str, moderngl.Framebuffer] = {}
        self._counts: dict[str, int] = {}
        self._scene: Scene | None = None
        self._tints: tuple[np.ndarray, np.ndarray] | None = None
        self._chosen: slice | np.ndarray = slice(None)
        """Those of the scene's spheres that are drawn."""

    def _compile(self) -> None:
        gl = self._gl
        gl.includes.update({part.name: part.read_text("utf-8") for part in SHADERS.glob("*.glsl")})
        for name, layouts in _SCENE.items():
            self._buffers[name] = [gl.buffer(reserve=16, dynamic=True) for _ in layouts]
            content = [(b, *layout) for b, layout in zip(self._buffers[name], layouts, strict=True)]
            self._arrays[name] = gl.vertex_array(self._program(name, name), content)
        for name in _PASSES:
            self._arrays[name] = gl.vertex_array(self._program("picture", name), [])

    def _program(self, vertex: str, fragment: str) -> moderngl.Program:
        return self._gl.program(
            (SHADERS / f"{vertex}.vert").read_text("utf-8"), (SHADERS / f"{fragment}.frag").read_text("utf-8")
        )

    # drawing ------------------------------------------------------------------------------------------
    def draw(self, request: DrawRequest) -> np.ndarray:
        """Draw and return (height, width, 4) uint8: blue, green, red, alpha, premultiplied, top row first."""
        if not self._context.makeCurrent(self._surface):
            raise GlError("the OpenGL context was lost")
        gl, samples, (width, height) = self._gl, request.samples, request.size
        most = gl.info["GL_MAX_TEXTURE_SIZE"]
        while samples > 1 and (
            max(width, height) * samples > most or width * height * samples**2 > MAX_SAMPLES
        ):
            samples -= 1
        self._upload(request)
        drawn = self._target("scene", (width * samples, height * samples), with_depth=True)
        gl.enable_only(gl.DEPTH_TEST)
        gl.depth_func = "<="
        drawn.use()
        drawn.clear()
        self._draw_scene(request, samples)
        gl.disable(gl.DEPTH_TEST)
        if request.occlusion:
            drawn = self._resolve_shaded(request, samples, drawn)
        elif samples > 1:
            drawn = self._pass("resolve", "picture", request.size, samples=samples, colors=_color(drawn))
        picture = np.empty((height, width, 4), dtype=np.uint8)
        drawn.read_into(picture, components=4, alignment=4)
        if gl.error == "GL_OUT_OF_MEMORY":
            raise GlError("the graphics memory is full")
        return picture

    def _draw_scene(self, request: DrawRequest, samples: int) -> None:
        camera, look, (width, height) = request.camera, request.look, request.size
        values = {
            "rotation": tuple(camera.rotation.T.ravel()),
            "target": tuple(camera.target),
            "extent": (camera.extent * width / height, camera.extent),
            "eye": camera.eye_distance if camera.perspective else 0.0,
            "zrange": request.scene.depth_range(camera),
            "radius": BOND_RADIUS * request.scene.options.radius_scale,
            "width": max(1.1 * samples * request.pixel_ratio, 0.8),
            "viewport": (width * samples, height * samples),
            **{name: getattr(look, name) for name in _LOOKS},
        }
        for name, count in self._counts.items():
            if count:
                _set(self._arrays[name].program, values)
                self._arrays[name].render(moderngl.TRIANGLE_STRIP, vertices=4, instances=count)

    def _resolve_shaded(
        self, request: DrawRequest, samples: int, scene: moderngl.Framebuffer
    ) -> moderngl.Framebuffer:
        """Average the samples into the picture and darken them by soft shadows between atoms."""
        camera, (width, height) = request.camera, request.size
        nearest, farthest = request.scene.depth_range(camera)
        half = (width + 1) // 2, (height + 1) // 2
        scale = camera.pixels_per_angstrom(height) * samples
        values = {
            "samples": samples,
            "depths": scene.depth_attachment,
            "depth_scale": nearest - farthest,
            "nearest": nearest,
            "reach": max(OCCLUSION_REACH * scale, 2.0),
            "reach_angstrom": OCCLUSION_REACH,
            "eye": camera.eye_distance if camera.perspective else 0.0,
            "occlusion": request.look.occlusion,
        }
        grainy = self._pass("shadow", "shadow", half, **values)
        smooth = self._pass("smooth", "smooth", half, shadows=_color(grainy), **values)
        textures = {"colors": _color(scene), "shadows": _color(smooth)}
        return self._pass("shaded", "picture", request.size, **textures, **values)

    def _pass(self, name: str, target: str, size: tuple[int, int], **values: object) -> moderngl.Framebuffer:
        """Run a program over all pixels of a target; it takes those of the values that it knows."""
        result = self._target(target, size)
        result.use()
        textures = {key: value for key, value in values.items() if isinstance(value, moderngl.Texture)}
        for unit, (key, texture) in enumerate(textures.items()):
            texture.use(unit)
            values[key] = unit
        _set(self._arrays[name].program, values)
        self._arrays[name].render(moderngl.TRIANGLES, vertices=3)
        return result

    # data ---------------------------------------------------------------------------------------------
    def _target(self, name: str, size: tuple[int, int], *, with_depth: bool = False) -> moderngl.Framebuffer:
        """Something to draw into, kept while the size stays; GlError when the memory is full."""
        old = self._targets.pop(name, None)
        if old is not None and old.size == size:
            self._targets[name] = old
            return old
        if old is not None:
            _release(old, *old.color_attachments, old.depth_attachment)
        color = self._gl.texture(size, 4)
        depth = self._gl.depth_texture(size) if with_depth else None
        if depth is not None:
            depth.compare_func = ""
        try:
            self._targets[name] = self._gl.framebuffer([color], depth)
        except moderngl.Error as error:
            _release(color, depth)
            raise GlError(f"the driver gives no memory for a picture of {size[0]} by {size[1]}") from error
        return self._targets[name]

    def _upload(self, request: DrawRequest) -> None:
        """Send to the driver what is new since the last picture."""
        scene, tints = request.scene, (request.colors, request.marks)
        new_scene = scene is not self._scene
        new_spheres = self._choose_spheres(request) or new_scene
        if new_spheres:
            chosen = self._chosen
            self._fill("spheres", 0, np.column_stack([scene.centers[chosen], scene.radii[chosen]]))
        if new_scene:
            self._fill("bonds", 0, np.concatenate([scene.bond_starts, scene.bonds.vector], axis=1))
            self._fill("lines", 0, scene.lines.reshape(-1, 6))
            self._scene = scene
        new_tints = self._tints is None or any(a is not b for a, b in zip(self._tints, tints, strict=True))
        if new_spheres or new_tints:
            both = np.column_stack(tints).astype(np.uint8)
            self._fill("spheres", 1, both[scene.atom[self._chosen]])
            if new_scene or new_tints:
                self._fill("bonds", 1, both[scene.bonds.atom])
            self._tints = tints

    def _choose_spheres(self, request: DrawRequest) -> bool:
        """Find out which spheres are drawn; return whether these are others than in the last picture."""
        seen = seen_spheres(request.scene, request.camera, request.size, request.marks)
        chosen = slice(None) if seen is None else seen
        before, self._chosen = self._chosen, chosen
        if isinstance(chosen, slice) or isinstance(before, slice):
            return type(chosen) is not type(before)
        return not np.array_equal(chosen, before)

    def _fill(self, name: str, number: int, values: np.ndarray) -> None:
        self._counts[name] = len(values)
        if len(values):
            data = np.ascontiguousarray(values)
            self._buffers[name][number].orphan(data.nbytes)
            self._buffers[name][number].write(data)

    def close(self) -> None:
        """Give everything back to the driver: it goes with the context."""
        self._gl.release()
        self._context.doneCurrent()
        del self._context


def _set(program: moderngl.Program, values: Mapping[str, object]) -> None:
    """Give a program those of the values that it knows."""
    for name, value in values.items():
        uniform = program.get(name, None)
        if isinstance(uniform, moderngl.Uniform):
            uniform.value = value


def _color(target: moderngl.Framebuffer) -> moderngl.Texture:
    (texture,) = target.color_attachments
    assert isinstance(texture, moderngl.Texture)
    return texture


def _release(*parts: moderngl.Texture | moderngl.Renderbuffer | moderngl.Framebuffer | None) -> None:
    for part in parts:
        if part is not None:
            part.release()
