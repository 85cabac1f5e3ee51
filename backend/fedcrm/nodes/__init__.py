"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent
from fedcrm.nodes.training import FederationResult, run_federation
from fedcrm.nodes.training_options import FederationOptions
from fedcrm.nodes.training_record import Outcome, State

__all__ = [
    "UNIT_OF_TASK",
    "FederationOptions",
    "FederationResult",
    "NightlySettings",
    "NodeConfiguration",
    "OrganisationNode",
    "Outcome",
    "OutgoingLog",
    "PaidBy",
    "Sent",
    "ServicePlace",
    "State",
    "run_federation",
]
