from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from attribution_elt.kit.fanout import LOOKAHEAD, fan_out


class Vendor:
    """A vendor with delays, which counts concurrent requests."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.in_flight = self.most = self.asked = 0

    def __call__(self, unit: int) -> str:
        with self.lock:
            self.asked += 1
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        time.sleep(self.seconds or random.Random(unit).random() / 100)
        with self.lock:
            self.in_flight -= 1
        if unit % 7 == 3:
            raise LookupError(unit)
        return f"answer {unit}"


def walk(width: int, vendor: Vendor, count: int = 60) -> list[tuple[int, str]]:
    return [
        (unit, repr(future.exception() or future.result()))
        for unit, future in fan_out(range(count), vendor, width)
    ]


def test_the_result_does_not_depend_on_the_number_of_concurrent_requests() -> None:
    one_by_one = walk(1, Vendor())
    assert [unit for unit, _ in one_by_one] == list(range(60))
    assert one_by_one[3] == (3, "LookupError(3)")
    assert one_by_one[4] == (4, "'answer 4'")
    assert walk(8, Vendor()) == one_by_one
    assert walk(64, Vendor()) == one_by_one


@pytest.mark.parametrize("width", [1, 3, 8])
def test_at_most_width_requests_run_at_once(width: int) -> None:
    vendor = Vendor()
    walk(width, vendor)
    assert vendor.most == width


def test_units_are_taken_no_further_ahead_than_needed() -> None:
    taken = 0

    def units() -> Iterator[int]:
        nonlocal taken
        for unit in range(1000):
            taken += 1
            yield unit

    for done, _ in enumerate(fan_out(units(), Vendor(), 4)):
        assert taken <= done + LOOKAHEAD * 4
        if done > 100:
            break


@pytest.mark.alone
def test_many_slow_units_take_a_fraction_of_the_time() -> None:
    started = time.monotonic()
    walk(8, Vendor(seconds=0.02), count=80)
    assert time.monotonic() - started < 80 * 0.02 / 3


def test_a_slow_unit_delays_the_output_of_later_units_but_not_their_requests() -> None:
    release = threading.Event()
    fetched: list[int] = []

    def fetch(unit: int) -> int:
        if unit == 0:
            release.wait(5)
        fetched.append(unit)
        if len(fetched) == 3:
            release.set()
        return unit

    assert [unit for unit, _ in fan_out(range(20), fetch, 2)][:2] == [0, 1]
    assert fetched.index(0) > 0


@pytest.mark.parametrize("width", [1, 4])
def test_a_reader_that_stops_early_sends_no_more_requests(width: int) -> None:
    vendor = Vendor(seconds=0.01)
    before = threading.active_count()
    walking = fan_out(range(1000), vendor, width)
    next(walking)
    walking.close()  # type: ignore[attr-defined] # it is a generator
    asked = vendor.asked
    time.sleep(0.1)
    assert vendor.asked <= asked + width
    assert threading.active_count() <= before


def test_an_error_of_the_iterator_of_units_is_raised() -> None:
    def units() -> Iterator[int]:
        yield 1
        raise KeyError("units")

    with pytest.raises(KeyError, match="units"):
        list(fan_out(units(), Vendor(), 2))


def test_no_units_start_no_threads() -> None:
    before = threading.active_count()
    assert list(fan_out([], Vendor(), 8)) == []
    assert threading.active_count() == before
