"""An organisation's node as it is run: one directory, one configuration file, one nightly command."""

from fedcrm.nodes.configuration import UNIT_OF_TASK, NightlySettings, NodeConfiguration, ServicePlace
from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.nodes.outgoing import OutgoingLog, PaidBy, Sent

__all__ = [
    "UNIT_OF_TASK",
    "NightlySettings",
    "NodeConfiguration",
    "OrganisationNode",
    "OutgoingLog",
    "PaidBy",
    "Sent",
    "ServicePlace",
]
