"""A thin hand on the grammar: text in, concrete tree out, its first error in the platform's words.

Grammar: tree-sitter-sfapex as bundled by tree-sitter-language-pack 0.13.0.
"""

from __future__ import annotations

from typing import NoReturn

import tree_sitter_language_pack
from tree_sitter import Node, Parser

from localorg.apex.faults import At, CompileError

__all__ = ["Source", "place"]

_COMMENTS = frozenset({"line_comment", "block_comment"})


def place(node: Node) -> At:
    """Where a node starts, 1-based; columns count UTF-8 bytes, which for code are characters."""
    return At(node.start_point[0] + 1, node.start_point[1] + 1)


class Source:
    """One parsed file.

    name: the file's name, for messages. lenient: the caller reads only parts of it, and reads the rest again.
    Raises CompileError at the first place the grammar refuses.
    """

    def __init__(self, text: str, name: str, *, lenient: bool = False) -> None:
        self.name = name
        self.bytes = text.encode()
        parser: Parser = tree_sitter_language_pack.get_parser("apex")
        self.root = parser.parse(self.bytes).root_node
        if self.root.has_error and not lenient:
            self._refuse_syntax()

    def text(self, node: Node) -> str:
        """The node as written."""
        return self.bytes[node.start_byte : node.end_byte].decode()

    def children(self, node: Node) -> list[Node]:
        """Named children without comments."""
        return [child for child in node.named_children if child.type not in _COMMENTS]

    def unsupported(self, feature: str, node: Node) -> CompileError:
        """What refuses Apex outside the subset: feature, file, line."""
        at = place(node)
        return CompileError(f"Not supported by the local org: {feature} ({self.name}, line {at.line})", at)

    def _refuse_syntax(self) -> NoReturn:
        node = _first_error(self.root) or self.root
        at = place(node)
        if node.is_missing:
            raise CompileError(f"Missing '{node.type}' at '{self._word(node.end_byte)}'", at)
        word = self._word(node.start_byte)
        raise CompileError(f"Unexpected token '{word}'." if word != "<EOF>" else "Unexpected token '<EOF>'.", at)

    def _word(self, start: int) -> str:
        rest = self.bytes[start:].decode(errors="replace").lstrip()
        if not rest:
            return "<EOF>"
        end = 1
        if rest[0].isalnum() or rest[0] == "_":
            while end < len(rest) and (rest[end].isalnum() or rest[end] == "_"):
                end += 1
        return rest[:end]


def _first_error(node: Node) -> Node | None:
    if node.type == "ERROR" or node.is_missing:
        return node
    for child in node.children:
        if child.has_error or child.is_missing:
            found = _first_error(child)
            if found is not None:
                return found
    return None
