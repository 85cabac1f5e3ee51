"""What an organisation does with one received model after another."""

import dataclasses

import numpy as np
import pytest

from fedcrm.boosting import FederatedModel, HomeModel, Settings
from fedcrm.errors import StorageError
from fedcrm.evaluation.simulation import Federation, train_noiseless
from fedcrm.features import DataSet, propose_schema, split
from fedcrm.federation import Gate, Serves, WeightSettings, adopt
from fedcrm.federation.adoption import adoption_of

from .conftest import made_up_data

NAME = "Contoso"
QUICK = Settings(main_rounds=3, free_rounds=1, pair_rounds=0, pair_signal=1e18)


@pytest.fixture(scope="module")
def federation():
    data = made_up_data(dict.fromkeys(("Northwind", NAME, "Fabrikam"), 1500))
    return Federation(data, split(data, 1), propose_schema(data), QUICK)


@pytest.fixture(scope="module")
def good(federation):
    return train_noiseless(federation, weights=WeightSettings())


def worse(model):
    """The same, ranking the other way round: a model no organisation should serve."""
    return dataclasses.replace(model, terms=tuple(dataclasses.replace(t, mean=-t.mean) for t in model.terms))


def offer(tmp_path, federation, model, gate=Gate.BOOTSTRAP):
    models = tmp_path / "models"
    models.mkdir(exist_ok=True)
    return adopt(models, model, NAME, federation.records(NAME), seed=1, gate=gate)


def kept(tmp_path):
    return FederatedModel.from_json((tmp_path / "models" / "federated.json").read_text("utf-8"))


def test_a_first_model_is_held_against_nothing_and_becomes_the_last_good_one(tmp_path, federation, good):
    adoption = offer(tmp_path, federation, good)
    assert adoption.accepted
    assert all(v.accepted for v in adoption.verdicts.values())
    assert kept(tmp_path).digest() == good.digest()
    assert adoption_of(tmp_path / "models") == adoption


def test_the_model_of_a_second_training_takes_the_place_of_the_first(tmp_path, federation, good):
    offer(tmp_path, federation, good)
    settings = dataclasses.replace(QUICK, main_rounds=5)
    second = train_noiseless(dataclasses.replace(federation, learner=settings), weights=WeightSettings())
    adoption = offer(tmp_path, federation, second)
    assert adoption.accepted
    assert adoption.verdicts[Gate.BOOTSTRAP].drop < 0.02
    assert adoption.model == second.digest().hex() != good.digest().hex()
    assert kept(tmp_path).digest() == second.digest()
    assert HomeModel.load(tmp_path / "models" / "home").personal.federated.digest() == second.digest()


@pytest.mark.parametrize("gate", list(Gate))
def test_a_refused_model_leaves_the_last_good_one_where_it_was(tmp_path, federation, good, gate):
    offer(tmp_path, federation, good, gate)
    adoption = offer(tmp_path, federation, worse(good), gate)
    assert not adoption.accepted
    assert adoption.gate is gate
    assert adoption.model == worse(good).digest().hex()  # what was judged, and not judged again
    assert kept(tmp_path).digest() == good.digest()
    # The stack is built on the last good one; a model that failed has no part in what is served.
    home = HomeModel.load(tmp_path / "models" / "home")
    assert home.personal.federated.digest() == good.digest()
    again = offer(tmp_path, federation, good, gate)
    assert again.accepted
    assert again.verdicts[gate].drop == 0.0


def test_a_first_model_that_fails_leaves_the_organisation_with_its_own(tmp_path, federation, good):
    adoption = offer(tmp_path, federation, worse(good))
    assert not adoption.accepted
    assert adoption.choice is Serves.LOCAL
    assert not (tmp_path / "models" / "federated.json").exists()


def test_a_model_of_another_schema_is_judged_and_adopted_like_any_other(tmp_path, federation, good):
    """A second consortium agreement: a field less, another order. Each model reads the records by its own schema."""
    fields = tuple(f for f in reversed(federation.schema.fields) if f.name != "score")
    narrow = dataclasses.replace(federation.schema, fields=fields)
    first = train_noiseless(dataclasses.replace(federation, schema=narrow), weights=WeightSettings())
    offer(tmp_path, federation, first)
    adoption = offer(tmp_path, federation, good)
    assert adoption.accepted
    assert adoption.verdicts[Gate.BOOTSTRAP].drop < 0  # a gain: a field more
    assert kept(tmp_path).schema == good.schema
    # And back: the narrow one is a loss, which a hold-out of 150 rows may or may not tell from chance.
    back = offer(tmp_path, federation, first)
    assert kept(tmp_path).digest() == (first if back.accepted else good).digest()


def test_an_organisation_whose_positives_are_one_account_serves_the_federation_s_model(tmp_path, federation, good):
    data = federation.data
    account = ["whale" if positive else f"a{i}" for i, positive in enumerate(data.label)]
    columns = {name: list(column.texts(np.arange(len(data.label)))) for name, column in data.columns.items()}
    owners = np.empty(len(data.label), dtype=object)
    for name in data.participants:
        owners[data.rows(name)] = name
    described = dataclasses.replace(data.description, unit="account", label="left", positive=frozenset({"yes"}))
    left = np.where(data.label == 1, "yes", "no")
    grouped = DataSet.from_columns(described, {**columns, "account": account, "left": list(left)}, list(owners))
    adoption = offer(tmp_path, dataclasses.replace(federation, data=grouped), good)
    assert adoption.choice is Serves.FEDERATED


def test_offered_twice_a_model_is_judged_once(tmp_path, federation, good):
    first = offer(tmp_path, federation, good)
    written = (tmp_path / "models" / "choice.json").stat().st_mtime_ns
    assert offer(tmp_path, federation, good) == first
    assert (tmp_path / "models" / "choice.json").stat().st_mtime_ns == written


def test_a_disk_that_refuses_leaves_the_former_choice_standing(tmp_path, federation, good, monkeypatch):
    before = offer(tmp_path, federation, good)

    def full(*_arguments, **_more):
        raise StorageError("choice.json: No space left on device")

    monkeypatch.setattr("fedcrm.federation.adoption.write_atomically", full)
    with pytest.raises(StorageError):
        offer(tmp_path, federation, worse(good))
    monkeypatch.undo()
    assert adoption_of(tmp_path / "models") == before
    assert kept(tmp_path).digest() == good.digest()
    assert np.isfinite(HomeModel.load(tmp_path / "models" / "home").margin(np.zeros((1, 3), np.float32))).all()
