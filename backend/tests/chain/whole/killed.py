"""A chain in a process of its own that is killed, as by `kill -9`, when a step has come so far.

killed.py OUT STEP DONE [FAULT_STEP]: at the beginning of FAULT_STEP the fourth org begins to refuse everything.
At the beginning of churn's rounds it keeps a copy of what the nodes train on, for whoever recomputes it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import requests

OUT, STEP, DONE = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
FAULT_STEP = sys.argv[4] if len(sys.argv) > 4 else None
sys.path.insert(0, str(Path(__file__).parents[2] / "fedcrm" / "nodes"))

from direct import seeded_noise  # noqa: E402 - its folder was named above

from fedcrm.chain import ChainOptions, Show, run_chain  # noqa: E402 - likewise

OPTIONS = json.loads((OUT.parent / "options.json").read_text())


class Killer(Show):
    def begin(self, step, total):
        if step == FAULT_STEP:
            refuse_everything()
        if step == "churn: rounds":
            kept = OUT.parent / "trained on"
            shutil.rmtree(kept, ignore_errors=True)
            for node in (OUT / "nodes").iterdir():
                (kept / node.name).mkdir(parents=True)
                shutil.copy(node / "node.toml", kept / node.name)
                if (node / "data").exists():
                    shutil.copytree(node / "data", kept / node.name / "data")

    def advance(self, step, done, total):
        if step == STEP and done >= DONE:
            os.kill(os.getpid(), signal.SIGKILL)


def refuse_everything():
    port = json.loads((OUT / "chain.json").read_text())["steps"]["orgs"]["ports"]["1"]
    fault = {
        "org": "org4",
        "kind": "error",
        "status": 400,
        "code": "UNKNOWN_EXCEPTION",
        "times": 1000,
        "path": "apexrest",
    }
    url, ca = f"https://localhost:{port}/_local/faults", str(OUT / "orgs" / "1" / "tls" / "ca.pem")
    requests.post(url, json=fault, verify=ca, timeout=60).raise_for_status()


if __name__ == "__main__":
    options = {**OPTIONS, "out": OUT, "tasks": tuple(OPTIONS["tasks"])}
    run_chain(ChainOptions(**options), keep=True, show=Killer(), noise=seeded_noise)
    sys.exit("it ended before it was killed")
