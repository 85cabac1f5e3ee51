"""Feature blocks as the package writes them, opened by the node; made here by hand, after docs/package.md."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.errors import BlockRefused, Tampered
from fedcrm.salesforce.blocks import (
    FeatureColumn,
    Run,
    RunClose,
    StagedBlock,
    TransportKey,
    check_close,
    open_block,
    vocabulary_digest,
)

KEY = TransportKey("k1", bytes(range(32)))
COLUMNS = (
    FeatureColumn("account.industry", "category", "", 0, None),
    FeatureColumn("opportunity.open_value", "number", "currency", 2, None),
    FeatureColumn("own.colour", "category", "", 0, "Nordlicht"),
)
DIGEST = vocabulary_digest("churn", COLUMNS)
RUN = Run("00D000000000001EAA", "churn-7", "churn", "Training", DIGEST, COLUMNS)
HEADER = "pseudonym,as_of,label,label_source,account.industry,opportunity.open_value,own.colour\n"
A, B = "a" * 32, "b" * 32
TEXT = HEADER + f'{A},2026-03-01T00:00:00Z,1,inferred,"Ships, and ""boats""",12.50,\n{B},2026-03-02T10:00:00Z,,,,,rot\n'


def block_of(text=TEXT, *, run=RUN, key=KEY, sequence=1, entities=2, **changed):
    """As the org would write it: its own derivation, padding and MAC."""
    plain = text.encode()
    pad = 16 - len(plain) % 16
    iv = os.urandom(16)
    secret = hmac.new(key.secret, b"fedcrm-block-encryption-1", hashlib.sha256).digest()
    sealer = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    payload = base64.b64encode(iv + sealer.update(plain + bytes([pad]) * pad) + sealer.finalize()).decode()
    name = f"{run.key}-{sequence:06d}"
    lines = ["fedcrm-block-2", run.org_id, run.key, name, sequence, entities, run.task, run.purpose, key.id, run.digest]
    covered = "\n".join(map(str, lines)) + "\n" + payload
    mac_key = hmac.new(key.secret, b"fedcrm-block-mac-1", hashlib.sha256).digest()
    mac = hmac.new(mac_key, covered.encode(), hashlib.sha256).hexdigest()
    block = StagedBlock(name, sequence, entities, 2, run.task, run.purpose, key.id, run.digest, payload, mac)
    return dataclasses.replace(block, **changed)


def test_a_block_opens_to_the_vectors_that_were_put_in():
    first, second = open_block(block_of(), 1, RUN, [KEY])
    assert (first.pseudonym, first.as_of, first.label, first.label_source) == (
        A,
        "2026-03-01T00:00:00Z",
        "1",
        "inferred",
    )
    assert first.cells == ('Ships, and "boats"', "12.50", "")
    assert (second.label, second.cells) == ("", ("", "", "rot"))


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=3, max_size=3))
def test_any_text_comes_out_as_it_went_in(cells):
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    (vector,) = open_block(block_of(HEADER + f"{A},2026-03-01T00:00:00Z,,,{quoted}\n", entities=1), 1, RUN, [KEY])
    assert vector.cells == tuple(cells)


def test_a_run_that_began_under_the_previous_key_is_read_with_it():
    newer = TransportKey("k2", os.urandom(32))
    assert len(open_block(block_of(), 1, RUN, [newer, KEY])) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda b: dataclasses.replace(
            b, payload=b.payload[:40] + ("A" if b.payload[40] != "A" else "B") + b.payload[41:]
        ),
        lambda b: dataclasses.replace(b, mac="0" * 64),
        lambda b: dataclasses.replace(b, entities=3),
    ],
    ids=["payload", "mac", "count"],
)
def test_a_block_that_was_changed_is_refused(change):
    with pytest.raises(Tampered):
        open_block(change(block_of()), 1, RUN, [KEY])


@pytest.mark.parametrize("field", ["org_id", "key"])
def test_a_block_of_another_org_or_run_is_refused(field):
    other = dataclasses.replace(RUN, **{field: "another"})
    with pytest.raises((Tampered, BlockRefused)):
        open_block(block_of(), 1, other, [KEY])


@pytest.mark.parametrize(
    ("block", "sequence"),
    [
        (block_of(), 2),
        (block_of(format=1), 1),
        (block_of(task="lead_conversion"), 1),
        (block_of(purpose="Scoring"), 1),
        (block_of(digest="0" * 64), 1),
        (block_of(key_id="k9"), 1),
    ],
    ids=["out of order", "format", "task", "purpose", "vocabulary", "key"],
)
def test_a_block_that_does_not_belong_here_is_refused(block, sequence):
    with pytest.raises(BlockRefused):
        open_block(block, sequence, RUN, [KEY])


def test_a_run_whose_digest_is_not_its_vocabularys_is_refused():
    run = dataclasses.replace(RUN, columns=COLUMNS[:2])
    with pytest.raises(BlockRefused, match="another vocabulary"):
        open_block(block_of(), 1, run, [KEY])


@pytest.mark.parametrize(
    "text",
    [
        HEADER + f"{A},2026-03-01T00:00:00Z,1,inferred,x\n",
        HEADER + "0015000000abcde,2026-03-01T00:00:00Z,1,inferred,x,1,y\n",
        HEADER + f"{A},yesterday,1,inferred,x,1,y\n",
        HEADER + f"{A},2026-03-01T00:00:00Z,yes,inferred,x,1,y\n",
        HEADER + f'{A},2026-03-01T00:00:00Z,1,inferred,"x,1,y\n',
    ],
    ids=["ragged", "record id", "moment", "label", "quote"],
)
def test_an_authentic_block_that_no_extractor_writes_is_refused(text):
    with pytest.raises(Tampered):
        open_block(block_of(text, entities=1), 1, RUN, [KEY])


def test_other_columns_than_the_vocabularys_are_refused():
    with pytest.raises(BlockRefused, match="other columns"):
        open_block(block_of(TEXT.replace("own.colour", "own.smell")), 1, RUN, [KEY])


def close_of(run=RUN, key=KEY, blocks=3, entities=1000, since="2026-02-01T00:00:00Z"):
    """As the org would write it."""
    began = "2026-03-01T00:00:00Z"
    lines = ["fedcrm-run-2", run.org_id, run.key, run.task, run.purpose, key.id, run.digest]
    lines += [began, since, blocks, entities]
    mac_key = hmac.new(key.secret, b"fedcrm-block-mac-1", hashlib.sha256).digest()
    mac = hmac.new(mac_key, "\n".join(map(str, lines)).encode(), hashlib.sha256).hexdigest()
    return RunClose(key.id, began, since, blocks, entities, mac)


def test_a_run_is_what_it_said_when_it_was_closed():
    check_close(close_of(), RUN, [TransportKey("k2", os.urandom(32)), KEY])
    check_close(close_of(since="", blocks=0, entities=0), RUN, [KEY])


@pytest.mark.parametrize(
    "change",
    [{"blocks": 2}, {"blocks": 4}, {"entities": 999}, {"since": ""}, {"began": "2026-03-01T00:00:01Z"}, {"mac": ""}],
    ids=["fewer blocks", "more blocks", "vectors", "all instead of what changed", "start", "never closed"],
)
def test_a_run_that_was_changed_after_it_was_closed_is_refused(change):
    with pytest.raises(Tampered, match="after the org closed it"):
        check_close(dataclasses.replace(close_of(), **change), RUN, [KEY])


@pytest.mark.parametrize("field", ["org_id", "key", "task", "purpose", "digest"])
def test_the_close_of_another_run_is_refused(field):
    other = dataclasses.replace(RUN, **{field: "another"})
    with pytest.raises(Tampered):
        check_close(close_of(other), RUN, [KEY])


def test_the_mac_of_a_block_closes_no_run_and_a_run_under_an_unknown_key_is_refused():
    with pytest.raises(Tampered):
        check_close(dataclasses.replace(close_of(), mac=block_of().mac), RUN, [KEY])
    with pytest.raises(BlockRefused, match="'k1', a key that this node does not have"):
        check_close(close_of(), RUN, [TransportKey("k2", KEY.secret)])


def test_a_transport_key_does_not_show_itself():
    assert "0001020304" not in repr(KEY)
    assert str(bytes(range(32))) not in repr(KEY)
    with pytest.raises(BlockRefused):
        TransportKey("short", b"x")
