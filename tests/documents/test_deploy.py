"""The files in deploy/, as far as they can be checked without what they are for."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.config import known
from streamer.errors import ExitCode
from tests.documents.commands import ROOT, Line, in_unit, in_workflow

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "streamer.service").read_text()
WORKFLOW = (DEPLOY / "github-actions.yml").read_text()
CLAIM, JOB = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
DRAIN_S = 30  # a run ends within that after SIGTERM
FINAL = {int(ExitCode.USAGE), int(ExitCode.INCOMPLETE)}
NOT_OURS = {"XDG_STATE_HOME"}


def problems(lines: list[Line]) -> list[str]:
    return [problem for line in lines if (problem := line.problem())]


def unit(section: str, key: str) -> list[str]:
    """The values of a key, which may stand several times."""
    body = re.search(rf"^\[{section}\]\n(.*?)(?=^\[|\Z)", UNIT, re.MULTILINE | re.DOTALL)
    assert body is not None
    return re.findall(rf"^{key}=(.*)$", body[1], re.MULTILINE)


@pytest.fixture
def pod() -> dict[str, Any]:
    return JOB["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return only


def test_what_the_image_copies_is_there_and_let_through() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in words.split()[:-1]
    ]

    assert {"pyproject.toml", "streamer", "checkpoints", "requirements/run.lock"} <= {*copied}
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_the_image_installs_what_is_locked_and_runs_as_nobody_in_particular() -> None:
    installs = re.findall(r"pip .*?install (.*?)(?: \\|$)", DOCKERFILE, re.MULTILINE)

    assert len(installs) == 3
    for words in installs:
        assert "--require-hashes" in words or "--no-deps" in words, words
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"


def test_the_image_starts_the_unattended_job() -> None:
    entry, command = (
        json.loads(re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)[-1])
        for word in ("ENTRYPOINT", "CMD")
    )

    assert entry == ["streamer"]
    assert Line("Dockerfile", tuple(command)).problem() == ""
    assert "--resume" in command


@pytest.mark.parametrize("name", ["run", "build"])
def test_the_images_locks_hold_what_the_project_needs(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    packages = re.split(r"\n(?=\S)", text.strip())

    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text
    needed = {"run": {"aiohttp", "asyncpg", "apsw", "uvloop"}, "build": {"hatchling"}}[name]
    assert needed <= {*re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)}


def test_hadolint_has_nothing_to_say_of_the_image() -> None:
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("no hadolint on PATH")

    said = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, check=False)

    assert (said.returncode, said.stdout) == (0, b"")


def test_the_unit_starts_again_after_what_can_go_on_and_only_then() -> None:
    assert unit("Service", "Restart") == ["on-failure"]
    assert {*unit("Service", "RestartPreventExitStatus")[0].split()} == {*map(str, FINAL)}
    assert unit("Unit", "StartLimitIntervalSec") == ["0"]
    assert int(unit("Service", "TimeoutStopSec")[0]) > DRAIN_S


def test_the_units_command_can_be_parsed_and_its_secrets_come_by_files() -> None:
    lines = in_unit(UNIT, "streamer.service")
    assert len(lines) == 1
    assert problems(lines) == []

    given = dict(entry.split("=", 1) for entry in unit("Service", "Environment"))
    credentials = {entry.partition(":")[0] for entry in unit("Service", "LoadCredential")}
    assert {*given} - NOT_OURS <= known.VARIABLES
    for name, value in given.items():
        if name.endswith("_FILE"):
            assert value.removeprefix("%d/") in credentials
    assert given.keys() & {*known.SECRET_VARIABLES} == set()


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("no systemd-analyze on PATH")
    program = shutil.which("true") or "/bin/true"
    there = re.sub(r"^ExecStart=\S+", f"ExecStart={program}", UNIT, flags=re.MULTILINE)
    (tmp_path / "streamer.service").write_text(there)

    said = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / "streamer.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (said.returncode, said.stderr) == (0, "")


def test_every_line_of_the_unit_is_a_setting_a_section_or_a_remark() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.read_string(UNIT)

    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_jobs_command_can_be_parsed_and_gets_its_settings(container: dict[str, Any]) -> None:
    assert Line("kubernetes.yaml", tuple(container["args"])).problem() == ""
    assert "--resume" in container["args"]
    variables = {entry["name"] for entry in container["env"]}
    assert variables - NOT_OURS <= known.VARIABLES
    assert variables & {*known.SECRET_VARIABLES} == set()


def test_the_job_ends_by_exit_codes_and_its_pods_have_time_to_end(pod: dict[str, Any]) -> None:
    rules = JOB["spec"]["podFailurePolicy"]["rules"]
    by_action = {
        rule["action"]: {*rule["onExitCodes"]["values"]} for rule in rules if "onExitCodes" in rule
    }

    assert by_action == {"FailJob": FINAL, "Ignore": {int(ExitCode.RESUMABLE)}}
    assert pod["restartPolicy"] == "Never"  # without which there is no such policy
    assert pod["terminationGracePeriodSeconds"] > DRAIN_S
    assert JOB["spec"]["parallelism"] == 1


def test_the_jobs_checkpoint_outlives_its_pods(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}

    assert {*mounts} == {*volumes}
    assert mounts["data"] == re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.MULTILINE)[-1]
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    for entry in container["env"]:
        if entry["name"].endswith("_FILE"):
            assert entry["value"].startswith(mounts["secrets"] + "/")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True


def test_kubernetes_takes_the_job() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate isn't here")

    for document in (CLAIM, JOB):
        validate.validate(document, "1.31", strict=True)


def test_the_workflows_commands_can_be_parsed_and_its_checkpoint_is_kept() -> None:
    lines = in_workflow(WORKFLOW, "github-actions.yml")
    workflow = yaml.safe_load(WORKFLOW)
    (job,) = workflow["jobs"].values()

    assert len(lines) == 1
    assert problems(lines) == []
    (line,) = lines
    checkpoint = line.words[line.words.index("--checkpoint") + 1]
    kept = {step["with"]["path"] for step in job["steps"] if "cache/" in step.get("uses", "")}
    assert kept == {str(Path(checkpoint).parent)}
    assert {*job["env"]} - NOT_OURS <= known.VARIABLES
    hours = int(line.words[line.words.index("--max-duration") + 1].removesuffix("h"))
    assert hours * 60 < job["timeout-minutes"] <= 360


def test_secrets_come_from_nowhere_but_the_workflows_secrets() -> None:
    (job,) = yaml.safe_load(WORKFLOW)["jobs"].values()

    for name in {*known.SECRET_VARIABLES} & {*job["env"]}:
        assert job["env"][name] == f"${{{{ secrets.{name} }}}}"
