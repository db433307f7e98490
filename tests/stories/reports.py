"""Reports and manifests as tests read them: each is held to the schema that the package ships."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from streamer.demo import selftest
from streamer.files.report import schema as files_schema
from streamer.progress import report as progress
from streamer.rollback import report as rollback
from streamer.validate import report as validation

SCHEMAS = {
    "run": progress.schema,
    "import": progress.schema,
    "validate": validation.schema,
    "rollback": rollback.schema,
    "selftest": selftest.schema,
    "export": lambda: files_schema("files_report"),
    "transform": lambda: files_schema("files_report"),
}


def read_report(path: Path) -> Any:
    """A report; it is as the schema of its command says."""
    document = json.loads(path.read_bytes())
    _validator(document["command"]).validate(document)
    return document


@cache
def _validator(command: str) -> Draft202012Validator:
    schema = SCHEMAS[command]()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
