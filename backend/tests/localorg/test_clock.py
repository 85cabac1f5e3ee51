from datetime import UTC, datetime, timedelta

from localorg.clock import Clock

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def test_a_clock_tells_whole_milliseconds():
    assert Clock(lambda: NOON).now() == NOON.replace(microsecond=123000)


def test_a_clock_goes_on_from_where_it_was_moved_to():
    moments = iter([NOON, NOON + timedelta(seconds=5), NOON + timedelta(seconds=9)])
    clock = Clock(lambda: next(moments))
    clock.move_to(datetime(2030, 1, 1))  # naive means UTC
    assert clock.now() == datetime(2030, 1, 1, 0, 0, 5, tzinfo=UTC)
    clock.reset()
    assert clock.now() == (NOON + timedelta(seconds=9)).replace(microsecond=123000)


def test_moves_add_up():
    clock = Clock(lambda: NOON)
    clock.move(timedelta(days=1))
    clock.move(timedelta(hours=-2))
    assert clock.offset == timedelta(hours=22)
