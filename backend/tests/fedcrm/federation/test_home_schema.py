"""At home an organisation tells apart what it may not name to others; the federation's codes stay as they are."""

import numpy as np

from fedcrm.features import DataSet, propose_schema
from fedcrm.features.description import Description
from fedcrm.federation import home_schema


def data_set():
    description = Description(
        name="made_up", task="churn", label="left", positive=frozenset({"yes"}), numeric=("visits",)
    )
    columns = {
        "plan": ["monthly", "yearly", "trial", "", "gift"] * 20,
        "visits": [str(i) for i in range(100)],
        "left": ["yes", "no"] * 50,
    }
    return DataSet.from_columns(description, columns, ["A"] * 100)


def test_own_names_get_codes_after_the_agreed_ones():
    data = data_set()
    agreed = propose_schema(data).with_categories({"plan": ("monthly", "trial")})
    own = home_schema(agreed, data, np.arange(100))
    assert own.fields[own.index("plan")].categories == ("monthly", "trial", "gift", "yearly")
    column = agreed.index("plan")
    before, after = agreed.encode(data).X[:, column], own.encode(data).X[:, column]
    named = before < 2
    np.testing.assert_array_equal(after[named], before[named])
    assert np.all(after[before == 2] >= 2)
    np.testing.assert_array_equal(np.isnan(after), np.isnan(before))


def test_numbers_keep_their_values():
    data = data_set()
    agreed = propose_schema(data).with_categories({"plan": ()}).with_ranges({"visits": (0.0, 1.0)})
    column = agreed.index("visits")
    own = home_schema(agreed, data, np.arange(100))
    np.testing.assert_array_equal(own.encode(data).X[:, column], np.arange(100))
