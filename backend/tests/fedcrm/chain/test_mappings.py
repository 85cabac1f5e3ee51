"""The nine shipped mappings: they read, they speak of the same, and nobody in them is judged by who they are."""

from __future__ import annotations

import pytest

from fedcrm.chain.joining import mapping_file, wrong_mapping_file
from fedcrm.chain.places import organisations
from fedcrm.schema import read_mapping, vocabulary

NINE = organisations(9)


@pytest.mark.parametrize("one", NINE, ids=lambda one: one.alias)
def test_a_shipped_mapping_reads_and_is_its_organisations(one):
    mapping = read_mapping(mapping_file(one), vocabulary())
    assert mapping.organisation == one.name
    assert mapping.reviewed_by
    assert mapping.without_past() == ()
    assert {"sensitive"} <= {kept.because for kept in mapping.kept_out}


def test_all_nine_share_one_vocabulary_and_some_have_a_block_of_their_own():
    mappings = [read_mapping(mapping_file(one), vocabulary()) for one in NINE]
    shared = [{entry.meaning for entry in mapping.features if entry.meaning} for mapping in mappings]
    assert len(shared[0]) == 15
    assert all(meanings == shared[0] for meanings in shared)
    own = [mapping.organisation for mapping in mappings if any(entry.meaning is None for entry in mapping.features)]
    assert 1 < len(own) < 9


def test_the_wrong_mapping_differs_from_the_right_one_in_a_field_only():
    right, wrong = (read_mapping(path, vocabulary()) for path in (mapping_file(NINE[0]), wrong_mapping_file()))
    differing = [(a, b) for a, b in zip(right.features, wrong.features, strict=True) if a != b]
    assert len(differing) == 1
    assert differing[0][0].source_field != differing[0][1].source_field
