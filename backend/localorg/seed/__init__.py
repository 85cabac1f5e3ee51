"""Records for local orgs from a real table: the same facts, each org in its own words."""

from localorg.seed.dialect import Dialect, dialect_of
from localorg.seed.plant import Planted, plant
from localorg.seed.table import Table, read_table

__all__ = ["Dialect", "Planted", "Table", "dialect_of", "plant", "read_table"]
