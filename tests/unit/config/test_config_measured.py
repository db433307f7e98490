"""What `streamer tune` writes of a target's speed is what `streamer plan` reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import MeasuredTarget, resolve
from streamer.config.measured import measured_lines, read_measured
from streamer.errors import SettingsError
from streamer.model import Speed

AMOUNTS = st.floats(1e-6, 1e6)
WHOLE = MeasuredTarget(
    Speed(0.001, 2e-8, 50e6, 20e6, 0.3, 0.0007, 1.2e-7),
    {"kind": "d1", "account": "a", "database": "b", "api_base_url": "http://127.0.0.1:1/client/v4"},
    "2026-11-29T18:00:00Z",
)


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "streamer.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@given(
    st.builds(
        Speed,
        AMOUNTS,
        AMOUNTS,
        AMOUNTS,
        st.none() | AMOUNTS,
        st.just(0.0) | AMOUNTS,
        st.just(0.0) | AMOUNTS,
        st.none() | AMOUNTS,
    ),
    st.text(),
)
def test_speeds_come_back_as_exact_as_anybody_needs_them(speed: Speed, name: str) -> None:
    facts = {"kind": "sqlite", "database": "sqlite:/x", "database_name": name}
    document = tomllib.loads("\n".join(measured_lines(MeasuredTarget(speed, facts))))
    problems: list[str] = []

    found = read_measured(document["measured"], "streamer.toml", problems)

    assert problems == []
    assert found is not None
    assert found.target == {key: text for key, text in facts.items() if text}
    for seen, was in zip(astuple(found.speed), astuple(speed), strict=True):
        assert seen == pytest.approx(was, rel=1e-4)


def astuple(speed: Speed) -> tuple[float, ...]:
    return (
        speed.round_trip_s,
        speed.byte_s,
        speed.bytes_per_s,
        speed.source_bytes_per_s or 0.0,
        speed.opening_s,
        speed.each_s,
        speed.lookup_s or 0.0,
    )


def test_a_section_that_knows_less_is_understood() -> None:
    whole = tomllib.loads("\n".join(measured_lines(WHOLE)))["measured"]
    newer = ("source_mb_per_s", "opening_s", "each_request_s", "lookup_us")
    problems: list[str] = []

    found = read_measured({k: v for k, v in whole.items() if k not in newer}, "f", problems)

    assert problems == []
    assert found is not None
    assert found.speed == Speed(0.001, 2e-8, 50e6)


def test_a_command_has_what_was_measured_beside_its_settings(tmp_path: Path) -> None:
    path = written(tmp_path, ["concurrency = 3", *measured_lines(WHOLE)])

    config = resolve({"config": path}, {}, job=True)

    assert config.measured is not None
    assert (config.measured.target, config.measured.at) == (WHOLE.target, WHOLE.at)
    assert config.pacing.concurrency == 3


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"kind": "d1", "data_base": "x"}, "unknown setting (did you mean database?)"),
        ({"kind": 1}, "measured.kind (f): is a text"),
        ({"round_trip_s": 0}, "measured.round_trip_s (f): is a number above 0"),
        (
            {"round_trip_s": 1e300},
            "measured.round_trip_s (f): is a number above 0 and below 1e15",
        ),
        ({"round_trip_s": True}, "measured.round_trip_s (f): is a number above 0"),
        ({}, "measured.target_mb_per_s (f): isn't there"),
        ("fast", "measured (f): is a section"),
    ],
)
def test_what_cannot_be_understood_is_named(section: object, problem: str) -> None:
    problems: list[str] = []

    assert read_measured(section, "f", problems) is None
    assert any(problem in said for said in problems), problems


def test_a_section_that_is_wrong_is_told_with_all_other_problems(tmp_path: Path) -> None:
    path = written(tmp_path, ["concurrency_ = 3", "[measured]", "speed = 1"])

    with pytest.raises(SettingsError) as told:
        resolve({"config": path}, {}, job=True)

    assert "concurrency" in str(told.value)
    assert "measured.speed" in str(told.value)
