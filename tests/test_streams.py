"""Named random streams."""

import torch

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
