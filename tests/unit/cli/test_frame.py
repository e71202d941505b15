"""The frame: help, completion and failures, none of which loads what a command needs."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from chainenv.cli import main
from chainenv.cli.frame import SECTIONS

COMMANDS = [name for commands in SECTIONS.values() for name in commands]
HEAVY = ("kubernetes", "httpx", "pydantic", "rich", "kopf", "aiohttp")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_help_is_there_and_explains_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help
    assert command.name == name


def test_help_groups_the_commands() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    places = [shown.index(f"{section}:") for section in SECTIONS]
    assert places == sorted(places)
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], []],
    ids=["help", "version", "nothing"],
)
def test_help_loads_nothing_that_takes_time(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom chainenv.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: assert not end.code, end.code\n"
        f"assert not set(sys.modules) & set({HEAVY!r}), set(sys.modules) & set({HEAVY!r})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "chainenv" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statsu"], "No such command 'statsu'"),
        (["status", "--nonsense"], "see chainenv status --help"),
        (["wait", "staging", "--timeout", "soon"], "write it as 30m, 1h30m or 90s"),
        (["history"], "Missing argument 'NAME'"),
        (["-o", "xml", "status"], "'xml' is not one of"),
        (["deployments", "--chain", ".."], "Invalid value for '--chain': '..' cannot be the ID of a chain"),
        (["export", "--chain", "", "--all"], "Invalid value for '--chain': '' cannot be the ID of a chain"),
        (["export", "--chain", "a", "--environment", "."], "Invalid value for '--environment': '.' cannot be the name of an environment"),
        (["export", "--chain", "a", "--environment", "b", "."], "Invalid value for '--environment': '.' cannot be the name"),
        (["logs", "staging", "--deployment", "a\x1bb"], r"Invalid value for '--deployment': 'a\x1bb' cannot be the ID of a deployment"),
        (["export", "--chain", "a", "--all", "--secret", "b"], "Invalid value for --secret: 'b' is no Secret: write it as NAME/KEY"),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_code_1(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(main, arguments, prog_name="chainenv")
    assert done.exit_code == 1
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_run_answers_a_wrong_use_as_before() -> None:
    done = CliRunner().invoke(main, ["run", "--nonsense"], prog_name="chainenv")
    assert done.exit_code == 2
    assert "Usage: chainenv run" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_ask_this_program(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_CHAINENV_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(("typed", "expected"), [("ro", ["rollback"]), ("re", ["reconcile", "resume"])])
def test_commands_are_completed(typed: str, expected: list[str]) -> None:
    done = CliRunner().invoke(
        main, prog_name="chainenv", env={"_CHAINENV_COMPLETE": "bash_complete", "COMP_WORDS": f"chainenv {typed}", "COMP_CWORD": "1"}
    )
    assert sorted(line.partition(",")[2] for line in done.stdout.splitlines()) == expected
