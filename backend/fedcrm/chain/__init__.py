"""Everything on one machine: local orgs, package, nodes, training, scores; each organisation by itself."""

from fedcrm.chain.places import TASKS, Organisation, Places, organisations
from fedcrm.chain.run import ChainOptions, ChainReport, page_of, run_chain, stop_chain
from fedcrm.chain.walk import Show

__all__ = [
    "TASKS",
    "ChainOptions",
    "ChainReport",
    "Organisation",
    "Places",
    "Show",
    "organisations",
    "page_of",
    "run_chain",
    "stop_chain",
]
