"""An event loop with a virtual clock: no time passes but what is waited for, one step at a time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from asyncio import base_events
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(Exception):
    """Everybody waits for somebody else."""


class ProcessDiedError(BaseException):
    """The process was killed, as by kill -9."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number, not its place in memory: sets of tasks keep one order."""

    def __init__(self, coro: Any, *, number: int, **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(base_events.BaseEventLoop):
    """Runs one callback a step; where nothing is ready, time jumps to the next timer.

    Threads' work is done at once. `watch` is called before each step; what it raises ends the loop
    there and then, with every task left where it is.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._main = threading.get_ident()
        self.steps = 0
        self.is_dead = False
        self.watch: Callable[[], None] = lambda: None
        numbers = itertools.count()
        self.set_task_factory(
            lambda loop, coro, **more: NumberedTask(coro, number=next(numbers), loop=loop, **more)
        )

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        del executor
        future: asyncio.Future[Any] = self.create_future()
        if self.is_dead:
            future.cancel()
            return future
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        assert threading.get_ident() == self._main, "another thread in a simulation"
        return self.call_soon(callback, *args, context=context)

    def abandon(self) -> None:
        """End what is left of the tasks, once nothing that they do has an effect any more."""
        self.is_dead = True
        self.watch = lambda: None
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        self.set_exception_handler(lambda *_: None)
        for _ in range(10):
            for task in tasks:
                task.cancel()
            # RuntimeError: the main task had ended just before, and stops the loop once more.
            with suppress(DeadlockError, RuntimeError):
                self.run_until_complete(asyncio.wait_for(_ended(tasks), 3600))
            tasks = [task for task in tasks if not task.done()]
            if not tasks:
                break
        assert not tasks, f"a killed process doesn't end: {tasks}"

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise DeadlockError("everybody waits for somebody else")
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                ready.append(timer)
        self.steps += 1
        self.watch()
        handle = ready.popleft() if ready else None
        if handle is not None and not handle._cancelled:
            handle._run()

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError  # nothing outside is ever waited for

    def _write_to_self(self) -> None:
        pass


async def _ended(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def play(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on `loop`, and close it; ProcessDiedError where the loop was stopped."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    except ProcessDiedError:
        loop.abandon()
        raise
    finally:
        asyncio.set_event_loop(None)
        loop.close()
