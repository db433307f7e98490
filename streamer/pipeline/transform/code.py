"""What code a user's function is made of: its module, and the modules beside it that this one imports.

Only files are looked at, nothing is imported. What a package manager installed is versioned elsewhere:
of a function that lies there, its own package is followed alone.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from streamer.pipeline.transform.rows import Function

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def code_digest(function: Function) -> str:
    """A digest of the code that the function is made of, '' where there is no text of it."""
    module = inspect.getmodule(function)
    try:
        file = inspect.getsourcefile(module) if module is not None else None
    except TypeError:  # built in
        return ""
    if module is None or file is None:
        return ""
    code = _beside(module.__name__, Path(file))
    text = "".join(code[name] for name in sorted(code))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _beside(name: str, file: Path) -> dict[str, str]:
    """The sources of the module `name` and of those that it imports, however far, by their path."""
    package = file.stem == "__init__"
    root = file.resolve().parents[name.count(".") + package]
    only = name.partition(".")[0] if root.name in _INSTALLED else ""
    found: dict[str, str] = {}
    left = [(name, package)]
    while left:
        module, package = left.pop()
        path = _file(root, module)
        if path is None or str(path) in found:
            continue
        try:
            found[str(path)] = path.read_text(encoding="utf-8")
            tree = ast.parse(found[str(path)])
        except (OSError, SyntaxError, ValueError):
            continue
        for wanted in _imports(tree, module if package else module.rpartition(".")[0]):
            place = _file(root, wanted)
            if place is not None and (not only or wanted.partition(".")[0] == only):
                left.append((wanted, place.stem == "__init__"))
    return found


def _file(root: Path, module: str) -> Path | None:
    """Where a module's text is, None where it doesn't lie under `root`."""
    path = root.joinpath(*module.split("."))
    places = (path.with_suffix(".py"), path / "__init__.py") if module else ()
    return next((place for place in places if place.is_file()), None)


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """The names of all that may be modules of what a module of `package` imports, parents too."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            whole = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            names = [whole, *(f"{whole}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.strip(".").split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
