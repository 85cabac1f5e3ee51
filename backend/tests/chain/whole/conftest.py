"""One chain of four small orgs for all tests: killed three times on its way, one org failing for a while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from fedcrm.chain import ChainOptions, ChainReport, Organisation, Places, Show, organisations, run_chain, stop_chain

from ...fedcrm.nodes.direct import seeded_noise

OPTIONS = {"orgs": 4, "tasks": ["churn", "case_escalation"], "rows": 250, "fast": True}
KILLS = (
    ("mapping", 3),
    ("churn: at home", 1, "extraction"),  # the fourth org refuses its extraction: the others train without it
    ("case_escalation: rounds", 2),
)


@dataclass
class Whole:
    """The chain at its end. said: every line it told at the last run. out_before: who was out while an org refused."""

    report: ChainReport
    said: list[str]
    out_before: dict[str, dict[str, str]]
    scratch: Path

    @property
    def places(self) -> Places:
        return self.report.places

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        return organisations(OPTIONS["orgs"])


class Listening(Show):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Iterator[Whole]:
    scratch = tmp_path_factory.mktemp("whole")
    out = scratch / "chain"
    (scratch / "options.json").write_text(json.dumps(OPTIONS))
    options = ChainOptions(**{**OPTIONS, "out": out, "tasks": tuple(OPTIONS["tasks"])})
    try:
        out_before = {}
        for kill in KILLS:
            killed(out, *kill)
            state = json.loads((out / "chain.json").read_text())
            found = {name: one["out"] for name, one in state["organisations"].items() if "out" in one}
            if len(kill) > 2:
                out_before = found
                forgive(out)
            else:
                assert found == {}, f"killed at {kill}"
        listening = Listening()
        report = run_chain(options, keep=True, show=listening, noise=seeded_noise)
        yield Whole(report, listening.lines, out_before, scratch)
    finally:
        if (out / "chain.json").exists():
            stop_chain(out)


def killed(out: Path, *words: object) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(out), *map(str, words)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=900)
    assert done.returncode == -9, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"


def forgive(out: Path) -> None:
    """The fourth org answers again."""
    port = json.loads((out / "chain.json").read_text())["steps"]["orgs"]["ports"]["1"]
    url = f"https://localhost:{port}/_local/faults"
    requests.delete(url, verify=str(out / "orgs/1/tls/ca.pem"), timeout=60).raise_for_status()
