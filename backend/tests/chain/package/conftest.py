"""A local org with the package in it, run by its own administrator; how the node reads what it stages."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from base64 import b64decode
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from localorg.apex.engine import Engine
from localorg.metadata.deploy import deploy
from localorg.metadata.source_format import zip_source
from localorg.org import Org

ROOT = Path(__file__).parents[4]
KEY = bytes(range(32))


class Workshop:
    """One org with the package, whose administrator holds every permission set and has paired it."""

    def __init__(self, directory: Path) -> None:
        self.org = Org.create(directory, alias="extraction", number=1, namespace=None)
        self.engine = Engine(self.org)
        self.package = ROOT / "force-app/main/default"
        result = deploy(self.org, zip_source(self.package, skip=("connectedApps",)))
        assert result.success, [item.problem for item in result.components if not item.success]
        self.admin = self.org.admin_context()
        with self.org.transaction(self.admin.as_platform()) as transaction:
            for name in ("FedCRM_Admin", "FedCRM_Extractor", "FedCRM_Scoring_User"):
                (found,) = transaction.query(f"SELECT Id FROM PermissionSet WHERE Name = '{name}'")
                row = {"AssigneeId": self.admin.user_id, "PermissionSetId": found["Id"]}
                assert transaction.insert("PermissionSetAssignment", [row])[0].success
        key = KEY.hex()
        self.run(f"OrgKeys.current().pair('k1', EncodingUtil.convertFromHex('{key}'));")

    def run(self, code: str) -> None:
        outcome = self.engine.execute_anonymous(self.admin, code)
        assert outcome.success, (outcome.problem, outcome.exception, outcome.stack)

    def insert(self, name: str, rows: list[dict[str, object]]) -> list[str]:
        with self.org.transaction(self.admin.as_platform()) as transaction:
            results = transaction.insert(name, rows)
        assert all(result.success for result in results), [r.errors for r in results if not r.success][:3]
        return [result.id for result in results]

    def user(self, profile: str, *permission_sets: str) -> str:
        """A new active user with a profile and permission sets, by id."""
        (found,) = self.query(f"SELECT Id FROM Profile WHERE Name = '{profile}'")
        (count,) = self.query("SELECT COUNT(Id) n FROM User")
        row = {
            "ProfileId": found["Id"],
            "Username": f"user{count['n']}@example.com",
            "Email": "user@example.com",
            "LastName": "User",
            "Alias": "user",
            "IsActive": True,
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "en_US",
            "LocaleSidKey": "en_US",
            "TimeZoneSidKey": "Europe/Berlin",
        }
        (user,) = self.insert("User", [row])
        for name in permission_sets:
            (found,) = self.query(f"SELECT Id FROM PermissionSet WHERE Name = '{name}'")
            self.insert("PermissionSetAssignment", [{"AssigneeId": user, "PermissionSetId": found["Id"]}])
        return user

    def query(self, soql: str) -> list[dict[str, object]]:
        with self.org.snapshot(self.admin.as_platform()) as transaction:
            return [dict(row) for row in transaction.query(soql)]

    def extract(self, task: str, purpose: str) -> dict[str, object]:
        """Start a run, wait for it, return its row."""
        self.run(f"ExtractionRuns.start('{task}', '{purpose}');")
        self.engine.run_pending_jobs()
        return self.query(
            "SELECT Id, Run_Key__c, Status__c, Message__c, As_Of__c, Entities_Staged__c, Blocks__c "
            "FROM Extraction_Run__c ORDER BY CreatedDate DESC, Run_Key__c DESC LIMIT 1"
        )[0]

    def extract_at(self, task: str, moment: datetime, name: str) -> dict[str, dict[str, str]]:
        """Vectors of all entities at a moment of the past, in a run of this name."""
        self.run(
            f"Extraction_Run__c run = new Extraction_Run__c(Task__c = '{task}', Purpose__c = 'Scoring', "
            f"Status__c = 'Running', Run_Key__c = '{name}', Key_Id__c = 'k1', Started_At__c = System.now(), "
            f"As_Of__c = Datetime.newInstance({moment.timestamp():.0f}000L)); insert run; "
            "Database.executeBatch(new FeatureExtractionBatch(run.Id, FedCrmSettings.current()), 200);"
        )
        self.engine.run_pending_jobs()
        (run,) = self.query(f"SELECT Id, Run_Key__c, Status__c FROM Extraction_Run__c WHERE Run_Key__c = '{name}'")
        assert run["Status__c"] == "Completed"
        return self.vectors(run)

    def vectors(self, run: dict[str, object]) -> dict[str, dict[str, str]]:
        """The run's rows by pseudonym, as the node reads them."""
        found = {}
        blocks = self.query(
            "SELECT Block_Key__c, Sequence__c, Entity_Count__c, Format__c, Task__c, Purpose__c, Key_Id__c, "
            f"Vocabulary_Digest__c, Payload__c, Mac__c FROM Feature_Block__c WHERE Run__c = '{run['Id']}' "
            "ORDER BY Sequence__c"
        )
        for block in blocks:
            for row in opened(block, self.org.org_id, str(run["Run_Key__c"])):
                found[row["pseudonym"]] = row
        return found

    def keyed(self, purpose: str, record_id: str) -> str:
        """What the org draws for a record under its pseudonym key: 64 hexadecimal digits."""
        (row,) = self.query("SELECT Pseudonym_Key__c FROM FedCRM_Key__c")
        key = b64decode(str(row["Pseudonym_Key__c"]))
        return hmac.new(key, f"fedcrm-{purpose}-1|{record_id}".encode(), hashlib.sha256).hexdigest()

    def pseudonym(self, record_id: str) -> str:
        return self.keyed("pseudonym", record_id)[:32]


def opened(block: dict[str, object], org_id: str, run_key: str) -> list[dict[str, str]]:
    """A block's rows, checked and decrypted as docs/package.md has it."""
    lines = [
        f"fedcrm-block-{block['Format__c']:.0f}",
        org_id,
        run_key,
        block["Block_Key__c"],
        f"{block['Sequence__c']:.0f}",
        f"{block['Entity_Count__c']:.0f}",
        block["Task__c"],
        block["Purpose__c"],
        block["Key_Id__c"],
        block["Vocabulary_Digest__c"],
        block["Payload__c"],
    ]
    mac_key = hmac.digest(KEY, b"fedcrm-block-mac-1", "sha256")
    assert hmac.new(mac_key, "\n".join(map(str, lines)).encode(), hashlib.sha256).hexdigest() == block["Mac__c"]
    sealed = b64decode(str(block["Payload__c"]), validate=True)
    key = hmac.digest(KEY, b"fedcrm-block-encryption-1", "sha256")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    text = unpadder.update(decryptor.update(sealed[16:]) + decryptor.finalize()) + unpadder.finalize()
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert len(rows) == block["Entity_Count__c"]
    return rows


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("org"))
