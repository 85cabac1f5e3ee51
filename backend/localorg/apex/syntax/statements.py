"""Statements: grammar nodes to tree nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tree_sitter import Node

from localorg.apex.faults import CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.syntax.expressions import read_expression, read_type
from localorg.apex.syntax.tree import Source, place

__all__ = ["read_block", "read_statement", "read_statements"]


def read_block(source: Source, node: Node) -> n.Block:
    """`{ ... }`."""
    return n.Block(place(node), read_statements(source, source.children(node)))


def read_statements(source: Source, children: list[Node]) -> tuple[n.Statement, ...]:
    """Statements in order; empty ones (a lone semicolon) have no node."""
    return tuple(read_statement(source, child) for child in children)


def read_statement(source: Source, node: Node) -> n.Statement:
    """Any statement. Raises CompileError for a kind outside the subset."""
    reader = _READERS.get(node.type)
    if reader is None:
        raise source.unsupported(node.type.replace("_", " "), node)
    return reader(source, node)


def _need(node: Node, field: str) -> Node:
    found = node.child_by_field_name(field)
    if found is None:
        raise CompileError(f"Unexpected token '{node.type}'.", place(node))
    return found


def _expression_statement(source: Source, node: Node) -> n.Statement:
    inner = source.children(node)[0]
    if inner.type == "dml_expression":
        return _dml(source, inner)
    expression = read_expression(source, inner)
    if not isinstance(expression, n.Assign | n.Call | n.New | n.NewList | n.NewMap | n.Update):
        raise CompileError("Expression cannot be a statement.", place(inner))
    return n.ExpressionStatement(place(node), expression)


def _dml(source: Source, node: Node) -> n.Statement:
    operation = source.text(source.children(node)[0]).lower()
    mode = next((source.text(c).lower() for c in node.children if c.type == "dml_security_mode"), None)
    key, other = node.child_by_field_name("upsert_key"), node.child_by_field_name("merge_with")
    return n.Dml(
        place(node),
        operation,
        read_expression(source, _need(node, "target")),
        mode,
        None if key is None else source.text(key),
        None if other is None else read_expression(source, other),
    )


def _local(source: Source, node: Node) -> n.Statement:
    variables = []
    for declarator in node.children_by_field_name("declarator"):
        value = declarator.child_by_field_name("value")
        name = _need(declarator, "name")
        variables.append(
            n.DeclaredVariable(
                place(name), source.text(name), None if value is None else read_expression(source, value)
            )
        )
    final = any(c.type == "modifiers" and "final" in source.text(c).lower().split() for c in node.children)
    return n.Local(place(node), read_type(source, _need(node, "type")), tuple(variables), final)


def _if(source: Source, node: Node) -> n.Statement:
    no = node.child_by_field_name("alternative")
    return n.If(
        place(node),
        read_expression(source, _need(node, "condition")),
        read_statement(source, _need(node, "consequence")),
        None if no is None else read_statement(source, no),
    )


def _loop_body(source: Source, node: Node) -> n.Statement:
    body = node.child_by_field_name("body")
    return n.Block(place(node), ()) if body is None else read_statement(source, body)


def _while(source: Source, node: Node) -> n.Statement:
    return n.While(place(node), read_expression(source, _need(node, "condition")), _loop_body(source, node))


def _do_while(source: Source, node: Node) -> n.Statement:
    return n.DoWhile(place(node), _loop_body(source, node), read_expression(source, _need(node, "condition")))


def _for(source: Source, node: Node) -> n.Statement:
    start: list[n.Statement] = []
    for child in node.children_by_field_name("init"):
        if child.type == "local_variable_declaration":
            start.append(_local(source, child))
        elif child.is_named:
            start.append(n.ExpressionStatement(place(child), read_expression(source, child)))
    condition = node.child_by_field_name("condition")
    updates = tuple(read_expression(source, c) for c in node.children_by_field_name("update") if c.is_named)
    return n.For(
        place(node),
        tuple(start),
        None if condition is None else read_expression(source, condition),
        updates,
        _loop_body(source, node),
    )


def _for_each(source: Source, node: Node) -> n.Statement:
    return n.ForEach(
        place(node),
        read_type(source, _need(node, "type")),
        source.text(_need(node, "name")),
        read_expression(source, _need(node, "value")),
        _loop_body(source, node),
    )


def _return(source: Source, node: Node) -> n.Statement:
    children = source.children(node)
    return n.Return(place(node), read_expression(source, children[0]) if children else None)


def _try(source: Source, node: Node) -> n.Statement:
    catches: list[n.Catch] = []
    last: n.Block | None = None
    for child in source.children(node):
        if child.type == "catch_clause":
            parameter = next(c for c in child.named_children if c.type == "formal_parameter")
            catches.append(
                n.Catch(
                    place(child),
                    read_type(source, _need(parameter, "type")),
                    source.text(_need(parameter, "name")),
                    read_block(source, _need(child, "body")),
                )
            )
        elif child.type == "finally_clause":
            last = read_block(source, source.children(child)[0])
    return n.Try(place(node), read_block(source, _need(node, "body")), tuple(catches), last)


def _switch(source: Source, node: Node) -> n.Statement:
    branches = []
    for rule in source.children(_need(node, "body")):
        label, body = source.children(rule)
        parts = source.children(label)
        if parts and parts[0].type == "when_sobject_type":
            kind, name = source.children(parts[0])
            branches.append(
                n.When(place(rule), (), read_type(source, kind), source.text(name), read_block(source, body))
            )
        else:
            values = tuple(read_expression(source, part) for part in parts)
            branches.append(n.When(place(rule), values, None, None, read_block(source, body)))
    return n.Switch(place(node), read_expression(source, _need(node, "condition")), tuple(branches))


def _run_as(source: Source, node: Node) -> n.Statement:
    return n.RunAs(
        place(node), read_expression(source, _need(node, "user")), read_block(source, source.children(node)[-1])
    )


_READERS: Mapping[str, Callable[[Source, Node], n.Statement]] = {
    "block": read_block,
    "expression_statement": _expression_statement,
    "local_variable_declaration": _local,
    "if_statement": _if,
    "while_statement": _while,
    "do_statement": _do_while,
    "for_statement": _for,
    "enhanced_for_statement": _for_each,
    "return_statement": _return,
    "throw_statement": lambda s, x: n.Throw(place(x), read_expression(s, s.children(x)[0])),
    "break_statement": lambda _, x: n.Break(place(x)),
    "continue_statement": lambda _, x: n.Continue(place(x)),
    "try_statement": _try,
    "switch_expression": _switch,
    "run_as_statement": _run_as,
}
