"""Rounds between organisations: who says what to whom, what is charged, what is kept, what is refused."""

from fedcrm.federation.adoption import Adoption, Serves, adopt, adoption_of, calibration_of
from fedcrm.federation.books import Books, NodeBooks, SimulatedBooks
from fedcrm.federation.channel import Channel, Outcome
from fedcrm.federation.checkpoint import Checkpoint, CoordinatorStore
from fedcrm.federation.coordination import CoordinatorDirectory
from fedcrm.federation.coordinator import Coordinator, RoundFacts, TrainingTerms, standings_of
from fedcrm.federation.gate import Gate, Verdict, judge
from fedcrm.federation.home_schema import home_schema, unit_names, unit_numbers
from fedcrm.federation.messages import Agreement, Invitation, Report, RoundRequest
from fedcrm.federation.node import Node, NodeSettings, directory_name, organisation_name
from fedcrm.federation.participant import Participant, Records
from fedcrm.federation.rounds import PlainRounds, RoundResult, SecureRounds
from fedcrm.federation.training import FEWEST_ORGANISATIONS, Trained, check_request, train
from fedcrm.federation.transport.local import LocalChannel
from fedcrm.federation.weighting import Quality, Standing, WeightSettings

__all__ = [
    "FEWEST_ORGANISATIONS",
    "Adoption",
    "Agreement",
    "Books",
    "Channel",
    "Checkpoint",
    "Coordinator",
    "CoordinatorDirectory",
    "CoordinatorStore",
    "Gate",
    "Invitation",
    "LocalChannel",
    "Node",
    "NodeBooks",
    "NodeSettings",
    "Outcome",
    "Participant",
    "PlainRounds",
    "Quality",
    "Records",
    "Report",
    "RoundFacts",
    "RoundRequest",
    "RoundResult",
    "SecureRounds",
    "Serves",
    "SimulatedBooks",
    "Standing",
    "Trained",
    "TrainingTerms",
    "Verdict",
    "WeightSettings",
    "adopt",
    "adoption_of",
    "calibration_of",
    "check_request",
    "directory_name",
    "home_schema",
    "judge",
    "organisation_name",
    "standings_of",
    "train",
    "unit_names",
    "unit_numbers",
]
