"""The logits of a network with one hidden layer, what it predicts, and how often it is right."""

import numpy as np

from simplegrad.exercises.references.cross_entropy import softmax
from simplegrad.exercises.task import Task, table

TITLE = "The logits of a network, and its accuracy"

SQUARE = {
    "x": np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0], [-1.5, 0.5, 2.0]]),
    "W_1": np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-2.0, 1.0, 0.75]]),
    "b_1": np.array([0.5, -1.5, 0.25]),
    "W_2": np.array([[1.0, -0.5, 3.0], [-2.0, 0.75, 1.25], [0.5, 2.5, -1.0]]),
    "b_2": np.array([-0.75, 1.75, 0.125]),
}
WIDE = {
    "x": np.array([[2.0, -1.0], [-0.5, 1.5], [1.0, 0.75], [-3.0, 0.25]]),
    "W_1": np.array([[0.5, -1.0, 1.25], [2.0, 0.75, -0.5]]),
    "b_1": np.array([-0.25, 1.0, 0.5]),
    "W_2": np.array([[1.0, -2.0, 0.5, 0.25, 1.5], [-1.5, 3.0, 0.75, 2.0, -1.0], [1, 2, -1, 3, 0]]),
    "b_2": np.array([0.5, -0.25, 1.5, -1.0, 2.0]),
}
A = np.array([[0.5, 2.0, -3.0], [1.5, -1.0, 1.0], [-2.0, -0.5, -0.25], [0.25, 3.0, 1.0]])

TASKS = {
    "logits": Task(
        arguments="x, W_1, b_1, W_2, b_2",
        equations={"h": "np.maximum(x @ W_1 + b_1, 0)", "a": "h @ W_2 + b_2"},
        cases={"three of everything": [SQUARE], "four images, five classes": [WIDE]},
        mistakes={
            "h": table("""
                the ReLU is forgotten -> x @ W_1 + b_1
                the bias is forgotten -> np.maximum(x @ W_1, 0)
                the bias and the ReLU are forgotten -> x @ W_1
                the bias is added after the ReLU: it belongs inside -> np.maximum(x @ W_1, 0) + b_1
                the bias is subtracted -> np.maximum(x @ W_1 - b_1, 0)
                W_1 is transposed: it has the shape (in, out), as simplegrad stores it
                    -> np.maximum(x @ W_1.T + b_1, 0)
                the product is turned round: x comes first, and its rows are images
                    -> np.maximum(W_1 @ x + b_1, 0)
                * multiplies element by element: @ is the product of matrices
                    -> np.maximum(x * W_1 + b_1, 0)
                the bias is added to each row, where it has an element for each column
                    -> np.maximum(x @ W_1 + b_1[:, None], 0)
                the minimum is taken, and not the maximum -> np.minimum(x @ W_1 + b_1, 0)
                the absolute value is taken: a ReLU makes negative numbers 0 -> abs(x @ W_1 + b_1)
                this is where the ReLU lets through: it keeps the numbers themselves
                    -> x @ W_1 + b_1 > 0
                b_2 is used where b_1 belongs -> np.maximum(x @ W_1 + b_2, 0)
                W_2 is used where W_1 belongs -> np.maximum(x @ W_2 + b_1, 0)
                W_2 and b_2 are used: they belong to the second layer
                    -> np.maximum(x @ W_2 + b_2, 0)
            """),
            "a": table("""
                a ReLU stands after the last layer: logits may be negative -> np.maximum(right, 0)
                a softmax stands after the last layer: logits come before it -> softmax(right)
                the bias is forgotten -> h @ W_2
                the bias is subtracted -> h @ W_2 - b_2
                W_2 is transposed: it has the shape (in, out), as simplegrad stores it
                    -> h @ W_2.T + b_2
                the product is turned round: h comes first -> W_2 @ h + b_2
                * multiplies element by element: @ is the product of matrices -> h * W_2 + b_2
                the bias is added to each row, where it has an element for each column
                    -> h @ W_2 + b_2[:, None]
                x is used where h belongs: the hidden layer is left out -> x @ W_2 + b_2
                b_1 is used where b_2 belongs -> h @ W_2 + b_1
                W_1 is used where W_2 belongs -> h @ W_1 + b_2
                W_1 and b_1 are used: they belong to the first layer -> h @ W_1 + b_1
                this is h: the second layer is missing -> h
            """),
        },
        names={"softmax": softmax},
    ),
    "accuracy": Task(
        arguments="a, y",
        equations={"prediction": "np.argmax(a, axis=1)", "accuracy": "np.mean(prediction == y)"},
        cases={
            "three images, three classes": [{"a": A[1:], "y": np.array([0, 2, 0])}],
            "four images, three classes": [{"a": A, "y": np.array([1, 2, 2, 1])}],
            "three images, four classes": [{"a": A.T - 1, "y": np.array([1, 3, 0])}],
            "no image is right": [{"a": A[:3], "y": np.array([0, 1, 0])}],
        },
        mistakes={
            "prediction": table("""
                the maximum is along the wrong axis: classes are axis 1 -> np.argmax(a, axis=0)
                the axis is missing: this is one place in all of a -> np.argmax(a)
                this is the largest logit, and not its place -> np.max(a, axis=1)
                this is the least likely class -> np.argmin(a, axis=1)
                the absolute value is taken: a logit far below 0 is an unlikely class
                    -> np.argmax(abs(a), axis=1)
                classes are counted from 1: the first is 0 -> np.argmax(a, axis=1) + 1
                the classes are sorted: only the last of each row is the largest
                    -> np.argsort(a, axis=1)
                these are the labels -> y
            """),
            "accuracy": table("""
                this is how many are right: divide by how many images there are
                    -> np.sum(prediction == y)
                this is the share of the wrong ones -> np.mean(prediction != y)
                this is in percent: an accuracy is at most 1 -> 100 * np.mean(prediction == y)
                it is divided by the number of classes, and not of images
                    -> np.sum(prediction == y) / a.shape[1]
                it is divided by the number of logits -> np.sum(prediction == y) / a.size
                this says of each image whether it is right: take the mean -> prediction == y
                this is whether all are right -> np.all(prediction == y)
                this is whether any is right -> np.any(prediction == y)
                this is how far the numbers of the classes are apart, which says nothing
                    -> np.mean(abs(prediction - y))
                this is the mean of the predicted numbers -> np.mean(prediction)
            """),
        },
    ),
}
