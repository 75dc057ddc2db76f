"""GCJ-02 and BD-09, against values that other programs print."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest

from pipeline.domain.web_maps import (
    bd09_from_gcj02,
    gcj02_from_wgs84,
    wgs84_from_bd09,
    wgs84_from_gcj02,
)


def grid() -> np.ndarray:
    """Places all over China, none on a round degree."""
    longitude, latitude = np.meshgrid(np.arange(74.03, 134.0, 0.37), np.arange(19.01, 52.0, 0.31))
    return np.column_stack([longitude.ravel(), latitude.ravel()])


def test_forward_as_printed_by_other_programs():
    # the values of the tests of a Rust library for the same two functions
    place = np.array([[118.0, 32.0]])
    assert gcj02_from_wgs84(place)[0] == pytest.approx(
        [118.00543101383846, 31.997964381055795], abs=1e-12
    )
    assert bd09_from_gcj02(place)[0] == pytest.approx(
        [118.00653128313961, 32.00581846664105], abs=1e-12
    )


def test_back_to_where_it_came_from():
    place = grid()
    assert np.abs(wgs84_from_gcj02(gcj02_from_wgs84(place)) - place).max() < 1e-9
    moved = bd09_from_gcj02(gcj02_from_wgs84(place))
    assert np.abs(wgs84_from_bd09(moved) - place).max() < 1e-9


def test_ningbo_is_moved_by_some_hundred_metres():
    place = np.array([[121.4, 29.7]])
    geod = pyproj.Geod(ellps="GRS80")
    for moved, low, high in (
        (gcj02_from_wgs84(place), 300, 700),
        (bd09_from_gcj02(gcj02_from_wgs84(place)), 700, 1600),
    ):
        _, _, distance = geod.inv(*place[0], *moved[0])
        assert low < distance < high


def test_outside_china_nothing_is_moved_and_nothing_stays_nothing():
    place = np.array([[-73.98, 40.7], [2.35, 48.85], [np.nan, np.nan], [np.inf, 30.0]])
    assert np.array_equal(gcj02_from_wgs84(place), place, equal_nan=True)
    assert np.array_equal(wgs84_from_gcj02(place)[:2], place[:2])
    assert not np.isfinite(wgs84_from_gcj02(place)[2:]).all(axis=1).any()
    assert wgs84_from_gcj02(np.empty((0, 2))).shape == (0, 2)
