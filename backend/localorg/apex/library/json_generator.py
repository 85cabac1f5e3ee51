"""JSONGenerator: JSON written piece by piece.

Apex Reference Guide: JSONGenerator Class.
"""

from __future__ import annotations

import json

from localorg.apex.library.json import JSON, pretty, to_json_text
from localorg.apex.types.platform import platform_type

GENERATOR = platform_type("JSONGenerator")


class Generator:
    """System.JSONGenerator."""

    apex_name = "JSONGenerator"

    def __init__(self, pretty: bool) -> None:
        self.pretty = pretty
        self.out: list[str] = []
        self.fresh = True

    def item(self, text: str) -> None:
        """A value, with the comma before it where one is due."""
        if not self.fresh:
            self.out.append(",")
        self.out.append(text)
        self.fresh = False

    def open(self, bracket: str) -> None:
        """{ or [."""
        self.item(bracket)
        self.fresh = True

    def close(self, bracket: str) -> None:
        """} or ]."""
        self.out.append(bracket)
        self.fresh = False

    def name(self, name: str) -> None:
        """A field's name."""
        self.item(json.dumps(name, ensure_ascii=False) + ":")
        self.fresh = True


JSON.static("JSONGenerator createGenerator(Boolean)")(lambda pretty: Generator(bool(pretty)))
GENERATOR.method("void writeStartObject()")(lambda g: g.open("{"))
GENERATOR.method("void writeEndObject()")(lambda g: g.close("}"))
GENERATOR.method("void writeStartArray()")(lambda g: g.open("["))
GENERATOR.method("void writeEndArray()")(lambda g: g.close("]"))
GENERATOR.method("void writeFieldName(String)")(lambda g, name: g.name(name))
GENERATOR.method("void writeNull()")(lambda g: g.item("null"))
GENERATOR.method("void writeObject(Object)")(lambda g, v: g.item(to_json_text(v)))
GENERATOR.method("void writeNullField(String)")(lambda g, name: (g.name(name), g.item("null"))[1])
GENERATOR.method("void writeObjectField(String, Object)")(lambda g, name, v: (g.name(name), g.item(to_json_text(v)))[1])
for _kind in ("String", "Boolean", "Number", "Date", "DateTime", "Time", "Blob", "Id"):
    _types = (
        ("Integer", "Long", "Double", "Decimal")
        if _kind == "Number"
        else ("Datetime" if _kind == "DateTime" else _kind,)
    )
    for _type in _types:
        GENERATOR.method(f"void write{_kind}({_type})")(lambda g, v: g.item(to_json_text(v)))
        GENERATOR.method(f"void write{_kind}Field(String, {_type})")(
            lambda g, name, v: (g.name(name), g.item(to_json_text(v)))[1]
        )
GENERATOR.method("void close()")(lambda _g: None)


@GENERATOR.method("String getAsString()")
def _as_string(generator: Generator) -> str:
    text = "".join(generator.out)
    return pretty(text) if generator.pretty and text else text
