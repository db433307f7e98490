"""Fixtures: local_d1."""
