"""Contract: CumulusCI sets FedCRM's own package up in scratch orgs, tests it, pairs it with a node and extracts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[4]
PARTS = ("cumulusci.yml", "sfdx-project.json", ".forceignore", "force-app", "tasks", "orgs", "datasets", "unpackaged")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """This repository as far as CumulusCI needs it, in a repository of its own."""
    folder = tmp_path_factory.mktemp("fedcrm")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-qm", "package"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def cci(run, up, sf_path, cci_program):
    """CumulusCI, with the server's org as its Dev Hub."""
    login = run(
        "sf", "org", "login", "jwt", "--username", up.org["username"], "--client-id", up.org["consumer_key"],
        "--jwt-key-file", up.org["key_file"], "--instance-url", up.org["instance_url"],
        "--alias", "hub", "--set-default-dev-hub", "--json", PATH=sf_path,
    )  # fmt: skip
    assert login.code == 0, login.out

    def runs(*words):
        done = run(cci_program, *words, PATH=sf_path)
        assert done.code == 0, done.out
        return done.out

    return runs


@pytest.fixture
def node(up, tmp_path) -> tuple[str, ...]:
    """Options of `fedcrm_register_org` for a node of its own."""
    program = tmp_path / "fedcrm"
    line = [sys.executable, "-c", "from fedcrm.cli import main; main()"]
    program.write_text(f'#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(ROOT / "backend"))}\n{shlex.join(line)} "$@"\n')
    program.chmod(0o700)
    return ("--command", str(program), "--orgs", str(tmp_path / "orgs"), "--ca_file", up.document["ca_file"])


@pytest.mark.parametrize(("flow", "org"), [("dev_org", "dev"), ("qa_org", "dev_namespaced")])
def test_a_flow_sets_up_an_org_whose_apex_tests_pass_and_a_node_extracts_from_it(cci, node, flow, org):
    said = cci("flow", "run", flow, "--org", org)
    assert f"Completed flow '{flow}' on org {org} successfully" in said
    cci("task", "run", "load_sample_records", "--org", org)  # again: nothing is there twice
    # A few: chain/package/test_apex.py runs them all, in an org without a namespace and in one with it.
    some = ("--test_name_match", "PayloadCipherTest,FeatureBlockWriterTest,OrgKeysTest")
    tested = cci("task", "run", "run_tests", *some, "--required_org_code_coverage_percent", "1", "--org", org)
    assert re.search(r"Pass: [1-9]\d+ +Retried: 0 +Fail: 0", tested), tested
    cci("task", "run", "fedcrm_register_org", "--org", org, *node)
    extracted = cci("task", "run", "fedcrm_extract_features", "--purpose", "Scoring", "--tasks", "churn", "--org", org)
    assert "churn: 20 vectors in 1 blocks" in extracted
    cci("org", "scratch_delete", org)
