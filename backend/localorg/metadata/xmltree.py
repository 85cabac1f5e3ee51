"""Metadata XML as a tree whose nodes know where they stand, since a deploy result names line and column.

Entities, document types and external references are refused (defusedxml), deep or huge files too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

__all__ = ["METADATA_NAMESPACE", "Node", "XmlProblem", "parse", "to_xml"]

METADATA_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_DEEPEST = 60


class XmlProblem(Exception):
    """A file is no XML, or not of the form asked for. line, column: 1-based."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(slots=True)
class Node:
    """One element, its namespace left out. line, column: where its start tag begins, 1-based."""

    tag: str
    line: int = 1
    column: int = 1
    text: str = ""
    namespace: str = ""
    children: list[Node] = field(default_factory=list)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.children)

    def all(self, tag: str) -> list[Node]:
        """The children of that tag."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Node | None:
        """The first child of that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str, default: str = "") -> str:
        """The text of the first child of that tag."""
        found = self.first(tag)
        return default if found is None else found.text

    def flag(self, tag: str, *, default: bool = False) -> bool:
        """A boolean child; raises XmlProblem where it is neither `true` nor `false`."""
        found = self.first(tag)
        if found is None:
            return default
        if found.text.strip() not in {"true", "false"}:
            raise XmlProblem(f"'{found.text}' is not a valid value for the enum 'boolean'", found.line, found.column)
        return found.text.strip() == "true"

    def number(self, tag: str, default: int | None = None) -> int | None:
        """An integer child; raises XmlProblem where it is none."""
        found = self.first(tag)
        if found is None:
            return default
        try:
            return int(found.text)
        except ValueError as wrong:
            raise XmlProblem(
                f"'{found.text}' is not a valid value for the type xsd:int", found.line, found.column
            ) from wrong

    def required(self, tag: str) -> str:
        """The text of a child that must be there; raises XmlProblem."""
        found = self.first(tag)
        if found is None or not found.text.strip():
            raise XmlProblem(f"Required field is missing: {tag}", self.line, self.column)
        return found.text.strip()


class _Builder:
    """Builds nodes, asking the parser where it is; its methods are those of the parser's `target`."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.parser: Any = None
        self._open: list[Node] = []
        self._text: list[str] = []

    def start(self, tag: str, attrs: dict[Any, Any]) -> Any:
        namespace, _, name = tag.rpartition("}")
        node = Node(name, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1, "", namespace[1:])
        if len(self._open) >= _DEEPEST:
            raise XmlProblem("The file is nested too deeply", node.line, node.column)
        if self._open:
            self._open[-1].children.append(node)
        elif self.root is None:
            self.root = node
        for attribute, value in attrs.items():
            if attribute.endswith(("}type", "}nil")):
                node.children.append(Node(f"@{attribute.rpartition('}')[2]}", node.line, node.column, value))
        self._open.append(node)
        self._text = []
        return None

    def data(self, data: str) -> None:
        self._text.append(data)

    def end(self, tag: str) -> Any:  # noqa: ARG002 - the parser's signature
        node = self._open.pop()
        if not any(not child.tag.startswith("@") for child in node.children):
            node.text = "".join(self._text)
        self._text = []
        return None

    def close(self) -> Any:
        return self.root


def parse(content: bytes) -> Node:
    """The file's root element; attributes `xsi:type` and `xsi:nil` become children `@type`, `@nil`.

    Raises XmlProblem with the platform's kind of message and the place.
    """
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.parser = parser.parser
    try:
        parser.feed(content)
        root = parser.close()
    except ParseError as broken:
        line, column = broken.position
        raise XmlProblem(f"Error parsing file: {broken.msg}", line, column + 1) from broken
    except DefusedXmlException as refused:
        raise XmlProblem("Error parsing file: document types and entities are not allowed") from refused
    if not isinstance(root, Node):
        raise XmlProblem("Error parsing file: Premature end of file")
    return root


def to_xml(node: Node, indent: int = 0) -> str:
    """The tree as text, four spaces a level, the root with the metadata namespace when `indent` is 0."""
    pad, inner = "    " * indent, [child for child in node.children if not child.tag.startswith("@")]
    kind = node.value("@type")
    attributes = f' xsi:type="{escape(kind)}"' if kind else ""
    if indent == 0:
        attributes += f' xmlns="{METADATA_NAMESPACE}"'
        if _typed(node):
            attributes += (
                ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
            )
    if node.first("@nil") is not None:
        return f'{pad}<{node.tag}{attributes} xsi:nil="true"/>\n'
    if not inner:
        return f"{pad}<{node.tag}{attributes}>{escape(node.text, quote=False)}</{node.tag}>\n"
    return f"{pad}<{node.tag}{attributes}>\n{''.join(to_xml(c, indent + 1) for c in inner)}{pad}</{node.tag}>\n"


def _typed(node: Node) -> bool:
    return any(child.tag.startswith("@") or _typed(child) for child in node.children)
