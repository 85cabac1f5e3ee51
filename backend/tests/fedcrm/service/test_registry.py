import numpy as np
import pytest

from fedcrm.errors import SecretsLocked, ServiceError, SettingsError, StorageError
from fedcrm.secrets import KeyFile, SecretBox
from fedcrm.service import ModelFacts, Registry, Service

from .conftest import ORG, OTHER, facts


def test_versions_count_up_for_each_task_and_organisation(running, small_explainer):
    registry = running.service.registry
    assert registry.publish(ORG, facts(), small_explainer, {}).version == "churn-r12-0002"
    assert registry.publish(ORG, facts("win", None), small_explainer, {}).version == "win-local-0001"
    assert registry.publish(OTHER, facts(), small_explainer, {}).version == "churn-r12-0001"
    assert [s.facts.version for s in registry.models(ORG)] == ["churn-r12-0002", "churn-r12-0001", "win-local-0001"]


def test_rolling_back_serves_what_served_before_and_back_again(running, other_explainer):
    before = running.predict().json()
    running.service.registry.publish(ORG, facts(), other_explainer, {})
    after = running.predict().json()
    assert after["model"]["version"] != before["model"]["version"]
    back = running.client.post("/v1/admin/roll-back", json={"task": "churn"}, headers=running.admin)
    assert back.json()["serving"] == before["model"]["version"]
    again = running.predict().json()
    assert again["model"] == before["model"]
    assert again["results"][0]["prediction"]["score"] == before["results"][0]["prediction"]["score"]
    running.client.post("/v1/admin/roll-back", json={"task": "churn"}, headers=running.admin)
    assert running.predict().json()["model"] == after["model"]


def test_there_is_nothing_to_roll_back_to_after_the_first_model(running):
    reply = running.client.post("/v1/admin/roll-back", json={"task": "churn"}, headers=running.admin)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "nothing_before")


def test_a_model_can_wait_before_it_serves(running, other_explainer):
    version = running.service.registry.publish(ORG, facts(), other_explainer, {}, activate=False).version
    assert running.predict().json()["model"]["version"] == "churn-r12-0001"
    reply = running.client.post(f"/v1/admin/models/{version}/activate", headers=running.admin)
    assert reply.json()["serving"] == version
    assert running.predict().json()["model"]["version"] == version


def test_what_another_process_publishes_is_found_at_the_next_look(running, other_explainer):
    service = running.service
    beside = Registry(service.database, service.settings.data / "models", SecretBox(service.settings.key_source()))
    version = beside.publish(ORG, facts(), other_explainer, {}).version
    assert running.predict().json()["model"]["version"] != version
    service.registry.refresh()
    assert running.predict().json()["model"]["version"] == version


def test_models_lie_sealed_on_the_disk(running, small_explainer):
    directory = running.service.settings.data / "models"
    [file] = directory.iterdir()
    content = file.read_bytes()
    assert content[:4] == b"FCS1"
    assert b"amount" not in content
    assert content[:2] != b"PK"
    assert file.stat().st_mode & 0o077 == 0


def test_a_sealed_model_opens_for_nobody_else(running, tmp_path):
    """Not with another key, not as another version, not as another organisation's."""
    service = running.service
    directory = service.settings.data / "models"
    [file] = directory.iterdir()
    (tmp_path / "other.key").write_bytes(b"k" * 32)
    stranger = Registry(service.database, directory, SecretBox(KeyFile(tmp_path / "other.key")))
    with pytest.raises(SecretsLocked):
        stranger.load(ORG, "churn-r12-0001")
    box = SecretBox(service.settings.key_source())
    for purpose in (f"model {ORG} churn-r12-0002", f"model {OTHER} churn-r12-0001"):
        with pytest.raises(SecretsLocked):
            box.open_bytes(file.read_bytes(), purpose=purpose)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:20] + b"x" + b[21:], lambda b: b"", lambda b: b"PK" + b]
)
def test_a_damaged_model_is_never_served(running, damage):
    service = running.service
    [file] = (service.settings.data / "models").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    fresh = Registry(service.database, file.parent, SecretBox(service.settings.key_source()))
    with pytest.raises(StorageError):
        fresh.serving(ORG, "churn")


def test_a_lost_storage_key_is_not_replaced_while_models_need_it(running):
    settings = running.service.settings
    (settings.data / "storage.key").unlink()
    with pytest.raises(SettingsError, match="bring it back"):
        Service.make_storage_key(settings)


def test_facts_survive_being_written_down_and_nothing_else_is_read():
    assert ModelFacts.from_json(facts().to_json()) == facts()
    assert ModelFacts.from_json(facts(privacy=None).to_json()) == facts(privacy=None)
    for text in ("", "{}", "[]", '{"privacy": null, "vocabulary": []}'):
        with pytest.raises(StorageError):
            ModelFacts.from_json(text)


def test_an_unknown_version_is_said_so(running):
    with pytest.raises(ServiceError) as unknown:
        running.service.registry.load(ORG, "churn-r99-0001")
    assert unknown.value.status == 404


def test_a_loaded_model_scores_as_the_one_that_was_published(running, small_explainer):
    X = np.array([[420.5, 3.25, 1, 0.1]], np.float32)
    loaded = running.service.registry.load(ORG, "churn-r12-0001").explainer
    np.testing.assert_array_equal(loaded.probability(X), small_explainer.probability(X))
