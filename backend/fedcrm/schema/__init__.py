"""What an organisation's fields mean, in words that all of them share."""

from fedcrm.schema.vocabulary import CanonicalFeature, Higher, Kind, Use, Vocabulary, vocabulary

__all__ = ["CanonicalFeature", "Higher", "Kind", "Use", "Vocabulary", "vocabulary"]
