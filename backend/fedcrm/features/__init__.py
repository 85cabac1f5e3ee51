"""Data sets, their splits, the public schema, and the one encoding that every method shares."""

from fedcrm.features.dataset import Column, DataSet, load_data_set
from fedcrm.features.derived import Kind
from fedcrm.features.description import (
    DataSetWarning,
    DeclaredColumn,
    DeclaredVocabulary,
    Description,
    Metric,
    PublicCategories,
    PublicRange,
    parse_description,
    read_description,
)
from fedcrm.features.proposal import (
    block_examples,
    blocks_of,
    category_values,
    observed_categories,
    observed_ranges,
    propose_schema,
    schema_of,
)
from fedcrm.features.schema import Field, Schema, Table
from fedcrm.features.split import Part, Split, split
from fedcrm.features.systems import ColumnFacts, Joined, Systems, join, systems_of
from fedcrm.features.tasks import task_name

__all__ = [
    "Column",
    "ColumnFacts",
    "DataSet",
    "DataSetWarning",
    "DeclaredColumn",
    "DeclaredVocabulary",
    "Description",
    "Field",
    "Joined",
    "Kind",
    "Metric",
    "Part",
    "PublicCategories",
    "PublicRange",
    "Schema",
    "Split",
    "Systems",
    "Table",
    "block_examples",
    "blocks_of",
    "category_values",
    "join",
    "load_data_set",
    "observed_categories",
    "observed_ranges",
    "parse_description",
    "propose_schema",
    "read_description",
    "schema_of",
    "split",
    "systems_of",
    "task_name",
]
