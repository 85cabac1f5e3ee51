"""A process that runs a `fedcrm` command in children of its own and kills them at a chosen moment.

Reads lines `before N` or `after N` (SIGKILL before or after the Nth step is recorded), `request N` (when the Nth answer
of the org is here) or `never 0`; answers each with one line of JSON: the signal, the exit status, what was said.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import requests

from fedcrm.cli import main
from fedcrm.nodes import Night


def killing(call: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    """The call, which ends this process before or after it is made for the numberth time."""
    left = number

    def called(*words: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if when == "before" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*words, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return called


def run(when: str, number: int) -> None:
    if when in ("before", "after"):
        Night.write = killing(Night.write, when, number)
    elif when == "request":
        requests.Session.send = killing(requests.Session.send, when, number)
    sys.argv[0] = "fedcrm"
    main()


for line in sys.stdin:
    when, number = line.split()
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            run(when, int(number))
        _, status = os.waitpid(child, 0)
        said.seek(0)
        answer = {"signal": os.WTERMSIG(status), "exit": os.WEXITSTATUS(status), "said": said.read()}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
