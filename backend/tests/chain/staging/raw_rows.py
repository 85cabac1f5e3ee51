"""Vectors and outcomes recomputed in plain Python from the rows that REST gives: docs/package.md read once more.

Nothing here is shared with the package or the node: no Apex, no query that filters, no type of FedCRM's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

DAY = dt.timedelta(days=1)
UTC = dt.UTC
SNAPSHOT_FLAGS = ("IsClosed", "IsWon")


def moment(text: str) -> dt.datetime:
    """A moment as REST writes it."""
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)


class RawRows:
    """One task in one org.

    query: SOQL over REST, every row as a mapping.
    key:   the org's pseudonym key, 32 bytes.
    """

    def __init__(self, query: Callable[[str], list[dict[str, Any]]], key: bytes, task: str) -> None:
        self.query, self.key, self.task = query, key, task
        names = "Feature__c Kind__c Decimals__c Source_Object__c Source_Key__c Entity_Key__c Aggregate__c Field__c"
        names += " Date_Field__c Filter__c Window_Days__c As_Of_Rule__c Null_Policy__c Factor__c Value_Map__c"
        fields = ", ".join(names.split())
        found = query(f"SELECT {fields} FROM Feature_Definition__mdt WHERE Active__c = TRUE AND Task__c = '{task}'")
        usable = [row for row in found if row["As_Of_Rule__c"]]
        self.definitions = sorted(usable, key=lambda row: row["Feature__c"])
        (self.settings,) = query(
            "SELECT Outcome__c, Entity_Object__c, Horizon_Days__c, Observation_Days__c, Outcome_Values__c"
            f" FROM Model_Task__mdt WHERE DeveloperName = '{task}'"
        )
        stages = query("SELECT ApiName, IsClosed, IsWon FROM OpportunityStage")
        self.closed_stages = {row["ApiName"] for row in stages if row["IsClosed"]}
        self.won_stages = {row["ApiName"] for row in stages if row["IsWon"]}
        self.closed_statuses = {
            row["ApiName"] for row in query("SELECT ApiName, IsClosed FROM CaseStatus") if row["IsClosed"]
        }
        self.rows = cache(self._rows)
        self.changes = cache(self._changes)
        self.fields_of: dict[str, set[str]] = {}
        for one in self.definitions:
            self.fields_of.setdefault(one["Source_Object__c"], {"Id"}).update(self._paths(one))

    # ---- facts --------------------------------------------------------------------------------------------------

    def _paths(self, one: Mapping[str, Any]) -> set[str]:
        used = {one["Source_Key__c"], one["Date_Field__c"], *(self._stored(one, p) for p in self._values(one))}
        return {path for path in used if path} | (
            {"OpportunityId"} if one["Source_Object__c"] == "OpportunityHistory" else set()
        )

    @staticmethod
    def _values(one: Mapping[str, Any]) -> list[str]:
        return [path for path, _, _ in conditions(one["Filter__c"])] + ([one["Field__c"]] if one["Field__c"] else [])

    @staticmethod
    def _stored(one: Mapping[str, Any], path: str) -> str:
        if one["Source_Object__c"] == "OpportunityHistory" and path in SNAPSHOT_FLAGS:
            return "StageName"
        return "Status" if (one["Source_Object__c"], path) == ("Case", "IsClosed") else path

    def _rows(self, sobject: str) -> list[dict[str, Any]]:
        found = self.query(f"SELECT {', '.join(sorted(self.fields_of[sobject]))} FROM {sobject}")
        return sorted(found, key=lambda row: row["Id"])

    def _changes(self, sobject: str) -> dict[tuple[str, str], list[tuple[dt.datetime, Any]]]:
        """By record and field: when it was changed, and from what."""
        parent = f"{sobject}Id"
        found = self.query(f"SELECT Id, {parent}, Field, OldValue, CreatedDate FROM {sobject}History")
        ordered = sorted(found, key=lambda row: (row["CreatedDate"], row["Id"]))
        changes: dict[tuple[str, str], list[tuple[dt.datetime, Any]]] = {}
        for row in ordered:
            changes.setdefault((row[parent], row["Field"]), []).append((moment(row["CreatedDate"]), row["OldValue"]))
        return changes

    def _when(self, one: Mapping[str, Any], row: Mapping[str, Any]) -> dt.datetime | None:
        text = at(row, one["Date_Field__c"]) if one["Date_Field__c"] else None
        if text is None:
            return None
        if "T" in text:
            return moment(text)
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), UTC) + DAY  # over at its end

    def _value(self, one: Mapping[str, Any], row: Mapping[str, Any], path: str, as_of: dt.datetime) -> Any:
        stored = self._stored(one, path)
        value = at(row, stored)
        if one["As_Of_Rule__c"] == "History" and one["Source_Object__c"] != "OpportunityHistory":
            later = [
                old for when, old in self.changes(one["Source_Object__c"]).get((row["Id"], stored), []) if when > as_of
            ]
            value = later[0] if later else value
        if path == "IsWon" and stored == "StageName":
            return value in self.won_stages
        if path == "IsClosed" and stored != path:
            return value in (self.closed_stages if stored == "StageName" else self.closed_statuses)
        return value

    # ---- one cell -----------------------------------------------------------------------------------------------

    def vector(self, entity: Mapping[str, Any], as_of: dt.datetime) -> tuple[str, ...]:
        """The cells of a record at a moment. entity: with Id and AccountId where its object has one."""
        return tuple(self._cell(one, entity, as_of) for one in self.definitions)

    def _known(self, one: Mapping[str, Any], entity: Mapping[str, Any], as_of: dt.datetime) -> list[dict[str, Any]]:
        key = entity[one["Entity_Key__c"] or "Id"]
        mine = [
            row
            for row in self.rows(one["Source_Object__c"])
            if key is not None and at(row, one["Source_Key__c"]) == key
        ]
        if not one["Date_Field__c"]:
            return mine
        dated = [(when, row) for row in mine if (when := self._when(one, row)) is not None and when <= as_of]
        dated.sort(key=lambda pair: (pair[0], pair[1]["Id"]))
        if one["Source_Object__c"] == "OpportunityHistory" and one["As_Of_Rule__c"] == "History":
            dated = sorted(
                {row["OpportunityId"]: (when, row) for when, row in dated}.values(),
                key=lambda pair: (pair[0], pair[1]["Id"]),
            )
        if one["Window_Days__c"] is not None:
            dated = [(when, row) for when, row in dated if when > as_of - int(float(one["Window_Days__c"])) * DAY]
        return [row for _, row in dated]

    def _cell(self, one: Mapping[str, Any], entity: Mapping[str, Any], as_of: dt.datetime) -> str:
        known = self._known(one, entity, as_of)
        wanted = conditions(one["Filter__c"])
        chosen = [
            row for row in known if all(holds(self._value(one, row, path, as_of), op, arg) for path, op, arg in wanted)
        ]
        empty = self._number(one, Fraction(0)) if one["Null_Policy__c"] == "Zero" else ""
        match one["Aggregate__c"]:
            case "Share":
                return self._number(one, Fraction(len(chosen), len(known))) if known else empty
            case _ if not chosen:
                return empty
            case "Count":
                return self._number(one, Fraction(1 if one["Kind__c"] == "Flag" else len(chosen)))
            case "Days_Since_Last":
                return self._number(one, Fraction((as_of - self._when(one, chosen[-1])) // DAY))
            case "Days_Since_First":
                return self._number(one, Fraction((as_of - self._when(one, chosen[0])) // DAY))
        values = [value for row in chosen if (value := self._value(one, row, one["Field__c"], as_of)) is not None]
        if not values:
            return empty
        match one["Aggregate__c"]:
            case "Distinct":
                return self._number(one, Fraction(len({str(value) for value in values})))
            case "Sum":
                return self._number(one, sum(map(number, values), Fraction(0)))
            case "Average":
                return self._number(one, sum(map(number, values), Fraction(0)) / len(values))
            case "Minimum":
                return self._number(one, min(map(number, values)))
            case "Maximum":
                return self._number(one, max(map(number, values)))
        if one["Kind__c"] == "Category":
            return aligned(str(values[-1]), one["Value_Map__c"])
        return self._number(one, number(values[-1]))

    @staticmethod
    def _number(one: Mapping[str, Any], value: Fraction) -> str:
        places = int(float(one["Decimals__c"] or 0)) if one["Kind__c"] == "Number" else 0
        if one["Factor__c"] is not None:
            value *= number(one["Factor__c"])
        scaled = value * 10**places
        whole = abs(scaled.numerator) * 2 // scaled.denominator
        units = (whole + 1) // 2  # half up, away from zero
        return str((Decimal(units) * (-1 if scaled < 0 else 1)).scaleb(-places).quantize(Decimal(1).scaleb(-places)))

    # ---- outcomes -----------------------------------------------------------------------------------------------

    def pseudonym(self, record: str) -> str:
        return self._keyed("pseudonym", record)[:32]

    def training_rows(self, now: dt.datetime) -> dict[str, tuple[dict[str, Any], dt.datetime, str]]:
        """By pseudonym: the record, its as-of time, and "1" or "0"."""
        found = {"churn": self._silences, "opportunity_win": self._closings, "case_escalation": self._escalations}
        return {self.pseudonym(row["Id"]): (row, as_of, label) for row, as_of, label in found[self.task](now)}

    def _keyed(self, purpose: str, record: str) -> str:
        return hmac.new(self.key, f"fedcrm-{purpose}-1|{record}".encode(), hashlib.sha256).hexdigest()

    def _draw(self, purpose: str, record: str) -> int:
        return int(self._keyed(purpose, record)[:12], 16)

    def _silences(self, now):
        horizon = int(float(self.settings["Horizon_Days__c"])) * DAY
        period = int(float(self.settings["Observation_Days__c"])) * 86400
        signs: dict[str, list[dt.datetime]] = {}
        for sobject, key, date in (
            ("Task", "AccountId", "CreatedDate"),
            ("Event", "AccountId", "StartDateTime"),
            ("Case", "AccountId", "CreatedDate"),
            ("OpportunityHistory", "Opportunity.AccountId", "CreatedDate"),
        ):
            for row in self.query(f"SELECT {key}, {date} FROM {sobject}"):
                if at(row, key) and row[date]:
                    signs.setdefault(at(row, key), []).append(moment(row[date]))
        for row in self.query("SELECT Id, CreatedDate FROM Account"):
            last = int((now - horizon).timestamp())
            phase = self._draw("landmark", row["Id"]) % period
            landmark = dt.datetime.fromtimestamp(phase + (last - phase) // period * period, UTC)
            mine = signs.get(row["Id"], [])
            before = any(landmark - horizon < sign <= landmark for sign in mine)
            after = any(landmark < sign <= landmark + horizon for sign in mine)
            if landmark >= moment(row["CreatedDate"]) and before:
                yield row, landmark, "0" if after else "1"

    def _closings(self, now):
        by_opportunity: dict[str, list[tuple[dt.datetime, str, str]]] = {}
        for row in self.query("SELECT Id, OpportunityId, StageName, CreatedDate FROM OpportunityHistory"):
            snapshot = (moment(row["CreatedDate"]), row["Id"], row["StageName"])
            by_opportunity.setdefault(row["OpportunityId"], []).append(snapshot)
        for row in self.query("SELECT Id, AccountId, CreatedDate, IsClosed, IsWon FROM Opportunity"):
            closed = None
            for when, _, stage in sorted(by_opportunity.get(row["Id"], [])):
                if stage not in self.closed_stages:
                    closed = None
                elif closed is None:
                    closed = when
            created = moment(row["CreatedDate"])
            if row["IsClosed"] and closed is not None and closed > created:
                seconds = int((closed - created).total_seconds())
                drawn = ((self._draw("as-of", row["Id"]) >> 16) * seconds) >> 32
                yield row, created + dt.timedelta(seconds=drawn), "1" if row["IsWon"] else "0"

    def _escalations(self, now):
        ranks = self.settings["Outcome_Values__c"].lower().split("|")
        horizon = int(float(self.settings["Horizon_Days__c"])) * DAY
        first: dict[str, dt.datetime] = {}
        rank = lambda value: ranks.index(str(value).lower()) if str(value).lower() in ranks else -1  # noqa: E731 - used twice, here
        for row in self.query("SELECT CaseId, Field, OldValue, NewValue, CreatedDate FROM CaseHistory"):
            raised = (row["Field"] == "IsEscalated" and str(row["NewValue"]).lower() == "true") or (
                row["Field"] == "Priority" and rank(row["NewValue"]) > rank(row["OldValue"])
            )
            if raised:
                when = moment(row["CreatedDate"])
                first[row["CaseId"]] = min(when, first.get(row["CaseId"], when))
        for row in self.query("SELECT Id, AccountId, CreatedDate FROM Case"):
            created, happened = moment(row["CreatedDate"]), first.get(row["Id"])
            if happened is not None and happened <= created:
                continue
            if happened is not None and happened <= created + horizon:
                yield row, created, "1"
            elif created + horizon <= now:
                yield row, created, "0"


def at(row: Mapping[str, Any], path: str) -> Any:
    """A field, or a parent's."""
    value: Any = row
    for step in path.split("."):
        value = None if value is None else value[step]
    return value


def number(value: Any) -> Fraction:
    return Fraction(int(value)) if isinstance(value, bool) else Fraction(str(value))


def aligned(value: str, mapped: str | None) -> str:
    pairs = [entry.split("=", 1) for entry in (mapped or "").split(";") if "=" in entry]
    table = {ours.strip().lower(): common.strip() for ours, common in pairs}
    return table.get(value.strip().lower(), table.get("*", value.strip()))


def conditions(text: str | None) -> list[tuple[str, str, str]]:
    found = []
    for part in filter(str.strip, (text or "").split(";")):
        matched = re.fullmatch(r"\s*([\w.]+)\s*(!=|>=|<=|=|>|<|not in\b|in\b|contains\b|is\b)\s*(.*?)\s*", part, re.I)
        found.append((matched[1], matched[2].lower(), matched[3].lower()))
    return found


def holds(value: Any, operator: str, argument: str) -> bool:
    if operator == "is":
        return (value is None) == (argument == "null")
    if operator in (">", ">=", "<", "<="):
        if value is None:
            return False
        left, right = number(value), Fraction(argument)
        return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator]
    if value is None:
        return operator in ("!=", "not in")
    text = str(value).lower()  # True is "true"
    options = [option.strip() for option in argument.split("|")]
    if operator == "contains":
        words = " " + re.sub(r"[\s,;:/&()|.-]+", " ", text) + " "
        return any(f" {option} " in words for option in options)
    return (text in options) == (operator in ("=", "in"))
