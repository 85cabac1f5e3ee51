"""`fedcrm org` and `fedcrm schema`, as an administrator and a script see them."""

from __future__ import annotations

import json
import sys

import pytest

from fedcrm import cli
from fedcrm.salesforce.metadata import Snapshot


@pytest.fixture
def fedcrm(monkeypatch, capsys, tmp_path):
    """Runs the command in this process with a directory of orgs of its own: (status, stdout, stderr)."""
    monkeypatch.setenv("FEDCRM_ORGS", str(tmp_path / "orgs"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fedcrm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def keys(tmp_path, pki):
    (tmp_path / "north.pem").write_text(pki.client_key + pki.client_certificate)
    (tmp_path / "other.pem").write_text(pki.other_key)
    return tmp_path


@pytest.fixture
def options(org, pki, keys):
    """Of `org add` with a key."""
    org.types = {"Id": "id", "Name": "string"}
    return {
        "--login-url": org.url,
        "--consumer-key": org.consumer_key,
        "--username": org.username,
        "--key-file": keys / "north.pem",
        "--ca-file": pki.ca_file,
    }


def words(options):
    return [word for pair in options.items() for word in pair]


def test_an_org_that_was_added_is_listed_used_and_forgotten(fedcrm, options, org, keys, tmp_path):
    status, out, _ = fedcrm("org", "add", "north", *words(options))
    assert (status, "00DTINY00000001" in out) == (0, True)
    (keys / "north.pem").unlink()  # a sealed copy is kept
    status, out, _ = fedcrm("org", "list", "--json")
    assert json.loads(out)["orgs"] == [
        {
            "alias": "north",
            "organization_id": "00DTINY00000001",
            "login_url": org.url,
            "login": "key",
            "username": org.username,
            "api_version": "67.0",
        }
    ]
    assert "north" in fedcrm("org", "list")[1]
    status, out, _ = fedcrm("schema", "snapshot", "--org", "north", "--out", tmp_path / "s.json")
    assert (status, "1 objects with 2 fields" in out) == (0, True)
    assert list(Snapshot.from_json((tmp_path / "s.json").read_text()).objects) == ["Account"]
    assert fedcrm("org", "remove", "north")[0] == 0
    assert "No orgs yet" in fedcrm("org", "list")[1]


def test_an_org_may_be_added_by_client_credentials_or_with_a_session(fedcrm, options, org, tmp_path):
    common = {k: options[k] for k in ("--login-url", "--ca-file")}
    (tmp_path / "token").write_text(org.new_token() + "\n")
    secret = common | {"--consumer-key": org.consumer_key, "--secret-command": "echo s3cret"}
    assert fedcrm("org", "add", "by-secret", *words(secret))[0] == 0
    assert fedcrm("org", "add", "by-token", *words(common | {"--token-file": tmp_path / "token"}))[0] == 0
    found = {o["alias"]: o["login"] for o in json.loads(fedcrm("org", "list", "--json")[1])["orgs"]}
    assert found == {"by-secret": "client credentials", "by-token": "session token"}
    for alias in found:
        assert fedcrm("schema", "snapshot", "--org", alias, "--out", tmp_path / "s.json")[0] == 0


def test_no_word_printed_is_a_secret(fedcrm, options, org, pki):
    printed = "".join(fedcrm("org", "add", "north", *words(options))[1:])
    printed += "".join(fedcrm("org", "check", "north")[1:] + fedcrm("org", "list", "--json")[1:])
    assert "PRIVATE KEY" not in printed
    assert not any(token in printed for token in org.tokens)


def test_a_refused_login_keeps_nothing(fedcrm, options, keys, tmp_path):
    status, _, err = fedcrm("org", "add", "north", *words(options | {"--key-file": keys / "other.pem"}))
    assert (status, err.count("\n")) == (1, 1)
    assert "certificate uploaded" in err
    assert not (tmp_path / "orgs").exists()


def test_an_org_whose_api_is_closed_keeps_nothing(fedcrm, options, plant, tmp_path):
    plant("/limits", status=403, code="API_DISABLED_FOR_ORG", message="API is not enabled for this Organization")
    status, _, err = fedcrm("org", "add", "north", *words(options))
    assert (status, "API_DISABLED_FOR_ORG" in err) == (1, True)
    assert not (tmp_path / "orgs").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"--key-file": None}, "give a key"),
        ({"--token-command": "echo x"}, "give a key"),
        ({"--key-command": "echo x"}, "exclude each other"),
        ({"--consumer-key": None}, "--consumer-key"),
        ({"--username": None}, "--username"),
        ({"--login-url": "http://localhost:1"}, "only https"),
        ({"--key-file": "/nowhere"}, "cannot be read"),
        ({"--key-file": None, "--token-command": "echo x"}, "neither"),
        ({"--key-file": None, "--secret-command": "echo x"}, "--username belongs to a key"),
        ({"--key-file": None, "--secret-command": "echo x", "--username": None, "--audience": "x"}, "--audience"),
        ({"--api-version": "67"}, "67.0"),
        ({"--storage-key-file": "/nowhere"}, "storage key"),
        ({"--storage-key-file": "/a", "--storage-key-command": "b"}, "one place"),
    ],
)
def test_options_that_make_no_sense_are_one_line_with_status_2_and_nothing_is_kept(
    fedcrm, options, tmp_path, change, why
):
    given = {k: v for k, v in (options | change).items() if v is not None}
    status, _, err = fedcrm("org", "add", "north", *words(given))
    assert (status, err.count("\n")) == (2, 1)
    assert why in err
    assert not (tmp_path / "orgs").exists()


def test_a_second_org_of_an_alias_needs_replace_and_leaves_the_storage_key(fedcrm, options):
    fedcrm("org", "add", "north", *words(options))
    status, _, err = fedcrm("org", "add", "north", *words(options))
    assert (status, "--replace" in err) == (2, True)
    assert fedcrm("org", "add", "north", "--replace", *words(options))[0] == 0
    status, _, err = fedcrm("org", "add", "south", *words(options), "--storage-key-command", "echo x")
    assert (status, "first org" in err) == (2, True)


def test_check_ends_with_a_status_that_says_whether_anything_is_wrong(fedcrm, options, org):
    org.types |= {"CreatedDate": "datetime"}
    fedcrm("org", "add", "north", *words(options))
    status, out, _ = fedcrm("org", "check", "north", "--json")
    found = json.loads(out)
    assert (status, found["alias"], found["good"]) == (1, "north", False)
    assert {"what": "login", "verdict": "good"}.items() <= next(
        f for f in found["findings"] if f["what"] == "login"
    ).items()
    status, out, _ = fedcrm("org", "check", "north")
    assert (status, "WRONG Account: this user does not see Industry" in out) == (1, True)


def test_an_unknown_org_is_named_with_the_known_ones(fedcrm, options, tmp_path):
    assert "`fedcrm org add` makes it" in fedcrm("org", "check", "north")[2]
    fedcrm("org", "add", "north", *words(options))
    for command in (("org", "check", "x"), ("schema", "snapshot", "--org", "x", "--out", tmp_path / "s")):
        status, _, err = fedcrm(*command)
        assert (status, "known: north" in err) == (2, True)


def test_orgs_are_kept_at_home_unless_told_otherwise(fedcrm, options, monkeypatch, tmp_path):
    monkeypatch.delenv("FEDCRM_ORGS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fedcrm("org", "add", "north", *words(options))[0] == 0
    assert (tmp_path / ".fedcrm" / "orgs" / "north.json").exists()
    assert "north" in fedcrm("org", "list", "--orgs", "~/.fedcrm/orgs")[1]


def test_a_snapshot_says_what_changed_since_an_earlier_one(fedcrm, options, org, tmp_path):
    fedcrm("org", "add", "north", *words(options))
    fedcrm("schema", "snapshot", "--org", "north", "--out", tmp_path / "a.json", "--no-fill")
    org.types["New__c"] = "double"
    snapshot = ("schema", "snapshot", "--org", "north", "--out", tmp_path / "b.json", "--since", tmp_path / "a.json")
    assert "Account.New__c: new" in fedcrm(*snapshot)[1]
    status, _, err = fedcrm(*snapshot[:-1], tmp_path / "missing.json")
    assert (status, "missing.json" in err) == (2, True)
