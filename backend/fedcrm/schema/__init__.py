"""What an organisation's fields mean, in words that all of them share."""

from fedcrm.schema.check import Problem, Severity, check_mapping, own_kinds, readable_fields
from fedcrm.schema.definitions import definitions, deployable
from fedcrm.schema.mapping import Aggregate, Empty, FieldMapping, KeptOut, Known, SchemaMapping
from fedcrm.schema.mapping_file import mapping_text, read_mapping
from fedcrm.schema.package import package_of
from fedcrm.schema.vocabulary import CanonicalFeature, Higher, Kind, Use, Vocabulary, vocabulary

__all__ = [
    "Aggregate",
    "CanonicalFeature",
    "Empty",
    "FieldMapping",
    "Higher",
    "KeptOut",
    "Kind",
    "Known",
    "Problem",
    "SchemaMapping",
    "Severity",
    "Use",
    "Vocabulary",
    "check_mapping",
    "definitions",
    "deployable",
    "mapping_text",
    "own_kinds",
    "package_of",
    "read_mapping",
    "readable_fields",
    "vocabulary",
]
