"""The platform's library: importing a file here declares its types. One file a class family."""

from localorg.apex.library import (  # noqa: F401 - each import declares
    collections,
    database,
    language,
    numbers,
    patterns,
    records,
    schema,
    strings,
    system,
    temporal,
)
from localorg.apex.types.platform import SYMBOLS

__all__ = ["SYMBOLS"]
