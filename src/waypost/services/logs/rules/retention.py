"""How long a group keeps events."""

from waypost.services.logs import errors
from waypost.services.logs.limits import RETENTION_DAYS

DAY_MS = 86_400_000


def oldest_kept_ms(now_ms: int, days: int | None) -> int:
    """The time of the oldest event that a group shows."""
    return 0 if days is None else now_ms - days * DAY_MS


def check_days(days: int) -> None:
    """Raise ``AwsError`` for a number of days that is not offered."""
    if days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, RETENTION_DAYS))
        raise errors.invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member"
            f" must satisfy enum value set: [{allowed}]"
        )
