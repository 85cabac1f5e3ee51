"""Secure aggregation: participants' vectors are added under a key that nobody holds alone.

Threshold BFV with a collective key (Mouchet et al., PETS'21), Shamir t-of-n over the ring (eprint 2022/780),
smudging noise dealt with the key, pairwise masks under the encryption. Sans I/O: one ParticipantAttempt a
participant and one CoordinatorAttempt make one attempt, bytes in, bytes out.
"""

from fedcrm.secagg.coordinator import CoordinatorAttempt, Opened
from fedcrm.secagg.identity import Identity, PublicIdentity, Roster
from fedcrm.secagg.journal import AnswerJournal, MemoryJournal, Step
from fedcrm.secagg.participant import ParticipantAttempt
from fedcrm.secagg.protocol import CoordinatorPhase, ParticipantPhase
from fedcrm.secagg.ring import PRODUCTION, RingParameters
from fedcrm.secagg.selftest import self_test
from fedcrm.secagg.terms import (
    AttemptId,
    AttemptTerms,
    CollusionRow,
    collusion_table,
    coordinate_limit,
    default_k_min,
    default_quorum,
    safe_against,
)

__all__ = [
    "PRODUCTION",
    "AnswerJournal",
    "AttemptId",
    "AttemptTerms",
    "CollusionRow",
    "CoordinatorAttempt",
    "CoordinatorPhase",
    "Identity",
    "MemoryJournal",
    "Opened",
    "ParticipantAttempt",
    "ParticipantPhase",
    "PublicIdentity",
    "RingParameters",
    "Roster",
    "Step",
    "collusion_table",
    "coordinate_limit",
    "default_k_min",
    "default_quorum",
    "safe_against",
    "self_test",
]
