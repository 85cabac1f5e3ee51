"""A browser that does what it is told, line by line: `force-app/test/preview/driver.mjs` behind a pipe."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Browser"]


class Browser:
    """One page of the preview, as one of the org's users sees it."""

    def __init__(self, repository: Path, environment: Mapping[str, str]) -> None:
        command = ["node", "force-app/test/preview/driver.mjs"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=repository, env={**os.environ, **environment}, stdin=pipe, stdout=pipe, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tell, self._hear = self._process.stdin, self._process.stdout

    def do(self, action: str, **given: Any) -> Any:
        """One action of the driver's table. What it cannot do ends the test with the browser's message."""
        self._tell.write(json.dumps({"do": action, **given}) + "\n")
        self._tell.flush()
        line = self._hear.readline()
        assert line, "the browser ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{action} {given}: {answer['error']}"
        return answer["value"]

    def close(self) -> None:
        self._tell.close()
        self._process.wait(20)
        self._hear.close()
