"""The platform's library: importing a file here declares its types. One file a class family."""

from localorg.apex.library import (  # noqa: F401 - each import declares
    asynchronous,
    collections,
    crypto,
    database,
    http,
    json,
    json_generator,
    language,
    leads,
    lifecycle,
    numbers,
    patterns,
    records,
    running,
    schema,
    strings,
    system,
    temporal,
    testing,
)
from localorg.apex.types.platform import SYMBOLS

__all__ = ["SYMBOLS"]
