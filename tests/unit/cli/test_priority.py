"""Which runs stand back behind their target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.cli.priority import NICENESS, stand_back
from streamer.config import FileTarget, Target, TargetSettings
from streamer.model import Secret


class Process:
    """Stands for this one: has a niceness, which only grows."""

    def __init__(self, niceness: int) -> None:
        self.niceness = niceness

    def nice(self, more: int) -> int:
        assert more >= 0
        self.niceness += more
        return self.niceness


def niceness(monkeypatch: pytest.MonkeyPatch, target: Target | None, before: int = 0) -> int:
    process = Process(before)
    monkeypatch.setattr(os, "nice", process.nice)
    stand_back(target)
    return process.niceness


def d1(url: str) -> TargetSettings:
    return TargetSettings("account", "database", Secret("token"), api_base_url=url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8787/client/v4", "http://localhost:1/", "https://[::1]/client/v4"]
)
def test_behind_a_d1_of_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert niceness(monkeypatch, d1(url)) == NICENESS


@pytest.mark.parametrize(
    "target",
    [
        None,
        FileTarget(Path("a.db")),
        d1("https://api.cloudflare.com/client/v4"),
        d1("https://localhost.example.com/"),
        d1("http://[nowhere"),
        d1(""),
    ],
)
def test_behind_nobody_else(monkeypatch: pytest.MonkeyPatch, target: Target | None) -> None:
    assert niceness(monkeypatch, target) == 0


@pytest.mark.parametrize("given", [-5, 3, 19])
def test_a_priority_that_was_given_is_kept(monkeypatch: pytest.MonkeyPatch, given: int) -> None:
    assert niceness(monkeypatch, d1("http://127.0.0.1/"), given) == given
