"""What a break is: a safeguard, how it is broken, and who should notice."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Break:
    """In `file`, which holds `before` exactly once, `after` stands instead.

    Up to `histories` of the simulation are played (0: none), then `tests` are run: files, or single
    tests of them. `faults` are the lines of the table in docs/guarantees.md that it makes untrue.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...] = ()
    histories: int = 120
    faults: tuple[int, ...] = ()

    def broken(self, whole: str) -> str:
        """What `file` holds instead of `whole`."""
        return whole.replace(self.before, self.after)

    def misfit(self, tree: Path) -> str:
        """Why it proves nothing of `tree`, whoever fails; '' where it does."""
        whole = (tree / self.file).read_text() if (tree / self.file).is_file() else ""
        if (times := whole.count(self.before)) != 1:
            return f"{self.file} holds {times} times what would be replaced"
        if self.before == self.after:
            return "it changes nothing"
        try:
            ast.parse(self.broken(whole))
        except SyntaxError as error:
            return f"{self.file} is no Python any more: {error.msg}, line {error.lineno}"
        if not self.tests and not self.histories:
            return "nobody looks"
        return next((f"there is no {test}" for test in self.tests if not _is_there(tree, test)), "")


def _is_there(tree: Path, test: str) -> bool:
    """Whether pytest would find `test`: a file, or `file::test` (of all its parameters)."""
    file, _, name = test.partition("::")
    path = tree / file
    if not path.is_file():
        return False
    return not name or bool(
        re.search(rf"^(?:async )?def {re.escape(name)}\(", path.read_text(), re.MULTILINE)
    )
