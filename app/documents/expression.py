"""Atoms by an expression such as ``element == "Si" and e_at > 0.1``: read by Python's parser, never run.

Known are names of per-atom numbers, numbers, texts, comparisons, ``and``, ``or``, ``not``, ``in``, arithmetic
and a few functions. Anything else is refused with its name.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from nnpcore.errors import SettingsError

LONGEST, DEEPEST = 500, 40
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.float_power,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {"abs": np.abs, "sqrt": np.sqrt, "log10": np.log10}
WHERE = "expression"


def parse(text: str) -> ast.expr:
    """Return the tree of an expression; SettingsError where it is none of ours."""
    if len(text) > LONGEST:
        raise SettingsError(f"it has more than {LONGEST} characters", where=WHERE, fix="Write a shorter one")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = error.msg if isinstance(error, SyntaxError) else "it is too deep"
        fix = 'Write, for example, element == "Si" and e_at > 0.1'
        raise SettingsError(f"it cannot be read ({what})", where=WHERE, fix=fix) from None
    _check_depth(tree)
    return tree


def names_in(tree: ast.expr) -> set[str]:
    """Return the names of numbers an expression asks for."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - FUNCTIONS.keys()


def evaluate(tree: ast.expr, values: Mapping[str, np.ndarray], n_atoms: int) -> np.ndarray:
    """Return which atoms (n_atoms,) an expression is true of; unknown numbers (NaN) are never true.

    Raises
    ------
    SettingsError : for a name that is not known, or anything that is no condition on atoms.
    """
    try:
        with np.errstate(all="ignore"):
            found = np.broadcast_to(np.asarray(_value(tree, values)), (n_atoms,))
    except (TypeError, ValueError, np.exceptions.DTypePromotionError):
        raise SettingsError("texts and numbers do not go together like this", where=WHERE) from None
    if found.dtype != bool:
        raise SettingsError(
            "it is a number, not a condition", where=WHERE, fix="Compare it with something, such as > 0"
        )
    return found


def _value(node: ast.expr, values: Mapping[str, np.ndarray]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return float(node.value) if isinstance(node.value, (int, float)) else node.value
    if isinstance(node, ast.Name):
        return _named(node.id, values)
    if isinstance(node, ast.BoolOp):
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return reduce(join, [_condition(part, values) for part in node.values])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.UAdd)):
        if isinstance(node.op, ast.Not):
            return np.logical_not(_condition(node.operand, values))
        inner = np.asarray(_value(node.operand, values), dtype=np.float64)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        sides = (np.asarray(_value(part, values), dtype=np.float64) for part in (node.left, node.right))
        return _ARITHMETIC[type(node.op)](*sides)
    if isinstance(node, ast.Compare):
        return _compared(node, values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        function = None if node.keywords else FUNCTIONS.get(node.func.id)
        if function is not None:
            return function(np.asarray(_value(node.args[0], values), dtype=np.float64))
    raise SettingsError(
        f"“{ast.unparse(node)[:40]}” is not known here", where=WHERE,
        fix="Use names, numbers, comparisons, and, or, not, + - * / and abs",
    )  # fmt: skip


def _named(name: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in values:
        known = ", ".join(sorted(values))
        raise SettingsError(f"there is no “{name}” here", where=WHERE, fix=f"Known are {known}")
    return values[name]


def _condition(node: ast.expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    found = np.asarray(_value(node, values))
    if found.dtype != bool:
        raise SettingsError(f"“{ast.unparse(node)[:40]}” is not a condition", where=WHERE)
    return found


def _compared(node: ast.Compare, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a chain of comparisons such as ``0 < z < 5``; ``in`` takes a list of constants."""
    result: Any = True
    left = node.left
    for kind, right in zip(node.ops, node.comparators, strict=True):
        if isinstance(kind, (ast.In, ast.NotIn)) and isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            known = [_value(entry, values) for entry in right.elts if isinstance(entry, ast.Constant)]
            one = np.isin(_value(left, values), known, invert=isinstance(kind, ast.NotIn))
        elif type(kind) in _COMPARE:
            one = _compare(_COMPARE[type(kind)], _value(left, values), _value(right, values))
        else:
            raise SettingsError(f"“{ast.unparse(node)[:40]}” is not known here", where=WHERE)
        result, left = np.logical_and(result, one), right
    return result


def _compare(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> np.ndarray:
    one, other = np.asarray(left), np.asarray(right)
    if (one.dtype.kind == "U") != (other.dtype.kind == "U"):
        raise TypeError("a text and a number")
    found = compare(one, other)
    if one.dtype.kind == "f" and other.dtype.kind == "f":  # "!=" is true of NaN
        found = found & ~np.isnan(one) & ~np.isnan(other)
    return found


def _check_depth(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise SettingsError("it is nested too deeply", where=WHERE, fix="Write a simpler one")
