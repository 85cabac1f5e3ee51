"""List, Set, Map and their iterators.

Apex Reference Guide: List, Set, Map, Iterator. Sorting: nulls first, text by code point, enums by ordinal, SObjects by
name and then by their other fields, classes by Comparable or a Comparator; stable.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

from localorg.apex.types.model import Platform, Record, Type
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.equality import order_key
from localorg.apex.values.exceptions import apex_error, given, null_pointer
from localorg.apex.values.objects import ApexObject
from localorg.apex.values.records import SObject
from localorg.apex.values.size import seats_for

__all__ = ["empty"]

LIST = platform_type("List", parameters=("T",), interfaces=("Iterable<T>",))
SET = platform_type("Set", parameters=("T",), interfaces=("Iterable<T>",))
MAP = platform_type("Map", parameters=("K", "V"))


def empty(type_: Platform) -> Any:
    """A new collection of a type."""
    made: dict[str, Any] = {"List": ApexList, "Set": ApexSet, "Map": ApexMap}
    return made[type_.name](*type_.arguments)


class ListIterator:
    """What iterator() gives."""

    apex_name = "Iterator"

    def __init__(self, values: ApexList | ApexSet) -> None:
        self.apex_type = Platform("Iterator", (values.element,))
        self._rest: Iterator[Any] = iter(list(values))
        self._next: list[Any] = []

    def call(self, name: str, *_: Any) -> Any:
        """hasNext and next, as generated code calls any iterator."""
        if not self._next:
            self._next = list(itertools.islice(self._rest, 1))
        if name == "hasnext":
            return bool(self._next)
        if not self._next:
            raise apex_error("NoSuchElementException", "Iterator has no more elements")
        return self._next.pop()

    def __iter__(self) -> Iterator[Any]:
        while self.call("hasnext"):
            yield self.call("next")


# ---- List -----------------------------------------------------------------------------------------------------------

LIST.constructor("()")(ApexList)


@LIST.constructor("(Iterable<T>)")
def _list_of(element: Type, values: Any) -> ApexList:
    return ApexList(element, given(values))


@LIST.constructor("(Integer)")
def _sized(element: Type, size: int) -> ApexList:
    return ApexList(element, [None] * seats_for(size))


LIST.method("void add(T)", inline="{0}.append({1})")(list.append)


@LIST.method("void add(Integer, T)")
def _insert(values: ApexList, index: int, value: Any) -> None:
    if not 0 <= index <= len(values):
        raise apex_error("ListException", f"List index out of bounds: {index}")
    values.insert(index, value)


@LIST.method("void addAll(Iterable<T>)")
def _add_all(values: ApexList, others: Any) -> None:
    seats_for(len(values), given(others))
    values.extend(others)


LIST.method("T get(Integer)", inline="{0}.at({1})")(ApexList.at)
LIST.method("void set(Integer, T)", inline="{0}.put({1}, {2})")(ApexList.put)
LIST.method("Integer size()", inline="len({0})")(len)
LIST.method("Boolean isEmpty()", inline="(not {0})")(lambda values: not values)
LIST.method("void clear()", inline="{0}.clear()")(list.clear)
LIST.method("Boolean contains(T)", inline="({1} in {0})")(lambda values, value: value in values)


@LIST.method("Integer indexOf(T)")
def _index_of(values: ApexList, value: Any) -> int:
    return values.index(value) if value in values else -1


@LIST.method("T remove(Integer)")
def _remove(values: ApexList, index: int) -> Any:
    values.at(index)
    return values.pop(index)


@LIST.method("List<T> clone()")
def _clone(values: ApexList) -> ApexList:
    return ApexList(values.element, values)


def _deep_clone(values: ApexList, keep_id: bool = False, *_rest: bool) -> ApexList:
    return ApexList(
        values.element,
        [each.copy(keep_id=keep_id, deep=True) if isinstance(each, SObject) else each for each in values],
    )


LIST.method("List<T> deepClone()")(_deep_clone)
LIST.method("List<T> deepClone(Boolean)")(_deep_clone)
LIST.method("List<T> deepClone(Boolean, Boolean)")(_deep_clone)
LIST.method("List<T> deepClone(Boolean, Boolean, Boolean)")(_deep_clone)
LIST.method("Iterator<T> iterator()")(ListIterator)


@LIST.method("Schema.SObjectType getSObjectType()", runtime=True)
def _list_object(rt: Any, values: ApexList) -> Any:
    element = values.element
    return rt.object_token(element.name) if isinstance(element, Record) and element.name else None


@LIST.method("void sort()")
def _sort(values: ApexList) -> None:
    if any(isinstance(each, ApexObject) for each in values):
        if not all(each is None or (isinstance(each, ApexObject) and each.implements("Comparable")) for each in values):
            raise apex_error("ListException", "One or more of the items in this list is not Comparable.")
        values.sort(key=functools.cmp_to_key(_compare_objects))
    elif any(isinstance(each, SObject) for each in values):
        values.sort(key=_record_key)
    else:
        values.sort(key=order_key)


def _compare_objects(left: Any, right: Any) -> int:
    if left is None or right is None:
        return (left is not None) - (right is not None)
    return int(left.call("compareto", right))


@LIST.method("void sort(Comparator<T>)")
def _sort_by(values: ApexList, comparator: Any) -> None:
    if comparator is None:
        null_pointer()
    values.sort(key=functools.cmp_to_key(lambda a, b: int(comparator.call("compare", a, b))))


def _record_key(record: SObject | None) -> tuple[Any, ...]:
    """Object type, then Name, then the fields in alphabetical order, standard ones first."""
    if record is None:
        return ()
    values = record.values
    names = sorted(
        (n for n, v in values.items() if not isinstance(v, list | SObject)), key=lambda n: (n.endswith("__c"), n)
    )
    name = values.get("Name")
    return (record.type, order_key(name), *((each, order_key(values[each])) for each in names))


# ---- Set ------------------------------------------------------------------------------------------------------------

SET.constructor("()")(ApexSet)
SET.constructor("(Iterable<T>)")(lambda element, values: ApexSet(element, given(values)))


@SET.method("Boolean add(T)")
def _set_add(values: ApexSet, value: Any) -> bool:
    if value in values.items:
        return False
    values.items[value] = None
    return True


@SET.method("Boolean addAll(Iterable<T>)")
def _set_add_all(values: ApexSet, others: Any) -> bool:
    before = len(values.items)
    seats_for(before, given(others))
    values.items.update(dict.fromkeys(others))
    return len(values.items) != before


SET.method("Boolean contains(T)", inline="({1} in {0}.items)")(lambda values, value: value in values.items)
SET.method("Boolean containsAll(Iterable<T>)")(lambda values, others: all(o in values.items for o in given(others)))
SET.method("Integer size()", inline="len({0}.items)")(len)
SET.method("Boolean isEmpty()", inline="(not {0}.items)")(lambda values: not values.items)
SET.method("void clear()")(lambda values: values.items.clear())
SET.method("Set<T> clone()")(lambda values: ApexSet(values.element, values.items))
SET.method("Iterator<T> iterator()")(ListIterator)


@SET.method("Boolean remove(T)")
def _set_remove(values: ApexSet, value: Any) -> bool:
    found = value in values.items
    values.items.pop(value, None)
    return found


@SET.method("Boolean removeAll(Iterable<T>)")
def _set_remove_all(values: ApexSet, others: Any) -> bool:
    return sum(_set_remove(values, other) for other in list(given(others))) > 0


@SET.method("Boolean retainAll(Iterable<T>)")
def _set_retain_all(values: ApexSet, others: Any) -> bool:
    kept = set(given(others))
    before = len(values.items)
    values.items = {each: None for each in values.items if each in kept}
    return len(values.items) != before


# ---- Map ------------------------------------------------------------------------------------------------------------

MAP.constructor("()")(ApexMap)


@MAP.constructor("(Map<K,V>)")
def _map_of(key: Type, value: Type, others: Any) -> ApexMap:
    return ApexMap(key, value, given(others).items())


@MAP.constructor("(List<SObject>)")
def _map_of_records(key: Type, value: Type, rows: Any) -> ApexMap:
    made = ApexMap(key, value)
    for row in given(rows):
        _put_record(made, row)
    return made


def _put_record(into: ApexMap, row: SObject) -> None:
    identity = row.values.get("Id") if row is not None else None
    if identity is None:
        raise apex_error("ListException", f"Missing id at index: {len(into)}")
    into[identity] = row


MAP.method("V get(K)", inline="{0}.get({1})")(dict.get)


@MAP.method("V put(K, V)")
def _map_put(values: ApexMap, key: Any, value: Any) -> Any:
    before = values.get(key)
    values[key] = value
    return before


@MAP.method("void putAll(Map<K,V>)")
def _map_put_all(values: ApexMap, others: Any) -> None:
    seats_for(len(values), given(others))
    values.update(others)


@MAP.method("void putAll(List<SObject>)")
def _map_put_records(values: ApexMap, rows: Any) -> None:
    for row in given(rows):
        _put_record(values, row)


MAP.method("Boolean containsKey(K)", inline="({1} in {0})")(lambda values, key: key in values)
MAP.method("V remove(K)", inline="{0}.pop({1}, None)")(lambda values, key: values.pop(key, None))
MAP.method("Integer size()", inline="len({0})")(len)
MAP.method("Boolean isEmpty()", inline="(not {0})")(lambda values: not values)
MAP.method("void clear()")(lambda values: values.clear())
MAP.method("Map<K,V> clone()")(lambda values: ApexMap(values.key, values.value, values.items()))
MAP.method("Set<K> keySet()")(lambda values: ApexSet(values.key, values))
MAP.method("List<V> values()")(lambda values: ApexList(values.value, values.values()))


@MAP.method("Map<K,V> deepClone()")
def _map_deep_clone(values: ApexMap) -> ApexMap:
    pairs = ((k, v.copy(keep_id=True, deep=True) if isinstance(v, SObject) else v) for k, v in values.items())
    return ApexMap(values.key, values.value, pairs)


@MAP.method("Schema.SObjectType getSObjectType()", runtime=True)
def _map_object(rt: Any, values: ApexMap) -> Any:
    value = values.value
    return rt.object_token(value.name) if isinstance(value, Record) and value.name else None
