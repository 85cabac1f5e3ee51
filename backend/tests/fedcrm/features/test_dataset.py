import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

from fedcrm.errors import DataSetError
from fedcrm.features import DataSet, DataSetWarning, load_data_set, parse_description


def refused(directory, task=None):
    with pytest.raises(DataSetError) as caught:
        load_data_set(directory, task)
    return caught.value


def test_a_directory_is_read_as_it_was_written(directory):
    data = load_data_set(directory.write(), "win_probability")
    assert len(data) == 300
    assert tuple(data.columns) == ("Amount", "Stage", "Close")
    assert list(data.columns["Amount"].texts()) == [r[1] for r in directory.rows]
    assert data.label.tolist() == [int(r[5] == "Won") for r in directory.rows]
    assert data.participant.tolist() == directory.participants
    assert data.participants == ("north", "south")
    assert list(data.rows("south")) == [i for i, p in enumerate(directory.participants) if p == "south"]


def test_order_by_a_date_column_is_that_of_the_dates(directory):
    data = load_data_set(directory.write())
    dates = [r[3] for r in directory.rows]
    assert [dates[i] for i in np.argsort(data.order, kind="stable")] == sorted(dates)


def test_order_by_row_is_the_row_number(directory):
    directory.description["order"] = "row"
    assert load_data_set(directory.write()).order.tolist() == list(range(300))


def test_order_by_a_moment_tells_hours_apart(directory):
    for i, row in enumerate(directory.rows):
        row[3] = f"2025-01-01 {23 - i % 24:02d}:{i % 60:02d}"
    times = [r[3] for r in directory.rows]
    data = load_data_set(directory.write())
    assert [times[i] for i in np.argsort(data.order, kind="stable")] == sorted(times)


def test_a_data_set_without_order_has_none(directory):
    directory.description["order"] = None
    assert load_data_set(directory.write()).order is None


def test_unit_activity_date_and_label_source_are_read_even_where_they_are_dropped(directory):
    directory.description |= {"unit": "Owner", "activity_date": "Close", "label_source": "Stage", "dates": []}
    data = load_data_set(directory.write())
    assert data.unit.tolist() == [r[4] for r in directory.rows]
    assert data.label_source.tolist() == [r[2] for r in directory.rows]
    assert data.activity_date[0] == (np.datetime64("2025-01-01") - np.datetime64("1970-01-01")).astype(int)
    assert "Owner" not in data.columns
    assert "Stage" not in data.columns  # where a label came from is no feature


def test_the_privacy_unit_is_never_a_feature_even_where_it_is_kept(directory):
    del directory.description["drop"]
    directory.description |= {"keep": ["Amount", "Owner"], "unit": "Owner"}
    assert tuple(load_data_set(directory.write()).columns) == ("Amount",)


def test_a_byte_order_mark_is_tolerated(directory):
    text = "\ufeffOutcome,Amount\nWon,1\nLost,2\n"
    directory.description |= {"drop": None, "dates": [], "order": None}
    directory.participants = ["a", "b"]
    directory.write_data(text.encode())
    assert tuple(load_data_set(directory.path).columns) == ("Amount",)


def test_quoted_values_may_hold_commas_quotes_and_line_ends(directory):
    directory.rows[0][2] = 'a, "b"\nc'
    assert load_data_set(directory.write()).columns["Stage"].texts()[0] == 'a, "b"\nc'


def test_a_blank_participant_line_is_a_row_outside_the_federation(directory):
    data = load_data_set(directory.write())
    assert (data.participant == "").sum() == 60


def test_a_truncated_description_of_the_participants_warns_and_goes_on(directory):
    directory.description["participants"] = {"north": 120, "south": 7, "west": 3}
    with pytest.warns(DataSetWarning) as caught:
        load_data_set(directory.write())
    assert [("south" in str(w.message), "west" in str(w.message)) for w in caught] == [(True, False), (False, True)]


ROWS = b"Outcome,Amount,Stage,Close,Id,Owner\n" + b"Won,1,a,2025-01-01,c,d\n" * 999


# --- what is refused, and which file and line it names ---------------------------------------------


def test_a_task_that_is_not_the_files_is_refused(directory):
    error = refused(directory.write(), "churn")
    assert error.path.name == "dataset.json"
    assert "opportunity_win" in error.reason  # the one name inside, whatever the file calls it


@pytest.mark.parametrize("name", ["data.csv.gz", "participants.csv.gz", "dataset.json"])
def test_a_missing_file_is_named(directory, name):
    (directory.write() / name).unlink()
    error = refused(directory.path)
    assert (error.path.name, error.reason) == (name, "there is no such file")


def test_something_that_is_no_directory_is_refused(tmp_path):
    assert refused(tmp_path / "nowhere").path == tmp_path / "nowhere"


def test_a_directory_in_place_of_a_file_is_refused(directory):
    path = directory.write() / "data.csv.gz"
    path.unlink()
    path.mkdir()
    assert "cannot be read" in refused(directory.path).reason


@pytest.mark.parametrize(
    ("content", "compress", "reason"),
    [
        (b"Outcome,Amount\nWon,1\n", False, "not a gzip file"),
        (gzip.compress(ROWS, mtime=0)[:-20], False, "cut short"),
        (gzip.compress(ROWS, mtime=0)[:-8] + b"\0" * 8, False, "damaged"),
        (b"", False, "empty"),
        (b"", True, "empty"),
        ("Outcome,Betrag\nWon,1\nLost,\u00e4\n".encode("latin-1"), True, "not UTF-8"),
        (b"Outcome,Amount,Stage,Close,Id,Owner\nWon,1,a,b,c\n", True, "line 2 has 5 values where the header has 6"),
        (b"Outcome,Amount,Stage,Close,Id,Owner\nWon,1,a,b,c,d\nWon,1,a,b,c,d,e\n", True, "line 3 has 7"),
        (b"Outcome,Amount,Amount,Close,Id,Owner\n", True, "'Amount' is there twice"),
        (b"Outcome,,Amount,Close,Id,Owner\n", True, "column 2 has no name"),
        (b"Outcome,Amount,Stage,Id,Owner\n", True, "no column 'Close'"),
        (b"Amount,Stage,Close,Id,Owner\n", True, "no column 'Outcome'"),
        (b"Outcome,Amount,Stage,Close,Id,Owner\n", True, "no rows"),
        (b"Outcome,Amount,Stage,Close,Id,Owner\n\nWon,1,a,2025-01-01,c,d\n", True, "line 2 is blank"),
        (b'Outcome,Amount,Stage,Close,Id,Owner\nWon,"1"x,a,2025-01-01,c,d\n', True, "line 2 is not CSV"),
    ],
)
def test_a_malformed_table_is_refused(directory, content, compress, reason):
    directory.write_data(content, compress)
    with pytest.raises(DataSetError, match=reason) as caught:
        load_data_set(directory.path)
    assert caught.value.path == directory.path / "data.csv.gz"


@pytest.mark.parametrize("change", [list.pop, lambda names: names.append("north")])
def test_a_participants_file_of_another_length_is_refused(directory, change):
    change(directory.participants)
    error = refused(directory.write())
    assert error.path.name == "participants.csv.gz"
    assert "rows where the data has 300" in error.reason


@pytest.mark.parametrize(("header", "reason"), [("owner", "header"), ("", "header")])
def test_a_participants_file_with_another_header_is_refused(directory, header, reason):
    path = directory.write() / "participants.csv.gz"
    path.write_bytes(gzip.compress((header + "\nnorth\n").encode()))
    assert reason in refused(directory.path).reason


def test_a_participants_file_with_two_columns_is_refused(directory):
    directory.participants[1] = "north,south"
    assert "line 3 has 2 values" in refused(directory.write()).reason


def test_a_federation_of_nobody_is_refused(directory):
    directory.participants = [""] * 300
    assert "names no participant" in refused(directory.write()).reason


@pytest.mark.parametrize("outcome", ["Won", "Lost", "won"])
def test_a_label_with_one_class_is_refused(directory, outcome):
    for row in directory.rows:
        row[5] = outcome
    error = refused(directory.write())
    assert "one class" in error.reason
    assert outcome in error.reason


def test_a_label_with_one_class_inside_the_federation_is_refused(directory):
    for row, participant in zip(directory.rows, directory.participants, strict=True):
        row[5] = "Lost" if participant else "Won"
    assert "one class" in refused(directory.write()).reason


def test_a_row_without_label_is_refused_inside_the_federation_only(directory):
    outside = directory.participants.index("")
    directory.rows[outside][5] = ""
    load_data_set(directory.write())
    directory.rows[1][5] = "NA"
    assert "data row 2 has no label" in refused(directory.write()).reason


def test_an_order_that_is_neither_number_nor_date_is_refused(directory):
    directory.description["order"] = "Stage"
    assert "must hold dates or numbers" in refused(directory.write()).reason


def test_a_row_without_place_in_time_is_refused(directory):
    directory.rows[4][3] = ""
    assert "data row 5 has no place in time" in refused(directory.write()).reason


def test_dropping_every_column_is_refused(directory):
    directory.description |= {"drop": ["Id", "Amount", "Stage", "Close", "Owner"], "dates": []}
    assert "no column is left" in refused(directory.write()).reason


# --- from memory ---------------------------------------------------------------------------------


def describe(**more):
    raw = {"name": "t", "task": "churn", "label": "y", "positive": 1, **more}
    return parse_description(raw, Path("t"))


def test_values_in_memory_are_taken_as_a_file_would_hold_them():
    columns = {"y": [1, 0, 1.0], "a": [1.5, 7750.0, float("nan")], "b": [True, None, "x"]}
    data = DataSet.from_columns(describe(), columns, ["p", "p", "q"])
    assert data.label.tolist() == [1, 0, 1]
    assert list(data.columns["a"].texts()) == ["1.5", "7750", ""]
    assert list(data.columns["b"].texts()) == ["true", "", "x"]


def test_columns_in_memory_must_be_equally_long():
    with pytest.raises(DataSetError):
        DataSet.from_columns(describe(), {"y": [1, 0], "a": [1]}, ["p", "q"])


def test_a_column_in_memory_that_the_description_names_must_be_there():
    with pytest.raises(DataSetError, match="no column 'b'"):
        DataSet.from_columns(describe(keep=["a", "b"]), {"y": [1, 0], "a": [1, 2]}, ["p", "q"])


def test_loading_warns_of_nothing_in_an_orderly_directory(directory):
    directory.description["participants"] = {"north": 120, "south": 120}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_data_set(directory.write())
