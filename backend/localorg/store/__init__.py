"""An org's rows in one SQLite file: tables, ids, transactions."""

from localorg.store.database import Store
from localorg.store.ids import is_id, to15, to18
from localorg.store.tables import column_type, quoted
from localorg.store.text import storable

__all__ = ["Store", "column_type", "is_id", "quoted", "storable", "to15", "to18"]
