"""Rows become statements, statements become batches, within every limit of D1 (pure)."""

from streamer.pack.batch_bytes import BatchBytes
from streamer.pack.batches import BatchBuilder, chunk_share, chunks_in_batch
from streamer.pack.blame import blame, clashing, nulls, unique_columns
from streamer.pack.engine import CURRENT, Engine, engine_probes, probed
from streamer.pack.facts import (
    OF_THE_RUN,
    Facts,
    facts_of,
    read_facts,
    record_emptied,
    record_facts,
)
from streamer.pack.fat import Oversized, oversized_rows
from streamer.pack.layout import Layout, by_number, step_columns
from streamer.pack.ledger import (
    LEDGER_TABLE,
    OWNER_TABLE,
    Entry,
    LedgerStep,
    Owner,
    before_rows,
    create_ledger,
    drop_unused,
    entries_of,
    forget,
    forget_numbers,
    owners_of,
    read_ledger,
    read_owners,
    record_batch,
    refuse_if_there,
    release,
    take_over,
)
from streamer.pack.lookups import Reference, without_lookups
from streamer.pack.packer import adjust_page, cut_evenly, pack_page
from streamer.pack.probe import not_stored, numbers_of, store_what_fits, stored_places
from streamer.pack.reach import Reach, covers, reach, reaches
from streamer.pack.sift import sift, with_rejects
from streamer.pack.split import halve, halve_chunk
from streamer.pack.unpack import chunk_rows, is_fat, whole_row, without_rows

__all__ = [
    "CURRENT",
    "LEDGER_TABLE",
    "OF_THE_RUN",
    "OWNER_TABLE",
    "BatchBuilder",
    "BatchBytes",
    "Engine",
    "Entry",
    "Facts",
    "Layout",
    "LedgerStep",
    "Oversized",
    "Owner",
    "Reach",
    "Reference",
    "adjust_page",
    "before_rows",
    "blame",
    "by_number",
    "chunk_rows",
    "chunk_share",
    "chunks_in_batch",
    "clashing",
    "covers",
    "create_ledger",
    "cut_evenly",
    "drop_unused",
    "engine_probes",
    "entries_of",
    "facts_of",
    "forget",
    "forget_numbers",
    "halve",
    "halve_chunk",
    "is_fat",
    "not_stored",
    "nulls",
    "numbers_of",
    "oversized_rows",
    "owners_of",
    "pack_page",
    "probed",
    "reach",
    "reaches",
    "read_facts",
    "read_ledger",
    "read_owners",
    "record_batch",
    "record_emptied",
    "record_facts",
    "refuse_if_there",
    "release",
    "sift",
    "step_columns",
    "store_what_fits",
    "stored_places",
    "take_over",
    "unique_columns",
    "whole_row",
    "with_rejects",
    "without_lookups",
    "without_rows",
]
