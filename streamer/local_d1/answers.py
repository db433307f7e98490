"""What the API answers, as values that become JSON (pure)."""

from __future__ import annotations

from dataclasses import asdict

from streamer.local_d1.database import Result
from streamer.local_d1.values import seen_rows


def success(result: object, **more: object) -> dict[str, object]:
    """The envelope around a result; `more` stands beside it."""
    return {"result": result, "errors": [], "messages": [], "success": True, **more}


def failure(code: int, message: str) -> dict[str, object]:
    """The envelope of a refusal."""
    errors = [{"code": code, "message": message}]
    return {"result": [], "errors": errors, "messages": [], "success": False}


def as_arrays(result: Result) -> dict[str, object]:
    """One statement's result as /raw shows it."""
    return {
        "results": {"columns": result.columns, "rows": seen_rows(result.rows)},
        "success": True,
        "meta": _meta(result),
    }


def as_objects(result: Result) -> dict[str, object]:
    """One statement's result as /query shows it."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in seen_rows(result.rows)]
    return {"results": rows, "success": True, "meta": _meta(result)}


def _meta(result: Result) -> dict[str, object]:
    return {
        "served_by": "local-d1",
        "served_by_region": "LOCAL",
        "served_by_primary": True,
        "timings": {"sql_duration_ms": result.meta.duration},
        **asdict(result.meta),
        "total_attempts": 1,
    }
