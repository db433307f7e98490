"""Fixtures: workerd."""
