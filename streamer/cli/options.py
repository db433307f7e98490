"""The options that commands share. Their values are read and checked by `streamer.config`."""

from __future__ import annotations

from enum import Flag, auto
from typing import Any

from streamer.cli.parser import Parser


class Options(Flag):
    """Groups of options that a command takes, besides those of output that all take."""

    NONE = 0
    SETTINGS = auto()
    SELECTION = auto()
    SHAPE = auto()
    CHECKPOINT = auto()
    TARGET = auto()
    MOVE = auto()
    STORED = auto()
    PROGRESS = auto()
    COMPARE = auto()


def add_options(parser: Parser, groups: Options) -> None:
    """Add the options of `groups`, except those that the command has added itself."""
    if groups & Options.SELECTION:
        _selection(parser)
    if groups & Options.SHAPE:
        _shape(parser)
    if groups & (Options.MOVE | Options.CHECKPOINT | Options.COMPARE):
        _add(
            parser,
            "where the run's state is kept (default streamer.checkpoint.db)",
            "--checkpoint",
            metavar="FILE",
        )
    if groups & Options.MOVE:
        _move(parser)
    if groups & Options.COMPARE:
        _compare(parser)
    if groups & Options.TARGET:
        text = "where to: d1 (default); sqlite:FILE, a plain file that obeys D1's rules; or wrangler:DIR, the local database of a Worker project"
        _add(parser, text, "--target", metavar="TARGET")
        text = "wrangler's environment, for --target wrangler:DIR (default: the top level)"
        _add(parser, text, "--env", metavar="NAME")
    if groups & Options.SETTINGS:
        _settings(parser)
    _output(parser, progress=bool(groups & (Options.MOVE | Options.PROGRESS | Options.COMPARE)))
    if groups & Options.STORED:
        from streamer.cli.stored import add_stored  # noqa: PLC0415 (slow to load)

        add_stored(parser)


def _add(parser: Parser, text: str, *names: str, **kwargs: Any) -> None:
    free = [name for name in names if not parser.knows(name)]
    if any(name.startswith("--") for name in free):
        parser.add_argument(*free, help=text, **kwargs)


def _settings(parser: Parser) -> None:
    _add(parser, "settings in TOML, without secrets", "--config", metavar="FILE")
    _add(parser, "settings as KEY=VALUE lines, secrets too", "--env-file", metavar="FILE")


def _selection(parser: Parser) -> None:
    many: dict[str, Any] = {"action": "append", "metavar": "GLOB"}
    _add(parser, "only these tables: users, 'sales_*', audit.log (repeatable)", "--table", **many)
    _add(parser, "not these tables (repeatable)", "--exclude", **many)
    _add(parser, "schemas to look in (default public; repeatable; '*' is all)", "--schema", **many)


def _shape(parser: Parser) -> None:
    for name, metavar, text in (
        ("--batch-size", "N", "statements with rows in a request, 1 to 100 (default 100)"),
        ("--batch-bytes", "N|auto", "bytes of a request, as 2000000, 2MB or 512KiB (default auto)"),
        ("--pack", "HOW", "rows into statements: auto, json, values or rows (default auto)"),
        ("--pushdown", "HOW", "what PostgreSQL prints: auto, text or json (default auto)"),
        ("--rate-limit", "N/SECONDS", "requests sent at most, or none (default 1080/300)"),
        ("--indexes", "WHEN", "build indexes auto, before or after the rows (default auto)"),
        ("--consistency", "HOW", "snapshot: one moment of the source (default); rolling: kinder"),
    ):
        _add(parser, text, name, metavar=metavar)
    _add(
        parser,
        "move the rest where something can't be moved (exit code 3)",
        "--skip-refused",
        action="store_true",
    )


def _move(parser: Parser) -> None:
    for name, metavar, text in (
        ("--concurrency", "N|auto", "requests in flight (default auto: finds the best)"),
        ("--if-exists", "WHAT", "where a table holds rows: fail (default), upsert or replace"),
        ("--on-error", "WHAT", "a row that D1 refuses: stop (default), or reject it and go on"),
        ("--max-rejects", "N", "stop when more rows than this are rejected (default 1000)"),
        ("--give-up-after", "TIME", "stop after so long without progress: 90s, 30m, 6h (default)"),
        ("--max-duration", "TIME", "stop after so long as on a signal; --resume goes on"),
        (
            "--max-snapshot-age",
            "TIME",
            "let a snapshot of the source go after so long (default 6h)",
        ),
        ("--report", "FILE", "where to write the report (default run_report.json)"),
    ):
        _add(parser, text, name, metavar=metavar)
    text = "serve Prometheus metrics and a status page on 127.0.0.1 (0: any free port)"
    _add(parser, text, "--metrics-port", metavar="N")
    for name, text in (
        ("--no-schema", "create no tables: they must be there as planned"),
        ("--resume", "go on with the checkpoint's run, or start one where there is none"),
        (
            "--rebuild-checkpoint",
            "with --resume: where the checkpoint is lost, make it anew from what the run left in D1",
        ),
        ("--retry-rejects", "send the rows again that the checkpoint's run rejected"),
        ("--restart", "forget the checkpoint's run and start over"),
        (
            "--validate",
            "compare every row of both sides once they are moved; the report holds both",
        ),
        ("--dry-run", "show the plan and touch nothing; needs no Cloudflare settings"),
    ):
        _add(parser, text, name, action="store_true")


def _compare(parser: Parser) -> None:
    for name, metavar, text in (
        ("--sample", "N", "rows of each table whose values --detailed compares (default 1000)"),
        ("--export-dir", "DIR", "compare exported files with PostgreSQL"),
        (
            "--transformed-dir",
            "DIR",
            "compare transformed files with D1, and with the exported ones that are given too",
        ),
        ("--differences", "FILE", "write all differences, a line of JSON each"),
        ("--output-report", "FILE", "where to write the report (default validation_report.json)"),
        ("--batch-bytes", "N|auto", "bytes of a request, as 2000000, 2MB or 512KiB (default auto)"),
        ("--rate-limit", "N/SECONDS", "requests sent at most, or none (default 1080/300)"),
        ("--concurrency", "N|auto", "requests in flight (default auto: finds the best)"),
        ("--give-up-after", "TIME", "stop after so long without progress: 90s, 30m, 6h (default)"),
    ):
        _add(parser, text, name, metavar=metavar)
    for name, text in (
        ("--detailed", "compare the values of a sample of rows too, from both ends and at random"),
        ("--full", "compare every value of every row"),
        (
            "--repair",
            "with --full: send what is missing or different, delete what is extra, compare again",
        ),
        ("--resume", "go on with a validation that was stopped, or start one"),
        ("--skip-refused", "compare the rest where something can't be moved (exit code 3)"),
    ):
        _add(parser, text, name, action="store_true")


def _output(parser: Parser, *, progress: bool) -> None:
    if progress:
        _add(
            parser,
            "auto (bars on a terminal, else lines), rich (bars), plain (lines) or none",
            "--progress",
            metavar="HOW",
        )
    _add(parser, "log lines as text (default) or json", "--log-format", metavar="FORMAT")
    _add(parser, "write the log to a file too", "--log-file", metavar="FILE")
    text = "rotate that file before it grows beyond so many bytes, as 10MB (default: never)"
    _add(parser, text, "--log-max-bytes", metavar="N")
    _add(parser, "rotated files to keep: FILE.1, FILE.2 ... (default 5)", "--log-keep", metavar="N")
    _add(parser, "say more (-vv: even more)", "-v", "--verbose", action="count")
    _add(parser, "say only what went wrong", "-q", "--quiet", action="store_true")
