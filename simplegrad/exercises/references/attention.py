"""Attention that does not look ahead: the products, the weights and what they collect."""

import numpy as np

from simplegrad.exercises.references.cross_entropy import softmax, softmax_of_all, unstable_softmax
from simplegrad.exercises.task import Task, table

TITLE = "Attention with a causal mask"


def masked(S: np.ndarray, may_look: np.ndarray) -> np.ndarray:
    """S where a place may look, and -inf elsewhere."""
    return np.where(may_look, S, -np.inf)


def lower(S: np.ndarray, k: int = 0) -> np.ndarray:
    """Where s <= t + k."""
    return np.tril(np.ones(S.shape, dtype=bool), k)


Q = np.array([[2.0, 0.5, -0.75], [0.25, -1.0, 1.5], [1.0, 1.5, 0.5]])
K = np.array([[1.0, -0.5, 0.25], [0.75, 2.0, -1.0], [-1.5, 1.0, 1.25]])
V = np.array([[1.0, 3.0, -1.5], [-2.0, 0.5, 2.0], [4.0, -1.0, 0.75]])

TASKS = {
    "causal_attention": Task(
        arguments="Q, K, V",
        equations={
            "S": "Q @ K.T / np.sqrt(K.shape[1])",
            "A": "softmax(masked(S, lower(S)))",
            "attention": "A @ V",
        },
        cases={
            "three places": [{"Q": Q, "K": K, "V": V}],
            "two places": [{"Q": Q[1:], "K": K[:2], "V": V[:2]}],
            "values of one number": [{"Q": K[:, :2], "K": Q[:, :2], "V": V[:, :1]}],
            "large products": [{"Q": 100 * Q, "K": 10 * K, "V": V}],
        },
        mistakes={
            "S": table("""
                the division by the root of d_k is missing -> Q @ K.T
                it is divided by d_k, and not by its root -> Q @ K.T / K.shape[1]
                it is multiplied by the root of d_k -> Q @ K.T * np.sqrt(K.shape[1])
                it is divided by the root of the number of places: d_k is how long a key is
                    -> Q @ K.T / np.sqrt(len(K))
                K is not transposed -> Q @ K / np.sqrt(K.shape[1])
                Q and K are swapped: row t belongs to the query of place t
                    -> K @ Q.T / np.sqrt(K.shape[1])
                Q is transposed, and not K: this is a sum over places
                    -> Q.T @ K / np.sqrt(K.shape[1])
                V is used where K belongs -> Q @ V.T / np.sqrt(K.shape[1])
                V is used where Q belongs -> V @ K.T / np.sqrt(K.shape[1])
                Q is multiplied by itself, where K belongs -> Q @ Q.T / np.sqrt(K.shape[1])
                K is multiplied by itself: Q is missing -> K @ K.T / np.sqrt(K.shape[1])
                * multiplies element by element: @ is the product of matrices
                    -> Q * K / np.sqrt(K.shape[1])
                the mask is in S: it belongs into the next equation -> masked(right, lower(right))
                this is A: S comes before the softmax -> softmax(masked(right, lower(right)))
            """),
            "A": table("""
                the mask is forgotten: each place looks ahead -> softmax(S)
                the mask is of the wrong triangle: s <= t is below the diagonal, and on it
                    -> softmax(masked(S, lower(S).T))
                the mask hides the diagonal, too: a place may look at itself
                    -> softmax(masked(S, lower(S, -1)))
                the mask shows one place too many -> softmax(masked(S, lower(S, 1)))
                the softmax is along the wrong axis: each row has the sum 1
                    -> softmax(masked(S, lower(S)), axis=0)
                the softmax is along the wrong axis, and the mask is forgotten -> softmax(S, axis=0)
                the softmax is over both axes: each row has the sum 1
                    -> softmax_of_all(masked(S, lower(S)))
                the mask comes after the softmax, and rows no longer have the sum 1
                    -> softmax(S) * lower(S)
                the masked products are 0, of which exp makes 1: they are to be -inf
                    -> softmax(S * lower(S))
                exp overflows: subtract the largest product of the row before
                    -> unstable_softmax(masked(S, lower(S)))
                the division by the sum is missing -> np.exp(masked(S, lower(S)))
                exp is missing: the products are divided by their sum
                    -> S * lower(S) / np.sum(S * lower(S), axis=1, keepdims=True)
                the mask is there, and the softmax is missing -> masked(S, lower(S))
                all places count the same: S is missing
                    -> lower(S) / np.sum(lower(S), axis=1, keepdims=True)
                this is S -> S
            """),
            "attention": table("""
                A is transposed: row t of A is what place t takes -> A.T @ V
                K is used where V belongs -> A @ K
                Q is used where V belongs -> A @ Q
                S is used where A belongs -> S @ V
                the product is turned round: A comes first -> V @ A
                * multiplies element by element: @ is the product of matrices -> A * V
                V is added: that is for a block to do, where it adds h -> A @ V + V
                it is divided by the root of d_k: that was done in S
                    -> A @ V / np.sqrt(K.shape[1])
                this is the softmax of the results: the weights are one already -> softmax(A @ V)
                this is V -> V
            """),
        },
        names={f.__name__: f for f in (softmax, softmax_of_all, unstable_softmax, masked, lower)},
    )
}
