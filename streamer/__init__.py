"""Streamer."""
