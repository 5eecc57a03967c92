"""Eight float64 lanes as one value inside numba functions.

numba leaves vectorising to LLVM, which gives up on loops over many arrays. The kernels therefore say themselves what
happens in lanes: ``f64x8`` values are LLVM vectors, which become AVX-512, AVX, SSE or NEON instructions, whatever
the machine has. Lanes never mix, so every sum has one fixed order.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np import arrayobj

LANES = 8
OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
INLINE: dict[str, Any] = {**OPTIONS, "forceinline": True}

_I32, _I64, _REAL = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_VECTOR = ir.VectorType(_REAL, LANES)
_BITS = ir.VectorType(_I64, LANES)


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


def _vector(context: Any, builder: Any, value: Any, kind: Any) -> Any:
    """The vector itself, or a scalar spread over the lanes."""
    if kind == f64x8:
        return value
    return _repeat(builder, context.cast(builder, value, kind, types.float64), _VECTOR)


def _vectors(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    return [_vector(context, builder, value, kind) for value, kind in zip(args, sig.args, strict=True)]


def _kinds(*kinds: Any) -> tuple[Any, ...]:
    return tuple(kind if kind == f64x8 else types.float64 for kind in kinds)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = arrayobj.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _register_operator(operation: Any, method: str) -> None:
    pairs = ((f64x8, f64x8), (f64x8, types.float64), (types.float64, f64x8))

    @infer_global(operation)
    class _Typing(ConcreteTemplate):
        cases = [signature(f64x8, *pair) for pair in pairs]  # noqa: RUF012

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*_vectors(context, builder, sig, args))

    for pair in pairs:
        lower_builtin(operation, *pair)(lower)


for _operation, _method in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _register_operator(_operation, _method)


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """A scalar in all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _vectors(context, builder, sig, args)[0]

    return f64x8(types.float64), codegen


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Lanes ``array[index : index + 8]`` of a contiguous float64 array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args)
        return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)

    return f64x8(array, types.intp), codegen


@intrinsic
def load_all(typingctx: Any, array: Any, index: Any) -> Any:
    """``array[index]`` of a contiguous float64 array in all lanes; the index is taken as it is."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _repeat(builder, builder.load(_pointer(context, builder, sig.args[0], *args)), _VECTOR)

    return f64x8(array, types.intp), codegen


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write the lanes to ``array[index : index + 8]`` of a contiguous float64 array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, f64x8), codegen


@intrinsic
def store_first(typingctx: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first ``count`` lanes to a contiguous float64 or float32 array."""
    single = array.dtype == types.float32

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target = ir.VectorType(ir.FloatType(), LANES) if single else _VECTOR
        value = builder.fptrunc(args[2], target) if single else args[2]
        pointer = builder.bitcast(_pointer(context, builder, sig.args[0], *args[:2]), target.as_pointer())
        lanes = ir.Constant(_BITS, list(range(LANES)))
        mask = builder.icmp_signed("<", lanes, _repeat(builder, args[3], _BITS))
        name = f"llvm.masked.store.v{LANES}{'f32' if single else 'f64'}.p0"
        kind = ir.FunctionType(ir.VoidType(), [target, target.as_pointer(), _I32, mask.type])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [value, pointer, ir.Constant(_I32, 4 if single else 8), mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, f64x8, types.intp), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` (rounded once where the machine can); scalars are spread over the lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fmuladd.v{LANES}f64"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
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
def square_root(typingctx: Any, value: Any) -> Any:
    """Square root of every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.sqrt.v{LANES}f64"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(function, list(args))

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
_SMALLEST = -1000.0
# 2^x on [-1/2, 1/2], interpolated in 12 Chebyshev points: relative error 2e-17
_E0, _E1, _E2, _E3 = 1.0, 0.6931471805599453, 0.24022650695910158, 0.055504108664821625
_E4, _E5, _E6 = 0.009618129107587256, 0.001333355814640647, 0.00015403530463724353
_E7, _E8, _E9 = 1.5252733841556773e-05, 1.3215432535912375e-06, 1.0178057087733941e-07
_E10, _E11 = 7.074194297288521e-09, 4.4558179083360645e-10


@njit(**INLINE)
def exponential(x):
    """e^x for x <= 0 in every lane, to about 2e-16 relative plus |x| rounding."""
    y = choose_less(x, _SMALLEST / _LOG2E, _SMALLEST / _LOG2E, x)
    shifted = fma(y, _LOG2E, _ROUNDER)
    f = fma(y, _LOG2E, _ROUNDER - shifted)
    p = fma(fma(fma(fma(f, _E11, _E10), f, _E9), f, _E8), f, _E7)
    p = fma(fma(fma(fma(p, f, _E6), f, _E5), f, _E4), f, _E3)
    p = fma(fma(fma(p, f, _E2), f, _E1), f, _E0)
    return p * _high_exponent(shifted)
