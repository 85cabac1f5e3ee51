"""Flows: every reference leads somewhere, nothing calls out while a record is saved, and the public scanners agree."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest

GLOBALS = {"$Record", "$Record__Prior", "$Flow", "$Label", "$User", "$Organization", "$GlobalConstant"}
RESOURCES = {"variables", "formulas", "constants", "textTemplates", "choices"}
REFERENCES = {
    "elementReference",
    "assignToReference",
    "collectionReference",
    "inputReference",
    "outputReference",
    "leftValueReference",
}


def problems_in(package, path) -> Iterator[str]:
    root = package.root(path)
    elements = {
        child.findtext("name"): child for child in root if child.find("name") is not None and child.tag not in RESOURCES
    }
    resources = {child.findtext("name") for child in root if child.tag in RESOURCES}
    targets = {element.text for element in root.iter("targetReference")}
    yield from (f"no element {name}" for name in sorted(targets - set(elements), key=str))
    for element in root.iter():
        if element.tag in REFERENCES:
            base = re.split(r"[.\[]", element.text or "")[0]
            if base not in elements and base not in resources and base not in GLOBALS:
                yield f"nothing is called {element.text}"
    for base in re.findall(r"\{!([\w$]+)", " ".join(element.text or "" for element in root.iter("fieldText"))):
        if base not in elements and base not in resources and base not in GLOBALS:
            yield f"nothing is called {base}"
    start = root.find("start")
    assert start is not None
    yield from _unreachable(start, elements)
    if start.findtext("triggerType") == "RecordAfterSave":
        if start.find("connector") is not None:
            yield "something runs while the record is saved"
        if "AsyncAfterCommit" not in [e.text for e in start.iter("pathType")]:
            yield "nothing runs after the commit"
        inside = [e for child in root if child.tag != "start" for e in child.iter("operator")]
        if any(e.text == "IsChanged" for e in inside):
            yield "IsChanged outside the start: an asynchronous path does not know it"
        for element in start.iterfind("filters/field"):
            name = element.text or ""
            if name.endswith("__c") and name not in package.fields.get(start.findtext("object", ""), {}):
                yield f"no field {name}"
    for call in root.iter("actionCalls"):
        yield from _call_problems(package, call)
    for call in root.iter("subflows"):
        yield from _subflow_problems(package, call)


def _unreachable(start, elements) -> Iterator[str]:
    seen, waiting = set(), [e.text for e in start.iter("targetReference")]
    while waiting:
        name = waiting.pop()
        if name in elements and name not in seen:
            seen.add(name)
            waiting += [e.text for e in elements[name].iter("targetReference")]
    yield from (f"{name} is never reached" for name in sorted(set(elements) - seen, key=str))


def _call_problems(package, call) -> Iterator[str]:
    source = package.classes.get(call.findtext("actionName", ""), "")
    if call.findtext("actionType") != "apex" or "@InvocableMethod" not in source:
        yield f"no invocable class {call.findtext('actionName')}"
    variables = set(re.findall(r"@InvocableVariable\([^)]*\)\s*public \w+ (\w+);", source))
    for element in [*call.iterfind("inputParameters/name"), *call.iterfind("outputParameters/name")]:
        if element.text not in variables:
            yield f"the action has no variable {element.text}"
    if call.find("faultConnector") is None:
        yield f"{call.findtext('name')} has no fault path"


def _subflow_problems(package, call) -> Iterator[str]:
    path = package.folder / "flows" / f"{call.findtext('flowName')}.flow-meta.xml"
    if not path.exists():
        yield f"no flow {call.findtext('flowName')}"
        return
    variables = {v.findtext("name"): v for v in package.root(path).iterfind("variables")}
    for tag, side in (("inputAssignments", "isInput"), ("outputAssignments", "isOutput")):
        for element in call.iterfind(f"{tag}/name"):
            if element.text not in variables or variables[element.text].findtext(side) != "true":
                yield f"the subflow has no {side} variable {element.text}"


def problems_of(package) -> list[str]:
    return [f"{p.name}: {problem}" for p in package.files("flows/*.xml") for problem in problems_in(package, p)]


def test_every_reference_in_a_flow_leads_somewhere(package):
    assert len(package.files("flows/*.xml")) == 7
    assert problems_of(package) == []


def test_every_flow_that_a_record_triggers_ends_in_the_one_subflow(package):
    for path in package.files("flows/FedCRM_Score_*_On_*.xml"):
        assert [e.text for e in package.root(path).iter("flowName")] == ["FedCRM_Score_Record"]


@pytest.mark.parametrize(
    ("name", "before", "after", "problem"),
    [
        ("Score_Record", "<targetReference>Score_Records<", "<targetReference>Gone<", "no element Gone"),
        ("Score_Record", "<elementReference>recordId<", "<elementReference>recordID2<", "nothing is called recordID2"),
        ("Score_Record", "<actionName>ScoreRecordAction<", "<actionName>Scorer<", "no invocable class Scorer"),
        (
            "Score_Record",
            "<name>errorMessage</name>\n        </outputParameters>",
            "<name>fault</name>\n        </outputParameters>",
            "no variable fault",
        ),
        (
            "Score_Account_On_Review",
            "Review_Requested__c</field>\n            <operator>EqualTo",
            "Review__c</field>\n            <operator>EqualTo",
            "no field Review__c",
        ),
        (
            "Score_Account_On_Review",
            "<operator>EqualTo</operator>",
            "<operator>IsChanged</operator>",
            "IsChanged outside",
        ),
        (
            "Score_Lead_On_Create",
            "<scheduledPaths>",
            "<connector><targetReference>Score_Record</targetReference></connector><scheduledPaths>",
            "while the record is saved",
        ),
        (
            "Ask_For_Score",
            "<name>score</name>\n        </outputAssignments>",
            "<name>points</name>\n        </outputAssignments>",
            "no isOutput variable points",
        ),
    ],
)
def test_a_planted_defect_is_found(spoiled, name, before, after, problem):
    spoilt = spoiled(f"flows/FedCRM_{name}.flow-meta.xml", before, after)
    assert any(problem in line for line in problems_of(spoilt))


def scan_with_flowtest(npm, folder, report):
    done = npm.run(
        [sys.executable, "-m", "flowtest", "-d", str(folder), "-j", str(report), "--no_log"],
        env={"PYTHONPATH": str(npm.root / "node_modules/@salesforce/code-analyzer-flow-engine/FlowScanner")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())["results"]


UNSAFE = """<?xml version="1.0" encoding="UTF-8" ?>
<Flow xmlns="http://soap.sforce.com/2006/04/metadata">
    <apiVersion>67.0</apiVersion>
    <label>Unsafe</label>
    <processType>Flow</processType>
    <recordUpdates>
        <name>Change</name>
        <label>Change</label>
        <locationX>0</locationX>
        <locationY>0</locationY>
        <filterLogic>and</filterLogic>
        <filters>
            <field>Id</field>
            <operator>EqualTo</operator>
            <value><elementReference>chosen</elementReference></value>
        </filters>
        <inputAssignments>
            <field>Name</field>
            <value><elementReference>chosen</elementReference></value>
        </inputAssignments>
        <object>Account</object>
    </recordUpdates>
    <runInMode>SystemModeWithoutSharing</runInMode>
    <start>
        <locationX>0</locationX>
        <locationY>0</locationY>
        <connector><targetReference>Change</targetReference></connector>
    </start>
    <status>Active</status>
    <variables>
        <name>chosen</name>
        <dataType>String</dataType>
        <isCollection>false</isCollection>
        <isInput>true</isInput>
        <isOutput>false</isOutput>
    </variables>
</Flow>
"""


@pytest.mark.slow
def test_the_security_scanner_of_the_review_finds_nothing(npm, package, tmp_path):
    assert scan_with_flowtest(npm, package.folder, tmp_path / "report.json") == {}


@pytest.mark.slow
def test_the_security_scanner_finds_input_that_chooses_a_record_in_system_mode(npm, spoiled, tmp_path):
    unsafe = spoiled("flows/Unsafe.flow-meta.xml", "", UNSAFE)
    assert scan_with_flowtest(npm, unsafe.folder, tmp_path / "report.json")


# TriggerOrder asks for a number where several flows share an object and an event; no two of ours do.
NOT_OURS = {"TriggerOrder"}


def scan_with_linter(npm, package):
    files = [str(path) for path in package.files("flows/*.xml")]
    found = npm.read_json(["node", "backend/tests/package/scan_flows.mjs", *files])
    return [finding for finding in found if finding["rule"] not in NOT_OURS]


@pytest.mark.slow
def test_the_flow_linter_finds_nothing(npm, package):
    assert scan_with_linter(npm, package) == []


@pytest.mark.slow
def test_the_flow_linter_finds_an_update_without_fault_path(npm, spoiled):
    unsafe = spoiled("flows/Unsafe.flow-meta.xml", "", UNSAFE)
    assert "MissingFaultPath" in {finding["rule"] for finding in scan_with_linter(npm, unsafe)}
