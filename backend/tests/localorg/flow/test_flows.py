"""Flows as a package ships them: triggered by saved records, later paths after the commit, faults, refusals."""

import base64

import pytest

from localorg.apex.engine import Engine
from localorg.flow import FlowEngine, FlowProblem, read_flow

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<Flow xmlns="http://soap.sforce.com/2006/04/metadata">\n'
ACTION = """
public class Note {
    public class Request { @InvocableVariable public Id recordId; @InvocableVariable public String text; }
    public class Result { @InvocableVariable public String written; }
    @InvocableMethod public static List<Result> run(List<Request> requests) {
        List<Account> rows = new List<Account>();
        List<Result> results = new List<Result>();
        for (Request request : requests) {
            rows.add(new Account(Id = request.recordId, Description = request.text + ' of ' + requests.size()));
            Result result = new Result();
            result.written = request.text;
            results.add(result);
        }
        update rows;
        if (rows[0].Description.startsWith('fail')) { throw new IllegalArgumentException('as asked'); }
        return results;
    }
}
"""
SUBFLOW = """
<actionCalls><name>Write</name><actionName>Note</actionName><actionType>apex</actionType>
  <faultConnector><targetReference>Failed</targetReference></faultConnector>
  <inputParameters><name>recordId</name><value><elementReference>recordId</elementReference></value></inputParameters>
  <inputParameters><name>text</name><value><elementReference>text</elementReference></value></inputParameters>
  <outputParameters><assignToReference>written</assignToReference><name>written</name></outputParameters>
</actionCalls>
<assignments><name>Failed</name>
  <assignmentItems><assignToReference>written</assignToReference><operator>Assign</operator>
    <value><elementReference>$Flow.FaultMessage</elementReference></value></assignmentItems>
</assignments>
<processType>AutoLaunchedFlow</processType>
<start><connector><targetReference>Write</targetReference></connector></start>
<status>Active</status>
<variables><name>recordId</name><dataType>String</dataType><isInput>true</isInput><isOutput>false</isOutput></variables>
<variables><name>text</name><dataType>String</dataType><isInput>true</isInput><isOutput>false</isOutput></variables>
<variables><name>written</name><dataType>String</dataType><isInput>false</isInput><isOutput>true</isOutput></variables>
"""
TRIGGERED = """
<processType>AutoLaunchedFlow</processType>
<start>
  <filterLogic>and</filterLogic>
  {filters}
  <object>Account</object><recordTriggerType>{saves}</recordTriggerType>
  {path}
  <triggerType>RecordAfterSave</triggerType>
</start>
<status>Active</status>
<subflows><name>Sub</name><flowName>Write_Note</flowName>
  <inputAssignments><name>recordId</name><value><elementReference>$Record.Id</elementReference></value></inputAssignments>
  <inputAssignments><name>text</name><value><stringValue>{text}</stringValue></value></inputAssignments>
</subflows>
"""
LATER = (
    "<scheduledPaths><connector><targetReference>Sub</targetReference></connector>"
    "<pathType>AsyncAfterCommit</pathType></scheduledPaths>"
)
NOW = "<connector><targetReference>Sub</targetReference></connector>"


def condition(field, operator, value):
    return f"<filters><field>{field}</field><operator>{operator}</operator><value>{value}</value></filters>"


ENERGY = condition("Industry", "EqualTo", "<stringValue>energy</stringValue>")
CHANGED = condition("Name", "IsChanged", "<booleanValue>true</booleanValue>")


@pytest.fixture
def flows(org):
    return FlowEngine(org, Engine(org))


@pytest.fixture
def install(org):
    """Keep flows, and the class they call, as a deployment would."""

    def store(**bodies):
        with org.transaction(org.admin_context().as_platform()) as transaction:
            row = {"Name": "Note", "Body": ACTION, "ApiVersion": 67.0, "Status": "Active"}
            assert transaction.insert("ApexClass", [row])[0].success
            for name, body in {"Write_Note": SUBFLOW, **bodies}.items():
                content = base64.b64encode(f"{HEAD}{body}</Flow>".encode()).decode()
                transaction.put_setting(f"component:Flow:{name}", {"content": content, "namespace": ""})

    return store


def triggered(filters="", saves="Create", path=LATER, text="seen", extra=""):
    return TRIGGERED.format(filters=filters, saves=saves, path=path, text=text) + extra


def save(org, *rows):
    with org.transaction(org.admin_context()) as transaction:
        return [saved.id for saved in transaction.insert("Account", list(rows), all_or_none=True)]


def descriptions(org):
    with org.transaction(org.admin_context()) as transaction:
        return [row["Description"] for row in transaction.query("SELECT Description FROM Account ORDER BY Name")]


def test_a_later_path_runs_after_the_commit_and_once_for_all_records(org, flows, install):
    install(On_Create=triggered())
    save(org, {"Name": "a"}, {"Name": "b"})
    assert descriptions(org) == [None, None]
    assert flows.run_pending() == 1
    assert descriptions(org) == ["seen of 2", "seen of 2"]
    assert flows.run_pending() == 0


def test_a_path_at_once_runs_inside_the_save(org, flows, install):
    install(On_Create=triggered(path=NOW))
    save(org, {"Name": "a"})
    assert descriptions(org) == ["seen of 1"]


def test_entry_conditions_choose_the_records(org, flows, install):
    install(On_Create=triggered(filters=ENERGY))
    save(org, {"Name": "a", "Industry": "Energy"}, {"Name": "b", "Industry": "Banking"})
    flows.run_pending()
    assert descriptions(org) == ["seen of 1", None]


def test_is_changed_looks_at_the_value_before(org, flows, install):
    install(On_Update=triggered(filters=CHANGED, saves="Update"))
    first, second = save(org, {"Name": "a"}, {"Name": "b"})
    assert flows.run_pending() == 0
    with org.transaction(org.admin_context()) as transaction:
        transaction.update("Account", [{"Id": first, "Name": "aa"}, {"Id": second, "Industry": "Energy"}])
    flows.run_pending()
    assert descriptions(org) == ["seen of 1", None]


def test_required_change_runs_only_for_rows_that_did_not_fit_before(org, flows, install):
    became = "<doesRequireRecordChangedToMeetCriteria>true</doesRequireRecordChangedToMeetCriteria>"
    install(On_Update=triggered(filters=became + ENERGY, saves="Update"))
    [row] = save(org, {"Name": "a"})
    for industry in ("Energy", "Energy"):
        with org.transaction(org.admin_context()) as transaction:
            transaction.update("Account", [{"Id": row, "Industry": industry, "Site": industry}])
    assert flows.run_pending() == 1


def test_a_failed_action_takes_the_fault_path_and_undoes_its_own_writes_only(org, flows, install):
    install()
    [row] = save(org, {"Name": "a"})
    [outcome] = flows.start(org.admin_context(), "Write_Note", [{"recordId": row, "text": "fail"}])
    assert outcome.success
    assert outcome.outputs["written"] == "An Apex error occurred: System.IllegalArgumentException: as asked"
    assert descriptions(org) == [None]


def test_outputs_come_back_for_each_input(org, flows, install):
    install()
    one, two = save(org, {"Name": "a"}, {"Name": "b"})
    inputs = [{"recordId": one, "text": "x"}, {"recordId": two, "text": "y"}]
    outcomes = flows.start(org.admin_context(), "Write_Note", inputs)
    assert [outcome.outputs for outcome in outcomes] == [{"written": "x"}, {"written": "y"}]
    assert descriptions(org) == ["x of 2", "y of 2"]


def test_a_failure_without_fault_path_refuses_the_record(org, flows, install):
    update = """
    <recordUpdates><name>Break</name><object>Account</object><filterLogic>and</filterLogic>
      <filters><field>Id</field><operator>EqualTo</operator>
        <value><elementReference>$Record.Id</elementReference></value></filters>
      <inputAssignments><field>Name</field><value><stringValue></stringValue></value></inputAssignments>
    </recordUpdates>
    """
    path = "<connector><targetReference>Break</targetReference></connector>"
    install(Breaks=triggered(path=path, extra=update))
    with org.transaction(org.admin_context()) as transaction:
        [saved] = transaction.insert("Account", [{"Name": "a"}])
    assert saved.errors[0].status_code == "CANNOT_EXECUTE_FLOW_TRIGGER"
    assert descriptions(org) == []


def test_lookups_decisions_and_creates(org, flows, install):
    body = """
    <decisions><name>Found</name><defaultConnector><targetReference>Make</targetReference></defaultConnector>
      <rules><name>Yes</name><conditionLogic>and</conditionLogic>
        <conditions><leftValueReference>Get</leftValueReference><operator>IsNull</operator>
          <rightValue><booleanValue>false</booleanValue></rightValue></conditions>
        <connector><targetReference>Keep</targetReference></connector></rules></decisions>
    <assignments><name>Keep</name><assignmentItems><assignToReference>result</assignToReference>
      <operator>Assign</operator><value><elementReference>Get.Id</elementReference></value></assignmentItems></assignments>
    <processType>AutoLaunchedFlow</processType>
    <recordCreates><name>Make</name><assignRecordIdToReference>result</assignRecordIdToReference>
      <inputAssignments><field>Name</field><value><elementReference>name</elementReference></value></inputAssignments>
      <object>Account</object></recordCreates>
    <recordLookups><name>Get</name><connector><targetReference>Found</targetReference></connector>
      <filterLogic>and</filterLogic><filters><field>Name</field><operator>EqualTo</operator>
        <value><elementReference>name</elementReference></value></filters>
      <getFirstRecordOnly>true</getFirstRecordOnly><object>Account</object></recordLookups>
    <start><connector><targetReference>Get</targetReference></connector></start><status>Active</status>
    <variables><name>name</name><dataType>String</dataType><isInput>true</isInput></variables>
    <variables><name>result</name><dataType>String</dataType><isOutput>true</isOutput></variables>
    """
    install(Find_Or_Make=body)
    [made] = flows.start(org.admin_context(), "Find_Or_Make", [{"name": "Acme"}])
    [found] = flows.start(org.admin_context(), "Find_Or_Make", [{"name": "Acme"}])
    assert made.outputs["result"] == found.outputs["result"] is not None


@pytest.mark.parametrize(
    ("mode", "success"), [("", False), ("SystemModeWithSharing", True), ("SystemModeWithoutSharing", True)]
)
def test_a_flow_started_by_name_has_the_users_rights_unless_it_says_otherwise(org, flows, install, mode, success):
    create = """
    <recordCreates><name>Make</name><object>Account</object>
      <inputAssignments><field>Name</field><value><stringValue>made</stringValue></value></inputAssignments>
    </recordCreates>
    <start><connector><targetReference>Make</targetReference></connector></start>
    """
    run_in = f"<runInMode>{mode}</runInMode>" if mode else ""
    install(Make=f"<processType>AutoLaunchedFlow</processType>{create}{run_in}<status>Active</status>")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        [profile] = transaction.query("SELECT Id FROM Profile WHERE Name = 'Minimum Access - Salesforce'")
        user = {"Username": "o@example.com", "LastName": "O", "Email": "o@example.com", "Alias": "o"}
        more = {"ProfileId": profile["Id"], "TimeZoneSidKey": "UTC", "IsActive": True, "LocaleSidKey": "en_US"}
        texts = {"LanguageLocaleKey": "en_US", "EmailEncodingKey": "UTF-8"}
        [saved] = transaction.insert("User", [user | more | texts])
    [outcome] = flows.start(org.context_for(saved.id), "Make", [{}])
    assert outcome.success is success


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("<loops><name>Each</name></loops><processType>AutoLaunchedFlow</processType>", "loops Each"),
        ("<formulas><name>F</name></formulas><processType>AutoLaunchedFlow</processType>", "formulas F"),
        ("<processType>Workflow</processType>", "process type Workflow"),
        (triggered().replace("AsyncAfterCommit", "RecordField"), "scheduled path"),
        (triggered().replace("RecordAfterSave", "RecordBeforeSave"), "trigger type RecordBeforeSave"),
        (SUBFLOW.replace("<actionType>apex<", "<actionType>emailSimple<"), "action type emailSimple"),
        (SUBFLOW + "<screens><name>Ask</name></screens>", "screen Ask"),
    ],
)
def test_what_is_outside_the_subset_is_named_with_its_line(body, part):
    with pytest.raises(FlowProblem) as refused:
        read_flow(f"{HEAD}{body}</Flow>", "Sample")
    assert refused.value.message.startswith(f"Not supported by the local org: {part} (Sample, line ")
    assert refused.value.line > 1


def test_is_changed_is_refused_inside_a_later_path():
    decision = """
    <decisions><name>D</name><rules><name>R</name><conditionLogic>and</conditionLogic>
      <conditions><leftValueReference>$Record.Name</leftValueReference><operator>IsChanged</operator>
      <rightValue><booleanValue>true</booleanValue></rightValue></conditions></rules></decisions>
    """
    body = triggered().replace("<targetReference>Sub<", "<targetReference>D<") + decision
    with pytest.raises(FlowProblem) as refused:
        read_flow(f"{HEAD}{body}</Flow>", "Sample")
    assert "IsChanged" in refused.value.message


def test_missing_references_are_found_when_a_flow_is_deployed(org, flows, install):
    install()
    text = f"{HEAD}{triggered()}</Flow>"
    broken = text.replace("Write_Note", "Gone").replace("Account", "Gone__c")
    with org.transaction(org.admin_context()) as transaction:
        assert flows.check(transaction, None, "Fine", text) == []
        messages = [problem.message for problem in flows.check(transaction, None, "Broken", broken)]
        action = SUBFLOW.replace("<actionName>Note", "<actionName>Gone")
        [missing] = flows.check(transaction, None, "Broken", f"{HEAD}{action}</Flow>")
    assert messages == ["There is no object Gone__c", "Sub: there is no flow Gone"]
    assert "Gone" in missing.message


def test_a_connector_leads_somewhere():
    with pytest.raises(FlowProblem) as refused:
        read_flow(f"{HEAD}{SUBFLOW.replace('<targetReference>Write<', '<targetReference>Nowhere<')}</Flow>", "Sample")
    assert "Nowhere" in refused.value.message
