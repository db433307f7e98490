"""Finds the functions that settings name as `module:function`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

from streamer.errors import UsageError, nearest
from streamer.model import TablePlan
from streamer.pipeline.transform.rows import Function
from streamer.pipeline.transform.where import tell_where

_users_modules = set[str]()


class _NotFoundError(Exception):
    """Why a function can't be had, as the end of a sentence."""


def users_modules() -> frozenset[str]:
    """The modules of the user's that this process has loaded, or begun to."""
    return frozenset(_users_modules)


def load_transforms(tables: Sequence[TablePlan], folder: Path) -> dict[str, Function]:
    """The functions that `tables` are transformed by, by what the settings call them.

    Modules are looked for in `folder` first, then where Python looks.

    Raises:
        UsageError: some can't be had; each is named with the reason.

    """
    found: dict[str, Function] = {}
    problems: list[str] = []
    for table in tables:
        if not table.transform or table.transform in found:
            continue
        try:
            found[table.transform] = _load(table.transform, folder)
        except _NotFoundError as error:
            problems.append(f"{table.name}: its transform {table.transform} can't be used: {error}")
    if problems:
        raise UsageError(
            "\n".join(problems),
            hint='Write `transform = "module:function"`; the module may lie in this folder.',
        )
    return found


def _load(reference: str, folder: Path) -> Function:
    module_name, colon, attribute = reference.partition(":")
    if not (module_name.strip() and colon and attribute.strip()):
        raise _NotFoundError("it isn't written as module:function")
    module = _imported(module_name, folder)
    try:
        function: object = reduce(getattr, attribute.split("."), module)
    except AttributeError:
        named = nearest(attribute, vars(module))
        raise _NotFoundError(f"the module {module_name} has no {attribute}{named}") from None
    if not callable(function):
        raise _NotFoundError(f"{attribute} is no function (its type is {type(function).__name__})")
    if inspect.iscoroutinefunction(function):
        raise _NotFoundError(f"{attribute} is asynchronous; a plain function is needed")
    return cast("Function", function)


def _imported(name: str, folder: Path) -> ModuleType:
    here = str(folder)
    _users_modules.add(name)
    sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _NotFoundError(f"there is no module {name}") from None
        raise _NotFoundError(f"importing {name} failed: there is no module {error.name}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (the user's code may raise anything)
        tell_where(error)
        raise _NotFoundError(f"importing {name} failed with {type(error).__name__}") from None
    finally:
        # Behind all others, what it imports later is still found, and hides nothing of theirs.
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)
