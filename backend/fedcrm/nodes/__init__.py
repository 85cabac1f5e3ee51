"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.nightly import Nightly, planned_steps
from fedcrm.nodes.nightly_state import Night
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent
from fedcrm.nodes.own_org import DataSet, OwnOrg, Scores, utc_text
from fedcrm.nodes.status import NodeStatus, status_of

__all__ = [
    "UNIT_OF_TASK",
    "DataSet",
    "Night",
    "Nightly",
    "NightlySettings",
    "NodeConfiguration",
    "NodeStatus",
    "OrganisationNode",
    "OutgoingLog",
    "OwnOrg",
    "PaidBy",
    "Scores",
    "Sent",
    "ServicePlace",
    "planned_steps",
    "status_of",
    "utc_text",
]
