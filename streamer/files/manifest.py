"""What lies beside the files of tables: which files there are, and what they were made from.

`export_manifest.json` holds the catalog and all that was asked of its tables, so that the steps
behind it plan the same job without PostgreSQL; `transform_manifest.json` does so for the import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Literal, TypeVar, cast

import orjson

from streamer.errors import BadFileError
from streamer.files.codec import ShapeError, decode, encode
from streamer.files.names import Compression, Format
from streamer.files.values import FORMS, Form
from streamer.frozen import frozen
from streamer.model import Catalog, PgType, QualifiedName, Shaping, Storage, TypeOptions, Wire
from streamer.progress import write_whole
from streamer.version import VERSION

FORMAT_VERSION = 1
EXPORT = "export_manifest.json"
TRANSFORM = "transform_manifest.json"


@frozen
class ExpressionType:
    """The type that PostgreSQL gives to the expression that makes a column."""

    table: QualifiedName
    column: str
    type: PgType


@frozen
class Snapshot:
    """A moment of the source; `taken_at` in UTC, ISO 8601."""

    number: int
    lsn: str
    taken_at: str


@frozen
class Origin:
    """What was moved: the source's catalog, and what was asked of its tables.

    The hash masks' key isn't in it. `warnings` are the sentences that were said of the rows.
    """

    catalog: Catalog
    shaping: Shaping = field(default_factory=Shaping)
    expression_types: tuple[ExpressionType, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def types_of_expressions(self) -> Mapping[tuple[QualifiedName, str], PgType]:
        """As the plan asks for them."""
        return {(known.table, known.column): known.type for known in self.expression_types}


@frozen
class FileFacts:
    """A table's file: its name, and rows, size and SHA-256 of its content, uncompressed."""

    name: str
    rows: int
    bytes: int
    sha256: str


@frozen
class ExportedColumn:
    """A column of an exported table; `sql` is what printed it where its form is CELL."""

    name: str
    type: str
    form: Form
    sql: str = ""


@frozen
class ExportedTable:
    """A table's file as it was exported; `snapshots` are those that its rows were read in."""

    name: QualifiedName
    file: FileFacts
    columns: tuple[ExportedColumn, ...]
    key: tuple[str, ...] = ()
    snapshots: tuple[int, ...] = ()


@frozen
class ExportManifest:
    """`export_manifest.json`."""

    run_id: str
    created_at: str
    format: Format
    compression: Compression
    tables: tuple[ExportedTable, ...]
    origin: Origin
    command: str = "export"
    format_version: int = FORMAT_VERSION
    tool_version: str = VERSION
    forms: Mapping[str, str] = field(
        default_factory=lambda: {form.value: words for form, words in FORMS.items()}
    )


@frozen
class TransformedColumn:
    """A column of a transformed file, and what D1 stores of it; HEX stands for bytes.

    `only` is what its values are where no texts (NaN, infinity, labels) can be among them; '' where
    they can be, or where the file was made before that was written down.
    """

    name: str
    storage: Storage
    wire: Wire = Wire.TEXT
    not_null: bool = False
    only: Literal["", "integers", "booleans"] = ""


@frozen
class TransformedTable:
    """A table's file as D1 is to hold it; `rows_skipped` were left out by the user's function."""

    name: QualifiedName
    target: str
    file: FileFacts
    columns: tuple[TransformedColumn, ...]
    rows_skipped: int = 0
    snapshots: tuple[int, ...] = ()


@frozen
class TransformManifest:
    """`transform_manifest.json`."""

    run_id: str
    created_at: str
    format: Format
    compression: Compression
    tables: tuple[TransformedTable, ...]
    origin: Origin
    command: str = "transform"
    format_version: int = FORMAT_VERSION
    tool_version: str = VERSION


Kind = TypeVar("Kind", ExportManifest, TransformManifest)


def write_manifest(folder: Path, manifest: ExportManifest | TransformManifest) -> None:
    """Write a manifest in one step, with every member that says what it is.

    Raises:
        StreamerError: it can't be written.

    """
    name = EXPORT if isinstance(manifest, ExportManifest) else TRANSFORM
    document = encode(manifest)
    assert isinstance(document, dict)
    always = ("format_version", "tool_version", "command", "forms")
    head = {key: encode(getattr(manifest, key)) for key in always if hasattr(manifest, key)}
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    write_whole(folder / name, orjson.dumps({**head, **document}, option=options))


def read_export(folder: Path) -> ExportManifest:
    """The manifest of an export.

    Raises:
        BadFileError: there is none, or it isn't what this version writes.

    """
    return _read(folder / EXPORT, ExportManifest, "streamer export")


def read_transform(folder: Path) -> TransformManifest:
    """The manifest of transformed files.

    Raises:
        BadFileError: there is none, or it isn't what this version writes.

    """
    return _read(folder / TRANSFORM, TransformManifest, "streamer transform")


def _read(path: Path, kind: type[Kind], made_by: str) -> Kind:
    document = _document(path, made_by)
    found = document.get("format_version")
    if isinstance(found, int) and found > FORMAT_VERSION:
        raise BadFileError(
            f"{path} has the format {found}; this version reads up to {FORMAT_VERSION}.",
            hint="Use the version that made it, or a newer one.",
        )
    try:
        manifest = decode(kind, document)
    except ShapeError as error:
        raise BadFileError(f"{path}: {error}.", hint=_AGAIN) from None
    _refuse_twice(path, [str(table.name) for table in manifest.tables])
    _refuse_twice(path, [table.file.name for table in manifest.tables])
    return manifest


def _refuse_twice(path: Path, names: Sequence[str]) -> None:
    """Refuse two files for one table, and two tables in one file."""
    for name, count in Counter(names).items():
        if count > 1:
            raise BadFileError(f"{path}: it names {name} {count} times.", hint=_AGAIN)


def _document(path: Path, made_by: str) -> dict[str, object]:
    try:
        document: object = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadFileError(
            f"{path} isn't there.",
            hint=f"Name the folder with --input-dir, or let `{made_by}` come to its end first."
            f"{_FOR_WRANGLER if path.name == TRANSFORM else ''}",
        ) from None
    except NotADirectoryError:
        raise BadFileError(
            f"{path.parent} is no folder.", hint="Name the folder that the manifest is in."
        ) from None
    except OSError as error:
        raise BadFileError(f"{path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise BadFileError(f"{path}, line {error.lineno}: it isn't JSON.", hint=_AGAIN) from None
    if not isinstance(document, dict):
        raise BadFileError(f"{path}: it isn't a manifest.", hint=_AGAIN)
    return cast("dict[str, object]", document)


_FOR_WRANGLER = " What --format sql made is loaded by wrangler."
_AGAIN = "Restore it as it was written, or make the files again."


def table_path(folder: Path, facts: FileFacts) -> Path:
    """Where a table's file is.

    Raises:
        BadFileError: the name would leave the folder.

    """
    if "/" in facts.name or facts.name in {"", ".", ".."}:
        raise BadFileError(f"{folder}: the manifest names a file outside the folder.", hint=_AGAIN)
    return folder / facts.name


def without_secrets(shaping: Shaping) -> Shaping:
    """`shaping` as manifests keep it."""
    return replace(shaping, hash_key=None)


# The type options by which columns are split and further tables made.
_AT_EXPORT = {
    "composites": "columns",
    "ranges": "columns",
    "points": "columns",
    "enums": "lookup",
}


def _decided(types: Mapping[str, str]) -> dict[str, str]:
    """Which columns and tables there are to be, as far as the options say."""
    return {
        name: choice if types[name] == choice else ""
        for name, choice in _AT_EXPORT.items()
        if name in types
    }


def export_time(shaping: Shaping) -> Shaping:
    """What of `shaping` PostgreSQL carries out, so that an export decides it."""
    run = {name: getattr(shaping.types, name) for name in _AT_EXPORT}
    tables = {
        name: replace(
            asked,
            rename="",
            transform="",
            exclude_foreign_keys=(),
            without_rowid=None,
            autoincrement=None,
            types=_decided(asked.types),
            column={
                column: replace(one, rename="", types=_decided(one.types))
                for column, one in asked.column.items()
                if one.expression or one.mask or _decided(one.types)
            },
        )
        for name, asked in shaping.tables.items()
    }
    return Shaping(
        types=TypeOptions().but({n: choice for n, choice in _decided(run).items() if choice}),
        tables={name: asked for name, asked in tables.items() if encode(asked)},
        matviews=shaping.matviews,
        foreign_tables=shaping.foreign_tables,
    )


def names_of(tables: Sequence[ExportedTable | TransformedTable]) -> tuple[QualifiedName, ...]:
    """The tables that have a file."""
    return tuple(table.name for table in tables)


def catalog_of(manifest: ExportManifest | TransformManifest) -> Catalog:
    """The source's catalog, with as many rows in each table as its file has: these were counted."""
    catalog = manifest.origin.catalog
    rows = {table.name: table.file.rows for table in manifest.tables}
    counted = tuple(replace(t, rows=rows.get(t.name, t.rows)) for t in catalog.tables)
    return replace(catalog, tables=counted)
