"""Reading Apex: text to a positioned, typed syntax tree."""

from localorg.apex.syntax.declarations import parse_anonymous, parse_class

__all__ = ["parse_anonymous", "parse_class"]
