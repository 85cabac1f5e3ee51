"""Logs as one JSON object a line: what happened and to which request, never a value, a key or a token."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

__all__ = ["event", "set_up"]

LOGGER = logging.getLogger("fedcrm.service")


class _Lines(logging.Formatter):
    """One JSON object a record. Of an exception only its type and place: messages may quote values."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            facts["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                facts["where"] = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
        return json.dumps(facts, default=str)


def set_up(level: str) -> None:
    """Send the service's and the server's logs to standard error, as lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    for name in ("fedcrm.service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper() if name == "fedcrm.service" else "WARNING")
    logging.getLogger("uvicorn.access").disabled = True


def event(what: str, /, *, level: int = logging.INFO, **facts: object) -> None:
    """Log that something happened. facts: ids, counts, codes; never what a record holds."""
    LOGGER.log(level, what, extra={"facts": facts})
