"""What compiling an expression gives: Python text and the Apex type of its value."""

from __future__ import annotations

from dataclasses import dataclass

from localorg.apex.types.conversion import carried, cost
from localorg.apex.types.model import ANY_RECORD, NULL, Platform, Record, Type

__all__ = ["Code", "guarded"]


@dataclass(frozen=True, slots=True)
class Code:
    """Python text of one expression.

    nonnull: cannot be null, so needs no guard before a dot.
    row:     a query whose first row may stand for it (assignment to one SObject).
    soft:    a parent record reached over a relationship: its fields are null where it is.
    chain:   of `a?.b`: the test that says a is null, and the rest of the chain so far without it. What follows
             hangs on the rest, so that a null gives up the whole chain.
    effect:  cheaper Python for the same as a statement, where its value is not asked for.
    """

    text: str
    type: Type
    nonnull: bool = False
    row: bool = False
    soft: bool = False
    effect: str | None = None
    chain: tuple[str, Code] | None = None

    @classmethod
    def safe(cls, test: str, rest: Code) -> Code:
        """`(None if test else rest)`."""
        return cls(f"(None if {test} else {rest.text})", rest.type, soft=rest.soft, chain=(test, rest))

    def to(self, target: Type) -> str:
        """The value carried over to another type; the checker has made sure that it goes."""
        return carried(self.text, self.type, target)

    def gives_row(self, target: Type) -> bool:
        """A query whose one row goes into an SObject of a type."""
        if not (self.row and isinstance(self.type, Platform) and isinstance(target, Record)):
            return False
        element = self.type.arguments[0]
        return element == ANY_RECORD or cost(element, target) is not None

    @property
    def is_null(self) -> bool:
        """The literal null."""
        return self.type == NULL


def guarded(code: Code, temporary: str) -> str:
    """The value, or a NullPointerException. temporary: a free local name, used where the text is no plain name."""
    if code.nonnull:
        return code.text
    if code.text.isidentifier():
        return f"({code.text} if {code.text} is not None else npe())"
    return f"({temporary} if ({temporary} := {code.text}) is not None else npe())"
