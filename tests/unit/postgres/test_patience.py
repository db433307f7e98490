"""How long a lost source is waited for."""

from itertools import pairwise

from streamer.postgres.patience import Patience, Trouble
from streamer.postgres.window import WindowLimits


async def test_waits_grow_to_half_a_minute_until_patience_ends_without_progress():
    now = 0.0
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        waits.append(seconds)

    patience = Patience(100.0, sleep=sleep, dice=lambda: 1.0, clock=lambda: now)
    trouble = Trouble(patience)

    while await trouble.another("It is gone."):
        pass

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.2, 30.0)
    assert 100.0 <= now < 130.0


async def test_success_restores_patience():
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += 60.0

    trouble = Trouble(Patience(100.0, sleep=sleep, dice=lambda: 0.5, clock=lambda: now))

    for _ in range(5):
        assert await trouble.another("It is gone.")
        assert await trouble.another("It is gone.")
        trouble.over()

    assert trouble.failures == 0


async def test_a_long_wait_is_told_at_its_beginning_twice_a_minute_and_at_its_end():
    now, told = 0.0, list[tuple[float, str]]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    patience = Patience(
        sleep=sleep, dice=lambda: 0.5, clock=lambda: now, say=lambda text: told.append((now, text))
    )
    trouble = Trouble(patience)
    while now < 100.0:
        assert await trouble.another("It is gone.")
    trouble.over()
    trouble.over()

    assert [text for _, text in told] == [
        "It is gone. Trying again in 0.1 s.",
        *["It is gone. Trying again in 15.0 s."] * 2,
        f"PostgreSQL answers again, after {now:.0f} s.",
    ]
    assert all(later - at >= 30.0 for (at, _), (later, _) in pairwise(told[:-1]))


async def test_another_reason_is_told_at_once():
    told = list[str]()

    async def sleep(_: float) -> None:
        pass

    trouble = Trouble(Patience(sleep=sleep, dice=lambda: 0.5, clock=lambda: 0.0, say=told.append))
    for why in ("It is gone.", "It is gone.", "Its name isn't known.", "Its name isn't known."):
        assert await trouble.another(why)

    assert [text.split(" Trying")[0] for text in told] == ["It is gone.", "Its name isn't known."]


def test_windows_end_well_before_the_server_ends_them():
    assert WindowLimits.allowed(rolling=False, idle_s=0, transaction_s=0) == WindowLimits(300, 300)
    assert WindowLimits.allowed(rolling=True, idle_s=0, transaction_s=0) == WindowLimits(30, 30)
    assert WindowLimits.allowed(rolling=True, idle_s=8, transaction_s=20) == WindowLimits(10, 4)
