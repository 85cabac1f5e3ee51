"""The whole package through apex-ls, an Apex type checker: what it refuses, an org would refuse at deployment."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow  # needs npm and Java

MAIN = "io.github.apexdevtools.apexls.CheckForIssues"


def check(npm, workspace):
    """Exit status (0: clean, 4: issues) and what it said."""
    jars = npm.root / "node_modules/@salesforce/code-analyzer-pmd-engine/dist/java-lib/*"
    done = npm.run(["java", "-Xmx1g", "-cp", str(jars), MAIN, "-w", str(workspace), "-d", "warnings", "-n"])
    return done.returncode, done.stdout + done.stderr


def test_the_package_compiles_without_a_warning(npm):
    assert check(npm, npm.root) == (0, "")


DEFECTS = [
    ("OrgKeys", "Crypto.generateAesKey(256)", "Crypto.generateAesKee(256)", "generateAesKee"),
    ("PredictionRecords", "Round__c = round", "Rounds__c = round", "Rounds__c"),
    ("FeatureExtractionScheduler", "implements Schedulable", "implements Schedulables", "Schedulables"),
    ("ScoreFields", "Prediction__c.Lead__c", "Prediction__c.Leads__c", "Leads__c"),
    ("FedCrmSettings", "whole(record.Trend_Length__c, 60)", "whole(record.Trend_Length__c, 'x')", "whole"),
]


def test_every_planted_defect_is_found(npm, spoiled, tmp_path):
    for name, before, after, _ in DEFECTS:
        spoiled(f"classes/{name}.cls", before, after)
    status, output = check(npm, tmp_path)
    assert status == 4
    assert [said for *_, said in DEFECTS if said not in output] == []
