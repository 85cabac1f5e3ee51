"""Inline SOQL: checked against the org's schema when the class compiles, run later on the engine that serves REST."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from localorg.access import Context, Mode, Rights
from localorg.apex.compiling.code import Code
from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.model import AGGREGATE, INTEGER, VOID, Record, list_of
from localorg.apex.types.names import Names
from localorg.errors import OrgError
from localorg.soql import Query, Settings, binds_of, parse
from localorg.soql import compile_query as to_sql

if TYPE_CHECKING:
    from localorg.apex.compiling.expressions import Expressions

__all__ = ["InlineQuery", "compile_query"]

_CHECKER = Rights("", None, True, frozenset({"ModifyAllData"}), {}, {})


@dataclass(frozen=True, eq=False)
class InlineQuery:
    """A parsed query as a constant of generated code.

    user_mode: what holds where the query itself says nothing: the class's API version decides.
    sharing:   the class's, as written.
    """

    query: Query
    kind: str
    user_mode: bool
    sharing: str


def compile_query(compiler: Expressions, node: n.Query) -> Code:
    """A query's value: a list of records or aggregates, or an Integer for COUNT()."""
    scope = compiler.scope
    try:
        query = parse(node.text)
    except OrgError as refused:
        raise CompileError(_message(refused), node.at) from None
    kind, counts = check_query(query, scope.names, node.at)
    binds = []
    for expression in node.binds:
        code = compiler.expression(expression)
        if code.type == VOID:
            raise CompileError("Expression of type void is not allowed here", expression.at)
        binds.append(code.text)
    unit = scope.unit
    inline = InlineQuery(query, kind, unit.user_mode, unit.sharing)
    text = f"query(rt, {unit.constant(inline)}, [{', '.join(binds)}])"
    if counts:
        return Code(f"query_count(rt, {unit.constant(inline)}, [{', '.join(binds)}])", INTEGER, nonnull=True)
    return Code(text, list_of(Record(kind)), nonnull=True, row=True)


def check_query(query: Query, names: Names, at: At) -> tuple[str, bool]:
    """What a query gives: (SObject type of its rows, whether it is a bare count). Raises CompileError."""
    if query.security == "SECURITY_ENFORCED":
        raise CompileError("WITH SECURITY_ENFORCED is not supported in this version, use WITH USER_MODE", at)
    context = Context("", mode=Mode.SYSTEM, sharing=False, namespace=names.namespace)
    binds = dict.fromkeys(bind.text for bind in binds_of(query))  # null is a value of every type
    try:
        compiled = to_sql(
            replace(query, security=None, limit=None, offset=None),
            names.schema,
            context,
            _CHECKER,
            Settings(today=date(2000, 1, 1), now="2000-01-01T00:00:00.000+0000"),
            binds=binds,
        )
    except OrgError as refused:
        raise CompileError(_message(refused), at) from None
    kind = AGGREGATE.name if compiled.aggregate else compiled.sobject.api_name
    return kind, compiled.count_only


def _message(refused: OrgError) -> str:
    """The engine's complaint without the excerpt of the query it begins with."""
    lines = [line for line in refused.message.splitlines() if line.strip()]
    kept = re.sub(r"^ERROR at Row:\d+:Column:\d+$", "", lines[-1]) if lines else refused.code
    return kept or refused.message
