"""JSON: typed and untyped.

Apex Reference Guide: JSON Class. Decimals keep their digits; Datetime is written
in GMT with milliseconds; SObjects carry `attributes`; transient fields stay out.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from localorg.apex.library.collections import empty
from localorg.apex.library.language import TypeValue
from localorg.apex.runtime.kinds import as_id, looks_like_id
from localorg.apex.types.fields import field_type
from localorg.apex.types.model import (
    BLOB,
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    DOUBLE,
    ID,
    INTEGER,
    LONG,
    OBJECT,
    STRING,
    TIME,
    Class,
    Platform,
    Record,
    Type,
)
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import ApexException, apex_error, null_pointer
from localorg.apex.values.objects import ApexEnum, ApexObject
from localorg.apex.values.records import SObject
from localorg.apex.values.size import held
from localorg.apex.values.text import double_text, to_text

__all__ = ["JSON", "PLATFORM_READERS", "from_json", "pretty", "to_json_text"]

JSON = platform_type("JSON")

_API = "v67.0"


# ---- writing --------------------------------------------------------------------------------------------------------


def _moment(value: datetime.datetime) -> str:
    utc = value.astimezone(datetime.UTC)
    return f"{utc.year:04d}-{utc:%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _scalar(value: Any) -> str | None:
    """A value without parts as JSON text; None for one with parts."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return json.dumps(double_text(value)) if math.isnan(value) or math.isinf(value) else double_text(value)
    if isinstance(value, datetime.datetime):
        return f'"{_moment(value)}"'
    if isinstance(value, datetime.date):
        return f'"{value.isoformat()}"'
    if isinstance(value, datetime.time):
        return f'"{to_text(value)}"'
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode()}"'
    if isinstance(value, ApexEnum):
        return json.dumps(value.name)
    return None


class _Writer:
    """One serialisation. suppress: leave null fields of objects out; depth: indentation of pretty text."""

    def __init__(self, *, suppress: bool = False, pretty: bool = False) -> None:
        self.suppress = suppress
        self.pretty = pretty

    def write(self, value: Any, depth: int = 0) -> str:
        """Any value."""
        scalar = _scalar(value)
        return held(self._parts(value, depth) if scalar is None else scalar)

    def _parts(self, value: Any, depth: int) -> str:
        if isinstance(value, ApexList | ApexSet):
            return self._list([self.write(each, depth + 1) for each in value])
        if isinstance(value, ApexMap):
            return self._pairs([(_key(k), v) for k, v in value.items()], depth, keep_null=True)
        if isinstance(value, SObject):
            return self._pairs(_record_pairs(value), depth, keep_null=True)
        if isinstance(value, ApexException):
            raise apex_error("JSONException", f"Type unsupported in JSON: {value.type_name}")
        if isinstance(value, ApexObject):
            return self._pairs(_object_pairs(value), depth, keep_null=not self.suppress)
        if isinstance(value, TypeValue):
            return json.dumps(str(value))
        fields = getattr(value, "json_pairs", None)
        if fields is not None:
            return self._pairs(fields(), depth, keep_null=True)
        raise apex_error(
            "JSONException", f"Type unsupported in JSON: {getattr(value, 'apex_name', type(value).__name__)}"
        )

    def _list(self, parts: list[str]) -> str:
        if not self.pretty:
            return "[" + ",".join(parts) + "]"
        return "[ " + ", ".join(parts) + " ]" if parts else "[ ]"

    def _pairs(self, pairs: list[tuple[str, Any]], depth: int, *, keep_null: bool) -> str:
        written = [
            (json.dumps(name, ensure_ascii=False), self.write(value, depth + 1))
            for name, value in pairs
            if keep_null or value is not None
        ]
        if not self.pretty:
            return "{" + ",".join(f"{name}:{value}" for name, value in written) + "}"
        if not written:
            return "{ }"
        indent = "  " * (depth + 1)
        inside = ",\n".join(f"{indent}{name} : {value}" for name, value in written)
        return "{\n" + inside + "\n" + "  " * depth + "}"


def _key(value: Any) -> str:
    return "null" if value is None else to_text(value)


def _record_pairs(record: SObject) -> list[tuple[str, Any]]:
    attributes = ApexMap(STRING, STRING, [("type", record.type)])
    if record.values.get("Id"):
        attributes["url"] = f"/services/data/{_API}/sobjects/{record.type}/{record.values['Id']}"
    pairs: list[tuple[str, Any]] = [("attributes", attributes)]
    for name, value in record.values.items():
        pairs.append((name, _children(value) if isinstance(value, ApexList) else value))
    return pairs


def _children(rows: ApexList) -> ApexMap:
    return ApexMap(STRING, OBJECT, [("totalSize", len(rows)), ("done", True), ("records", rows)])


def _object_pairs(value: ApexObject) -> list[tuple[str, Any]]:
    pairs = []
    for info in reversed(list(value.info.ancestors())):
        for field in info.fields.values():
            if field.static or "transient" in field.modifiers:
                continue
            if field.getter:
                pairs.append((field.name, getattr(value, f"g_{field.name.lower()}")()))
            elif not field.is_property or field.readable:
                pairs.append((field.name, getattr(value, field.python)))
    return pairs


JSON.static("String serialize(Object)")(lambda v: _Writer().write(v))
JSON.static("String serialize(Object, Boolean)")(lambda v, s: _Writer(suppress=bool(s)).write(v))
JSON.static("String serializePretty(Object)")(lambda v: _Writer(pretty=True).write(v))
JSON.static("String serializePretty(Object, Boolean)")(lambda v, s: _Writer(suppress=bool(s), pretty=True).write(v))

# ---- reading --------------------------------------------------------------------------------------------------------


class _Number(str):
    """A JSON number as written."""

    __slots__ = ()


def _parse(text: str | None) -> Any:
    if text is None:
        null_pointer()
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise apex_error("JSONException", _json_fault(text, error)) from None


def _json_fault(text: str, error: json.JSONDecodeError) -> str:
    """What the platform's parser would say: the input ended, or a character stands where it must not."""
    where = f"at input location [{error.lineno},{error.colno}]"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return f"Unexpected end-of-input: expected close marker {where}"
    character = text[error.pos]
    return f"Unexpected character ('{character}' (code {ord(character)})): {error.msg} {where}"


# Platform types that are read from an object, by name: those that a test makes up because no constructor makes them.
PLATFORM_READERS: dict[str, Callable[[ApexMap], Any]] = {}


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, in order."""


def _untyped(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return ApexMap(STRING, OBJECT, [(name, _untyped(each)) for name, each in value])
    if isinstance(value, list):
        return ApexList(OBJECT, map(_untyped, value))
    if isinstance(value, _Number):
        if not set(value) & set(".eE"):
            whole = int(value)
            return whole if -(2**31) <= whole < 2**31 else _long(whole)
        return Decimal(value)
    return value


def _long(value: int) -> Any:
    from localorg.apex.values.numbers import BoxedLong

    return BoxedLong(value) if -(2**63) <= value < 2**63 else Decimal(value)


JSON.static("Object deserializeUntyped(String)")(lambda text: _untyped(_parse(text)))


class _Reader:
    """One typed deserialisation. strict: unknown fields are refused."""

    def __init__(self, rt: Any, *, strict: bool) -> None:
        self.rt = rt
        self.strict = strict

    def read(self, value: Any, type_: Type) -> Any:
        """A parsed value as a type. Raises System.JSONException."""
        if value is None:
            return None
        if type_ == OBJECT:
            return _untyped(value)
        if isinstance(type_, Class):
            return self._object(value, type_)
        if isinstance(type_, Record):
            return self._record(value, type_)
        if type_.name in ("List", "Set"):
            return self._list(value, type_)
        if type_.name == "Map":
            return self._map(value, type_)
        if type_.name in PLATFORM_READERS and isinstance(value, _Pairs):
            return PLATFORM_READERS[type_.name](_untyped(value))
        reader = _SCALARS.get(type_)
        if reader is None:
            raise apex_error("JSONException", f"Type unsupported in JSON: {type_}")
        return self._scalar(value, type_, reader)

    def _scalar(self, value: Any, type_: Type, reader: Any) -> Any:
        if isinstance(value, _Pairs | list):
            raise apex_error("JSONException", f"Illegal value for primitive: {_Writer().write(_untyped(value))}")
        try:
            return reader(value)
        except (ValueError, ArithmeticError):
            raise apex_error("JSONException", f"Illegal value for {str(type_).lower()}: {value}") from None

    def _list(self, value: Any, type_: Platform) -> Any:
        if isinstance(value, _Pairs) and any(name == "records" for name, _ in value):
            value = dict(value)["records"]
        if isinstance(value, _Pairs) or not isinstance(value, list):
            raise apex_error("JSONException", "Malformed JSON: Expected '[' at the beginning of List/Set")
        made = empty(type_)
        for each in value:
            item = self.read(each, type_.arguments[0])
            if isinstance(made, ApexList):
                made.append(item)
            else:
                made.items[item] = None
        return made

    def _map(self, value: Any, type_: Platform) -> Any:
        if not isinstance(value, _Pairs):
            raise apex_error("JSONException", "Malformed JSON: Expected '{' at the beginning of object")
        made = empty(type_)
        for name, each in value:
            made[self._scalar(name, type_.arguments[0], _SCALARS.get(type_.arguments[0], str))] = self.read(
                each, type_.arguments[1]
            )
        return made

    def _object(self, value: Any, type_: Class) -> Any:
        info = type_.info
        if info.kind == "enum":
            for each in self.rt.load(info).all:
                if isinstance(value, str) and each.name.lower() == value.lower():
                    return each
            raise apex_error("JSONException", f"Illegal value for enum: {value}")
        if not isinstance(value, _Pairs):
            raise apex_error("JSONException", "Malformed JSON: Expected '{' at the beginning of object")
        if info.kind == "interface" or "abstract" in info.modifiers:
            raise apex_error("JSONException", f"Unable to construct an instance of type: {info.name}")
        made = self.rt.load(info)()
        for name, each in value:
            field = info.field(name.lower())
            if field is None or field.static or (field.is_property and not field.writable):
                if self.strict and field is None:
                    raise apex_error("JSONException", f"No such field '{name}' on type {info.name}")
                continue
            item = self.read(each, field.type)
            if field.setter:
                getattr(made, f"p_{field.name.lower()}")(item)
            else:
                setattr(made, field.python, item)
        return made

    def _record(self, value: Any, type_: Record) -> Any:
        if not isinstance(value, _Pairs):
            raise apex_error("JSONException", "Malformed JSON: Expected '{' at the beginning of object")
        name = type_.name
        attributes = next((dict(each) for key, each in value if key == "attributes" and isinstance(each, _Pairs)), {})
        if not name:
            name = str(attributes.get("type", ""))
            if not name:
                raise apex_error("JSONException", "SObject type must be specified in attributes")
        schema, within = self.rt.schema, self.rt.namespace
        object_ = schema.object(name)
        made = SObject(object_.api_name)
        for key, each in value:
            if key == "attributes":
                continue
            field = schema.field_of(object_, key, within=within)
            lookup = None if field is not None else schema.parent(object_, key, within=within)
            child = None if field is not None or lookup is not None else schema.child(object_, key, within=within)
            if field is not None:
                made.values[field.api_name] = self.read(each, field_type(field.type))
            elif lookup is not None:
                made.values[lookup.relationship_name] = self.read(each, Record(schema.targets(lookup)[0]))
            elif child is not None:
                made.values[child.name] = self.read(each, Platform("List", (Record(child.child.api_name),)))
            else:
                raise apex_error("JSONException", f"No such column '{key}' on sobject of type {object_.api_name}")
        return made


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else ("true" if value else "false")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(value)


def _integer(low: int, high: int) -> Any:
    def read(value: Any) -> int:
        number = int(value)
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError(value)
        return number

    return read


def _read_moment(value: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(str(value).replace("+0000", "+00:00").replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)


def _read_id(value: Any) -> str | None:
    if not looks_like_id(value):
        raise ValueError(value)
    return as_id(value)


_SCALARS: dict[Type, Any] = {
    STRING: _text,
    ID: _read_id,
    BOOLEAN: _boolean,
    INTEGER: _integer(-(2**31), 2**31 - 1),
    LONG: _integer(-(2**63), 2**63 - 1),
    DOUBLE: float,
    DECIMAL: Decimal,
    DATE: lambda v: datetime.date.fromisoformat(str(v)[:10]),
    DATETIME: _read_moment,
    TIME: lambda v: datetime.time.fromisoformat(str(v).rstrip("Z")),
    BLOB: lambda v: base64.b64decode(v, validate=True),
}


def _deserialize(rt: Any, text: str | None, wanted: TypeValue, strict: bool) -> Any:
    if wanted is None:
        null_pointer()
    return _Reader(rt, strict=strict).read(_parse(text), wanted.type)


JSON.static("Object deserialize(String, Type)", runtime=True)(lambda rt, t, w: _deserialize(rt, t, w, False))
JSON.static("Object deserializeStrict(String, Type)", runtime=True)(lambda rt, t, w: _deserialize(rt, t, w, True))

# ---- for the ways into a program ------------------------------------------------------------------------------------


def to_json_text(value: Any) -> str:
    """A value as JSON.serialize writes it."""
    return _Writer().write(value)


def from_json(rt: Any, value: Any, type_: Type) -> Any:
    """A value of Python's json as a type, as JSON.deserialize reads it."""
    return _Reader(rt, strict=False).read(_parse(json.dumps(value)), type_)


def pretty(text: str) -> str:
    """A JSON text laid out as JSON.serializePretty does."""
    return _Writer(pretty=True).write(_untyped(_parse(text)))
