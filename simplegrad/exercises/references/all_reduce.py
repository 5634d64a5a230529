"""Shares of a batch and the mean of what they give, as in simplegrad.parallel."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "Shares of a batch, and the mean of their gradients"

L_K, G_K = np.array([0.5, 2.0, -1.25]), np.array([[1.0, -2.0], [0.25, 3.0], [4.0, 1.5]])

TASKS = {
    "share": Task(
        arguments="k, K, N",
        equations={"start": "k * N // K", "stop": "(k + 1) * N // K"},
        cases={
            f"process {k} of {K}, {N} rows": [{"k": k, "K": K, "N": N}]
            for k, K, N in ((0, 3, 10), (2, 3, 11), (1, 4, 13), (3, 4, 15), (2, 5, 8), (5, 7, 40))
        },
        mistakes={
            "start": table("""
                what N / K leaves over is lost: multiply by k, and then divide -> k * (N // K)
                it is not rounded down to a whole row -> k * N / K
                it is rounded up, and not down -> -(-k * N // K)
                it is rounded to the nearest row, and not down -> round(k * N / K)
                this is where the share ends: it starts where that of process k - 1 ends
                    -> (k + 1) * N // K
                processes count from 0, and not from 1 -> (k - 1) * N // K
                a share has about N / K rows, and not K -> k * K
                this is a stride of K: here a share is one piece -> k
                the first processes have one row more, as with np.array_split: a good split, but
                    another one than the equation -> k * (N // K) + min(k, N % K)
            """),
            "stop": table("""
                what N / K leaves over is lost: the last rows are in nobody's share
                    -> (k + 1) * (N // K)
                all shares are of N // K rows, and some rows are in nobody's -> start + N // K
                only the last process takes what is left over
                    -> N if k == K - 1 else (k + 1) * (N // K)
                this is the last row of the share: a slice ends one after it -> right - 1
                a row more than the next process starts with: it would be in two shares -> right + 1
                this is how many rows there are, and not where they end -> right - start
                this is where the share starts -> start
                it is not rounded down to a whole row -> (k + 1) * N / K
                it is rounded up, and the next share starts at the row below -> -(-(k + 1) * N // K)
                every share goes to the end -> N
                the parentheses around k + 1 are missing -> k + 1 * N // K
            """),
        },
    ),
    "mean_of_shares": Task(
        arguments="n_k, L_k, g_k",
        equations={
            "N": "np.sum(n_k)",
            "w": "n_k / N",
            "L": "np.sum(w * L_k)",
            "g": "w @ g_k",
        },
        cases={
            "two processes": [{"n_k": np.array([1, 3]), "L_k": L_K[:2], "g_k": G_K[1:]}],
            "three processes": [{"n_k": np.array([12, 13, 7]), "L_k": L_K, "g_k": G_K}],
            "three parameters": [{"n_k": np.array([2, 14]), "L_k": L_K[1:], "g_k": G_K.T}],
        },
        mistakes={
            "N": table("""
                this is how many processes there are: add up their rows -> len(n_k)
                this is the mean number of rows -> np.mean(n_k)
                this is the largest number of rows -> np.max(n_k)
                these are the rows up to each process -> np.cumsum(n_k)
                each n_k is squared -> np.sum(n_k**2)
            """),
            "w": table("""
                all processes count alike, whatever their rows -> np.ones(len(n_k)) / len(n_k)
                n_k is divided by the number of processes, and not by N -> n_k / len(n_k)
                the division by N is missing -> 1.0 * n_k
                it is turned upside down -> N / n_k
                n_k is divided by the largest one: the weights do not add up to 1
                    -> n_k / np.max(n_k)
                it is divided without a remainder, which leaves 0 -> n_k // N
                this is a softmax: the weights are proportional to n_k
                    -> np.exp(n_k - np.max(n_k)) / np.sum(np.exp(n_k - np.max(n_k)))
            """),
            "L": table("""
                this is the plain mean, as if all shares were equal -> np.mean(L_k)
                this is the plain sum: the weights are missing -> np.sum(L_k)
                it is weighted with n_k, and N is missing -> np.sum(n_k * L_k)
                the sum is missing: these are its terms -> w * L_k
                it is a mean of the terms: the weights have divided already -> np.mean(w * L_k)
                this is the loss of process 0 alone -> L_k[0]
            """),
            "g": table("""
                this is the plain mean, as if all shares were equal -> np.mean(g_k, axis=0)
                this is the plain sum, as all-reduce makes it: the weights are missing
                    -> np.sum(g_k, axis=0)
                it is weighted with n_k, and N is missing -> n_k @ g_k
                the sum is missing: these are its terms -> w[:, None] * g_k
                it is a mean of the terms: the weights have divided already
                    -> np.mean(w[:, None] * g_k, axis=0)
                the sum is over the parameters: it is over the processes, axis 0
                    -> np.sum(w[:, None] * g_k, axis=1)
                the sum is over both axes: each parameter has its own -> np.sum(w[:, None] * g_k)
                this is the gradient of process 0 alone -> g_k[0]
            """),
        },
    ),
}
