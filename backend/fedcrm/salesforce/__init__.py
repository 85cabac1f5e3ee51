"""One Salesforce org, from the outside: login, session, reading, writing back, its schema.

client = Orgs.open(directory).connect("north")
for block in extractor_for(client, extraction).blocks(extraction): ...
"""

from fedcrm.salesforce.auth import ClientCredentials, Grant, JwtBearer, SessionToken, TokenEndpoint
from fedcrm.salesforce.block_store import BlockStore, Purpose
from fedcrm.salesforce.blocks import FeatureColumn, Run, Vector, vocabulary_digest
from fedcrm.salesforce.bulk1 import Bulk1Extractor
from fedcrm.salesforce.bulk2 import Bulk2Extractor
from fedcrm.salesforce.check import Finding, Verdict, check_org
from fedcrm.salesforce.client import API_VERSION, Client
from fedcrm.salesforce.columns import Column, Kind, Values
from fedcrm.salesforce.deploy import Deployment, deploy
from fedcrm.salesforce.extracted import write_data_set, write_vectors
from fedcrm.salesforce.extractor import Block, Bookmark, Extraction, Extractor
from fedcrm.salesforce.metadata import Snapshot, take_snapshot
from fedcrm.salesforce.metadata import changes as schema_changes
from fedcrm.salesforce.orgs import DEFAULT_RESERVE, Orgs, RegisteredOrg
from fedcrm.salesforce.pairing import Pairing, PairingFile, pair
from fedcrm.salesforce.rest import RestExtractor, extractor_for
from fedcrm.salesforce.retry import Retry
from fedcrm.salesforce.session import OrgSession
from fedcrm.salesforce.staging import OrgRun, Staging
from fedcrm.salesforce.writeback import RowFailure, WriteBack, WriteReport
from fedcrm.secrets import KeyCommand, KeyFile, KeyService, KeySource, Secret, SecretCommand, read_secret

__all__ = [
    "API_VERSION",
    "DEFAULT_RESERVE",
    "Block",
    "BlockStore",
    "Bookmark",
    "Bulk1Extractor",
    "Bulk2Extractor",
    "Client",
    "ClientCredentials",
    "Column",
    "Deployment",
    "Extraction",
    "Extractor",
    "FeatureColumn",
    "Finding",
    "Grant",
    "JwtBearer",
    "KeyCommand",
    "KeyFile",
    "KeyService",
    "KeySource",
    "Kind",
    "OrgRun",
    "OrgSession",
    "Orgs",
    "Pairing",
    "PairingFile",
    "Purpose",
    "RegisteredOrg",
    "RestExtractor",
    "Retry",
    "RowFailure",
    "Run",
    "Secret",
    "SecretCommand",
    "SessionToken",
    "Snapshot",
    "Staging",
    "TokenEndpoint",
    "Values",
    "Vector",
    "Verdict",
    "WriteBack",
    "WriteReport",
    "check_org",
    "deploy",
    "extractor_for",
    "pair",
    "read_secret",
    "schema_changes",
    "take_snapshot",
    "vocabulary_digest",
    "write_data_set",
    "write_vectors",
]
