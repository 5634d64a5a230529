"""A solution of the exercise logits."""

import numpy as np


def logits(x, W_1, b_1, W_2, b_2):
    h = np.maximum(x @ W_1 + b_1, 0)
    a = h @ W_2 + b_2
    return h, a


def accuracy(a, y):
    prediction = a.argmax(axis=1)
    accuracy = (prediction == y).mean()
    return prediction, accuracy
