"""What a debugger shows in chain_rule: dc at each stop, and the gradients that are left."""

import numpy as np

from simplegrad.autograd import unbroadcast
from simplegrad.exercises.task import Task, table

TITLE = "What the debugger shows at each stop"

TASKS = {
    "stops": Task(
        arguments="a, b",
        equations={
            "dloss": "1.0",
            "dp": "np.full(a.shape, dloss)",
            "ds": "dp * 2 * (a * b + a)",
            "dc": "1 * ds",  # 1 is the partial of an addition
            "da": "ds + dc * b",
            "db": "unbroadcast(dc * a, b.shape)",
        },
        cases={
            "two vectors": [{"a": np.array([1.0, 2.0, -3.0]), "b": np.array([3.0, 4.0, 0.5])}],
            "b is a number": [{"a": np.array([1.0, 2.0, 0.5]), "b": np.array(3.0)}],
            "a matrix and a row": [
                {"a": np.array([[1.0, -2.0], [3.0, 5.0]]), "b": np.array([2.0, -3.0])}
            ],
        },
        mistakes={
            "dloss": table("""
                this is the loss: its gradient by itself is 1 -> np.sum((a * b + a) ** 2)
                the gradient of the loss by itself is 1, and not 0: what it multiplies would be 0
                    -> 0.0
                this is the dc of the second stop: at the first, c is the loss, one number
                    -> np.ones(a.shape)
            """),
            "dp": table("""
                a sum hands its gradient on to each element: dp has the shape of p -> dloss
                the mean would divide by the number of elements, the sum does not
                    -> np.full(a.shape, dloss / a.size)
                this is p: the partial of a sum does not depend on it -> (a * b + a) ** 2 * dloss
                the partial of a sum is 1 for each element, and not 0 -> np.zeros(a.shape)
                the partial of the square is in it: it comes at the next stop
                    -> 2 * (a * b + a) * dloss
            """),
            "ds": table("""
                the 2 of the square is missing -> dp * (a * b + a)
                s is missing: the derivative of the square is 2 s -> dp * 2
                s is squared: the power goes down by 1 -> dp * 2 * (a * b + a) ** 2
                this is p: its derivative is 2 s -> dp * (a * b + a) ** 2
                c is used where s belongs: it is s that is squared -> dp * 2 * (a * b)
                a is used where s belongs: it is s that is squared -> dp * 2 * a
                ds is as dp: the partial of the square is missing -> dp
            """),
            "dc": table("""
                the partial of the product is in it: it comes at the next stop, on the way to a
                    -> ds * b
                the partial of the product is in it: it comes at the next stop, on the way to b
                    -> ds * a
                c is a factor: an addition hands its gradient on as it is -> ds * a * b
                the gradient is halved: an addition hands it on to both of its inputs, whole
                    -> ds / 2
                the gradient is doubled: what is added up are gradients of one tensor -> 2 * ds
                1 is the partial of an addition: dc is ds times it -> np.ones(a.shape)
                a is added: of gradients, only those of one tensor are added -> ds + a
            """),
            "da": table("""
                only the way through the product is there: a is used in the addition, too -> dc * b
                only the way through the addition is there: a is used in the product, too
                    -> ds + np.zeros(a.shape)
                the factor of the product is b: da and db are swapped -> ds + dc * a
                the two ways are multiplied, where they are added -> ds * dc * b
                the addition is counted twice -> 2 * ds + dc * b
                the product is counted twice -> ds + 2 * dc * b
                the way through the addition has the partial 1, and dc as a factor: 1 alone is added
                    -> 1 + dc * b
                the signs of the two ways differ, where they are added -> ds - dc * b
                the mean of the two ways is taken: they add up -> (ds + dc * b) / 2
            """),
            "db": table("""
                it has the shape of c: where b was broadcast, the gradients of its copies add up
                    -> dc * a
                everything is summed: only the axes with copies are to be -> np.sum(dc * a)
                the mean is taken over the copies: their gradients add up
                    -> unbroadcast(dc * a, b.shape) * b.size / a.size
                the factor of the product is a: da and db are swapped
                    -> unbroadcast(dc * b, b.shape)
                the factor a is missing -> unbroadcast(dc, b.shape)
                the addition is in it: b is used in the product only
                    -> unbroadcast(ds + dc * a, b.shape)
                the sum over the copies does not have a in it: multiply first, sum then
                    -> unbroadcast(dc, b.shape) * unbroadcast(a, b.shape)
            """),
        },
        library=True,
        names={"unbroadcast": unbroadcast},
    )
}
