"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.nightly import Nightly, planned_steps
from fedcrm.nodes.nightly_state import Night
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent
from fedcrm.nodes.own_org import OwnOrg, Scores, WrittenVectors, utc_text
from fedcrm.nodes.status import NodeStatus, status_of
from fedcrm.nodes.training import FederationResult, run_federation
from fedcrm.nodes.training_options import FederationOptions
from fedcrm.nodes.training_record import Outcome, State

__all__ = [
    "UNIT_OF_TASK",
    "FederationOptions",
    "FederationResult",
    "Night",
    "Nightly",
    "NightlySettings",
    "NodeConfiguration",
    "NodeStatus",
    "OrganisationNode",
    "Outcome",
    "OutgoingLog",
    "OwnOrg",
    "PaidBy",
    "Scores",
    "Sent",
    "ServicePlace",
    "State",
    "WrittenVectors",
    "planned_steps",
    "run_federation",
    "status_of",
    "utc_text",
]
