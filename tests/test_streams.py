"""Named random streams."""

import numpy as np
import torch
from scipy.stats import kstest

from dabench.streams import Streams


def test_a_stream_depends_on_seed_and_name_alone():
    streams = Streams(3)
    assert streams.number("a", 1) == Streams(3).number("a", 1)
    names = [("a",), ("b",), ("a", 1), ("a", 2), ("a", "1", 2), ()]
    numbers = {Streams(seed).number(*name) for seed in range(50) for name in names}
    assert len(numbers) == 50 * len(names)
    assert all(0 <= number < 2**63 for number in numbers)


def test_seed_and_name_do_not_run_together():
    assert Streams(1).number("1", "a") != Streams(11).number("a")
    assert Streams(1).number("23") != Streams(12).number("3")


def test_a_generator_starts_anew():
    streams = Streams(0)
    first, again, other = (streams.generator(*name) for name in (("a",), ("a",), ("b",)))
    values = [torch.rand(5, generator=generator) for generator in (first, again, other)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_a_seeded_block_puts_the_global_state_back_even_after_an_error():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with Streams(0).seeded("a"):
        inside = torch.rand(3)
    try:
        with Streams(0).seeded("a"):
            assert torch.equal(torch.rand(3), inside)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.rand(3), wanted)
    assert not torch.equal(inside, wanted)


def test_a_run_on_the_processor_does_not_start_cuda():
    started = torch.cuda.is_initialized()
    with Streams(0).seeded("a"):
        torch.rand(1)
    assert torch.cuda.is_initialized() == started


def test_uniforms_are_philox_at_the_rows_counter():
    streams, rows = Streams(3), np.array([5, 0, 2**40, 5])
    found = streams.uniforms(rows, 7, "a", 1)
    assert found.shape == (4, 7)
    assert found.dtype == np.float64
    for numbers, row, again in zip(found, rows.tolist(), (0, 0, 0, 1), strict=True):
        bits = np.random.Philox(key=streams.number("a", 1), counter=(row << 64) + (again << 128))
        assert np.array_equal(numbers, np.random.Generator(bits).random(7))


def test_uniforms_depend_on_seed_name_and_row_alone():
    rows = np.random.default_rng(0).permutation(500)
    found = Streams(0).uniforms(rows, 27, "a", 3)
    ordered = np.empty_like(found)
    ordered[rows] = found
    assert np.array_equal(Streams(0).uniforms(np.arange(500), 27, "a", 3), ordered)
    assert np.array_equal(Streams(0).uniforms(rows[9:10], 27, "a", 3), found[9:10])
    assert np.array_equal(Streams(0).uniforms(rows, 5, "a", 3), found[:, :5])
    tables = [(0, "a", 3), (0, "a", 4), (0, "b", 3), (1, "a", 3)]
    numbers = {float(n) for seed, *name in tables for n in Streams(seed).uniforms(rows, 27, *name).ravel()}
    assert len(numbers) == 4 * 500 * 27
    assert Streams(0).uniforms(rows[:0], 27, "a").shape == (0, 27)


def test_uniforms_are_uniform_and_independent_of_the_next_row_and_step():
    tables = [Streams(0).uniforms(np.arange(2000), 10, "a", step) for step in range(3)]
    assert all(table.min() >= 0 and table.max() < 1 for table in tables)
    assert kstest(np.concatenate(tables).ravel(), "uniform").pvalue > 1e-4
    neighbours = [tables[0][:-1], tables[0][1:], tables[1][:-1]]  # a row, the next row, the next step
    columns = np.concatenate(neighbours, axis=1)  # (1999, 30)
    assert np.abs(np.corrcoef(columns.T) - np.eye(30)).max() < 5 / np.sqrt(1999)
