"""The prediction interface's fixtures: what docs/api.md promises holds in each; the Apex tests carry the same texts."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "fixtures" / "predictions"
REPLIES = ["reply", "reply_partial", "reply_withheld"]
IN_APEX = ["reply", "reply_partial", "reply_withheld", "error_rate_limited", "error_unauthorized"]


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def constant(name: str) -> str:
    """One fixture as the Apex class holds it."""
    text = json.dumps(read(name), separators=(",", ":"), ensure_ascii=True).replace("\\", "\\\\").replace("'", "\\'")
    pieces = [f"'{piece}'" for piece in re.findall(r".{1,90}(?:(?<!\\)|$)", text)]
    assert "".join(piece[1:-1] for piece in pieces) == text
    lines = " +\n        ".join(pieces)
    return f"    public static final String {name.upper()} =\n        {lines};\n"


def apex() -> str:
    head = """\
    /**
     * @description The fixtures of the prediction interface (backend/tests/fixtures/predictions), for callout doubles;
     * made from them by backend/tests/package/test_prediction_fixtures.py.
     */
    @IsTest
    public with sharing class PredictionFixtures {
    """
    constants = "".join(f"    /** @description {name}.json */\n{constant(name)}" for name in IN_APEX)
    return textwrap.dedent(head).rstrip() + "\n" + constants + "}\n"


def test_the_apex_tests_carry_the_same_fixtures(package):
    """After a change of a fixture, FEDCRM_WRITE_FIXTURES=1 writes the class anew."""
    path = package.folder / "classes" / "PredictionFixtures.cls"
    if os.environ.get("FEDCRM_WRITE_FIXTURES"):
        path.write_text(apex())
    literals = {
        name: "".join(re.findall(r"'((?:[^'\\]|\\.)*)'", body))
        for name, body in re.findall(r"String (\w+) =(.*?);\n", path.read_text(), re.DOTALL)
    }
    assert {name.lower() for name in literals} == set(IN_APEX)
    for name, text in literals.items():
        assert json.loads(text.replace("\\'", "'").replace("\\\\", "\\")) == read(name.lower())


@pytest.mark.parametrize("name", REPLIES)
def test_the_points_of_every_prediction_add_up_in_tenths(name):
    def tenths(points):
        assert round(points * 10) == pytest.approx(points * 10, abs=1e-9)
        return round(points * 10)

    scored = [result["prediction"] for result in read(name)["results"] if result["status"] == "scored"]
    assert scored
    for prediction in scored:
        total = tenths(prediction["baseline"]) + tenths(prediction["other_points"])
        total += sum(tenths(attribution["points"]) for attribution in prediction["attributions"])
        assert total == tenths(prediction["score"])
        assert prediction["interval"]["low"] <= prediction["score"] <= prediction["interval"]["high"]
        sizes = [abs(attribution["points"]) for attribution in prediction["attributions"]]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) <= 12


@pytest.mark.parametrize(("request_name", "reply_name"), [("request", "reply"), ("request_partial", "reply_partial")])
def test_a_reply_answers_its_request_in_order(request_name, reply_name):
    asked, answered = read(request_name), read(reply_name)
    assert [r["pseudonym"] for r in asked["records"]] == [r["pseudonym"] for r in answered["results"]]
    assert asked["task"] == answered["task"]
    assert [key for key, value in asked.items() if isinstance(value, list)] == ["records"]
    for result in answered["results"]:
        assert (result["status"] == "scored") == (result["prediction"] is not None) == (result["error"] is None)


def test_the_document_names_every_field_of_a_reply():
    document = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    reply = read("reply")
    prediction = reply["results"][0]["prediction"]
    for field in [*reply["model"], *prediction, *prediction["attributions"][0], *prediction["counterfactuals"][0]]:
        assert re.search(rf"\b{field}\b", document), field
