"""The node's own command, called from a task: in a process of its own and with the node's own Python."""

from __future__ import annotations

import subprocess

from cumulusci.core.exceptions import CumulusCIException
from cumulusci.core.tasks import BaseTask

__all__ = ["NodeCommand"]


class NodeCommand(BaseTask):  # type: ignore[misc]  # CumulusCI has no types
    """A task that calls `fedcrm`; its option `command` names the program."""

    def fedcrm(self, *words: object, limit: float | None = None) -> str:
        """What the command said on standard output. limit: seconds it may take.

        Raises CumulusCIException with its own last line.
        """
        program = self.options.get("command") or "fedcrm"
        said = [str(word) for word in words]
        try:
            done = subprocess.run([program, *said], capture_output=True, text=True, timeout=limit, check=False)
        except FileNotFoundError as missing:
            raise CumulusCIException(f"There is no program {program}; install the node, or give command.") from missing
        except subprocess.TimeoutExpired as late:
            raise CumulusCIException(f"{program} {' '.join(said[:2])} took longer than {limit} s.") from late
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise CumulusCIException(lines[-1] if lines else f"{program} ended with {done.returncode}.")
        return done.stdout

    def say(self, text: str) -> None:
        """Every line of it into the task's log."""
        for line in text.splitlines():
            self.logger.info(line)
