from __future__ import annotations

from datetime import date, timedelta

import pytest

from attribution_elt.kit.windows import Window, windows

FIRST = date(2024, 2, 25)


def days_of(window: Window) -> list[date]:
    return [window.first + timedelta(n) for n in range(window.days)]


@pytest.mark.parametrize("width", [1, 2, 7, 30, 999_999_999])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 100])
def test_windows_cover_every_day_once(width: int, length: int) -> None:
    last = FIRST + timedelta(length - 1)
    tiles = list(windows(FIRST, last, width))
    covered = [day for tile in tiles for day in days_of(tile)]
    assert covered == [FIRST + timedelta(n) for n in range(length)]
    assert all(tile.days == width for tile in tiles[:-1])
    assert 1 <= tiles[-1].days <= width


def test_no_days_give_no_windows() -> None:
    assert list(windows(FIRST, FIRST - timedelta(1), 7)) == []


@pytest.mark.parametrize("length", range(2, 12))
def test_halves_are_two_and_cover_their_window(length: int) -> None:
    window = Window(FIRST, FIRST + timedelta(length - 1))
    earlier, later = window.halves()
    assert days_of(earlier) + days_of(later) == days_of(window)
    assert abs(earlier.days - later.days) <= 1
    assert min(earlier.days, later.days) >= 1
