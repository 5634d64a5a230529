"""Batch normalisation: one step in training of simplegrad.nn.BatchNorm."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "Batch normalisation, one step in training"

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0], [2.5, 1.0, 7.0], [-1.0, 3.5, 0.0]])
VALUES = {
    "g": np.array([2.0, 0.5, -1.5]),
    "b": np.array([0.25, -3.0, 1.0]),
    "alpha": 0.25,
    "eps": 0.5,
}
M, V = np.array([1.0, -0.5, 2.0]), np.array([4.0, 0.75, 2.5])

TASKS = {
    "batch_norm": Task(
        arguments="x, g, b, m, v, alpha, eps",
        equations={
            "mu": "np.mean(x, axis=0)",
            "sigma_2": "np.mean((x - mu) ** 2, axis=0)",
            "x_hat": "(x - mu) / np.sqrt(sigma_2 + eps)",
            "y": "x_hat * g + b",
            "m": "(1 - alpha) * m + alpha * mu",
            "v": "(1 - alpha) * v + alpha * len(x) / (len(x) - 1) * sigma_2",
        },
        cases={
            "two batches from the start": [
                {"x": X[:3], "m": np.zeros(3), "v": np.ones(3), **VALUES},
                {"x": X[1:]},
            ],
            "four rows, three channels": [{"x": X, "m": M, "v": V, **VALUES}],
            "two rows": [{"x": 2 * X[1:3], "m": M, "v": V, **VALUES}],
        },
        mistakes={
            "mu": table("""
                the mean is over the wrong axis: a channel is a column, so it is axis 0
                    -> np.mean(x, axis=1)
                the mean is over both axes: each channel has its own -> np.mean(x)
                the sum is not divided by n -> np.sum(x, axis=0)
                the sum is divided by the number of channels, where it is the number of rows
                    -> np.sum(x, axis=0) / x.shape[1]
                the sum is divided by n - 1, where it is n -> np.sum(x, axis=0) / (len(x) - 1)
                it has to be one number for each channel, without the axis of size 1
                    -> np.mean(x, axis=0, keepdims=True)
                this is the running mean: in training, it is that of the batch -> m
            """),
            "sigma_2": table("""
                the divisor is n - 1, where it is n: only the running variance has n - 1
                    -> np.sum((x - mu) ** 2, axis=0) / (len(x) - 1)
                the mean of the squares is over the wrong axis: that of a channel is axis 0
                    -> np.mean((x - mu) ** 2, axis=1)
                the mean of the squares is over both axes: each channel has its own
                    -> np.mean((x - mu) ** 2)
                the sum of the squares is not divided by n -> np.sum((x - mu) ** 2, axis=0)
                this is the standard deviation: the root comes in the next equation
                    -> np.sqrt(np.mean((x - mu) ** 2, axis=0))
                mu is not subtracted before the square -> np.mean(x**2, axis=0)
                mu is subtracted after the square, and has to be before
                    -> np.mean(x**2, axis=0) - mu
                the square is missing, and deviations have the mean 0 -> np.mean(x - mu, axis=0)
                absolute values are taken, where they are squares
                    -> np.mean(np.abs(x - mu), axis=0)
                eps is added here: it comes in the next equation
                    -> np.mean((x - mu) ** 2, axis=0) + eps
                it has to be one variance for each channel, without the axis of size 1
                    -> np.mean((x - mu) ** 2, axis=0, keepdims=True)
                this is the running variance: in training, it is that of the batch -> v
            """),
            "x_hat": table("""
                eps stands outside of the root -> (x - mu) / (np.sqrt(sigma_2) + eps)
                eps is forgotten -> (x - mu) / np.sqrt(sigma_2)
                the root is forgotten -> (x - mu) / (sigma_2 + eps)
                mu is not subtracted -> x / np.sqrt(sigma_2 + eps)
                mu is added, where it is subtracted -> (x + mu) / np.sqrt(sigma_2 + eps)
                the sign is turned round -> (mu - x) / np.sqrt(sigma_2 + eps)
                the parentheses around x - mu are missing -> x - mu / np.sqrt(sigma_2 + eps)
                it is not divided by anything -> x - mu
                it is multiplied by the root, and not divided -> (x - mu) * np.sqrt(sigma_2 + eps)
                the running mean and variance are used: that is what eval() does
                    -> (x - m) / np.sqrt(v + eps)
                the running mean is used where mu belongs -> (x - m) / np.sqrt(sigma_2 + eps)
                the running variance is used where sigma_2 belongs -> (x - mu) / np.sqrt(v + eps)
            """),
            "y": table("""
                the gain g is missing -> x_hat + b
                the bias b is missing -> x_hat * g
                g and b are swapped -> x_hat * b + g
                b is added before the product: it comes after -> (x_hat + b) * g
                it is divided by g, and not multiplied -> x_hat / g + b
                b is subtracted, where it is added -> x_hat * g - b
                x is scaled, where it is x_hat -> x * g + b
                x_hat is returned as it is, without gain and bias -> x_hat
            """),
            "m": table("""
                alpha and 1 - alpha are swapped -> alpha * m + (1 - alpha) * mu
                the factor 1 - alpha is missing before m -> m + alpha * mu
                the factor alpha is missing before mu -> (1 - alpha) * m + mu
                both factors are missing: means are added up and never forgotten -> m + mu
                m is overwritten by mu: earlier batches are lost -> mu
                mu is forgotten -> (1 - alpha) * m
                m is returned as it came -> m
                it follows the mean of y, where it is that of x
                    -> (1 - alpha) * m + alpha * np.mean(y, axis=0)
            """),
            "v": table("""
                the running variance is biased: n / (n - 1) is missing
                    -> (1 - alpha) * v + alpha * sigma_2
                the factor is turned round: it is n / (n - 1)
                    -> (1 - alpha) * v + alpha * (len(x) - 1) / len(x) * sigma_2
                alpha and 1 - alpha are swapped
                    -> alpha * v + (1 - alpha) * len(x) / (len(x) - 1) * sigma_2
                alpha and 1 - alpha are swapped, and n / (n - 1) is missing
                    -> alpha * v + (1 - alpha) * sigma_2
                n is the number of rows, and not that of channels
                    -> (1 - alpha) * v + alpha * x.shape[1] / (x.shape[1] - 1) * sigma_2
                n is the number of rows, and not that of all numbers
                    -> (1 - alpha) * v + alpha * x.size / (x.size - 1) * sigma_2
                n / (n - 1) belongs to the batch alone, and not to v
                    -> len(x) / (len(x) - 1) * ((1 - alpha) * v + alpha * sigma_2)
                the factor 1 - alpha is missing before v
                    -> v + alpha * len(x) / (len(x) - 1) * sigma_2
                the factor alpha is missing before the variance of the batch
                    -> (1 - alpha) * v + len(x) / (len(x) - 1) * sigma_2
                v is overwritten by the variance of the batch: earlier batches are lost
                    -> len(x) / (len(x) - 1) * sigma_2
                v is overwritten by sigma_2: earlier batches are lost -> sigma_2
                eps is added, which belongs under the root alone
                    -> (1 - alpha) * v + alpha * (len(x) / (len(x) - 1) * sigma_2 + eps)
                a standard deviation is taken, where it is the variance
                    -> (1 - alpha) * v + alpha * np.sqrt(len(x) / (len(x) - 1) * sigma_2)
                v is returned as it came -> v
            """),
        },
        kept={"m": "m", "v": "v"},
        in_place=("m", "v"),
    )
}
