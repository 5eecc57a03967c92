"""Eight float64 lanes as one value inside numba functions, and memory without bookkeeping.

numba leaves vectorising to LLVM, which gives up on loops over many arrays. The kernels therefore say
themselves what happens in lanes: ``f64x8`` values are LLVM vectors, which become AVX-512, AVX, SSE or NEON
instructions, whatever the machine has. Lanes never mix, so every sum has one fixed order.

Memory is named by its address (an int64, ``array.ctypes.data``), because numba counts references and checks
for negative indices at every use of an array, which costs more than the arithmetic here. The caller keeps the
arrays alive; indices count elements and must be right.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import __version__ as _version
from numba import njit, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import lower_builtin, models, register_model

LANES = 8
Vector = Any
"""What a type checker sees of a ``f64x8``."""
CALLED_INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options of every function that only compiled functions call."""
if _version.startswith("0.68."):
    from nnpcore.descriptors.inner_functions import InnerCompiler

    CALLED_INSIDE["pipeline_class"] = InnerCompiler
OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
HELPER: dict[str, Any] = {"nogil": True, "error_model": "numpy", **CALLED_INSIDE}
INLINE: dict[str, Any] = {**HELPER, "forceinline": True}
"""Options for functions called from Python, those called from kernels, and small ones that melt into their
callers.

Only the first are cached on disk, together with all they call: numba looks at their own file alone to see
whether the cache is stale, so after a change in this file delete the ``__pycache__`` of the others."""

_I32, _I64, _SINGLE, _REAL = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_VECTOR = ir.VectorType(_REAL, LANES)
_BITS = ir.VectorType(_I64, LANES)


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's decorator for functions made of LLVM instructions, for a type checker that does not know it."""
    decorate: Any = numba_intrinsic
    return decorate(function)


class _Float64x8(types.Type):
    def __init__(self) -> None:
        super().__init__(name="f64x8")


f64x8 = _Float64x8()


@register_model(_Float64x8)
class _Float64x8Model(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _repeat(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    empty = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _vectors(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    """The arguments as vectors; scalars are spread over the lanes."""
    return [
        value
        if kind == f64x8
        else _repeat(builder, context.cast(builder, value, kind, types.float64), _VECTOR)
        for value, kind in zip(args, sig.args, strict=True)
    ]


def _kinds(*kinds: Any) -> tuple[Any, ...]:
    return tuple(kind if kind == f64x8 else types.float64 for kind in kinds)


def _pointer(builder: Any, address: Any, index: Any, element: Any, target: Any = None) -> Any:
    pointer = builder.gep(builder.inttoptr(address, element.as_pointer()), [index], source_etype=element)
    return builder.bitcast(pointer, (target or element).as_pointer())


def _declared(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


def _register_operator(operation: Any, method: str) -> None:
    pairs = ((f64x8, f64x8), (f64x8, types.float64), (types.float64, f64x8))

    register: Any = infer_global

    @register(operation)
    class _Typing(ConcreteTemplate):
        cases = [signature(f64x8, *pair) for pair in pairs]  # noqa: RUF012

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*_vectors(context, builder, sig, args))

    for pair in pairs:
        lower_builtin(operation, *pair)(lower)


_register_operator(operator.add, "fadd")
_register_operator(operator.sub, "fsub")
_register_operator(operator.mul, "fmul")
_register_operator(operator.truediv, "fdiv")


@intrinsic
def get(typingctx: Any, address: Any, index: Any) -> Any:
    """A float64 of memory."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _REAL), typ=_REAL)

    return types.float64(types.int64, types.int64), codegen


@intrinsic
def put(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write a float64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _REAL))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), codegen


@intrinsic
def get_int(typingctx: Any, address: Any, index: Any) -> Any:
    """An int32 of memory, as int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sext(builder.load(_pointer(builder, args[0], args[1], _I32), typ=_I32), _I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def put_int(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an int32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(builder.trunc(args[2], _I32), _pointer(builder, args[0], args[1], _I32))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def load(typingctx: Any, address: Any, index: Any) -> Any:
    """Eight float64 from ``index`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _REAL, _VECTOR), align=8, typ=_VECTOR)

    return f64x8(types.int64, types.int64), codegen


@intrinsic
def load_all(typingctx: Any, address: Any, index: Any) -> Any:
    """One float64 in all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _repeat(builder, builder.load(_pointer(builder, args[0], args[1], _REAL), typ=_REAL), _VECTOR)

    return f64x8(types.int64, types.int64), codegen


@intrinsic
def store(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write the lanes to eight float64 from ``index`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _REAL, _VECTOR), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, f64x8), codegen


def _store_first(builder: Any, args: Any, element: Any, size: int) -> None:
    target = ir.VectorType(element, LANES)
    value = args[2] if element == _REAL else builder.fptrunc(args[2], target)
    lanes = ir.Constant(_BITS, list(range(LANES)))
    mask = builder.icmp_signed("<", lanes, _repeat(builder, args[3], _BITS))
    pointer = _pointer(builder, args[0], args[1], element, target)
    name = f"llvm.masked.store.v{LANES}f{8 * size}.p0"
    function = _declared(builder, name, ir.VoidType(), [target, pointer.type, _I32, mask.type])
    builder.call(function, [value, pointer, ir.Constant(_I32, size), mask])


@intrinsic
def store_first(typingctx: Any, address: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first ``count`` lanes to float64 memory."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _store_first(builder, args, _REAL, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, f64x8, types.int64), codegen


@intrinsic
def store_first_single(typingctx: Any, address: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first ``count`` lanes to float32 memory."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _store_first(builder, args, _SINGLE, 4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, f64x8, types.int64), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` (rounded once where the machine can); scalars are spread over the lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = _declared(builder, f"llvm.fmuladd.v{LANES}f64", _VECTOR, [_VECTOR] * 3)
        return builder.call(function, _vectors(context, builder, sig, args))

    return f64x8(*_kinds(a, b, c)), codegen


@intrinsic
def choose_less(typingctx: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """In each lane ``then`` where ``a < b``, else ``otherwise``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right, yes, no = _vectors(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("<", left, right), yes, no)

    return f64x8(*_kinds(a, b, then, otherwise)), codegen


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """A scalar in all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _vectors(context, builder, sig, args)[0]

    return f64x8(types.float64), codegen


@intrinsic
def square_root(typingctx: Any, value: Any) -> Any:
    """Square root of every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.call(_declared(builder, f"llvm.sqrt.v{LANES}f64", _VECTOR, [_VECTOR]), list(args))

    return f64x8(f64x8), codegen


@intrinsic
def _high_exponent(typingctx: Any, value: Any) -> Any:
    """Move the low mantissa bits into the exponent field."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.shl(builder.bitcast(args[0], _BITS), ir.Constant(_BITS, [52] * LANES))
        return builder.bitcast(bits, _VECTOR)

    return f64x8(f64x8), codegen


_LOG2E = 1.4426950408889634
_ROUNDER = 1.5 * 2.0**52 + 1023.0
_LOWEST = -693.0
# 2^x on [-1/2, 1/2], interpolated in 12 Chebyshev points: relative error 2e-17
_E0, _E1, _E2, _E3 = 1.0, 0.6931471805599453, 0.24022650695910158, 0.055504108664821625
_E4, _E5, _E6 = 0.009618129107587256, 0.001333355814640647, 0.00015403530463724353
_E7, _E8, _E9 = 1.5252733841556773e-05, 1.3215432535912375e-06, 1.0178057087733941e-07
_E10, _E11 = 7.074194297288521e-09, 4.4558179083360645e-10


@njit(**INLINE)
def exponential(x: Vector) -> Vector:
    """e^x of every lane for x <= 0 (below -693: e^-693), relative error some 1e-16 (1 + |x|/10)."""
    y = choose_less(x, _LOWEST, _LOWEST, x)
    shifted = fma(y, _LOG2E, _ROUNDER)
    f = fma(y, _LOG2E, _ROUNDER - shifted)
    p = fma(fma(fma(fma(f, _E11, _E10), f, _E9), f, _E8), f, _E7)
    p = fma(fma(fma(fma(p, f, _E6), f, _E5), f, _E4), f, _E3)
    p = fma(fma(fma(p, f, _E2), f, _E1), f, _E0)
    return p * _high_exponent(shifted)
