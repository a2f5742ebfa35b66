"""Schedules of warmup pings, as cron expressions over a week."""

import math

from function.capacity.traffic import MINUTES_PER_WEEK, WEEK_SECONDS
from function.errors import SettingsError

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))


def ping_minutes(cron: str) -> list[int]:
    """Return the minutes of the week (Monday 00:00 is 0) at which a cron expression of five fields fires.

    Days of the month and months must be ``*``: the simulation repeats one week. Raises SettingsError.
    """
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise SettingsError(f"{cron!r} is not a cron expression of five fields, like '*/10 7-18 * * 1-5'.")
    minutes, hours, days, months, weekdays = (
        _values(field, name, least, most) for field, (name, least, most) in zip(fields, _FIELDS, strict=True)
    )
    if len(days) < 31 or len(months) < 12:
        raise SettingsError(f"{cron!r}: the day of the month and the month must be *, because one week is repeated.")
    mondays_first = {(day - 1) % 7 for day in weekdays}
    return sorted(day * 1440 + hour * 60 + minute for day in mondays_first for hour in hours for minute in minutes)


def ping_times(minutes: list[int], seconds: float) -> list[float]:
    """Return the times of pings in a period of ``seconds`` that begins on Monday 00:00."""
    weeks = math.ceil(seconds / WEEK_SECONDS)
    times = [60.0 * (week * MINUTES_PER_WEEK + minute) for week in range(weeks) for minute in minutes]
    return [time for time in times if time < seconds]


def _values(field: str, name: str, least: int, most: int) -> set[int]:
    values: set[int] = set()
    try:
        for part in field.split(","):
            span, _, step = part.partition("/")
            low, _, high = span.partition("-")
            first = least if span == "*" else int(low)
            last = most if span == "*" or (step and not high) else int(high or low)
            if not least <= first <= last <= most:
                raise ValueError
            values.update(range(first, last + 1, int(step or 1)))
    except ValueError as e:
        raise SettingsError(f"{field!r} is not a {name} of a cron expression ({least} to {most}).") from e
    return values
