"""SOQL: text to tree, tree to SQL, SQL to records."""

from localorg.soql.ast import Bind, Query, binds_of
from localorg.soql.compile import Column, Compiled, compile_query
from localorg.soql.csv import csv_header
from localorg.soql.dates import stored_date, stored_datetime
from localorg.soql.formula import check_formula_field
from localorg.soql.parser import parse
from localorg.soql.paths import Settings
from localorg.soql.results import Children, Record, ResultSet

__all__ = [
    "Bind",
    "Children",
    "Column",
    "Compiled",
    "Query",
    "Record",
    "ResultSet",
    "Settings",
    "binds_of",
    "check_formula_field",
    "compile_query",
    "csv_header",
    "parse",
    "stored_date",
    "stored_datetime",
]
