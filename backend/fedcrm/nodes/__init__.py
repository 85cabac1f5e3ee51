"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent
from fedcrm.nodes.own_org import DataSet, OwnOrg, Scores, utc_text

__all__ = [
    "UNIT_OF_TASK",
    "DataSet",
    "NightlySettings",
    "NodeConfiguration",
    "OrganisationNode",
    "OutgoingLog",
    "OwnOrg",
    "PaidBy",
    "Scores",
    "Sent",
    "ServicePlace",
    "utc_text",
]
