import math

import numpy as np
import pytest

from fedcrm.boosting import Settings
from fedcrm.errors import SettingsError, StorageError
from fedcrm.explanation import Calibration, Meaning, Moves
from fedcrm.features import Part, propose_schema, split
from fedcrm.federation import Gate, Records, Serves, adopt, calibration_of
from fedcrm.secrets import KeyFile, SecretBox
from fedcrm.service import Privacy, Registry, Tenants, migrate, open_database, publish, read_settings, vocabulary_digest
from fedcrm.service.messages import Record
from fedcrm.service.predictions import score_records

from ..boosting.conftest import Federation, train
from ..federation.conftest import made_up_data
from .conftest import ORG

NAMES = ("visits", "plan", "score")
QUICK = Settings(main_rounds=3, free_rounds=1, pair_rounds=0, pair_signal=1e18)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A directory of models as `adopt` leaves it, and the rows it was made from."""
    data = made_up_data({"Northwind": 500, "Contoso": 700, "Fabrikam": 600})
    parts, schema = split(data, 0), propose_schema(data)
    tables = [schema.encode(data, parts.rows(n, Part.TRAIN)) for n in data.participants]
    X, y = [t.X for t in tables], [t.y.astype(float) for t in tables]
    model = train(Federation(schema, X, y, lambda _: np.zeros(0), X[0]), math.inf, settings=QUICK)[0].model()
    records = Records(
        data, parts.rows("Northwind", Part.TRAIN), parts.rows("Northwind", Part.VALIDATION), as_of=20_000.0
    )
    models = tmp_path_factory.mktemp("node") / "models"
    models.mkdir()
    return models, records, adopt(models, model, "Northwind", records, seed=0, gate=Gate.BOOTSTRAP)


@pytest.fixture
def registry(tmp_path):
    database = open_database(read_settings(data=tmp_path / "service"))
    migrate(database)
    Tenants(database).register(ORG, "Northwind")
    (tmp_path / "key").write_bytes(b"k" * 32)
    yield Registry(database, tmp_path / "service" / "models", SecretBox(KeyFile(tmp_path / "key")))
    database.close()


def published(registry, models, records, **changes):
    given = {
        "task": "churn",
        "vocabulary": NAMES,
        "digest": vocabulary_digest(NAMES),
        "meanings": {
            "visits": Meaning("Visits", moves=Moves.UP, whole=True),
            "plan": Meaning("Plan", moves=Moves.BOTH),
        },
        "high_is_good": False,
        "round_number": 4,
        "privacy": Privacy(8.0, 1e-5, 3, 7.5),
        "segments": ("plan",),
    }
    return publish(registry, ORG, models, records, **(given | changes))


def test_adopting_a_model_calibrates_all_that_could_serve(adopted):
    models, records, _ = adopted
    for kind in Serves:
        found = calibration_of(models, kind)
        assert found.rows == len(records.validation)
        assert 0.3 < found.a < 3


def test_what_was_adopted_is_served_with_the_organisations_own_encoding(adopted, registry):
    models, records, adoption = adopted
    made = published(registry, models, records)
    assert made.facts.version == ("churn-local-0001" if adoption.choice is Serves.LOCAL else "churn-r4-0001")
    assert made.facts.origin == adoption.choice
    assert not made.facts.withheld
    vector = ["3", "trial", "1.5"]
    asked = Record(
        pseudonym="ab" * 16, vocabulary_digest=vocabulary_digest(NAMES), as_of="2026-11-24T10:15:00Z", vector=vector
    )
    model = registry.serving(ORG, "churn")
    [result] = score_records(model, [asked], "2026-11-24T10:15:02Z").results
    X = made.explainer.schema.encode_records([dict(zip(NAMES, vector, strict=True))])
    assert result["prediction"]["score"] == pytest.approx(100 * float(made.explainer.probability(X)[0]), abs=0.051)
    assert result["prediction"]["score"] > 60  # few visits on trial: they leave


def test_probabilities_hold_on_rows_that_no_model_has_seen(adopted, registry):
    models, records, _ = adopted
    explainer = published(registry, models, records).explainer
    data = records.data
    unseen = np.setdiff1d(data.rows("Northwind"), np.concatenate([records.training, records.validation]))
    table = explainer.schema.encode(data, unseen)
    said, came = float(explainer.probability(table.X).mean()), float(table.y.mean())
    assert abs(said - came) < 4 * np.sqrt(came * (1 - came) / len(unseen))


def test_the_card_holds_exact_figures_and_says_so(adopted, registry):
    models, records, _ = adopted
    card = registry.card(ORG, published(registry, models, records).facts.version)
    assert "not to be passed on" in card["scope"]
    assert card["rows"] == len(records.training) + len(records.validation)
    assert sum(row["records"] for row in card["fairness"]["plan"]) == len(records.validation)
    assert {row["feature"] for row in card["importance"]} == set(NAMES)


def test_before_anything_was_adopted_there_is_nothing_to_publish(adopted, registry, tmp_path):
    _, records, _ = adopted
    with pytest.raises(SettingsError, match="nothing was adopted"):
        published(registry, tmp_path, records)
    assert registry.models(ORG) == ()


def test_a_directory_that_lost_a_file_publishes_nothing(adopted, registry, tmp_path):
    models, records, _ = adopted
    (tmp_path / "models" / "home").mkdir(parents=True)
    for name in ("choice.json", "home/schema.json"):
        (tmp_path / "models" / name).write_bytes((models / name).read_bytes())
    with pytest.raises(StorageError):
        published(registry, tmp_path / "models", records)
    assert registry.models(ORG) == ()


def test_a_calibration_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError):
        calibration_of(tmp_path, Serves.LOCAL)
    assert Calibration.identity().rows == 0
