"""The user's Python functions that change rows on their way, or leave them out.

A function gets a row as a dict of source column names to values, and returns such a dict, or None to
leave the row out. It may be called more than once for a row (in a second pass, after a resume, for a
row that others refer to), so it must make the same of it each time. It must not change the key.
"""

from streamer.pipeline.transform.code import code_digest
from streamer.pipeline.transform.loading import load_transforms
from streamer.pipeline.transform.rows import Function, Value
from streamer.pipeline.transform.source import Source, Transforming

__all__ = ["Function", "Source", "Transforming", "Value", "code_digest", "load_transforms"]
