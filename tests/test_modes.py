"""Modes: each belongs to the code that has entered it, in whatever order the blocks end."""

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad.autograd import is_grad_enabled

MODES = [sg.no_grad, sg.detect_anomaly, sg.detect_accumulation]


def no_grad_is_on():
    return not is_grad_enabled()


def detect_anomaly_is_on():
    """A NaN is an error; this ends the watch until the next block, so look at the end only."""
    try:
        with np.errstate(all="ignore"):
            sg.log(sg.Tensor([-1.0]))
    except FloatingPointError:
        return True
    return False


def detect_accumulation_is_on():
    w = sg.ones(1, requires_grad=True)
    opt = sg.optimizers.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            w.sum().backward()
            opt.step()
    return bool(caught)


IS_ON = {
    sg.no_grad: no_grad_is_on,
    sg.detect_anomaly: detect_anomaly_is_on,
    sg.detect_accumulation: detect_accumulation_is_on,
}

each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    errors = np.geterr()
    yield
    assert sys.getprofile() is None
    assert np.geterr() == errors
    assert not any(is_on() for is_on in IS_ON.values())


def test_a_mode_holds_in_the_contexts_that_have_entered_it_whatever_ends_first(for_all):
    contexts = st.integers(0, 2)
    steps = st.lists(st.tuples(contexts, st.sampled_from(MODES), st.integers(0, 3)), max_size=16)

    @for_all(steps)
    def agrees(steps):
        here = [contextvars.copy_context() for _ in range(3)]
        opened = []  # (context, mode, block)
        for number, mode, choice in steps:
            if choice < len(opened):  # closed where it was opened, or in another context
                _, _, block = opened.pop(choice)
                here[number].run(block.__exit__, None, None, None)
            else:
                block = mode()
                here[number].run(block.__enter__)
                opened.append((number, mode, block))
            for context in range(3):
                expected = any((context, sg.no_grad) == (n, m) for n, m, _ in opened)
                assert here[context].run(no_grad_is_on) == expected
        for number, _, block in opened:
            here[number].run(block.__exit__, None, None, None)
        for context in here:
            assert not any(context.run(is_on) for is_on in IS_ON.values())


@each_mode
def test_tasks_enter_and_leave_it_each_for_itself(mode):
    seen = {}

    async def task(name, enter, leave):
        await asyncio.sleep(0)
        with contextlib.ExitStack() as stack:
            for step in range(6):
                if step == enter:
                    stack.enter_context(mode())
                if step == leave:
                    stack.close()
                    seen[name] = IS_ON[mode]()
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(task("a", 0, 2), task("b", 1, 4), task("none", 9, 3))

    asyncio.run(main())
    assert seen == {"a": False, "b": False, "none": False}


@each_mode
def test_a_task_is_in_its_own_mode_alone(mode):
    async def inside(entered, seen):
        with mode():
            entered.set()
            await seen.wait()
            assert IS_ON[mode]()

    async def outside(entered, seen):
        await entered.wait()
        assert not IS_ON[mode]()
        seen.set()

    async def main():
        entered, seen = asyncio.Event(), asyncio.Event()
        await asyncio.gather(inside(entered, seen), outside(entered, seen))

    asyncio.run(main())


@each_mode
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_generators_leave_it_in_any_order(mode, order):
    def generator():
        with mode():
            yield

    both = [generator(), generator()]
    for each in both:
        next(each)
    both[order[0]].close()
    assert IS_ON[mode]()  # the other one is still in it
    both[order[1]].close()
    assert not IS_ON[mode]()


@each_mode
def test_a_generator_that_another_context_closes_ends_it_where_it_began(mode):
    async def numbers():
        with mode():
            yield 1
            yield 2

    async def main():
        async for _ in numbers():
            break  # the loop closes it in a task of its own
        gc.collect()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not IS_ON[mode]()

    asyncio.run(main())


@each_mode
def test_a_block_that_another_thread_closes_is_over(mode):
    block = mode()
    block.__enter__()
    thread = threading.Thread(target=block.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert not IS_ON[mode]()


@each_mode
def test_another_thread_is_not_in_it(mode):
    seen = []
    with mode():
        thread = threading.Thread(target=lambda: seen.append(IS_ON[mode]()))
        thread.start()
        thread.join()
    assert seen == [False]


@each_mode
def test_one_block_object_can_be_entered_again_and_by_several_threads(mode):
    block = mode()
    barrier, seen = threading.Barrier(2, timeout=60), []

    def enter():
        with block:
            with block:
                barrier.wait()
            barrier.wait()
            seen.append(mode.blocks.get() != ())
        seen.append(mode.blocks.get() == ())

    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 4


@each_mode
def test_a_decorated_function_is_in_it_in_each_call_also_of_itself(mode):
    @mode()
    def count_down(n):
        """Counts."""
        return [*count_down(n - 1), len(mode.blocks.get())] if n else []

    assert count_down(3) == [3, 2, 1]
    assert (count_down.__name__, count_down.__doc__) == ("count_down", "Counts.")


@each_mode
def test_without_parentheses_it_says_how_it_is_written(mode):
    name = mode.__name__
    with pytest.raises(TypeError, match=rf"Write @sg\.{name}\(\) above a function"):

        @mode
        def predict(x):
            return x


@each_mode
def test_a_function_that_pauses_cannot_be_decorated(mode):
    def generator():
        yield

    async def coroutine():
        pass

    async def both():
        yield

    for function in generator, coroutine, both:
        with pytest.raises(TypeError, match=rf"Write with sg\.{mode.__name__}\(\): in it"):
            mode()(function)


def test_the_module_that_runs_is_that_of_the_context():
    class Outer(sg.nn.Module):
        def forward(self, x):
            context = contextvars.Context()
            context.run(lambda: sg.zeros(2, requires_grad=True))  # no warning: not in forward
            return x

    Outer()(sg.ones(2))
