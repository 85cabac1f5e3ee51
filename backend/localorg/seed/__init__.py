"""Records for local orgs from a real table: the same facts, each org in its own words."""

from localorg.seed.dialect import Dialect, LocalField, dialect_of
from localorg.seed.plant import Planted, plant, planted_before
from localorg.seed.surroundings import Rates
from localorg.seed.table import Table, read_table

__all__ = ["Dialect", "LocalField", "Planted", "Rates", "Table", "dialect_of", "plant", "planted_before", "read_table"]
