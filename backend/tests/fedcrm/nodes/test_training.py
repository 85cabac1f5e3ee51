"""`run_federation` over made-up nodes: what passes between them, what it costs, who falls out, what is published."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from fedcrm.boosting import FederatedModel, Settings
from fedcrm.errors import ParticipantsMissing, SettingsError, StorageError
from fedcrm.evaluation.at_home import AtHome
from fedcrm.explanation import Moves
from fedcrm.features import Part, load_data_set, split
from fedcrm.federation import LocalChannel
from fedcrm.federation.messages import Kind, Report
from fedcrm.nodes import FederationOptions, OrganisationNode, State, run_federation, training
from fedcrm.nodes.training_publish import HIGH_IS_GOOD, meanings_of
from fedcrm.secagg import Identity
from fedcrm.service import Service, read_settings

from .direct import seeded_noise, train_directly
from .organisations import NAMES, columns_of, make_nodes, vectors_of

METADATA = Path(__file__).parents[4] / "force-app/main/default/customMetadata"
QUICK = Settings(main_rounds=2, free_rounds=1, pair_rounds=0, pair_signal=1e18, compact_signal=0.0)


class Recording:
    """A channel that hears everything; `before` may do something when a round begins."""

    def __init__(self, ends, before=lambda number, ends: None):
        self.ends, self._inner, self._before = ends, LocalChannel(ends), before
        self.heard, self.rounds = [], 0

    def call(self, messages, *, timeout):
        kind = kind_of(next(iter(messages.values())))
        if kind is Kind.OPEN:
            self.rounds += 1
            self._before(self.rounds, self.ends)
        outcome = self._inner.call(messages, timeout=timeout)
        self.heard += [(kind, name, message, outcome.replies.get(name)) for name, message in messages.items()]
        return outcome


def kind_of(message):
    size = int.from_bytes(message[64:68], "big")
    return Kind(json.loads(message[68 : 68 + size])["kind"])


def body_of(message):
    return message[68 + int.from_bytes(message[64:68], "big") :]


def options(nodes, out, **changed):
    return FederationOptions(tuple(nodes), "churn", out, fast=True, **changed)


@pytest.fixture
def quick(monkeypatch):
    """Two rounds, and nothing at home: for tests of who takes part."""
    monkeypatch.setattr(Settings, "fast", lambda: QUICK)
    monkeypatch.setattr(training, "adopt_everywhere", lambda holdings, *_, **__: AtHome({}))


def participants(out):
    return {p["organisation"]: p for p in json.loads((out / "participants.json").read_text())["participants"]}


def ledger_of(directory):
    node = OrganisationNode.open(directory)
    charges = list(node.books("churn").ledger)
    node.close()
    return charges


# --- a whole training --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four organisations, everything done, everything heard."""
    home = tmp_path_factory.mktemp("whole")
    nodes, heard = make_nodes(home, 4, rows=130), []

    def connect(ends):
        heard.append(Recording(ends))
        return heard[0]

    before = Settings.fast
    Settings.fast = lambda: QUICK
    try:
        result = run_federation(options(nodes, home / "out", compare=True), noise=seeded_noise, connect=connect)
    finally:
        Settings.fast = before
    return home, nodes, result, heard[0]


@pytest.mark.slow
def test_the_model_is_bit_identical_to_training_directly_on_the_vectors(whole, tmp_path):
    home, nodes, result, _ = whole
    direct = train_directly(nodes, "churn", result.training, tmp_path, settings=QUICK)
    assert (home / "out" / "model.json").read_text() == direct.to_json()
    assert direct.terms
    assert result.model_digest == direct.digest().hex()


@pytest.mark.slow
def test_nothing_but_the_protocols_messages_passes_and_no_figure_in_them_is_exact(whole):
    _, nodes, _, channel = whole
    assert {kind for kind, *_ in channel.heard} == {
        Kind.INVITE,
        Kind.AGREE,
        Kind.OPEN,
        Kind.ATTEMPT,
        Kind.CLOSE,
        Kind.MODEL,
    }
    reports = {name: Report.from_bytes(body_of(reply)) for kind, name, _, reply in channel.heard if kind is Kind.INVITE}
    assert set(reports) == set(NAMES[:4])
    for number, name in enumerate(NAMES[:4]):
        vectors = vectors_of(number, columns_of(number), 130)
        calibration = reports[name].calibration
        assert calibration.rows.standard_error > 0
        data = load_data_set(nodes[number] / "data" / "churn")
        assert calibration.rows.value != len(split(data, 1).rows(name, Part.TRAIN))
        # No record, and no pseudonym of one, in anything that was said.
        said = b"".join(reply for _, who, _, reply in channel.heard if who == name)
        for vector in vectors[:40]:
            assert vector.pseudonym.encode() not in said
            assert vector.cells[1].encode() not in said


@pytest.mark.slow
def test_everybody_adopts_and_serves_vectors_of_its_own_vocabulary(whole):
    _, nodes, result, _ = whole
    assert [one.state for one in result.outcomes] == [State.IN] * 4
    for number, (directory, one) in enumerate(zip(nodes, result.outcomes, strict=True)):
        service = Service.open(read_settings(data=directory / "service"))
        org_id = f"00D{number:012d}AAA"
        loaded = service.registry.serving(org_id, "churn")
        described = json.loads((directory / "data" / "churn" / "dataset.json").read_text())["vocabulary"]
        service.close()
        assert loaded.facts.version == one.version
        assert loaded.facts.vocabulary_digest == described["digest"]
        assert list(loaded.facts.vocabulary) == [c.name for c in columns_of(number)]
        assert (loaded.facts.polarity, loaded.facts.task) == ("HIGH_IS_BAD", "churn")
        assert loaded.facts.privacy is None or loaded.facts.privacy.budget_spent == pytest.approx(one.spent)
        # A vector as the org sends it, and its score.
        X = loaded.encoder.encode([v.cells for v in vectors_of(number, columns_of(number), 130)[:20]])
        assert np.isfinite(X).any(axis=1).all()


@pytest.mark.slow
def test_every_charge_stands_in_the_log_of_what_left_and_nothing_was_sent_unnoted(whole):
    _, nodes, result, channel = whole
    for directory, name in zip(nodes, NAMES, strict=False):
        node = OrganisationNode.open(directory)
        lines = list(node.outgoing)
        charges = [c.sequence for c in node.books("churn").ledger if c.training == result.training]
        node.close()
        assert [line.charge.sequence for line in lines if line.charge is not None] == charges
        assert {line.to for line in lines} == {"coordinator"}
        sent = [reply for _, who, _, reply in channel.heard if who == name]
        assert sum(line.charge is None for line in lines) == len(sent)


@pytest.mark.slow
def test_the_coordinators_directory_tells_who_took_part_and_not_what_they_chose(whole):
    home, _, result, _ = whole
    told = participants(home / "out")
    assert set(told) == set(NAMES[:4])
    for one in result.outcomes:
        assert told[one.organisation]["state"] == "in"
        assert told[one.organisation]["epsilon_spent"] == one.spent <= 8.0
    assert not {"choice", "serves", "adoption", "version", "rows"} & set(told[NAMES[0]])


@pytest.mark.slow
def test_a_comparison_has_the_files_and_figures_of_a_demo(whole):
    home, _, result, _ = whole
    results = json.loads((home / "out" / "results.json").read_text())
    assert {run["method"] for run in results["datasets"][0]["runs"]} == {
        "local", "federated", "personal", "chosen", "central",
    }  # fmt: skip
    assert [o["name"] for o in results["demo"]["organisations"]] == list(NAMES[:4])
    assert results["demo"]["model_digest"] == result.model_digest
    assert "<script" not in (home / "out" / "report.html").read_text()
    assert FederatedModel.from_json((home / "out" / "model.json").read_text()).schema.blocks


@pytest.mark.slow
def test_going_on_with_a_finished_training_changes_and_charges_nothing(whole):
    home, nodes, result, _ = whole
    before = [ledger_of(directory) for directory in nodes]
    again = run_federation(options(nodes, home / "out"), resume=True)
    assert [ledger_of(directory) for directory in nodes] == before
    assert again.model_digest == result.model_digest
    assert [one.version for one in again.outcomes] == [one.version for one in result.outcomes]


# --- who falls out -----------------------------------------------------------------------------------


class FullDisk:
    """A log on a disk that is full."""

    def append(self, *_, **__):
        raise StorageError("outgoing.jsonl: No space left on device")


@pytest.mark.slow
def test_a_disk_that_fills_in_the_middle_stops_one_and_with_room_again_it_is_back(tmp_path, quick):
    nodes, out = make_nodes(tmp_path, 5, rows=120), tmp_path / "out"

    def fill(number, ends):
        if number == 2:
            ends["Borealis"].member.node.outgoing = FullDisk()

    result = run_federation(options(nodes, out), connect=lambda ends: Recording(ends, fill))
    told = participants(out)["Borealis"]
    assert (told["state"], told["when"]) == ("out", "round 2")
    assert "No space left" in told["why"]
    assert [facts.contributors for facts in result.rounds] == [5] + [4] * (len(result.rounds) - 1)
    again = run_federation(options(nodes, out), resume=True)
    assert again.model_digest == result.model_digest
    assert "No space left" not in participants(out)["Borealis"]["why"]


@pytest.mark.slow
def test_who_cannot_be_opened_is_named_pays_nothing_and_the_next_training_takes_it_in(tmp_path, quick):
    nodes = make_nodes(tmp_path, 4, rows=120)
    (nodes[1] / "data" / "churn").rename(nodes[1] / "data" / "later")
    result = run_federation(options(nodes, tmp_path / "first", epsilon=2.0))
    assert {facts.contributors for facts in result.rounds} == {3}
    assert "no data set" in participants(tmp_path / "first")["Borealis"]["why"]
    (nodes[1] / "data" / "later").rename(nodes[1] / "data" / "churn")
    run_federation(options(nodes, tmp_path / "first", epsilon=2.0), resume=True)
    assert participants(tmp_path / "first")["Borealis"]["epsilon_spent"] is None
    result = run_federation(options(nodes, tmp_path / "second", epsilon=2.0))
    assert {facts.contributors for facts in result.rounds} == {4}


def test_with_too_few_left_the_refusal_names_who_is_out_and_costs_nobody_anything(tmp_path):
    nodes = make_nodes(tmp_path, 3, rows=120)
    (nodes[2] / "data" / "churn").rename(nodes[2] / "data" / "later")
    with pytest.raises(
        ParticipantsMissing, match="2 participants where 3 are needed; Cascade & Sons is out"
    ) as refused:
        run_federation(options(nodes, tmp_path / "out"))
    assert list(refused.value.missing) == ["Cascade & Sons"]
    assert participants(tmp_path / "out")["Cascade & Sons"]["state"] == "out"
    assert [ledger_of(directory) for directory in nodes] == [[], [], []]


@pytest.mark.slow
def test_a_node_that_is_gone_when_the_training_goes_on_is_missed_and_not_waited_for(tmp_path, quick):
    nodes, out = make_nodes(tmp_path, 5, rows=120), tmp_path / "out"

    def stop(number, ends):
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_federation(options(nodes, out), connect=lambda ends: Recording(ends, stop))
    nodes[3].rename(tmp_path / "gone")
    result = run_federation(options(nodes, out), resume=True)
    assert [facts.contributors for facts in result.rounds] == [5] + [4] * (len(result.rounds) - 1)
    assert participants(out)["Délta"]["state"] == "out"


# --- options, words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"epsilon": 0.0}, "epsilon is a positive number"),
        ({"k_min": 9}, "k_min 9 is outside"),
        ({"task": "weather"}, "is no task"),
        ({"nodes": (Path("a"), Path("b"))}, "at least 3"),
        ({"nodes": (Path("a"), Path("b"), Path("a"))}, "named twice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, changed, reason):
    wanted = {"nodes": tuple(map(Path, "abc")), "task": "churn", "out": tmp_path / "out", **changed}
    with pytest.raises(SettingsError, match=reason):
        run_federation(FederationOptions(**wanted))
    assert not (tmp_path / "out").exists()


def test_a_directory_of_something_else_is_not_written_into(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds no training"):
        run_federation(options(map(Path, "abc"), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_polarities_are_those_of_the_packages_tasks():
    def field(path, name):
        values = ElementTree.parse(path).getroot().iter("{http://soap.sforce.com/2006/04/metadata}values")
        return next(v[1].text for v in values if v[0].text == name)

    shipped = {re.search(r"mdt\.(\w+)\.md", p.name)[1]: p for p in METADATA.glob("Model_Task__mdt.*")}
    assert {task: field(path, "Polarity__c") == "HIGH_IS_GOOD" for task, path in shipped.items()} == HIGH_IS_GOOD


def test_what_people_may_be_told_to_move_is_what_the_package_calls_actionable():
    """One truth in two places: the vocabulary's words and the shipped feature definitions."""
    for path in METADATA.glob("Feature_Definition__mdt.*"):
        text = path.read_text("utf-8")
        value = dict(re.findall(r"<field>(\w+)</field>\s*<value[^>]*>([^<]*)</value>", text))
        meaning = meanings_of([value["Feature__c"]], value["Task__c"])[value["Feature__c"]]
        assert meaning.label
        assert (meaning.moves is not None) == (value.get("Actionable__c") == "true"), path.name
    assert meanings_of(["support.open_cases"], "churn")["support.open_cases"].moves is Moves.DOWN


# --- real processes ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_in_the_middle_of_its_rounds_a_training_goes_on_and_pays_for_nothing_twice(tmp_path):
    nodes, out = make_nodes(tmp_path, 3, rows=120), tmp_path / "out"
    words = ["federation", "run", "--nodes", *nodes, "--task", "churn", "--out", out, "--fast"]
    command = [sys.executable, "-c", "from fedcrm.cli import main; main()", *map(str, words)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    while len(ledger_of(nodes[0])) < 5:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [*command, "--resume"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for name in NAMES[:3]:
        assert name in done.stdout
    for directory in nodes:
        charges = ledger_of(directory)
        assert len({charge.key for charge in charges}) == len(charges)
        rounds = [c for c in charges if not c.reserve and c.event.kind == "gaussian"]
        # One charge a round at first, and at most the round that the kill interrupted once more, from the reserve.
        assert len([c for c in charges if c.reserve]) <= 1
        assert len(rounds) == 6
        assert (directory / "models" / "churn" / "published.json").exists()
    assert all(p["state"] == "in" for p in participants(out).values())


def test_the_coordinator_has_keys_of_its_own_in_each_training(tmp_path):
    nodes = make_nodes(tmp_path, 3, rows=60)  # too few to begin
    for name in ("a", "b"):
        with pytest.raises(ParticipantsMissing):
            run_federation(options(nodes, tmp_path / name))
    made = [Identity.from_secret_bytes((tmp_path / n / "coordinator" / "identity").read_bytes()) for n in "ab"]
    assert made[0].public != made[1].public
