"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent
from fedcrm.nodes.own_org import DataSet, OwnOrg, Scores, utc_text
from fedcrm.nodes.training import FederationOptions, FederationResult, run_federation
from fedcrm.nodes.training_record import Outcome, State

__all__ = [
    "UNIT_OF_TASK",
    "DataSet",
    "FederationOptions",
    "FederationResult",
    "NightlySettings",
    "NodeConfiguration",
    "OrganisationNode",
    "Outcome",
    "OutgoingLog",
    "OwnOrg",
    "PaidBy",
    "Scores",
    "Sent",
    "ServicePlace",
    "State",
    "run_federation",
    "utc_text",
]
