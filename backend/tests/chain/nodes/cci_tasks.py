"""Runs a task of tasks/rounds.py in CumulusCI's own environment, with a session of the org in place of an org config.

One JSON object on standard input: root, name, options, url, token, ca_file. Says the task's lines, or `refused: ...`.
"""

from __future__ import annotations

import json
import logging
import sys
from types import SimpleNamespace

import requests
from cumulusci.core.config import TaskConfig
from cumulusci.core.exceptions import CumulusCIException
from simple_salesforce import Salesforce

given = json.load(sys.stdin)
sys.modules["tasks"].__path__.append(f"{given['root']}/tasks")  # CumulusCI makes it, empty, for a project's folder
from tasks import rounds  # noqa: E402 - its place stands above

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
session = requests.Session()
session.trust_env, session.verify = False, given["ca_file"]
org = SimpleNamespace(installed_packages={}, namespaced=False, name="org")
project = SimpleNamespace(project__package__namespace="fedcrm")
kind = getattr(rounds, given["name"])
kind._init_task = lambda self: None
task = kind(project, TaskConfig({"options": given["options"]}), org)
task.sf = Salesforce(instance_url=given["url"], session_id=given["token"], session=session, version="67.0")
try:
    task._run_task()
except CumulusCIException as refused:
    sys.stdout.write(f"refused: {refused}\n")
    sys.exit(1)
