"""What is loaded isn't looked through for garbage."""

from __future__ import annotations

import gc

import pytest

from streamer.cli.memory import loading


class _Held:
    """What a module would hold."""


def test_what_is_made_while_loading_is_never_looked_through_and_what_comes_later_is() -> None:
    try:
        with loading():
            assert not gc.isenabled()
            made = _Held()
        later = _Held()

        watched = {id(one) for one in gc.get_objects()}
    finally:
        gc.unfreeze()

    assert gc.isenabled()
    assert id(made) not in watched
    assert id(later) in watched


def test_garbage_is_looked_for_again_after_what_could_not_be_loaded() -> None:
    try:
        with pytest.raises(ImportError), loading():
            raise ImportError
    finally:
        gc.unfreeze()

    assert gc.isenabled()
