"""How far a chain has come: one file, written whole after each thing that was done.

A step that is noted here is not done again; one that is not noted may have been done all the same, so every step is
harmless to repeat.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedcrm.errors import SettingsError
from fedcrm.files import write_atomically

__all__ = ["ChainState"]

_VERSION = 1


class ChainState:
    """What `chain.json` holds; methods may be called from several threads."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path, self._content, self._lock = path, content, threading.Lock()

    @classmethod
    def open(cls, path: Path, options: Mapping[str, object]) -> ChainState:
        """Begin a chain, or go on with the one that is there.

        options: what must be the same when it goes on. Raises SettingsError where it is not, or the file is another's.
        """
        if not path.exists():
            state = cls(path, {"version": _VERSION, "options": dict(options), "organisations": {}, "steps": {}})
            state._write()
            return state
        content = _read(path)
        before = content["options"]
        changed = sorted(name for name, value in options.items() if before.get(name) != value)
        if changed:
            was = ", ".join(f"{name} {before.get(name)!r}" for name in changed)
            raise SettingsError(f"{path.parent} was begun with {was}; go on with the same, or give another --out")
        return cls(path, content)

    # --- one organisation -------------------------------------------------------------------------

    def facts(self, name: str, step: str) -> Mapping[str, Any] | None:
        """What a step left behind for an organisation; None where it was not done."""
        with self._lock:
            found: Mapping[str, Any] | None = self._one(name)["done"].get(step)
            return found

    def done(self, name: str, step: str, facts: Mapping[str, object]) -> None:
        """Note a step of an organisation."""
        with self._lock:
            self._one(name)["done"][step] = dict(facts)
            self._write()

    def forget(self, name: str, step: str) -> None:
        """Have a step of an organisation done again."""
        with self._lock:
            if self._one(name)["done"].pop(step, None) is not None:
                self._write()

    def leave_out(self, name: str, step: str, why: str) -> None:
        """Note that an organisation cannot go on."""
        with self._lock:
            self._one(name)["out"] = {"step": step, "why": why}
            self._write()

    def take_in(self, name: str) -> None:
        """Let an organisation try again."""
        with self._lock:
            if self._one(name).pop("out", None) is not None:
                self._write()

    def is_out(self, name: str) -> bool:
        """Whether an organisation cannot go on."""
        with self._lock:
            return "out" in self._one(name)

    def out(self) -> dict[str, tuple[str, str]]:
        """Who cannot go on: the step and the reason by organisation."""
        with self._lock:
            return {
                name: (str(one["out"]["step"]), str(one["out"]["why"]))
                for name, one in self._content["organisations"].items()
                if "out" in one
            }

    # --- the whole --------------------------------------------------------------------------------

    def step(self, step: str) -> Mapping[str, Any] | None:
        """What a step of the whole left behind; None where it was not done."""
        with self._lock:
            found: Mapping[str, Any] | None = self._content["steps"].get(step)
            return found

    def step_done(self, step: str, facts: Mapping[str, object]) -> None:
        """Note a step of the whole."""
        with self._lock:
            self._content["steps"][step] = dict(facts)
            self._write()

    def _one(self, name: str) -> dict[str, Any]:
        one: dict[str, Any] = self._content["organisations"].setdefault(name, {"done": {}})
        return one

    def _write(self) -> None:
        text = json.dumps(self._content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self._path, text.encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read") from error
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise SettingsError(f"{path} is not a chain of this version")
    return content
