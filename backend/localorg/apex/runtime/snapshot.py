"""Objects between transactions: a job's state as plain JSON, made anew in the transaction that runs it.

Apex serialises jobs the same way: transient and static fields stay behind, and what holds a connection cannot travel.
"""

from __future__ import annotations

import base64
import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from localorg.apex.types.model import OBJECT, Type
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.numbers import BoxedId, BoxedLong
from localorg.apex.values.objects import ApexEnum, ApexObject
from localorg.apex.values.records import SObject

if TYPE_CHECKING:
    from localorg.apex.runtime.transaction import Runtime

__all__ = ["restore", "snapshot"]

Json = Any


def snapshot(value: Any) -> Json:
    """A value as JSON. Raises System.SerializationException."""
    return _Taker().take(value)


def restore(rt: Runtime, document: Json) -> Any:
    """The value again, with the classes of another transaction."""
    return _Maker(rt).make(document)


class _Taker:
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []

    def take(self, value: Any) -> Json:
        scalar = _scalar(value)
        if scalar is not None or value is None:
            return scalar
        known = self.seen.get(id(value))
        if known is not None:
            return {"k": "same", "n": known}
        number = self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        return {**self._parts(value), "n": number}

    def _parts(self, value: Any) -> dict[str, Json]:
        if isinstance(value, ApexList):
            return {"k": "list", "e": str(value.element), "v": [self.take(each) for each in value]}
        if isinstance(value, ApexSet):
            return {"k": "set", "e": str(value.element), "v": [self.take(each) for each in value]}
        if isinstance(value, ApexMap):
            pairs = [[self.take(key), self.take(each)] for key, each in value.items()]
            return {"k": "map", "e": str(value.key), "f": str(value.value), "v": pairs}
        if isinstance(value, SObject):
            fields = {name: self.take(each) for name, each in value.values.items()}
            return {"k": "record", "e": value.type, "q": value.queried, "c": sorted(value.changed), "v": fields}
        if isinstance(value, ApexObject):
            return {"k": "object", "e": value.info.name, "v": self._fields(value)}
        raise apex_error(
            "SerializationException", f"Not Serializable: {getattr(value, 'apex_name', type(value).__name__)}"
        )

    def _fields(self, value: ApexObject) -> dict[str, Json]:
        transient = {
            f.python for info in value.info.ancestors() for f in info.fields.values() if "transient" in f.modifiers
        }
        return {name: self.take(each) for name, each in vars(value).items() if name not in transient}


def _scalar(value: Any) -> Json:
    if isinstance(value, BoxedLong):
        return {"k": "long", "v": int(value)}
    if isinstance(value, BoxedId):
        return {"k": "id", "v": str(value)}
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"k": "double", "v": value}
    if isinstance(value, Decimal):
        return {"k": "decimal", "v": str(value)}
    if isinstance(value, datetime.datetime):
        return {"k": "moment", "v": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"k": "date", "v": value.isoformat()}
    if isinstance(value, datetime.time):
        return {"k": "time", "v": value.isoformat()}
    if isinstance(value, bytes):
        return {"k": "blob", "v": base64.b64encode(value).decode()}
    if isinstance(value, ApexEnum):
        return {"k": "enum", "e": value.enum, "v": [value.name, value.ordinal]}
    return None


class _Maker:
    def __init__(self, rt: Runtime) -> None:
        self.rt = rt
        self.made: dict[int, Any] = {}

    def make(self, document: Json) -> Any:
        if not isinstance(document, dict):
            return document
        kind, value = document["k"], document.get("v", [])
        if kind == "same":
            return self.made[document["n"]]
        reader = _SCALARS.get(kind)
        if reader is not None:
            return reader(value)
        if kind == "enum":
            return ApexEnum(document["e"], value[0], value[1])
        return self._whole(kind, document, value)

    def _type(self, text: str) -> Type:
        return self.rt.names.written(text) or OBJECT

    def _whole(self, kind: str, document: dict[str, Json], value: Any) -> Any:
        number = document["n"]
        if kind == "list":
            rows = self.made[number] = ApexList(self._type(document["e"]))
            rows.extend(map(self.make, value))
            return rows
        if kind == "set":
            values = self.made[number] = ApexSet(self._type(document["e"]))
            values.items.update(dict.fromkeys(map(self.make, value)))
            return values
        if kind == "map":
            pairs = self.made[number] = ApexMap(self._type(document["e"]), self._type(document["f"]))
            pairs.update((self.make(key), self.make(each)) for key, each in value)
            return pairs
        if kind == "record":
            record = self.made[number] = SObject(document["e"], queried=document["q"])
            record.changed.update(document["c"])
            record.values.update((name, self.make(each)) for name, each in value.items())
            return record
        info = self.rt.program.find(document["e"])
        if info is None:
            raise apex_error("TypeException", f"Class {document['e']} does not exist")
        made = self.made[number] = self.rt.load(info)()
        for name, each in value.items():
            setattr(made, name, self.make(each))
        return made


_SCALARS: dict[str, Any] = {
    "long": BoxedLong,
    "id": BoxedId,
    "double": float,
    "decimal": Decimal,
    "moment": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "blob": base64.b64decode,
}
