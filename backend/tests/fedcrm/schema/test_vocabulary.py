"""The common vocabulary and what standard fields mean."""

from __future__ import annotations

import re

import pytest

from fedcrm.schema import Kind, Use, vocabulary

UNITS = {"count", "score", "currency", "percent", "days", "months", "hours", "date"}
RECORDS = {"account", "contact", "lead", "opportunity", "case"}


@pytest.mark.parametrize("feature", vocabulary().features.values(), ids=lambda f: f.id)
def test_every_meaning_says_what_kind_of_value_it_is_and_of_which_records(feature):
    assert re.fullmatch(r"[a-z]+\.[a-z_0-9]+", feature.id)
    assert feature.name
    assert len(feature.meaning.split()) >= 4
    assert feature.about
    assert set(feature.about) <= RECORDS
    assert feature.unit is None or feature.unit in UNITS
    assert (feature.unit is not None) == (feature.kind in (Kind.NUMBER, Kind.DATE))


def test_names_and_meanings_are_told_apart():
    features = vocabulary().features.values()
    assert len({f.name for f in features}) == len(features) == len({f.meaning for f in features})


def test_what_says_who_somebody_is_may_not_be_learned_from():
    words = vocabulary()
    for field in ("Email", "Phone", "FirstName", "MailingStreet"):
        assert words.of_standard_field("Contact", field).use is Use.IDENTITY
    assert words.of_standard_field("Contact", "Birthdate").use is Use.SENSITIVE
    assert not any(f.use.learnable for f in words.features.values() if f.id in ("record.name", "contact.demographic"))


def test_standard_fields_are_found_whatever_the_case():
    words = vocabulary()
    assert words.of_standard_field("ACCOUNT", "industry") is words["account.industry"]
    assert words.of_standard_field("Account", "Colour__c") is None


def test_the_features_that_the_founding_description_names_are_there():
    words = vocabulary()
    for name in (
        "opportunity.open_value",
        "activity.count_90d",
        "support.open_cases",
        "stakeholder.count",
        "stakeholder.executive_count",
        "integration.asset_count",
        "email.opens_90d",
        "email.replies_90d",
        "meeting.count_90d",
        "web.responses_365d",
    ):
        assert words[name].use.learnable
