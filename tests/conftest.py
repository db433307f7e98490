"""Engines and settings that all tests share."""

pytest_plugins = ["tests.engines.postgres", "tests.engines.workerd", "tests.engines.local_d1"]
