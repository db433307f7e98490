"""What each PostgreSQL type becomes: its storage class, and the SQL that prints its values.

PostgreSQL prints every value itself, in a session with TimeZone=UTC, DateStyle='ISO, YMD',
IntervalStyle=iso_8601, bytea_output=hex, extra_float_digits=1, xmlbinary=base64 and
search_path=pg_catalog. A type that isn't known is moved as the text of its output function, and said so.
"""

from streamer.translate.types.choose import is_numeric, map_type, option_applies
from streamer.translate.types.mapping import Counted, Mapping, Unsupported
from streamer.translate.types.numbers import numeric_storage

__all__ = [
    "Counted",
    "Mapping",
    "Unsupported",
    "is_numeric",
    "map_type",
    "numeric_storage",
    "option_applies",
]
