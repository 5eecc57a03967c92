"""The few OpenGL 3.3 functions the viewer needs, looked up through Qt.

Neither PyOpenGL nor PySide6.QtOpenGL is imported: each costs a quarter of a second at start. Calls that may
wait for the driver let other Python threads run (``CFUNCTYPE``); the short ones keep the interpreter lock
(``PYFUNCTYPE``), so that a busy thread cannot delay a picture by a thread switch for each of a hundred calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_float, c_int, c_ssize_t, c_uint, c_void_p
from typing import Any

from PySide6.QtGui import QOpenGLContext

POINTS, TRIANGLES, TRIANGLE_STRIP = 0x0000, 0x0004, 0x0005
DEPTH_TEST, BLEND, CULL_FACE, LEQUAL = 0x0B71, 0x0BE2, 0x0B44, 0x0203
COLOR_BUFFER_BIT, DEPTH_BUFFER_BIT = 0x4000, 0x0100
ARRAY_BUFFER, STATIC_DRAW, DYNAMIC_DRAW = 0x8892, 0x88E4, 0x88E8
FLOAT, UNSIGNED_BYTE, UNSIGNED_INT = 0x1406, 0x1401, 0x1405
VERTEX_SHADER, FRAGMENT_SHADER, COMPILE_STATUS, LINK_STATUS = 0x8B31, 0x8B30, 0x8B81, 0x8B82
FRAMEBUFFER, RENDERBUFFER, COLOR_ATTACHMENT0, DEPTH_ATTACHMENT = 0x8D40, 0x8D41, 0x8CE0, 0x8D00
FRAMEBUFFER_COMPLETE = 0x8CD5
TEXTURE_2D, TEXTURE0, TEXTURE_MIN_FILTER, TEXTURE_MAG_FILTER, NEAREST = 0x0DE1, 0x84C0, 0x2801, 0x2800, 0x2600
TEXTURE_WRAP_S, TEXTURE_WRAP_T, CLAMP_TO_EDGE = 0x2802, 0x2803, 0x812F
RGBA8, RGBA, BGRA, DEPTH_COMPONENT24, DEPTH_COMPONENT = 0x8058, 0x1908, 0x80E1, 0x81A6, 0x1902
PACK_ALIGNMENT, MAX_TEXTURE_SIZE, VENDOR, RENDERER, VERSION = 0x0D05, 0x0D33, 0x1F00, 0x1F01, 0x1F02
OUT_OF_MEMORY = 0x0505

_SHORT: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "glActiveTexture": (None, (c_uint,)),
    "glAttachShader": (None, (c_uint, c_uint)),
    "glBindAttribLocation": (None, (c_uint, c_uint, c_char_p)),
    "glBindBuffer": (None, (c_uint, c_uint)),
    "glBindFramebuffer": (None, (c_uint, c_uint)),
    "glBindTexture": (None, (c_uint, c_uint)),
    "glBindVertexArray": (None, (c_uint,)),
    "glCheckFramebufferStatus": (c_uint, (c_uint,)),
    "glClearColor": (None, (c_float, c_float, c_float, c_float)),
    "glCreateProgram": (c_uint, ()),
    "glCreateShader": (c_uint, (c_uint,)),
    "glDeleteBuffers": (None, (c_int, c_void_p)),
    "glDeleteFramebuffers": (None, (c_int, c_void_p)),
    "glDeleteShader": (None, (c_uint,)),
    "glDeleteTextures": (None, (c_int, c_void_p)),
    "glDepthFunc": (None, (c_uint,)),
    "glDisable": (None, (c_uint,)),
    "glEnable": (None, (c_uint,)),
    "glEnableVertexAttribArray": (None, (c_uint,)),
    "glFramebufferTexture2D": (None, (c_uint, c_uint, c_uint, c_uint, c_int)),
    "glGenBuffers": (None, (c_int, c_void_p)),
    "glGenFramebuffers": (None, (c_int, c_void_p)),
    "glGenTextures": (None, (c_int, c_void_p)),
    "glGenVertexArrays": (None, (c_int, c_void_p)),
    "glGetError": (c_uint, ()),
    "glGetIntegerv": (None, (c_uint, c_void_p)),
    "glGetProgramInfoLog": (None, (c_uint, c_int, c_void_p, c_char_p)),
    "glGetProgramiv": (None, (c_uint, c_uint, c_void_p)),
    "glGetShaderInfoLog": (None, (c_uint, c_int, c_void_p, c_char_p)),
    "glGetShaderiv": (None, (c_uint, c_uint, c_void_p)),
    "glGetString": (c_char_p, (c_uint,)),
    "glGetUniformLocation": (c_int, (c_uint, c_char_p)),
    "glPixelStorei": (None, (c_uint, c_int)),
    "glShaderSource": (None, (c_uint, c_int, c_void_p, c_void_p)),
    "glTexImage2D": (None, (c_uint, c_int, c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)),
    "glTexParameteri": (None, (c_uint, c_uint, c_int)),
    "glUniform1f": (None, (c_int, c_float)),
    "glUniform1i": (None, (c_int, c_int)),
    "glUniform2f": (None, (c_int, c_float, c_float)),
    "glUniform3f": (None, (c_int, c_float, c_float, c_float)),
    "glUniformMatrix3fv": (None, (c_int, c_int, ctypes.c_ubyte, c_void_p)),
    "glUseProgram": (None, (c_uint,)),
    "glVertexAttribDivisor": (None, (c_uint, c_uint)),
    "glVertexAttribPointer": (None, (c_uint, c_int, c_uint, ctypes.c_ubyte, c_int, c_void_p)),
    "glViewport": (None, (c_int, c_int, c_int, c_int)),
}
_LONG: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "glBufferData": (None, (c_uint, c_ssize_t, c_void_p, c_uint)),
    "glClear": (None, (c_uint,)),
    "glCompileShader": (None, (c_uint,)),
    "glDrawArrays": (None, (c_uint, c_int, c_int)),
    "glDrawArraysInstanced": (None, (c_uint, c_int, c_int, c_int)),
    "glFinish": (None, ()),
    "glLinkProgram": (None, (c_uint,)),
    "glReadPixels": (None, (c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)),
}


class GlError(Exception):
    """OpenGL cannot draw the structure; the text says why."""


class Gl:
    """OpenGL functions of the current context, as attributes without the prefix: ``gl.Clear(...)``."""

    def __init__(self, context: QOpenGLContext) -> None:
        for table, kind in ((_SHORT, ctypes.PYFUNCTYPE), (_LONG, ctypes.CFUNCTYPE)):
            for name, (result, arguments) in table.items():
                address = context.getProcAddress(name.encode())
                if not address:
                    raise GlError(f"this OpenGL has no {name}")
                setattr(self, name[2:], kind(result, *arguments)(int(address)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(f"OpenGL function gl{name} is not among those looked up")

    def generate(self, kind: str) -> int:
        """Make one "Buffers", "Textures", "Framebuffers" or "VertexArrays" object and return its name."""
        name = c_uint(0)
        getattr(self, f"Gen{kind}")(1, ctypes.byref(name))
        return name.value

    def delete(self, kind: str, name: int) -> None:
        """Delete one object of the same kinds."""
        getattr(self, f"Delete{kind}")(1, ctypes.byref(c_uint(name)))

    def integer(self, what: int) -> int:
        """The value of one integer of the state."""
        value = c_int(0)
        self.GetIntegerv(what, ctypes.byref(value))
        return value.value

    def text(self, what: int) -> str:
        """``VENDOR``, ``RENDERER`` or ``VERSION``."""
        return (self.GetString(what) or b"").decode(errors="replace")

    def program(self, vertex: str, fragment: str, attributes: tuple[str, ...] = ()) -> int:
        """Compile and link a program; attributes get the locations 0, 1... GlError has the driver's log."""
        program = self.CreateProgram()
        for kind, source in ((VERTEX_SHADER, vertex), (FRAGMENT_SHADER, fragment)):
            shader = self.CreateShader(kind)
            text = (c_char_p * 1)(source.encode())
            self.ShaderSource(shader, 1, text, None)
            self.CompileShader(shader)
            self._check(shader, COMPILE_STATUS, self.GetShaderiv, self.GetShaderInfoLog)
            self.AttachShader(program, shader)
            self.DeleteShader(shader)
        for location, name in enumerate(attributes):
            self.BindAttribLocation(program, location, name.encode())
        self.LinkProgram(program)
        self._check(program, LINK_STATUS, self.GetProgramiv, self.GetProgramInfoLog)
        return program

    @staticmethod
    def _check(name: int, what: int, get: Callable[..., Any], log: Callable[..., Any]) -> None:
        good = c_int(0)
        get(name, what, ctypes.byref(good))
        if not good.value:
            text = ctypes.create_string_buffer(2048)
            log(name, 2048, None, text)
            raise GlError(f"the driver refuses a shader: {text.value.decode(errors='replace').strip()}")
