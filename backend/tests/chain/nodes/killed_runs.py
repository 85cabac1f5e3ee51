"""A process that runs the nightly work in children of its own and kills them at a chosen step.

Reads lines `before N` or `after N` (SIGKILL before or after the Nth time that a step is recorded) or `never 0`;
answers each with the child's wait status and what it said on one line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from fedcrm.cli import main
from fedcrm.nodes import Night


def run(when: str, count: int, words: list[str]) -> None:
    record = Night.write
    left = count

    def write(self: Night, path: Path) -> None:
        nonlocal left
        left -= 1
        if when == "before" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        record(self, path)
        if when == "after" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    Night.write = write
    sys.argv = ["fedcrm", *words]
    main()


for line in sys.stdin:
    when, count = line.split()
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            run(when, int(count), sys.argv[1:])
        _, status = os.waitpid(child, 0)
        said.seek(0)
        print(
            json.dumps({"signal": os.WTERMSIG(status), "exit": os.WEXITSTATUS(status), "said": said.read()}), flush=True
        )
