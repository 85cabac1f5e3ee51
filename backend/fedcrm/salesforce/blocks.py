"""Feature blocks, opened: authenticated first, decrypted then, and read as a table of texts.

A block is one row of `Feature_Block__c`: some 400 vectors, AES-256-CBC under a key derived from the transport key,
then HMAC-SHA256 over header and ciphertext (encrypt then MAC). What a block cannot know, how many there are, the run's
own MAC says. docs/package.md has the format byte by byte; the package's `PayloadCipher` and `FeatureBlockWriter` are
the other side. Nothing of a block or run is believed before its MAC.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hmac
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fedcrm.errors import BlockRefused, Tampered

__all__ = [
    "KEY_BYTES",
    "FeatureColumn",
    "Run",
    "RunClose",
    "StagedBlock",
    "TransportKey",
    "Vector",
    "check_close",
    "open_block",
    "vocabulary_digest",
]

FORMAT = 2
KEY_BYTES = 32
_IV_BYTES = 16
_FIXED = ("pseudonym", "as_of", "label", "label_source")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@dataclass(frozen=True, slots=True)
class TransportKey:
    """The key that an org encrypts its blocks with. id: at most 40 characters, the node's name for it."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise BlockRefused("a transport key has 32 bytes")

    def derive(self, purpose: str) -> bytes:
        """A key of its own for each purpose; 32 bytes."""
        return hmac.digest(self.secret, purpose.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature as the org's vocabulary describes it.

    kind:  number, category or flag.
    block: None where it is shared by all.
    """

    name: str
    kind: str
    unit: str
    decimals: int
    block: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """What a block must belong to. key: the run's own, as in `Run_Key__c`. digest: of the vocabulary, 64 hex digits."""

    org_id: str
    key: str
    task: str
    purpose: str
    digest: str
    columns: tuple[FeatureColumn, ...]


@dataclass(frozen=True, slots=True)
class RunClose:
    """What a completed run says of itself in all; nothing in it is believed yet.

    key_id:       the transport key of its blocks.
    began, since: YYYY-MM-DDThh:mm:ssZ; since is "" where it holds every entity.
    mac:          "" where the run was never closed.
    """

    key_id: str
    began: str
    since: str
    blocks: int
    entities: int
    mac: str


@dataclass(frozen=True, slots=True)
class StagedBlock:
    """A row of `Feature_Block__c` as it was read; nothing in it is believed yet."""

    key: str
    sequence: int
    entities: int
    format: int
    task: str
    purpose: str
    key_id: str
    digest: str
    payload: str
    mac: str


@dataclass(frozen=True, slots=True)
class Vector:
    """One entity at one moment.

    pseudonym:    32 hex digits.
    as_of:        ISO 8601, GMT; the cells know nothing later.
    label:        "1", "0", or "" for a row that is to be scored.
    label_source: "definitive", "inferred" or "".
    cells:        texts in the vocabulary's order, "" where nothing is known.
    """

    pseudonym: str
    as_of: str
    label: str
    label_source: str
    cells: tuple[str, ...]


def vocabulary_digest(task: str, columns: Iterable[FeatureColumn]) -> str:
    """SHA-256 that names a vocabulary: what its features are, not where their values come from; 64 hex digits."""
    lines = ["fedcrm-vocabulary-1", task]
    lines += ["|".join((c.name, c.kind, c.unit, str(c.decimals), c.block or "")) for c in columns]
    return sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def open_block(block: StagedBlock, sequence: int, run: Run, keys: Sequence[TransportKey]) -> tuple[Vector, ...]:
    """The vectors of a block, in its order.

    sequence: which block of the run this must be, from 1.
    keys:     transport keys that may have encrypted it: the one in use and the one before.

    Raises BlockRefused for a block of another run, task, vocabulary, format, key or place; Tampered where its MAC, or
    what the MAC covers, does not hold.
    """
    _refuse_stranger(block, sequence, run)
    key = _key(block.key_id, f"block {block.key}", keys)
    lines = (
        f"fedcrm-block-{block.format}",
        run.org_id,
        run.key,
        block.key,
        block.sequence,
        block.entities,
        block.task,
        block.purpose,
        block.key_id,
        block.digest,
        block.payload,
    )
    if not _is_authentic(lines, block.mac, key):
        raise Tampered(f"block {block.key} was changed after the org wrote it: its MAC does not hold")
    vectors = _read(_decrypt(block, key), run, block)
    if len(vectors) != block.entities:
        raise Tampered(f"block {block.key} says it holds {block.entities} vectors and holds {len(vectors)}")
    return vectors


def check_close(close: RunClose, run: Run, keys: Sequence[TransportKey]) -> None:
    """Hold a run to what it said when it was closed: that it has these blocks, builds upon that run, speaks so.

    Raises BlockRefused for a key that is not among `keys`; Tampered where the MAC does not hold: blocks were added or
    taken away, the run never completed, or its close is another run's.
    """
    key = _key(close.key_id, f"run {run.key}", keys)
    lines = (
        f"fedcrm-run-{FORMAT}",
        run.org_id,
        run.key,
        run.task,
        run.purpose,
        close.key_id,
        run.digest,
        close.began,
        close.since,
        close.blocks,
        close.entities,
    )
    if not _is_authentic(lines, close.mac, key):
        raise Tampered(f"run {run.key} was changed after the org closed it: its MAC does not hold")


def _key(key_id: str, what: str, keys: Sequence[TransportKey]) -> TransportKey:
    key = next((one for one in keys if one.id == key_id), None)
    if key is None:
        raise BlockRefused(f"{what} is encrypted under '{key_id}', a key that this node does not have")
    return key


def _is_authentic(lines: Iterable[object], mac: str, key: TransportKey) -> bool:
    text = "\n".join(map(str, lines))
    expected = hmac.digest(key.derive("fedcrm-block-mac-1"), text.encode(), "sha256").hex()
    return hmac.compare_digest(expected, mac.lower())


def _refuse_stranger(block: StagedBlock, sequence: int, run: Run) -> None:
    if block.format != FORMAT:
        raise BlockRefused(f"block {block.key} has format {block.format}; this node reads {FORMAT}: update one of them")
    if block.sequence != sequence or block.key != f"{run.key}-{sequence:06d}":
        raise BlockRefused(f"block {block.key} stands where block {sequence} of run {run.key} must be")
    if block.task != run.task or block.purpose != run.purpose:
        raise BlockRefused(f"block {block.key} is for {block.purpose} of {block.task}, not {run.purpose} of {run.task}")
    if block.digest != run.digest or vocabulary_digest(run.task, run.columns) != run.digest:
        raise BlockRefused(f"block {block.key} speaks another vocabulary than its run: extract anew")


def _decrypt(block: StagedBlock, key: TransportKey) -> str:
    try:
        sealed = base64.b64decode(block.payload, validate=True)
        cipher = Cipher(algorithms.AES(key.derive("fedcrm-block-encryption-1")), modes.CBC(sealed[:_IV_BYTES]))
        opener = cipher.decryptor()
        padded = opener.update(sealed[_IV_BYTES:]) + opener.finalize()
        remover = padding.PKCS7(128).unpadder()
        return (remover.update(padded) + remover.finalize()).decode("utf-8")
    except (binascii.Error, ValueError) as error:  # authentic, and yet no block: the org's side is at fault
        raise Tampered(f"block {block.key} cannot be decrypted") from error


def _read(text: str, run: Run, block: StagedBlock) -> tuple[Vector, ...]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    expected = [*_FIXED, *(column.name for column in run.columns)]
    try:
        if next(rows, None) != expected:
            raise BlockRefused(f"block {block.key} has other columns than its run's vocabulary")
        return tuple(_vector(row, len(expected), block) for row in rows)
    except csv.Error as error:
        raise Tampered(f"block {block.key} is no table: {error}") from error


def _vector(row: Sequence[str], width: int, block: StagedBlock) -> Vector:
    if len(row) != width:
        raise Tampered(f"block {block.key} has a row of {len(row)} cells; its vocabulary has {width}")
    pseudonym, as_of, label, source = row[: len(_FIXED)]
    if not _PSEUDONYM.fullmatch(pseudonym) or not _MOMENT.fullmatch(as_of) or label not in ("", "0", "1"):
        raise Tampered(f"block {block.key} has a row that no extractor writes")
    return Vector(pseudonym, as_of, label, source, tuple(row[len(_FIXED) :]))
