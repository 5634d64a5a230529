"""What the benchmarks compare does the same: the same losses, and as many matrix products."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import fast as bench
import growth

OF_SIMPLEGRAD = ("simplegrad", "simplegrad.fast", "listing")


def losses_of(make, case):
    step = make(*case)
    return [step().item() for _ in range(bench.STEPS)]


@pytest.mark.parametrize("widths", [(5, 4, 3), (6, 8, 8, 3)])
def test_the_step_its_recording_its_listing_and_the_floor_train_in_the_same_way(widths):
    case = bench.case_of(widths, 7)
    makers = bench.TRAINING_CONTESTANTS
    expected, *others = [losses_of(makers[name], case) for name in OF_SIMPLEGRAD]
    assert others == [expected] * 2
    assert losses_of(makers["by hand"], case) == pytest.approx(expected, rel=1e-5)
    assert expected[0] != expected[bench.BATCHES]


def test_steps_of_the_tiny_gpt_have_the_same_losses():
    case = bench.gpt_case_of(5, 3)
    expected = losses_of(bench.eager_gpt, case)
    assert losses_of(bench.fast_gpt, case) == expected


def test_steps_of_the_tiny_gpt_in_pytorch_have_the_same_losses():
    pytest.importorskip("torch")
    case = bench.gpt_case_of(5, 3)
    expected = losses_of(bench.eager_gpt, case)
    assert losses_of(bench.torch_gpt, case) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [{"depth": 3}, {"sequence": 5}])
def test_the_products_alone_are_as_many_as_those_of_a_step(size):
    _, case, products = growth.case_of(size)
    if "sequence" in size:
        values, batches = case
        step = bench.fast.replay(bench.simplegrad_gpt(values, batches))
    else:
        weights, batches = case
        step = bench.fast_step(weights)
    step(*batches[0])
    lines = step.listing().partition("\ndef backward")[0].count("np.matmul(")
    assert lines == 3 * len(products) - ("depth" in size)  # an input of the net needs no gradient
