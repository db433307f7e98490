"""What the project says of itself is true."""

import argparse
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from streamer.cli.commands import COMMANDS
from streamer.cli.execute import parse
from streamer.cli.options import add_options
from streamer.cli.parser import Parser
from streamer.config import known
from streamer.errors import ExitCode, UsageError
from streamer.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()


def python_files(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if ".peers" not in path.parts)  # what others wrote


SOURCES = python_files("streamer", "checkpoints")
RUN_OPTIONS = re.findall(
    r"\S+",
    """
    --target --env --table --exclude --schema --checkpoint --batch-size --batch-bytes --pack --concurrency
    --rate-limit --if-exists --on-error --max-rejects --retry-rejects --no-schema --resume --rebuild-checkpoint --restart --validate --dry-run --report --consistency
    --indexes --pushdown --skip-refused --give-up-after --max-duration --max-snapshot-age --config --env-file --progress
    --log-format --log-file --log-max-bytes --log-keep --metrics-port --verbose --quiet -v -q
    --timestamps --dates --intervals --bigint --numeric --money --nan --booleans --varchar --char
    --bytea --uuid --json-text --arrays --composites --enums --ranges --bits --inet --cidr --macaddr
    --points --shapes --hstore --geometry --vectors --regs
    --without-rowid --autoincrement --strict --comments --checks --defaults --views --matviews
    --foreign-tables --rename --exclude-columns
    """,
)


def run_parser() -> Parser:
    parser = Parser(prog="streamer run")
    add_options(parser, COMMANDS["run"].options)
    return parser


def test_run_has_all_its_options() -> None:
    parser = run_parser()

    assert [option for option in RUN_OPTIONS if not parser.knows(option)] == []


def test_every_option_of_run_is_a_setting_and_the_other_way_round() -> None:
    options = {option for option in RUN_OPTIONS if option.startswith("--")}

    of_run = (setting for setting in known.ALL if setting not in known.VALIDATION)
    settings = {setting.option for setting in of_run if setting.option}
    assert options - {"--config", "--env-file"} == settings


def test_switches_take_no_value() -> None:
    parser = run_parser()

    for setting in known.JOB + known.SHAPING + known.OUTPUT:
        arguments = [setting.option] if setting.switch else [setting.option, "x"]
        if setting.option and setting is not known.VERBOSE:
            assert isinstance(parser.parse_all(arguments), argparse.Namespace)


def test_no_option_is_an_abbreviation() -> None:
    with pytest.raises(UsageError, match="--batch-siz"):
        run_parser().parse_all(["--batch-siz", "1"])


def test_the_options_in_the_readme_exist() -> None:
    every = {"--help", "--version"}
    for name, command in COMMANDS.items():
        parser = Parser(prog="streamer").add_subparsers()
        importlib.import_module(command.module).add_parser(parser)
        add_options(parser.choices[name], command.options)
        every |= {
            option for action in parser.choices[name].actions for option in action.option_strings
        }

    assert {*re.findall(r"(?<![-\w])--[a-z][a-z-]+", README)} - every == set()


def test_the_variables_in_the_readme_exist() -> None:
    for name in re.findall(r"`((?:POSTGRES|CLOUDFLARE|D1|STREAMER)_[A-Z_]+)", README):
        assert name in known.VARIABLES | known.NEIGHBOURS, name
    assert {setting.variable for setting in known.SOURCE + known.TARGET} <= {
        *re.findall(r"[A-Z][A-Z0-9_]+", README)
    }


def test_the_commands_in_the_readme_are_those_there_are() -> None:
    assert {*re.findall(r"^\| `streamer ([a-z0-9-]+)", README, re.MULTILINE)} == {*COMMANDS}


def test_the_exit_codes_in_the_readme_are_those_there_are() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)] == [*ExitCode]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_parsed(name: str) -> None:
    command = COMMANDS[name]

    required = {
        "serve-d1": ["--dir", "somewhere"],
        "report": ["a.json"],
        "completion": ["bash"],
    }.get(name, [])

    args = parse(command, importlib.import_module(command.module), required)

    assert vars(args)["quiet"] is False


def test_the_version_stands_in_one_place() -> None:
    places = [path for path in SOURCES if f'"{VERSION}"' in path.read_text()]

    assert places == [ROOT / PROJECT["tool"]["hatch"]["version"]["path"]]


@pytest.mark.parametrize("name", ["demo", "dev"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    packages = re.split(r"\n(?=\S)", text.strip())

    assert len(packages) > 10
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text
    assert "--index" not in text


def test_every_dependency_is_locked() -> None:
    locked = {
        *re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/dev.lock").read_text(), re.MULTILINE)
    }
    named = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["demo"],
        *(entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str)),
    ]

    assert {re.split(r"[^A-Za-z0-9-]", entry)[0].lower() for entry in named} <= locked


@pytest.mark.parametrize(
    "path",
    [*SOURCES, *python_files("tests", "bench")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
