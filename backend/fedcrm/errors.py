"""Every error FedCRM raises, in one tree.

FedCRMError
├── InputError                  what a user gave cannot be used (exit status 2)
│   ├── DataSetError            a data set directory is malformed
│   └── SettingsError           an option, a file of settings or a combination of them
├── PrivacyError
│   ├── BudgetExceeded          a charge would pass the organisation's limit; nothing was written
│   ├── LedgerCorrupted         the hash chain does not hold
│   └── MechanismError          a mechanism was asked for something it cannot prove
├── ProtocolError               secure aggregation
│   ├── PeerError               somebody else's fault; `.culprit` names them where it is known
│   │   ├── MalformedMessage    bytes that are not a message of this protocol
│   │   ├── BadSignature        the signature is not the sender's
│   │   ├── UnexpectedMessage   right form, wrong moment; the phase stays as it was
│   │   ├── Replayed            an attempt, or a manifest, that is over or superseded
│   │   ├── UnknownParticipant  a name or key that is not on the roster
│   │   ├── UnacceptableTerms   weaker than what this participant agreed to
│   │   ├── Tampered            contents do not match what was committed, signed or summed
│   │   └── InconsistentAnswers partial decryptions that cannot all be true
│   ├── AlreadyAnswered         a second decryption under one key
│   ├── OutOfLane               a value does not fit the width agreed for it
│   ├── TooManyCoordinates      the vector is beyond what this roster can carry
│   ├── TooFewParticipants      fewer than k_min would count in the aggregate
│   ├── QuorumNotReached        fewer answers than needed to open the aggregate
│   └── SelfTestFailed          the cryptographic library does not behave as proven
├── FederationError
│   ├── AttemptVoid             this attempt cannot be completed; another may
│   │   └── ContributorsMissing masks cannot cancel without these uploads
│   └── TrainingStopped         no further attempt will be made, and why
├── ServiceError                the prediction service refuses; `.code` and `.status` are what a caller sees
└── StorageError                the disk or the database refused
    └── SecretsLocked           sealed secrets do not open with this key

Messages are for whoever is on call; programs read the attributes.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "AlreadyAnswered",
    "AttemptVoid",
    "BadSignature",
    "BudgetExceeded",
    "ContributorsMissing",
    "DataSetError",
    "FedCRMError",
    "FederationError",
    "InconsistentAnswers",
    "InputError",
    "LedgerCorrupted",
    "MalformedMessage",
    "MechanismError",
    "OutOfLane",
    "PeerError",
    "PrivacyError",
    "ProtocolError",
    "QuorumNotReached",
    "Replayed",
    "SecretsLocked",
    "SelfTestFailed",
    "ServiceError",
    "SettingsError",
    "StorageError",
    "Tampered",
    "TooFewParticipants",
    "TooManyCoordinates",
    "TrainingStopped",
    "UnacceptableTerms",
    "UnexpectedMessage",
    "UnknownParticipant",
]


class FedCRMError(Exception):
    """Root of the tree. exit_status is what the command line ends with."""

    exit_status = 1


# --- input ---------------------------------------------------------------------------------------


class InputError(FedCRMError):
    """What a user gave cannot be used."""

    exit_status = 2


class DataSetError(InputError):
    """A data set directory is malformed.

    path:   the file that is wrong.
    reason: what is wrong with it, one sentence.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class SettingsError(InputError):
    """An option or a settings file cannot be used."""


# --- privacy -------------------------------------------------------------------------------------


class PrivacyError(FedCRMError):
    """Privacy accounting refused."""


class BudgetExceeded(PrivacyError):
    """A charge would pass the limit. Nothing was written and no noise was drawn.

    would_be, limit: in the unit named by `unit` ("epsilon", "pure epsilon", "mu^2", "delta", "samples").
    scope:           whose limit: the "period"'s, the "training"'s or its "reserve"'s for retries.
    """

    def __init__(
        self, *, organisation: str, would_be: float, limit: float, unit: str = "epsilon", scope: str = "period"
    ) -> None:
        super().__init__(
            f"{organisation}: the charge would bring the {scope}'s {unit} to {would_be:.6g}; the limit is {limit:.6g}"
        )
        self.organisation, self.would_be, self.limit = organisation, would_be, limit
        self.unit, self.scope = unit, scope


class LedgerCorrupted(PrivacyError):
    """The ledger's hash chain does not hold. sequence: first entry that is wrong, from 1."""

    def __init__(self, *, sequence: int, reason: str) -> None:
        super().__init__(f"ledger entry {sequence}: {reason}")
        self.sequence, self.reason = sequence, reason


class MechanismError(PrivacyError):
    """A mechanism was asked for something it cannot prove."""


# --- secure aggregation --------------------------------------------------------------------------


class ProtocolError(FedCRMError):
    """Secure aggregation refused."""


class PeerError(ProtocolError):
    """Somebody else's fault. culprit: their name, or None where it cannot be known."""

    def __init__(self, reason: str, *, culprit: str | None = None) -> None:
        super().__init__(f"{culprit}: {reason}" if culprit else reason)
        self.reason, self.culprit = reason, culprit


class MalformedMessage(PeerError):
    """Bytes that are not a message of this protocol."""


class BadSignature(PeerError):
    """The signature is not the sender's."""


class UnexpectedMessage(PeerError):
    """Right form, wrong moment. The phase stays as it was."""


class Replayed(PeerError):
    """An attempt that is over, or a second manifest for one attempt."""


class UnknownParticipant(PeerError):
    """A name or key that is not on the roster."""


class UnacceptableTerms(PeerError):
    """The attempt's terms protect less than this participant agreed to."""


class Tampered(PeerError):
    """Contents do not match what was committed, signed or summed."""


class InconsistentAnswers(PeerError):
    """Partial decryptions that cannot all be true."""


class AlreadyAnswered(ProtocolError):
    """This key has answered a decryption request already."""


class OutOfLane(ProtocolError):
    """A value does not fit its lane. value, bound: |value| > bound."""

    def __init__(self, *, value: int, bound: int) -> None:
        super().__init__(f"a value of {value} does not fit a lane for magnitudes up to {bound}")
        self.value, self.bound = value, bound


class TooManyCoordinates(ProtocolError):
    """The vector is beyond what this roster can carry. bytes_needed: dealt by each participant."""

    def __init__(self, *, coordinates: int, participants: int, bytes_needed: int) -> None:
        super().__init__(
            f"{coordinates} coordinates among {participants} participants would take "
            f"{bytes_needed:,} bytes of shares from each"
        )
        self.coordinates, self.participants, self.bytes_needed = coordinates, participants, bytes_needed


class TooFewParticipants(ProtocolError):
    """Fewer than needed would count in the aggregate."""

    def __init__(self, *, needed: int, present: int) -> None:
        super().__init__(f"{present} participants where {needed} are needed")
        self.needed, self.present = needed, present


class QuorumNotReached(ProtocolError):
    """Fewer answers than needed to open the aggregate. answered: public points."""

    def __init__(self, *, needed: int, answered: list[int]) -> None:
        super().__init__(f"{len(answered)} of {needed} answers needed to open the aggregate")
        self.needed, self.answered = needed, answered


class SelfTestFailed(ProtocolError):
    """The cryptographic library does not behave as proven; nothing may be encrypted."""


# --- federation ----------------------------------------------------------------------------------


class FederationError(FedCRMError):
    """A training could not go on."""


class AttemptVoid(FederationError):
    """This attempt cannot be completed; another may, with new keys, masks, noise and charge."""


class ContributorsMissing(AttemptVoid):
    """Masks cancel in the full manifest only. missing: whose upload did not arrive or could not be used."""

    def __init__(self, *, missing: tuple[str, ...]) -> None:
        super().__init__(f"no usable upload from {', '.join(missing)}: the attempt is void")
        self.missing = missing


class TrainingStopped(FederationError):
    """No further attempt will be made."""


# --- prediction service --------------------------------------------------------------------------


class ServiceError(FedCRMError):
    """The prediction service refuses a call.

    status, code: HTTP status, and the interface's own word for why. retry_after: seconds, where waiting helps.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


# --- storage -------------------------------------------------------------------------------------


class StorageError(FedCRMError):
    """The disk or the database refused; nothing was half-written."""


class SecretsLocked(StorageError):
    """Sealed secrets do not open with this key. what: whose they are."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the sealed secret does not open with this key; bring the key back or add the org again"
        )
        self.what = what
