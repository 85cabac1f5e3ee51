"""What an organisation's fields mean, in words that all of them share."""

from fedcrm.schema.mapping import Aggregate, Empty, FieldMapping, KeptOut, Known, SchemaMapping
from fedcrm.schema.mapping_file import mapping_text, read_mapping
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
    "SchemaMapping",
    "Use",
    "Vocabulary",
    "mapping_text",
    "read_mapping",
    "vocabulary",
]
