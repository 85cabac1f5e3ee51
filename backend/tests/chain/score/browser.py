"""A browser that does what it is told, line by line: playwright-core behind a pipe (`force-app/test/preview/driver.mjs`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["Browser"]


class Browser:
    """One page of the preview, as one of the org's users sees it."""

    def __init__(self, repository: Path) -> None:
        self._process = subprocess.Popen(
            ["node", "force-app/test/preview/driver.mjs"],
            cwd=repository,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, action: str, **given: Any) -> Any:
        """One action of the driver's table. What it cannot do ends the test with the browser's message."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": action, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{action} {given}: {answer['error']}"
        return answer["value"]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
