"""Events of a run → figures, what a display shows, lines, and the report."""

from streamer.progress.events import Events
from streamer.progress.plain import Reporter, Style, style_for
from streamer.progress.report import (
    RunReport,
    SnapshotReport,
    Status,
    TableReport,
    cost_usd,
    utc,
    write_report,
)
from streamer.progress.tally import Figures, Tally, Traffic
from streamer.progress.view import TableState, TableView, View, Volume
from streamer.progress.whole import sync_folder, write_whole

__all__ = [
    "Events",
    "Figures",
    "Reporter",
    "RunReport",
    "SnapshotReport",
    "Status",
    "Style",
    "TableReport",
    "TableState",
    "TableView",
    "Tally",
    "Traffic",
    "View",
    "Volume",
    "cost_usd",
    "style_for",
    "sync_folder",
    "utc",
    "write_report",
    "write_whole",
]
