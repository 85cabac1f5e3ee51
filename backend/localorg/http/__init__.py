"""The local org over the wire: one file an API family, one application over them."""

from localorg.http.app import App
from localorg.http.engines import Engines
from localorg.http.server import Server

__all__ = ["App", "Engines", "Server"]
