"""Data sets, their splits, the public schema, and the one encoding that every method shares."""

from fedcrm.features.dataset import Column, DataSet, load_data_set
from fedcrm.features.derived import Kind
from fedcrm.features.description import (
    DataSetWarning,
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
)
from fedcrm.features.schema import Field, Schema, Table
from fedcrm.features.split import Part, Split, split

__all__ = [
    "Column",
    "DataSet",
    "DataSetWarning",
    "Description",
    "Field",
    "Kind",
    "Metric",
    "Part",
    "PublicCategories",
    "PublicRange",
    "Schema",
    "Split",
    "Table",
    "block_examples",
    "blocks_of",
    "category_values",
    "load_data_set",
    "observed_categories",
    "observed_ranges",
    "parse_description",
    "propose_schema",
    "read_description",
    "split",
]
