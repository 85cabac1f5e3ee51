"""List, Set and Map. Each remembers its element types, which a cast, JSON and a record list ask for.

Sets and maps iterate in the order of insertion. Keys follow Apex: text is case-sensitive, records compare by their
fields, objects by equals and hashCode where the class declares both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from localorg.apex.types.model import Platform, Type, list_of, map_of, set_of
from localorg.apex.values.exceptions import apex_error

__all__ = ["ApexList", "ApexMap", "ApexSet", "NameMap"]


class ApexList(list[Any]):
    """List<element>."""

    __slots__ = ("element",)

    def __init__(self, element: Type, values: Iterable[Any] = ()) -> None:
        super().__init__(values)
        self.element = element

    def __hash__(self) -> int:  # type: ignore[override]  # lists are keys in Apex, by their contents
        result = 1
        for each in self:
            result = (31 * result + hash(each)) & 0xFFFFFFFF
        return result

    @property
    def type(self) -> Platform:
        """The list's own type."""
        return list_of(self.element)

    def at(self, index: Any) -> Any:
        """The element at an index, or the platform's complaint."""
        if index is None:
            raise apex_error("NullPointerException", "Argument cannot be null.")
        if not 0 <= index < len(self):
            raise apex_error("ListException", f"List index out of bounds: {index}")
        return self[index]

    def put(self, index: Any, value: Any) -> Any:
        """Replace the element at an index; returns the new one, as an assignment does."""
        self.at(index)
        self[index] = value
        return value


class ApexSet:
    """Set<element>."""

    __slots__ = ("element", "items")

    def __init__(self, element: Type, values: Iterable[Any] = ()) -> None:
        self.element = element
        self.items: dict[Any, None] = dict.fromkeys(values)

    @property
    def type(self) -> Platform:
        """The set's own type."""
        return set_of(self.element)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self.items
        except RuntimeError:
            raise apex_error("FinalException", "Cannot modify a collection while it is being iterated.") from None

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, value: object) -> bool:
        return value in self.items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApexSet) and self.items.keys() == other.items.keys()

    def __hash__(self) -> int:
        return sum(map(hash, self.items)) & 0xFFFFFFFF


class ApexMap(dict[Any, Any]):
    """Map<key, value>."""

    __slots__ = ("key", "value")

    def __init__(self, key: Type, value: Type, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        super().__init__(pairs)
        self.key = key
        self.value = value

    def __hash__(self) -> int:  # type: ignore[override]  # maps are keys in Apex, by their contents
        return sum(hash(k) ^ hash(v) for k, v in self.items()) & 0xFFFFFFFF

    @property
    def type(self) -> Platform:
        """The map's own type."""
        return map_of(self.key, self.value)


class NameMap(ApexMap):
    """Map of names the schema knows: kept lowered, found in any case."""

    __slots__ = ()

    def get(self, key: Any, default: Any = None) -> Any:
        """The value under a name."""
        return super().get(_lowered(key), default)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a name out."""
        return super().pop(_lowered(key), *default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_lowered(key), value)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(_lowered(key))


def _lowered(key: Any) -> Any:
    return key.lower() if isinstance(key, str) else key
