"""Texts → values."""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.config import values
from streamer.model import Rate


@given(st.integers(1, 100))
def test_every_batch_size_that_d1_takes_is_taken(number: int) -> None:
    assert values.batch_size(str(number)) == number


def test_a_batch_size_beyond_what_d1_takes_says_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"^101 is more than D1 takes in one request; write a number from 1 to 100$"):  # fmt: skip
        values.batch_size("101")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "", "1e2", "٣", "9" * 30])
def test_what_is_no_batch_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a number from 1 to 100"):
        values.batch_size(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("auto", None),
        ("AUTO", None),
        ("2000000", 2_000_000),
        ("2MB", 2_000_000),
        ("2 mb", 2_000_000),
        ("512KB", 512_000),
        ("512KiB", 524_288),
        ("1MiB", 1_048_576),
    ],
)
def test_sizes_may_have_units(text: str, size: int | None) -> None:
    assert values.batch_bytes(text) == size


@pytest.mark.parametrize("text", ["2GB", "0", "999", "100000001", "2.5MB", "MB", "-1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="auto"):
        values.batch_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("30m", 1800.0), ("6h", 21_600.0), ("6 H", 21_600.0)]
)
def test_durations_have_a_unit(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["90", "0s", "-1s", "1d", "s", "1h30m", "forever"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 90s, 30m or 6h"):
        values.duration(text)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_rate_is_requests_in_seconds(requests: int, seconds: int) -> None:
    assert values.rate(f"{requests}/{seconds}") == Rate(requests, float(seconds))


def test_no_rate_is_none() -> None:
    assert values.rate("none") is None


@pytest.mark.parametrize("text", ["0/300", "10/0", "10", "10/", "/3", "1/2/3", "a/b", "-1/3"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        values.rate(text)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_every_id_is_taken_as_it_is(text: str) -> None:
    assert values.cloudflare_id(text) == text


@given(st.text())
@example("a/b")
@example("..")
@example("a" * 65)
@example("a\n")
@example("é")
def test_nothing_else_gets_into_a_path(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        return
    with pytest.raises(ValueError, match="is not an id"):
        values.cloudflare_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://api.cloudflare.com/client/v4",
        "http://127.0.0.1:8787/client/v4",
        "http://localhost:80",
        "http://[::1]:9/x",
    ],
)
def test_addresses_lose_only_the_slash_at_their_end(text: str) -> None:
    assert values.api_base_url(text + "/") == text


@pytest.mark.parametrize(
    "text",
    [
        "http://api.example.com/client/v4",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://u:p@example.com",
        "https://example.com/?a=b",
        "https://example.com/#a",
        "https://example.com:99999",
        "https://exa mple.com",
        "example.com",
        "https://[::1",
    ],
)
def test_an_address_that_could_leak_the_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|unencrypted"):
        values.api_base_url(text)


@pytest.mark.parametrize("text", ["Bearer abc", "a b", "a\nb", "tökén", ""])
def test_what_is_no_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        values.token(text)

    assert text == "" or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "host=db password=hunter2",
        "mysql://u:hunter2@h/d",
        "postgresql:u:hunter2",
        "hunter2",
        "postgresql://u:hunter2@[h/d",
        "postgresql://u:hunter2@h/d b",
    ],
)
def test_a_dsn_that_is_refused_is_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="postgresql://USER") as caught:
        values.dsn(text)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "parse", [values.host, values.integer(1, 9, "a port"), values.ssl_mode, values.cloudflare_id]
)
def test_a_uri_in_the_wrong_place_is_not_shown(parse: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="the value") as caught:
        parse("postgresql://u:hunter2@h/d")

    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=300))
def test_a_shown_value_is_short_and_on_one_line(text: str) -> None:
    shown = values.shown(text)

    assert len(shown) <= 700
    assert shown.isprintable()


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64 + ".example", "db.example,a..b"])
def test_a_host_that_no_resolver_takes_is_refused(host: str) -> None:
    for parse, text in (
        (values.host, host),
        (values.dsn, f"postgresql://me:secret@{host}/shop"),
        (values.api_base_url, f"https://{host}/client/v4"),
    ):
        with pytest.raises(ValueError, match="host"):
            parse(text)


@pytest.mark.parametrize(
    "host", ["db", "db.example.com.", "10.0.0.1", "::1", "/tmp", "a,b", "ü.ch"]
)
def test_a_name_an_address_a_folder_and_several_are_hosts(host: str) -> None:
    assert values.host(host) == host
