"""Cross-entropy: that of simplegrad.functional, and its gradient."""

import numpy as np

from simplegrad.exercises.task import Task, table
from simplegrad.rules import LogSumExp

TITLE = "Cross-entropy of logits, and its gradient"


def log_sum_exp(a: np.ndarray, axis: int = 1) -> np.ndarray:
    """Of each row, without overflow."""
    return LogSumExp.forward(a, axis=axis, keepdims=False)


def softmax(a: np.ndarray, axis: int = 1) -> np.ndarray:
    """Of each row, without overflow."""
    return np.exp(a - np.expand_dims(log_sum_exp(a, axis), axis))


def unstable_softmax(a: np.ndarray) -> np.ndarray:
    """Of each row; exp overflows."""
    return np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


def softmax_of_all(a: np.ndarray) -> np.ndarray:
    """Over both axes, without overflow."""
    return softmax(a.reshape(1, -1)).reshape(a.shape)


def one_hot(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    """[j = t_i]."""
    return (np.arange(a.shape[1]) == t[:, None]).astype(float)


def case(a: list[list[float]], t: list[int]) -> list[dict[str, np.ndarray]]:
    """One call."""
    return [{"a": np.array(a), "t": np.array(t)}]


CASES = {
    "three rows, three classes": case(
        [[2.0, 0.5, 1.0], [-1.0, 3.0, 0.0], [0.0, 1.5, -2.0]], [0, 2, 2]
    ),
    "two rows, three classes": case([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [1, 0]),
    "a logit far below the other": case([[0.0, -800.0], [1.0, 2.0]], [0, 1]),
    "large logits": case(
        [[1000.0, 0.0], [-1000.0, -998.0], [3.0, 1000.0], [1.0, 2.0]], [1, 0, 1, 1]
    ),
}
NAMES = {f.__name__: f for f in (log_sum_exp, softmax, unstable_softmax, softmax_of_all, one_hot)}
A_IT = "a[np.arange(len(t)), t]"

TASKS = {
    "cross_entropy": Task(
        arguments="a, t",
        equations={"c": "log_sum_exp(a)", "L": f"np.mean(c - {A_IT})"},
        cases=CASES,
        mistakes={
            "c": table("""
                exp overflows: subtract the largest logit of the row before, and add it after
                    -> np.log(np.sum(np.exp(a), axis=1))
                the largest logit m was subtracted, and is not added again
                    -> log_sum_exp(a) - a.max(axis=1)
                m is the largest of all logits; with that of each row, no row is all zeros
                    -> a.max() + np.log(np.sum(np.exp(a - a.max()), axis=1))
                m, the largest of each row, needs keepdims=True to be subtracted from the row
                    -> np.log(np.sum(np.exp(a - a.max(axis=1)), axis=1)) + a.max(axis=1)
                m has the shape (n, 1) and the logarithm (n), which gives (n, n): add m[:, 0]
                    -> log_sum_exp(a) - a.max(axis=1) + a.max(axis=1, keepdims=True)
                m is added inside of the logarithm: it belongs outside
                    -> np.log(np.exp(log_sum_exp(a) - a.max(axis=1)) + a.max(axis=1))
                the sum is over the wrong axis: classes are axis 1 -> log_sum_exp(a, axis=0)
                the sum is over both axes: classes are axis 1
                    -> a.max() + np.log(np.sum(np.exp(a - a.max())))
                the logarithm is missing -> np.sum(np.exp(a), axis=1)
                the logarithm is missing, and m
                    -> np.sum(np.exp(a - a.max(axis=1, keepdims=True)), axis=1)
                this is the maximum: the logarithm of the sum is not added -> a.max(axis=1)
                this is the sum of the logits: exp and log are missing -> a.sum(axis=1)
                the mean of exp is taken, where its sum belongs
                    -> log_sum_exp(a) - np.log(a.shape[1])
                this is softmax: c is the logarithm of its divisor -> softmax(a)
                it has to be one number for each row, without the axis of size 1
                    -> log_sum_exp(a)[:, None]
            """),
            "L": table(f"""
                the mean is forgotten: the rows are summed -> np.sum(c - {A_IT})
                the mean is forgotten: there is still one number for each row -> c - {A_IT}
                the sign is turned round -> np.mean({A_IT} - c)
                a[:, t] takes all targets in every row: a[np.arange(n), t] takes one
                    -> np.mean(c[:, None] - a[:, t])
                a[t] takes rows: a[np.arange(n), t] takes one logit of each row -> np.mean(c - a[t])
                the logit of the right class is missing -> np.mean(c)
                c is missing -> -np.mean({A_IT})
                the logit is added, where it is subtracted -> np.mean(c + {A_IT})
                all classes count, where only the right one does -> np.mean(c[:, None] - a)
                the sum is divided by the number of classes, where it is the number of rows
                    -> np.sum(c - {A_IT}) / a.shape[1]
                the sum is divided by the number of logits, where it is the number of rows
                    -> np.sum(c - {A_IT}) / a.size
                the logarithm of softmax is log(0) for large logits: use c - a
                    -> -np.mean(np.log(softmax(a)[np.arange(len(t)), t]))
                softmax overflows for large logits, and inf / inf is nan: use c - a
                    -> -np.mean(np.log(unstable_softmax(a)[np.arange(len(t)), t]))
                a logarithm of 0 is multiplied by the 0 of [j = t_i], which is nan: take the logit
                    of the right class alone
                    -> -np.sum(one_hot(a, t) * np.log(softmax(a))) / len(t)
                softmax is over the whole array: classes are axis 1
                    -> np.mean(log_sum_exp(a.reshape(1, -1)) - {A_IT})
                softmax is over the wrong axis: classes are axis 1
                    -> np.mean((log_sum_exp(a, axis=0) - a)[np.arange(len(t)), t])
                the mean is over the rows alone: there is one number for each class
                    -> np.mean(one_hot(a, t) * (c[:, None] - a), axis=0)
                the indices are swapped: rows are axis 0 -> np.mean(c - a[t, np.arange(len(t))])
                this is the squared error of the probabilities
                    -> np.mean(np.sum((softmax(a) - one_hot(a, t)) ** 2, axis=1))
                this is the mean of the probabilities: the logarithm is missing
                    -> -np.mean(softmax(a)[np.arange(len(t)), t])
                the largest logit is taken, where it is that of the right class
                    -> np.mean(c - a.max(axis=1))
            """),
        },
        names=NAMES,
    ),
    "d_logits": Task(
        arguments="a, t",
        equations={"da": "(softmax(a) - one_hot(a, t)) / len(t)"},
        cases=CASES,
        mistakes={
            "da": table("""
                the mean is forgotten: it divides by the number of rows
                    -> softmax(a) - one_hot(a, t)
                [j = t_i] is forgotten: 1 is subtracted at the right class -> softmax(a) / len(t)
                the sign is turned round -> (one_hot(a, t) - softmax(a)) / len(t)
                [j = t_i] is added, where it is subtracted -> (softmax(a) + one_hot(a, t)) / len(t)
                exp overflows for large logits, and inf / inf is nan: use exp(a - c)
                    -> (unstable_softmax(a) - one_hot(a, t)) / len(t)
                softmax is over the wrong axis: classes are axis 1
                    -> (softmax(a, axis=0) - one_hot(a, t)) / len(t)
                softmax is over the whole array: classes are axis 1
                    -> (softmax_of_all(a) - one_hot(a, t)) / len(t)
                the sum of each row needs keepdims=True to divide the row
                    -> (np.exp(a - a.max(axis=1, keepdims=True))
                    / np.exp(a - a.max(axis=1, keepdims=True)).sum(axis=1)
                    - one_hot(a, t)) / len(t)
                m, the largest of each row, needs keepdims=True to be subtracted from the row
                    -> (unstable_softmax(a - a.max(axis=1)) - one_hot(a, t)) / len(t)
                m is the largest of all logits; with that of each row, no row is all zeros
                    -> (unstable_softmax(a - a.max()) - one_hot(a, t)) / len(t)
                the mean is over the rows: every logit has a gradient of its own
                    -> np.mean(softmax(a) - one_hot(a, t), axis=0)
                this is the partial of softmax, p (1 - p): that of the loss is simpler
                    -> softmax(a) * (1 - softmax(a)) / len(t)
                it is divided by the number of classes, where it is the number of rows
                    -> (softmax(a) - one_hot(a, t)) / a.shape[1]
                it is divided by the number of logits, where it is the number of rows
                    -> (softmax(a) - one_hot(a, t)) / a.size
                [:, t] subtracts 1 for all targets in every row: [np.arange(n), t] does in one
                    -> (softmax(a) - one_hot(a, t).max(axis=0)) / len(t)
                [t] subtracts 1 from whole rows: [np.arange(n), t] does from one element of each
                    -> (softmax(a) - np.isin(np.arange(len(t)), t)[:, None]) / len(t)
                1 / n is applied before 1 is subtracted -> softmax(a) / len(t) - one_hot(a, t)
                the logits stand where softmax belongs -> (a - one_hot(a, t)) / len(t)
                only the right class has a gradient here: softmax gives one to each
                    -> (softmax(a) - 1) * one_hot(a, t) / len(t)
            """)
        },
        names=NAMES,
    ),
}
