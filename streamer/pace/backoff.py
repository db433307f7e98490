"""How long to wait before trying again."""

from __future__ import annotations

BASE_S = 0.5
CAP_S = 30.0


def full_jitter(
    attempt: int, random: float, *, base_s: float = BASE_S, cap_s: float = CAP_S
) -> float:
    """Seconds to wait after the `attempt`th try (from 1) failed.

    Anything from 0 to an upper bound that doubles with each attempt, so that clients that failed
    together don't come back together. `random` is uniform in [0, 1).
    """
    if attempt < 1 or not 0.0 <= random < 1.0:
        raise ValueError(f"attempt {attempt} from 1, random {random} in [0, 1)")
    return random * min(cap_s, base_s * 2.0 ** min(attempt - 1, 60))
