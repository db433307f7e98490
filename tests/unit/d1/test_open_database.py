"""Which database is opened: names, ids and accounts."""

import pytest

from streamer.config import TargetSettings
from streamer.errors import TargetError, UsageError
from streamer.model import Secret
from tests.unit.d1.model_api import DATABASE, ModelApi, ok, refusal


def test_a_name_is_resolved_to_the_id_of_exactly_that_name(virtually, connect) -> None:
    pages = {
        1: [{"uuid": f"id-{n}", "name": f"shop-{n}"} for n in range(100)],
        2: [{"uuid": "the-one", "name": "shop", "file_size": 4096}],
    }

    def script(_now, method, path, _body):
        if method == "GET" and "?" in path:
            return ok(pages[1 if "page=1&" in path else 2])
        return None

    target = TargetSettings(account_id="acc", database="shop", token=Secret("t"))

    async def main():
        database = await connect(ModelApi(script), target=target)
        return database.database_id, database.info.file_bytes

    assert virtually(main) == ("the-one", 4096)


@pytest.mark.parametrize("database", ["shop", DATABASE])
def test_a_database_that_is_not_there_is_named_with_its_account(
    virtually, connect, database
) -> None:
    def script(_now, _method, path, _body):
        return ok([]) if "?" in path else refusal(404, 7404, "not found")

    target = TargetSettings(account_id="acc", database=database, token=Secret("t"))
    api = ModelApi(script)

    async def main():
        with pytest.raises(TargetError, match=f"acc.*{database}.*D1_DATABASE_ID"):
            await connect(api, target=target)

    virtually(main)

    assert api.closed


@pytest.mark.parametrize("account", ["a/b", "", "x y"])
def test_an_account_that_cannot_be_one_is_refused_before_anything_is_sent(
    virtually, connect, account
) -> None:
    api = ModelApi()
    target = TargetSettings(account_id=account, database=DATABASE, token=Secret("t"))

    async def main():
        with pytest.raises(UsageError):
            await connect(api, target=target)

    virtually(main)

    assert not api.arrivals
