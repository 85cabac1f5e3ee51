"""Object, Exception and the interfaces of the language itself."""

from __future__ import annotations

from typing import Any

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import PLATFORM_EXCEPTIONS, ApexException
from localorg.apex.values.text import to_text

OBJECT = platform_type("Object")
STRING = platform_type("String")
for _name in ("Integer", "Long", "Double", "Decimal", "Id", "Boolean", "Date", "Datetime", "Time", "Blob", "Type", "null"):
    platform_type(_name)
platform_type("List", parameters=("T",), interfaces=("Iterable<T>",))
platform_type("Set", parameters=("T",), interfaces=("Iterable<T>",))
platform_type("Map", parameters=("K", "V"))
platform_type("Iterable", parameters=("T",), interface=True).demands("Iterator<T> iterator()")
platform_type("Iterator", parameters=("T",), interface=True).demands("Boolean hasNext()", "T next()")
SYSTEM = platform_type("System")
EXC = platform_type("Exception")
for _name in PLATFORM_EXCEPTIONS:
    if _name != "Exception":
        platform_type(_name, parent="Exception")

@SYSTEM.static("void debug(Object)", runtime=True)
def debug(rt, value): print("DEBUG", to_text(value))
@EXC.method("String getMessage()")
def get_message(e): return e.x_message
