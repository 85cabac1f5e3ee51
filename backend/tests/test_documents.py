"""What the documents tell a reader to type exists, and where they point there is something."""

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
from typer.testing import CliRunner

from fedcrm.cli import app

TOP = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
NAMES = [str(d.relative_to(TOP)) for d in DOCUMENTS]
COMMAND = typer.main.get_command(app)


@pytest.fixture(params=DOCUMENTS, ids=NAMES)
def document(request):
    return request.param


def code(text):
    """What stands in code blocks, line by line, and in code spans."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [line for block in blocks for line in block.splitlines()] + spans


def commands(text):
    """Words after `fedcrm` of every command line in code, comments removed."""
    for line in code(text):
        match = re.match(r"(?:\S*/)?fedcrm\s+(.*)", line.split("  #")[0].strip())
        if match:
            yield shlex.split(match[1])


def groups(command):
    """Commands by name of a group, none of a leaf. By attribute: typer has its own copy of click's classes."""
    return {name: getattr(one, "loaded", one) for name, one in getattr(command, "commands", {}).items()}


def leaves(command, path=()):
    """Every command that does something, with the words that lead to it."""
    children = groups(command)
    if not children:
        return [(path, command)]
    return [leaf for name, child in children.items() for leaf in leaves(child, (*path, name))]


def follow(words):
    """The commands that words lead to. "a | b | c" stands for each of the three."""
    found, rest = [COMMAND], list(words)
    while rest and any(groups(command) for command in found):
        names = [rest.pop(0)]
        while len(rest) >= 2 and rest[0] == "|":
            names.append(rest[1])
            rest = rest[2:]
        for command in found:
            assert set(names) <= set(groups(command)), f"no command {names} among {sorted(groups(command))}"
        found = [groups(command)[name] for command in found for name in names]
    return found


def test_there_are_documents():
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md"} <= set(NAMES)


def test_every_make_target_named_is_in_the_makefile(document):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (TOP / "Makefile").read_text("utf-8"), re.M))
    named = {
        word
        for line in code(document.read_text("utf-8"))
        for words in re.findall(r"(?:^|[;&]\s*)make((?:\s+[a-z][a-z-]*)+)", line.split("#")[0])
        for word in words.split()
    }
    assert named <= targets


def test_every_command_and_option_named_exists(document):
    for words in commands(document.read_text("utf-8")):
        for command in follow(words):
            options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
            assert used <= options, f"fedcrm {shlex.join(words)}"


def test_options_that_stand_alone_belong_to_some_command(document):
    known = {"--help"} | {name for _, command in leaves(COMMAND) for option in command.params for name in option.opts}
    alone = {span.split()[0].split("=")[0] for span in code(document.read_text("utf-8")) if span.startswith("--")}
    assert alone <= known


@pytest.mark.parametrize("words", [" ".join(path) for path, _ in leaves(COMMAND)])
def test_every_command_explains_itself_and_its_options(words):
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [*words.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    (command,) = [leaf for path, leaf in leaves(COMMAND) if " ".join(path) == words]
    assert all(getattr(option, "help", None) for option in command.params if option.name != "help")


@pytest.mark.parametrize("words", ["demo", "evaluate", "budget show", "budget verify", "budget forecast"])
def test_the_documents_tell_of_every_command(words):
    told = "\n".join(d.read_text("utf-8") for d in DOCUMENTS)
    assert f"fedcrm {words} " in told


def test_every_relative_link_leads_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"""(?:src|href)=["']([^"']+)["']""", text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / unquote(path)).resolve() if path else document
        assert target.exists(), link
        assert TOP in [target, *target.parents], f"{link} leaves the repository"
        if anchor:
            headings = re.findall(r"^#+\s+(.*)$", target.read_text("utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, link


def test_the_readme_names_what_make_demo_leaves_behind():
    text = (TOP / "README.md").read_text("utf-8")
    for name in ("report.html", "model_card.md", "results.json", "model.ubj", "model.json", "nodes/"):
        assert name in text


def test_every_package_the_readme_lists_is_there():
    readme = (TOP / "README.md").read_text("utf-8")
    layout = re.search(r"## Layout\n.*?backend/fedcrm/(.*?)backend/localorg/", readme, re.S)[1]
    listed = set(re.findall(r"^  (\w+)(?:/|\.py)", layout, re.M))
    there = {p.stem for p in (TOP / "backend/fedcrm").iterdir() if not p.name.startswith("__")}
    assert listed == there
