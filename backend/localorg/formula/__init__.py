"""Formulas of validation rules, flows and formula fields: text to tree, tree to value.

A documented part of the platform's formula language (`evaluate.FUNCTIONS` is the list); anything else is
refused by name when the formula is read, never guessed at when it runs.
"""

from localorg.formula.evaluate import FUNCTIONS, Scope, check_formula, evaluate
from localorg.formula.parse import Binary, Call, Constant, Node, Path, Unary, parse_formula, paths_of

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Constant",
    "Node",
    "Path",
    "Scope",
    "Unary",
    "check_formula",
    "evaluate",
    "parse_formula",
    "paths_of",
]
