"""Moves the tables of a PostgreSQL database into a SQLite file, and compares every row.

POSTGRES_DSN says where PostgreSQL is. Interrupt it, start it again: it goes on where it was.
"""

import logging
import sys

import streamer


def main() -> int:
    """Plan, move, compare; the exit codes are those of the command."""
    logging.basicConfig(level=logging.WARNING)
    transfer = streamer.Transfer(
        target="sqlite:shop.db",
        schema=["public"],
        exclude=["page_view"],
        on_error="reject",
        tables={"public.customer": {"column": {"name": {"mask": "redact"}}}},
    )
    try:
        plan = transfer.plan()
        print(f"{len(plan.tables)} tables, about {plan.estimate.rows_written:,} rows to be billed")
        for finding in plan.warnings:
            print(f"not as in PostgreSQL: {finding.object}: {finding.what}")

        moved = transfer.run(resume=True, on_progress=show)
        for table in moved.tables:
            print(f"{table.name}: {table.figures.rows_written:,} rows in {table.target_name}")

        compared = transfer.validate(full=True)
    except streamer.StreamerError as error:
        print(f"{error.what} {error.hint}", file=sys.stderr)
        return error.exit_code

    for problem in (*moved.errors, *compared.errors):
        print(problem, file=sys.stderr)
    equal = all(verdict.equal for verdict in compared.tables)
    print("both sides hold the same rows" if equal else "both sides differ")
    return streamer.ExitCode.DONE if equal and not moved.errors else streamer.ExitCode.INCOMPLETE


def show(view: streamer.View) -> None:
    """Say how far the run is; called once a second and at the end."""
    print(f"{view.phase}: {view.rows:,} of about {view.expected:,} rows, {view.requests} requests")


if __name__ == "__main__":
    sys.exit(main())
