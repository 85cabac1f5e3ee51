"""`fedcrm serve`: scores and explanations over HTTP. `--demo`: one to try, with nothing prepared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fedcrm.service import Service, ServiceSettings, open_demo, read_settings, run, settings_table

__all__ = ["serve", "settings"]


def serve(
    demo: Annotated[
        bool, typer.Option("--demo", help="Train a small model where none is cached, and serve it.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="The service's directory; default: FEDCRM_SERVICE_DATA.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: FEDCRM_SERVICE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one; default: FEDCRM_SERVICE_PORT.")] = None,
) -> None:
    """Answer /v1/predictions until told to end; everything else is in the environment (docs/settings.md)."""
    given: dict[str, object] = {"data": data, "host": host, "port": port}
    given = {name: value for name, value in given.items() if value is not None}
    if demo:
        _demo(given)
        return
    options = read_settings(**given)
    Service.make_storage_key(options)
    run(Service.open(options), lambda url: _say({"url": url}))


def _demo(given: dict[str, object]) -> None:
    given = {
        "data": Path("out/serve-demo"),
        "port": 0,
        "records_per_minute": 50_000,
        "calls_per_minute": 50_000,
        **given,
    }
    options: ServiceSettings = read_settings(**given)
    Service.make_storage_key(options)
    service = Service.open(options)
    demo = open_demo(service, options.data / "training")
    run(
        service,
        lambda url: _say(
            {
                "url": url,
                "api_key": demo.api_key,
                "admin_key": demo.admin_key,
                "org_id": demo.example["org_id"],
                "task": demo.example["task"],
                "example": demo.example,
            }
        ),
    )


def settings() -> None:
    """Print every setting of the service as a table (Markdown)."""
    sys.stdout.write(settings_table())


def _say(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts, separators=(",", ":")) + "\n")
    sys.stdout.flush()
