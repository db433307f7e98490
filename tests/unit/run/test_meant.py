"""Whether what is known of a target is of the one that the settings name."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import Config
from streamer.run.meant import is_meant
from streamer.targets.place import located

D1 = {"kind": "d1", "account": "acc", "database": "b-id", "database_name": "shop"}
HERE = "http://127.0.0.1:8787/client/v4"


def config(**given: str) -> Config:
    return Config(given={f"target.{key}": (text,) for key, text in given.items()})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, True),
        ({"account_id": "acc", "database": "b-id"}, True),
        ({"account_id": "acc", "database": "shop"}, True),
        ({"database": "shop"}, True),
        ({"account_id": "other", "database": "b-id"}, False),
        ({"account_id": "acc", "database": "other"}, False),
        ({"kind": "sqlite:shop.db"}, False),
    ],
)
def test_a_d1_is_known_by_its_account_and_its_id_or_name(
    given: dict[str, str], *, meant: bool
) -> None:
    assert is_meant(config(**given), D1) is meant


def test_one_address_is_not_as_fast_as_another() -> None:
    there = {**D1, "api_base_url": HERE}

    assert is_meant(config(database="shop", api_base_url=HERE), there)
    assert is_meant(config(database="shop", api_base_url=f"{HERE}/"), there)
    assert not is_meant(config(database="shop"), there)
    assert is_meant(config(database="shop", api_base_url=HERE), D1)  # nobody wrote it down


def test_a_file_is_known_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    facts = {"kind": "sqlite", "database": f"sqlite:{located(file)}"}

    assert is_meant(config(kind=f"sqlite:{file}"), facts)
    assert not is_meant(config(kind=f"sqlite:{tmp_path / 'other.db'}"), facts)
    assert not is_meant(config(), facts)
    assert not is_meant(config(kind=f"wrangler:{tmp_path}"), facts)
