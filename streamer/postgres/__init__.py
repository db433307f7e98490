"""Reads PostgreSQL; the only package that imports asyncpg."""

from streamer.postgres.meeting import ServerFacts
from streamer.postgres.patience import Patience
from streamer.postgres.physical import Position
from streamer.postgres.snapshot import SnapshotInfo
from streamer.postgres.source import PostgresSource

__all__ = ["Patience", "Position", "PostgresSource", "ServerFacts", "SnapshotInfo"]
