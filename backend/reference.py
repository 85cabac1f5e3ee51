"""`make reference`: docs/reference/commands.md and the table in docs/settings.md, made from the code.

What a command is asked is read from the objects that typer builds for it, so a command, an option or a word of help
that changes is out of date in the document, and a test says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from fedcrm.cli import app as fedcrm
from fedcrm.service.settings import settings_table
from localorg.cli import app as localorg

__all__ = ["COMMANDS", "SETTINGS", "commands_document", "leaves", "settings_document"]

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMANDS = DOCS / "reference" / "commands.md"
SETTINGS = DOCS / "settings.md"

HEAD = """# Commands

Made from the code by `make reference`; `--help` behind any of them prints the same. Every refusal is one line on
standard error and a non-zero exit status. What the service reads from the environment is in
[settings.md](../settings.md).
"""


def commands_document() -> str:
    """Every command of `fedcrm` and `localorg` with its options, in Markdown."""
    parts = [HEAD]
    for name, app in (("fedcrm", fedcrm), ("localorg", localorg)):
        found = list(leaves(typer.main.get_command(app), (name,)))
        parts.append(f"## {name}\n")
        parts.append("| command | what it does |\n| --- | --- |")
        parts.extend(f"| [`{' '.join(words)}`](#{'-'.join(words)}) | {_first(command)} |" for words, command in found)
        parts.append("")
        parts.extend(_section(words, command) for words, command in found)
    return "\n".join(parts)


def settings_document(old: str) -> str:
    """docs/settings.md with its table made anew; the words around it stay."""
    lines = old.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| variable"))
    last = max(i for i, line in enumerate(lines) if line.startswith("|"))
    return "\n".join([*lines[:first], settings_table().rstrip("\n"), *lines[last + 1 :]]) + "\n"


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below that does something, by the words that lead to it.

    command: a typer command or group; one that is imported when it is called says `loaded`.
    """
    command = getattr(command, "loaded", command)
    children = getattr(command, "commands", None)
    if not children:
        yield words, command
        return
    for name, child in children.items():
        yield from leaves(child, (*words, name))


def main() -> None:
    """Write both documents."""
    COMMANDS.parent.mkdir(exist_ok=True)
    COMMANDS.write_text(commands_document(), "utf-8")
    SETTINGS.write_text(settings_document(SETTINGS.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{COMMANDS}\n{SETTINGS}\n")


def _first(command: Any) -> str:
    return _plain(str(command.help or "").strip().split("\n\n")[0])


def _section(words: tuple[str, ...], command: Any) -> str:
    asked = [p for p in command.params if p.name != "help"]
    arguments = [p for p in asked if p.param_type_name == "argument"]
    usage = " ".join(
        [*words, *(_argument(p) for p in arguments), *(["[OPTIONS]"] if len(asked) > len(arguments) else [])]
    )
    paragraphs = [_plain(p) for p in str(command.help or "").strip().split("\n\n")]
    lines = [f"### {' '.join(words)}\n", *(f"{p}\n" for p in paragraphs), f"    {usage}\n"]
    if asked:
        lines += ["| | default | meaning |", "| --- | --- | --- |"]
        lines += [f"| {_names(p)} | {_default(p)} | {_plain(p.help or '')} |" for p in asked]
        lines.append("")
    return "\n".join(lines)


def _argument(parameter: Any) -> str:
    name = str(parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{str(parameter.name).upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    value = parameter.default() if callable(parameter.default) else parameter.default
    if parameter.required:
        return "required"
    if value is None or value is False or value == "" or value == ():
        return ""
    if value is True:
        return "on"
    if isinstance(value, list | tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{_at_home(str(getattr(value, 'value', value)))}`"


def _at_home(text: str) -> str:
    """A path in the home directory of whoever runs this, as anybody's."""
    home = str(Path.home())
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
