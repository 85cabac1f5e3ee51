"""Where language runtimes take part in a deployment. An empty place stores the code and checks nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localorg.metadata.xmltree import Node
from localorg.org import Transaction

__all__ = ["CodeProblem", "Compilers"]


@dataclass(frozen=True, slots=True)
class CodeProblem:
    """Why code does not compile. name: of its class or flow, with namespace; line, column: 1-based, 0: no place."""

    name: str
    message: str
    line: int = 0
    column: int = 0


@dataclass(slots=True)
class Compilers:
    """One place a language; both are called inside the deployment's transaction, with its schema and rows as they
    will be.

    apex: (transaction, namespace, names of the classes deployed, in the ApexClass rows already): problems, of any
        class that no longer compiles, deployed now or earlier.
    flow: (transaction, namespace, full name, the flow's XML): problems.
    """

    apex: Callable[[Transaction, str, Sequence[str]], list[CodeProblem]] | None = None
    flow: Callable[[Transaction, str, str, Node], list[CodeProblem]] | None = None
