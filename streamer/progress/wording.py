"""How figures are written for people, wherever they stand: times, sizes, money (pure)."""

from __future__ import annotations

from streamer import limits

_EXACT_BELOW_S = 100


def duration(seconds: float) -> str:
    """`seconds` as 45s, 12m 03s or 3h 07m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def took(seconds: float) -> str:
    """`seconds` that were measured: as 6.8s where tenths matter, else as `duration`."""
    return f"{max(0.0, seconds):.1f}s" if seconds < _EXACT_BELOW_S else duration(seconds)


def size(count: float) -> str:
    """`count` bytes in B, kB, MB or GB (thousands, as Cloudflare counts), to three figures."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def cost_of(rows_written: int, size_bytes: int) -> tuple[str, str]:
    """What writing so many rows costs on D1's free plan and on its paid one, a line for each.

    How much of a month's included rows is used up already, only Cloudflare knows: so the paid
    plan's line tells the least and the most. `size_bytes` is what the database will take.
    """
    return f"free plan: {_free(rows_written, size_bytes)}", f"paid plan: {_paid(rows_written)}"


def _free(rows_written: int, size_bytes: int) -> str:
    a_day, holds = limits.FREE_ROWS_WRITTEN_A_DAY, limits.FREE_DATABASE_BYTES
    if size_bytes > holds:
        return f"too large, its databases hold {size(holds)}"
    if rows_written <= a_day:
        return f"nothing, of a day's {a_day:,} rows"
    return f"nothing, in {-(-rows_written // a_day):,} days of {a_day:,} rows, with --resume"


def _paid(rows_written: int) -> str:
    included = limits.INCLUDED_ROWS_WRITTEN
    month = f"the month's {included // 1_000_000} million rows"
    if rows_written <= included:
        return f"nothing while {month} last, else up to {_dollars(rows_written)}"
    least, most = _dollars(rows_written - included), _dollars(rows_written)
    return f"{least} to {most}, by what is left of {month}"


def _dollars(rows_written: int) -> str:
    usd = rows_written * limits.USD_PER_MILLION_WRITTEN / 1_000_000
    return f"${max(usd, 0.01) if usd else 0:,.2f}"
