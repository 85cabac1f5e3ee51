"""Commands that are imported when they are called: the list and its help cost none of what the commands need."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

__all__ = ["Place", "lazy_group"]


class Place(NamedTuple):
    """Where a command stands.

    module: to import.
    help:   its line in the list; the first line of its own help.
    name:   of the function or typer.Typer in the module; empty: the command's own.
    """

    module: str
    help: str
    name: str = ""


def lazy_group(places: Mapping[str, Place]) -> type[TyperGroup]:
    """A class for `typer.Typer(cls=...)`, with these commands by name."""

    class LazyGroup(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            for name, place in places.items():
                self.add_command(_Later(name, place))

    return LazyGroup


class _Later(TyperCommand):
    """Stands in the list for a command until someone means it: then the command itself makes the context.

    A context's command is what runs, prints help and completes, so nothing else has to be passed on.
    """

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, help=place.help)
        self._called, self._place = name, place

    @property
    def loaded(self) -> TyperCommand | TyperGroup:
        """The command, imported."""
        found = getattr(import_module(self._place.module), self._place.name or self._called)
        if isinstance(found, typer.Typer):
            command: TyperCommand | TyperGroup = get_group(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(self._called)(found)
            command = get_command(alone)  # type: ignore[assignment]  # typed as the base class of both
        command.name = self._called
        return command

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        return self.loaded.make_context(*arguments, **named)
