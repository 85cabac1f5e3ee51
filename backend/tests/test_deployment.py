"""Container files and systemd units: what can be held without running them."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fedcrm.service import ServiceSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
KNOWN = {f"FEDCRM_SERVICE_{name.upper()}" for name in ServiceSettings.model_fields}


def unit_of(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys keep their case
    parser.read_string(path.read_text("utf-8"))
    return parser


@pytest.mark.parametrize("path", [u for u in UNITS if u.suffix == ".service"], ids=lambda p: p.name)
def test_a_unit_runs_as_nobody_of_importance(path):
    service = unit_of(path)["Service"]
    assert service["User"] == "fedcrm"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path, tmp_path):
    """Where systemd is at hand; the program's path is replaced by one that exists here."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        assert path.read_text("utf-8").startswith("[Unit]")
        return
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/fedcrm/.venv/bin/fedcrm", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("=fedcrm\n", "=root\n"), "utf-8")
    found = subprocess.run([tool, "verify", tmp_path / path.name], capture_output=True, text=True, check=False)
    said = [line for line in (found.stdout + found.stderr).splitlines() if path.stem.rstrip("@") in line]
    assert said == []
    assert found.returncode == 0, found.stderr


def test_every_setting_that_a_file_names_is_one():
    for path in (DEPLOY / "Dockerfile", DEPLOY / "compose.yaml", *UNITS):
        named = set(re.findall(r"FEDCRM_SERVICE_[A-Z_]+", path.read_text("utf-8")))
        assert named <= KNOWN, path.name


def test_containers_are_not_root_write_nowhere_and_hold_no_secret():
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for name, service in content["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not any("PASSWORD" in key and not key.endswith("_FILE") for key in service["environment"]), name
    assert "ports" not in content["services"]["database"]
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", dockerfile, re.M) == ["10001:10001"]
    assert "--require-hashes" in dockerfile
