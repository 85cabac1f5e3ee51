"""What the documents tell a reader to type exists, and where they point there is something."""

import os
import re
import shlex
import subprocess
import sys
import threading
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
from typer.testing import CliRunner

import reference
from fedcrm.cli import app
from localorg.cli import app as localorg
from reference import leaves

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
    every = [*leaves(COMMAND), *leaves(typer.main.get_command(localorg))]
    asked = [option for _, command in every for option in command.params]
    known = {"--help"} | {name for option in asked for name in (*option.opts, *option.secondary_opts)}
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


def test_the_reference_of_commands_and_settings_says_what_the_code_says():
    assert reference.COMMANDS.read_text("utf-8") == reference.commands_document(), "`make reference` makes it anew"
    settings = reference.SETTINGS.read_text("utf-8")
    assert settings == reference.settings_document(settings), "`make reference` makes it anew"


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


def test_every_package_is_in_the_layout_and_nothing_else():
    text = (TOP / "docs/architecture.md").read_text("utf-8")
    layout = re.search(r"## Layout\n.*?backend/fedcrm/(.*?)backend/localorg/", text, re.S)[1]
    listed = set(re.findall(r"^  (\w+)(?:/|\.py)", layout, re.M))
    there = {p.stem for p in (TOP / "backend/fedcrm").iterdir() if not p.name.startswith("__")}
    assert listed == there


def test_every_section_of_the_readme_with_figures_has_the_command_that_makes_them():
    for section in re.split(r"^## ", (TOP / "README.md").read_text("utf-8"), flags=re.M):
        if re.search(
            r"\b\d+\.\d+\b|\d (?:m?s|minutes)\b", re.sub(r"`[^`]*`|\([^)]*\)|Python \S+|Apache-2.0", "", section)
        ):
            assert re.search(r"^make |`(?:make|fedcrm) [^`]+`", section, re.M), section


def test_every_name_of_code_in_a_document_is_in_the_code(document):
    """Paths are there; dotted names can be imported; names of classes, functions and tests stand in some source."""
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)):
        name = span.split("::")[0].rstrip("()")
        if re.fullmatch(r"(backend|docs|force-app|unpackaged|deploy|bench)/[\w./-]+", name):
            assert (TOP / name).exists() or (TOP / "backend" / name).exists(), span
        elif re.fullmatch(r"(fedcrm|localorg)(\.\w+)+", name):
            assert importable(name), span
        elif re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}|test_\w+", name):
            assert name in words_of_the_code(), span


@cache
def words_of_the_code():
    """Every word of every source file, and the names of the files."""
    found = set()
    for top in (
        "backend/fedcrm",
        "backend/localorg",
        "backend/tests",
        "backend/bench",
        "force-app",
        "unpackaged",
        "tasks",
    ):
        for path in (TOP / top).rglob("*"):
            if (
                path.suffix in {".py", ".cls", ".js", ".xml", ".toml", ".json", ".html"}
                and "__pycache__" not in path.parts
            ):
                found |= set(re.findall(r"\w+", path.read_text("utf-8"))) | {path.name.split(".")[0]}
    return found


def importable(name):
    """Whether a dotted name is a module, or something in one."""
    words = name.split(".")
    for i in range(len(words), 0, -1):
        try:
            found = import_module(".".join(words[:i]))
        except ModuleNotFoundError:
            continue
        for word in words[i:]:
            if not hasattr(found, word) and word not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, word, None)
        return True
    return False


FENCE = re.compile(r"^ *(<!-- not run: (?P<reason>.+?) -->\n)? *```(?P<kind>\w*)\n(?P<body>.*?)^ *```", re.M | re.S)
COMMAND_LINE = re.compile(r"^\s*(\$ |(\S*/)?(fedcrm|localorg|make|cci|sf|npm|curl|docker|openssl|python|cd) )", re.M)


def test_a_block_of_commands_is_run_or_says_why_not(document):
    for block in FENCE.finditer(document.read_text("utf-8")):
        if block["kind"] != "console" and COMMAND_LINE.search(block["body"]):
            assert block["reason"], block["body"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if "\n```console" in (TOP / n).read_text("utf-8")])
def test_commands_in_a_document_do_what_it_says(name, tmp_path):
    """Blocks run in order in one shell, in an empty home. `...` stands for anything, `>` goes on with a command."""
    blocks = [b["body"] for b in FENCE.finditer((TOP / name).read_text("utf-8")) if b["kind"] == "console"]
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.M) if step]
    for tool in ("fedcrm", "localorg"):
        program = tmp_path / "bin" / tool
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!/bin/sh\nexec {sys.executable} -c 'from {tool}.cli import main; main()' \"$@\"\n", "ascii"
        )
        program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    path = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        "HOME": str(work),
        "PATH": path,
        "PYTHONPATH": str(TOP / "backend"),
        "COLUMNS": "120",
        "TERM": "dumb",
    }
    shell = subprocess.Popen(
        ["bash"], cwd=work, env=os.environ | environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    watchdog = threading.Timer(600, shell.kill)
    watchdog.start()
    try:
        for step in steps:
            command, expected = re.fullmatch(r"(.*\n(?:>.*\n)*)((?s:.*))", step).groups()
            command = re.sub(r"^> ?", "", command, flags=re.M).rstrip("\n")
            shell.stdin.write(f'{command}\necho "=== $?"\n')
            shell.stdin.flush()
            said = []
            while not (line := shell.stdout.readline()).startswith("=== "):
                assert line, f"the shell ended at: {command}"
                said.append(line)
            assert line == "=== 0\n", f"{command}\n{''.join(said)}"
            assert_says(command, expected, "".join(said))
    finally:
        shell.stdin.write("localorg down --data orgs\n")
        shell.communicate()
        watchdog.cancel()


def assert_says(command, expected, said):
    """Whether output is what a document shows, but for space and for what `...` stands for."""
    wanted = " ".join(expected.split())
    if wanted:
        pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
        assert re.fullmatch(pattern, " ".join(said.split())), f"{command}\n{said}"
