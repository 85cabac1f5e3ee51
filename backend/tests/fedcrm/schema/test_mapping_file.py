"""A mapping as an admin writes it, reads it and gets it wrong."""

from __future__ import annotations

import pytest

from fedcrm.errors import MappingError
from fedcrm.schema import Aggregate, Known, mapping_text, read_mapping, vocabulary

WHOLE = """
version = 1
organisation = "Nordlicht"
reviewed_by = "A. Admin"

# what a subscription brings
[[feature]]
name = "monthly_fee"
tasks = ["churn"]
means = "contract.monthly_value"
object = "Abo__c"
field = "Gebuehr__c"
link = "Kunde__c"
aggregate = "sum"
where = "Status__c = aktiv"
window_days = 365
known = "dated"
date = "Beginn__c"
empty = "zero"
factor = 0.01

[[feature]]
name = "contract_kind"
tasks = ["churn", "opportunity_win"]
means = "contract.type"
object = "Account"
field = "Vertragsart__c"
known = "history"
[feature.values]
"monatlich" = "month-to-month"
"No" = "none"

[[feature]]
name = "colour"
tasks = ["churn"]
object = "Account"
field = "Farbe__c"
known = "fixed"
because = "chosen when the account is made"

[[feature]]
name = "undecided"
tasks = ["churn"]
object = "Account"
field = "Laune__c"

[[keep_out]]
object = "Contact"
field = "Birthdate"
because = "sensitive"
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mapping.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def problems_of(path):
    with pytest.raises(MappingError) as refused:
        read_mapping(path, vocabulary())
    return refused.value.problems


def test_a_mapping_is_read_as_it_is_written(written):
    mapping = read_mapping(written(WHOLE), vocabulary())
    fee, kind, colour, undecided = mapping.features
    assert (fee.aggregate, fee.known, fee.window_days, fee.factor) == (Aggregate.SUM, Known.DATED, 365, 0.01)
    assert kind.values == {"monatlich": "month-to-month", "No": "none"}
    assert colour.meaning is None
    assert mapping.of_task("churn") == (fee, kind, colour)
    assert mapping.of_task("opportunity_win") == (kind,)
    assert mapping.without_past() == (undecided,)


def test_what_is_written_for_review_reads_back_as_the_same_mapping(written):
    words = vocabulary()
    mapping = read_mapping(written(WHOLE), words)
    text = mapping_text(mapping, words)
    assert read_mapping(written(text), words) == mapping
    assert f"# {words['contract.type'].name}: {words['contract.type'].meaning}" in text


def test_every_problem_is_told_at_once_with_the_feature_it_is_in(written):
    broken = WHOLE.replace('"sum"', '"total"').replace("365", "0").replace('known = "history"', 'known = "often"')
    problems = problems_of(written(broken))
    assert len(problems) == 3
    assert [p.split(":")[0] for p in problems] == [
        "feature monthly_fee",
        "feature monthly_fee",
        "feature contract_kind",
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('means = "contract.type"', 'means = "contract.kind"', "not in the vocabulary"),
        ('means = "contract.type"', 'means = "record.name"', "identity and is never learned from"),
        ('means = "contract.type"', 'means = "contract.monthly_value"', "monthly_fee already means"),
        ('name = "colour"', 'name = "Monthly_Fee"', "another feature has this name"),
        ('name = "colour"', 'name = "farbe__x"', "no API name"),
        ('because = "chosen when the account is made"\n', "", "why does the outcome not change"),
        ('date = "Beginn__c"\n', "", "which field says when a row came about"),
        ('link = "Kunde__c"\n', "", "which field of Abo__c leads to the record"),
        ('field = "Gebuehr__c"\n', "", "sum of what"),
        ('known = "history"', 'known = "dated"\ndate = "X__c"', "only related rows are dated"),
        ('tasks = ["churn", "opportunity_win"]', 'tasks = ["chrun"]', "'tasks' must be"),
        ('aggregate = "sum"\nwhere = "Status__c = aktiv"', 'aggregate = "share"', "the share of which rows"),
        ('known = "history"', 'known = "history"\nwindow_days = 30', "before what"),
        ("Status__c = aktiv", "Status__c like aktiv", "cannot read the condition 'Status__c like aktiv'"),
        ('"monatlich" =', '"monat=lich" =', "align it by"),
        ('name = "colour"', f'name = "{"c" * 35}"', "more than 34 characters"),
        ("factor = 0.01", "factor = 0", "'factor' must be"),
        ("factor = 0.01", "factor = inf", "'factor' must be"),
        ("version = 1", "version = 2", "'version' must be"),
        ('organisation = "Nordlicht"', "", "whose fields"),
        ('field = "Birthdate"', 'field = "Farbe__c"', ""),
        ("[[keep_out]]", "[[keepout]]", "'keepout' is not a key"),
        ("reviewed_by", "reviewer", "'reviewer' is not a key"),
        ('"monatlich" = "month-to-month"', '"monatlich" = 1', "'values' must lead"),
        ("window_days = 365", "window_day = 365", "'window_day' is not a key"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(written, was, becomes, said):
    assert was in WHOLE
    text = WHOLE.replace(was, becomes)
    if not said:  # a field may not be learned from and kept out
        text, said = text.replace('object = "Contact"', 'object = "account"'), "is kept out (sensitive)"
    assert any(said in problem for problem in problems_of(written(text)))


def test_a_file_that_is_no_mapping_is_refused(written, tmp_path):
    assert "there is no such file" in problems_of(tmp_path / "none.toml")[0]
    assert "is not TOML" in problems_of(written("version = "))[0]
    assert "must be written as tables" in " ".join(problems_of(written("version = 1\norganisation='a'\nfeature = 3")))
    path = tmp_path / "latin.toml"
    path.write_bytes("version = 'ä'".encode("latin-1"))
    assert "is not UTF-8" in problems_of(path)[0]
