"""How long a lost source is waited for."""

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

    while await trouble.another():
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
        assert await trouble.another()
        assert await trouble.another()
        trouble.over()

    assert trouble.failures == 0


def test_windows_end_well_before_the_server_ends_them():
    assert WindowLimits.allowed(rolling=False, idle_s=0, transaction_s=0) == WindowLimits(300, None)
    assert WindowLimits.allowed(rolling=True, idle_s=0, transaction_s=0) == WindowLimits(30, 30)
    assert WindowLimits.allowed(rolling=True, idle_s=8, transaction_s=20) == WindowLimits(10, 4)
