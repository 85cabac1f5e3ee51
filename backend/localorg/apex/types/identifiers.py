"""Which names a program may give to its classes, fields, parameters and variables.

Apex Developer Guide: "Reserved Keywords", "Name Shadowing"; letters, digits and single underscores inside.
"""

from __future__ import annotations

import re

from localorg.apex.faults import At, CompileError

__all__ = ["check_identifier"]

_FORM = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
_WORDS = """
    abstract activate and any array as asc autonomous begin bigdecimal blob boolean break bulk by byte case cast
    catch char class collect commit const continue currency date datetime decimal default delete desc do double else
    end enum exception exit export extends false final finally float for from global goto group having hint if
    implements import in inner insert instanceof int integer interface into join like limit list long loop map merge
    new not null nulls number object of on or outer override package parallel pragma private protected public
    retrieve return rollback select set short sobject sort static string super switch synchronized system testmethod
    then this throw time transaction trigger true try undelete update upsert using virtual void webservice when
    where while
"""
_RESERVED = frozenset(_WORDS.split())


def check_identifier(name: str, at: At) -> None:
    """Raises CompileError for a name that is reserved or not of an identifier's form."""
    if name.lower() in _RESERVED:
        raise CompileError(f"Identifier name is reserved: {name}", at)
    if not _FORM.fullmatch(name):
        raise CompileError(f"Invalid character in identifier: {name}", at)
