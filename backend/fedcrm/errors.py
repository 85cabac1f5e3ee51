"""Every error FedCRM raises, in one tree.

FedCRMError
├── InputError                  what a user gave cannot be used (exit status 2)
│   ├── DataSetError            a data set directory is malformed
│   ├── MappingError            a mapping file says what cannot be
│   ├── SettingsError           an option, a file of settings or a combination of them
│   └── TooFewExamples          an organisation has hardly any records to train on; a rule, no failure
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
│   ├── ParticipantsMissing     a training cannot go on with who is left; `.missing` says who is out and why
│   └── TrainingStopped         no further attempt will be made, and why
├── NightFailed                 a node's nightly work that could not be done; `.organisation` whose
├── BlockRefused                a staged block of another run, vocabulary, key or place
├── SalesforceError             an org, or the way to it; `.org` is its alias, `.remedy` what to do
│   ├── LoginRefused            the org does not let us in; `.code` is its own word for why
│   │   ├── WrongKey            the key or secret is not the one the org knows
│   │   ├── UnapprovedConsumer  nobody allowed this user to use this app
│   │   ├── CertificateExpired  the certificate uploaded to the org is past its end
│   │   └── SessionEnded        the session is over and nothing here can begin another
│   ├── WrongOrg                another org answers than the one that was registered
│   ├── OrgUnreachable          no connection, no trusted certificate, no answer in time
│   ├── OrgUnavailable          the org says it cannot serve: maintenance, overload
│   ├── LimitReached            the org's daily calls, or our reserve of them
│   ├── AccessDenied            an object or fields that this user does not see
│   ├── SchemaChanged           a field went or changed its type under a running extraction
│   ├── JobFailed               the org gave up on a bulk job
│   ├── DeployFailed            metadata that the org refused; it is as it was
│   ├── RunRefused              an extraction run that the org stopped, or that failed
│   ├── ResultsLost             what a bulk job or a query had found is no longer there
│   ├── RequestRefused          any other refusal; `.status` and `.code` are the org's
│   ├── WriteUncertain          a write whose reply was lost: done or not, it must not be repeated blindly
│   └── UnexpectedReply         bytes that are not what the API promises
├── ServiceError                the prediction service refuses; `.code` and `.status` are what a caller sees
└── StorageError                the disk or the database refused
    └── SecretsLocked           sealed secrets do not open with this key

DataSetWarning is a warning, the one kind a user is meant to read.

Messages are for whoever is on call; programs read the attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "AccessDenied",
    "AlreadyAnswered",
    "AttemptVoid",
    "BadSignature",
    "BlockRefused",
    "BudgetExceeded",
    "CertificateExpired",
    "ContributorsMissing",
    "DataSetError",
    "DataSetWarning",
    "DeployFailed",
    "FedCRMError",
    "FederationError",
    "InconsistentAnswers",
    "InputError",
    "JobFailed",
    "LedgerCorrupted",
    "LimitReached",
    "LoginRefused",
    "MalformedMessage",
    "MappingError",
    "MechanismError",
    "NightFailed",
    "OrgUnavailable",
    "OrgUnreachable",
    "OutOfLane",
    "ParticipantsMissing",
    "PeerError",
    "PrivacyError",
    "ProtocolError",
    "QuorumNotReached",
    "Replayed",
    "RequestRefused",
    "ResultsLost",
    "RunRefused",
    "SalesforceError",
    "SchemaChanged",
    "SecretsLocked",
    "SelfTestFailed",
    "ServiceError",
    "SessionEnded",
    "SettingsError",
    "StorageError",
    "Tampered",
    "TooFewExamples",
    "TooFewParticipants",
    "TooManyCoordinates",
    "TrainingStopped",
    "UnacceptableTerms",
    "UnapprovedConsumer",
    "UnexpectedMessage",
    "UnexpectedReply",
    "UnknownParticipant",
    "WriteUncertain",
    "WrongKey",
    "WrongOrg",
]


class FedCRMError(Exception):
    """Root of the tree. exit_status is what the command line ends with."""

    exit_status = 1


# --- input ---------------------------------------------------------------------------------------


class InputError(FedCRMError):
    """What a user gave cannot be used."""

    exit_status = 2


class DataSetWarning(UserWarning):
    """A data set can be used, but something in it is probably not what its author meant."""


class DataSetError(InputError):
    """A data set directory is malformed.

    path:   the file that is wrong.
    reason: what is wrong with it, one sentence.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class MappingError(InputError):
    """A mapping file cannot be used. problems: every one found, a sentence each."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: " + "; ".join(problems))
        self.path, self.problems = path, tuple(problems)


class SettingsError(InputError):
    """An option or a settings file cannot be used."""


class TooFewExamples(InputError):
    """An organisation has hardly any records to train on: by rule it stays out, and nothing failed."""


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


class ParticipantsMissing(FederationError):
    """A training cannot begin or go on with who is left. missing: by organisation, since when it is out and why."""

    def __init__(self, reason: str, missing: Mapping[str, str]) -> None:
        super().__init__("; ".join((reason, *(f"{name} is out ({why})" for name, why in missing.items()))))
        self.reason, self.missing = reason, dict(missing)


class TrainingStopped(FederationError):
    """No further attempt will be made."""


# --- salesforce ----------------------------------------------------------------------------------


class SalesforceError(FedCRMError):
    """An org, or the way to it, refused. No message carries a token or a key.

    org:    the alias it is registered under.
    reason: what happened, without a full stop.
    remedy: what somebody can do about it.
    """

    def __init__(self, org: str, reason: str, remedy: str) -> None:
        super().__init__(f"{org}: {reason}; {remedy}")
        self.org, self.reason, self.remedy = org, reason, remedy


class LoginRefused(SalesforceError):
    """The org does not let us in. code: its own word for why ("invalid_grant")."""

    def __init__(self, org: str, reason: str, remedy: str, *, code: str = "") -> None:
        super().__init__(org, reason, remedy)
        self.code = code


class WrongKey(LoginRefused):
    """The key or secret is not the one the org knows."""


class UnapprovedConsumer(LoginRefused):
    """Nobody allowed this user to use this app."""


class CertificateExpired(LoginRefused):
    """The certificate uploaded to the org is past its end."""


class SessionEnded(LoginRefused):
    """The session is over and nothing here can begin another."""


class WrongOrg(SalesforceError):
    """Another org answers than the one that was registered. expected, found: org ids."""

    def __init__(self, org: str, *, expected: str, found: str) -> None:
        super().__init__(
            org,
            f"org {found} answers where {expected} was registered (a refreshed sandbox is another org)",
            "remove the alias and add it again if this is meant",
        )
        self.expected, self.found = expected, found


class OrgUnreachable(SalesforceError):
    """No connection, no trusted certificate, no answer in time."""


class OrgUnavailable(SalesforceError):
    """The org says it cannot serve: maintenance, overload. status: of its last reply."""

    def __init__(self, org: str, *, status: int, attempts: int) -> None:
        super().__init__(
            org,
            f"the org is in maintenance or overloaded (HTTP {status}, {attempts} attempts)",
            "look at status.salesforce.com and run the same command again later",
        )
        self.status, self.attempts = status, attempts


class LimitReached(SalesforceError):
    """Daily API calls are used up, or what is left is the reserve that is not ours.

    used, total: calls of the last 24 hours as the org counts them; None where it did not say.
    reserve:     calls left to the org's other programs.
    """

    def __init__(self, org: str, *, used: int | None, total: int | None, reserve: int = 0) -> None:
        counted = "the org's limit of API calls is reached" if used is None else f"{used} of {total} API calls are used"
        kept = f" and {reserve} are kept for others" if reserve else ""
        super().__init__(org, counted + kept, "run the same command again when the 24-hour window has moved on")
        self.used, self.total, self.reserve = used, total, reserve


class AccessDenied(SalesforceError):
    """An object or fields that this user does not see; the org does not tell whether they exist.

    fields: empty where it is the object itself.
    """

    def __init__(self, org: str, object_name: str, fields: tuple[str, ...] = (), *, to: str = "read") -> None:
        what = ", ".join(f"{object_name}.{f}" for f in fields) or object_name
        super().__init__(
            org,
            f"the user may not {to} {what}, or it does not exist",
            "check the name and give the integration user's permission set access to it",
        )
        self.object_name, self.fields = object_name, fields


class SchemaChanged(SalesforceError):
    """A field went or changed its type under a running extraction. changes: one sentence each."""

    def __init__(self, org: str, object_name: str, changes: tuple[str, ...]) -> None:
        super().__init__(
            org,
            f"{object_name} changed while it was read: {', '.join(changes)}",
            "drop what was read and start the extraction again",
        )
        self.object_name, self.changes = object_name, changes


class JobFailed(SalesforceError):
    """The org gave up on a bulk job. job: its id. detail: the org's own words."""

    def __init__(self, org: str, *, job: str, detail: str) -> None:
        super().__init__(org, f"bulk job {job} failed: {detail or 'no reason given'}", "run the same command again")
        self.job, self.detail = job, detail


class DeployFailed(SalesforceError):
    """Metadata that the org refused; it is as it was. failures: a sentence each, with the component it is about."""

    def __init__(self, org: str, failures: Sequence[str]) -> None:
        super().__init__(org, "the deployment was refused: " + "; ".join(failures), "correct these and apply it again")
        self.failures = tuple(failures)


class RunRefused(SalesforceError):
    """An extraction run that ended otherwise than completed. status: the org's word. reason: the run's own message."""

    def __init__(self, org: str, *, run: str, status: str, reason: str) -> None:
        remedies = {
            "Stopped": "do what it says, then extract again",
            "Failed": "extract again: the next run takes the same records",
            "Withdrawn": "extract again: the next run reads every record",
        }
        super().__init__(org, f"run {run} is {status.lower()}: {reason}", remedies.get(status, "extract again"))
        self.run, self.status, self.reason = run, status, reason


class ResultsLost(SalesforceError):
    """What a bulk job or a query had found is no longer there. job: its id or locator."""

    def __init__(self, org: str, *, job: str) -> None:
        super().__init__(
            org,
            f"the org no longer has the results of {job}",
            "drop what was read and start the extraction again, without its bookmark",
        )
        self.job = job


class RequestRefused(SalesforceError):
    """Any other refusal.

    status, code: the org's, as in 400 and "MALFORMED_QUERY".
    detail:       its own words.
    """

    def __init__(self, org: str, *, status: int, code: str, detail: str) -> None:
        super().__init__(org, f"the org refused ({status} {code}): {detail}", "correct what it names and try again")
        self.status, self.code, self.detail = status, code, detail


class WriteUncertain(SalesforceError):
    """A write whose reply was lost: it may be done or not, and must not be repeated blindly."""

    def __init__(self, org: str, what: str) -> None:
        super().__init__(
            org,
            f"the connection broke after {what} was sent, so it may have been done or not",
            "look in the org before it is sent again",
        )


class UnexpectedReply(SalesforceError):
    """Bytes that are not what the API promises."""

    def __init__(self, org: str, reason: str) -> None:
        super().__init__(org, reason, "check that the address is a Salesforce org's and no proxy answers for it")


# --- prediction service --------------------------------------------------------------------------


class ServiceError(FedCRMError):
    """The prediction service refuses a call.

    status, code: HTTP status, and the interface's own word for why. retry_after: seconds, where waiting helps.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


# --- storage -------------------------------------------------------------------------------------


class NightFailed(FedCRMError):
    """A node's nightly work that could not be done. organisation: whose node. line: why, with the remedy."""

    def __init__(self, organisation: str, line: str) -> None:
        super().__init__(f"{organisation}: {line}")
        self.organisation, self.line = organisation, line


class BlockRefused(FedCRMError):
    """A staged feature block that does not belong where it was found. What was read before it stands."""


class StorageError(FedCRMError):
    """The disk or the database refused; nothing was half-written."""


class SecretsLocked(StorageError):
    """Sealed secrets do not open with this key. what: whose they are."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the sealed secret does not open with this key; bring the key back or add the org again"
        )
        self.what = what
