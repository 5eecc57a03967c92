"""Errors in what Qt calls of ours: they reach whoever called Qt, and never end the process.

Until Python 3.12 an error that was raised in C (a wrong number, a widget that is gone) is a text at first and
becomes an exception only where something catches it. The bindings add to it where it came from and take it
for an exception: where a ``resizeEvent`` of ours fails in ``window.resize``, the process dies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import update_wrapper
from types import CodeType, FunctionType, MethodDescriptorType
from typing import Any

from shiboken6 import Shiboken

Method = Callable[..., Any]
_ROOT: Any = Shiboken.Object
VARIABLE = 0x04 | 0x08
"""Flags of functions that take any number of arguments."""


def hold_errors() -> None:
    """Have every class derived from one of Qt's raise whole exceptions where it overrides one's function."""
    if sys.version_info < (3, 12):
        _ROOT.__init_subclass__ = classmethod(_hold_errors_of)
        for cls in _below(_ROOT):
            _hold(cls)


def _hold_errors_of(cls: type, **named: Any) -> None:
    super(_ROOT, cls).__init_subclass__(**named)
    _hold(cls)


def _below(cls: type) -> Iterator[type]:
    for below in cls.__subclasses__():
        yield below
        yield from _below(below)


def _hold(cls: type) -> None:
    for name, value in list(vars(cls).items()):
        if (
            isinstance(value, FunctionType)
            and not hasattr(value, "__wrapped__")
            and not name.startswith("__")
            and _overrides(cls, name)
        ):
            setattr(cls, name, whole_errors(value))


def _overrides(cls: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), MethodDescriptorType) for base in cls.__mro__[1:])


def whole_errors(function: FunctionType) -> Method:
    """Return a function that does the same and takes the same: signals look at how many arguments it has."""
    code: CodeType = function.__code__
    number = code.co_argcount
    if code.co_flags & VARIABLE or code.co_kwonlyargcount or number >= len(_BY_NUMBER):
        return update_wrapper(_any_number(function), function)
    held = _BY_NUMBER[number](function)
    names = held.__code__.co_varnames
    held.__code__ = held.__code__.replace(co_varnames=(*code.co_varnames[:number], *names[number:]))
    held.__defaults__ = function.__defaults__
    return update_wrapper(held, function)


def _any_number(f: Method) -> Any:
    def held(*args: Any, **named: Any) -> Any:
        try:
            return f(*args, **named)
        except BaseException:
            raise  # an exception by now

    return held


def _one(f: Method) -> Any:
    def held(a: Any) -> Any:
        try:
            return f(a)
        except BaseException:
            raise

    return held


def _two(f: Method) -> Any:
    def held(a: Any, b: Any) -> Any:
        try:
            return f(a, b)
        except BaseException:
            raise

    return held


def _three(f: Method) -> Any:
    def held(a: Any, b: Any, c: Any) -> Any:
        try:
            return f(a, b, c)
        except BaseException:
            raise

    return held


def _four(f: Method) -> Any:
    def held(a: Any, b: Any, c: Any, d: Any) -> Any:
        try:
            return f(a, b, c, d)
        except BaseException:
            raise

    return held


_BY_NUMBER = (_any_number, _one, _two, _three, _four)
