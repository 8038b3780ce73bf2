"""Ordering many rows: the fast ways agree with numpy's plain ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockscope.trace.rows import lexical_order, pairs, parts, runs, stable_order

FEW = st.integers(0, 3)
ANY = st.integers(0, 2**64 - 1)


@given(st.lists(FEW) | st.lists(ANY) | st.lists(st.integers(2**63, 2**63 + 2)))
def test_the_order_is_stable(values: list[int]) -> None:
    column = np.array(values, np.uint64)
    assert stable_order(column).tolist() == np.argsort(column, kind="stable").tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_narrow_and_negative_columns_are_ordered(dtype: type[np.integer]) -> None:
    column = np.array([3, 1, 2, 1], np.int64).astype(dtype) - dtype(1 if dtype is np.uint8 else 2)
    assert stable_order(column).tolist() == [1, 3, 2, 0]


@given(st.lists(st.tuples(FEW, FEW, ANY)))
def test_the_last_column_counts_most(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array(column, np.uint64) for column in zip(*rows, strict=True)] or [
        np.zeros(0, np.uint64)
    ]
    assert lexical_order(*columns).tolist() == np.lexsort(columns).tolist()


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))))
def test_pairs_keep_their_order_and_are_told_apart(rows: list[tuple[int, int]]) -> None:
    columns = np.array(rows, np.uint32).reshape(-1, 2)
    numbers = pairs(columns[:, 0], columns[:, 1]).tolist()
    order = sorted(range(len(rows)), key=lambda at: numbers[at])
    assert [rows[at] for at in order] == sorted(rows)
    assert len(set(numbers)) == len(set(rows))


@pytest.mark.parametrize(
    ("values", "begins"), [([], [0]), ([5], [0, 1]), ([5, 5, 6, 5], [0, 2, 3, 4])]
)
def test_runs_end_with_the_column(values: list[int], begins: list[int]) -> None:
    assert runs(np.array(values)).tolist() == begins


@pytest.mark.parametrize("count", [0, 1, 32768, 100_000])
def test_parts_cover_all_rows_once(count: int) -> None:
    rows = np.zeros(count, np.int64)
    for part in parts(count):
        rows[part] += 1
    assert rows.tolist() == [1] * count
