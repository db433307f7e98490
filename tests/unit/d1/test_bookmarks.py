"""Bookmarks of D1's time travel."""

import pytest

from tests.unit.d1.model_api import DATABASE, ModelApi, ok, refusal


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_time_travel_has_no_bookmark(virtually, connect, status) -> None:
    def script(_now, _method, path, _body):
        return refusal(status, 7003, "Could not route") if "bookmark" in path else None

    async def main():
        database = await connect(ModelApi(script))
        return await database.bookmark()

    assert virtually(main) is None


def test_a_bookmark_is_read_and_given_back_to_restore_to(virtually, connect) -> None:
    seen = []

    def script(_now, method, path, _body):
        seen.append((method, path.removeprefix(f"/accounts/acc/d1/database/{DATABASE}")))
        return ok({"bookmark": "0001-a/b"}) if "time_travel" in path else None

    async def main():
        database = await connect(ModelApi(script))
        bookmark = await database.bookmark()
        await database.restore(bookmark)
        return bookmark

    assert virtually(main) == "0001-a/b"
    assert seen[1:] == [
        ("GET", "/time_travel/bookmark"),
        ("POST", "/time_travel/restore?bookmark=0001-a%2Fb"),
    ]
