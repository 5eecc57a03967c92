"""Compiled functions that only other compiled functions call: intermediate code, never machine code.

numba optimises every function by itself and makes machine code of it, and does both again in each function
that calls it. Of what Python never calls the first is thrown away, a sixth of the time of compiling.

This reaches below what numba promises to keep, so that :mod:`nnpcore.descriptors.simd` takes it only with the
versions of numba it was tried with; without it the same code comes out, later.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from numba.core.codegen import AOTCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

_made: Any = import_module("numba._dynfunc").make_function


class _InnerCode(AOTCodeLibrary):
    """The code of a function as its callers take it up: they optimise and compile it with their own."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InnerLowering(NativeLowering):
    """numba's lowering into a :class:`_InnerCode`, known to callers by an address that leads nowhere."""

    def run_pass(self, state: Any) -> Literal[True]:
        flags, context = state.flags, state.targetctx
        state.library = library = _InnerCode(context.codegen(), state.func_id.func_qualname)
        library.enable_object_caching()
        flags.no_compile = True
        try:
            changed = super().run_pass(state)
        finally:
            flags.no_compile = False
        lowered, described = state["cr"], state["cr"].fndesc
        name = described.qualname.split(".")[-1]
        entry = _made(described.lookup_module(), name, "", 0, lowered.env, (library,))
        context.insert_user_function(entry, described, [library])
        state["cr"] = lowered._replace(cfunc=entry)
        return changed


class InnerCompiler(Compiler):
    """numba's own steps, the last of them into code that is only taken up."""

    def define_pipelines(self) -> list[Any]:
        """Return the steps."""
        (manager,) = super().define_pipelines()
        manager.passes = [
            (_InnerLowering if step is NativeLowering else step, text) for step, text in manager.passes
        ]
        manager.finalize()
        return [manager]
