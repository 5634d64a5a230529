"""Wrong solutions as students write them: which equation is wrong, and which mistake it is.

Each says above it which result is wrong, and how the check names the mistake. What else the
function returns is right, and has to be called right, unless the wrong result leaves it `open`.
"""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad.exercises.judge import judge
from simplegrad.exercises.references import EXERCISES, load

WRONG = []


def is_wrong(exercise, result, mistake, function=None, open=()):
    """Lists the function below as a wrong solution of a task, by default the one of its name."""

    def remember(student):
        WRONG.append((exercise, function or student.__name__, student, result, mistake, open))
        return student

    return remember


# logits


@is_wrong("logits", "h", "W_1 is transposed: it has the shape (in, out)")
def logits(x, W_1, b_1, W_2, b_2):
    h = np.maximum(x @ W_1.T + b_1, 0)
    return h, h @ W_2 + b_2


@is_wrong("logits", "h", "the bias is added after the ReLU")
def logits(x, W_1, b_1, W_2, b_2):  # noqa: F811
    h = np.maximum(x @ W_1, 0) + b_1
    return h, h @ W_2 + b_2


@is_wrong("logits", "a", "a ReLU stands after the last layer")
def logits(x, W_1, b_1, W_2, b_2):  # noqa: F811
    h = np.maximum(x @ W_1 + b_1, 0)
    return h, np.maximum(h @ W_2 + b_2, 0)


@is_wrong("logits", "a", "the bias is forgotten")
def logits(x, W_1, b_1, W_2, b_2):  # noqa: F811
    h = (x @ W_1 + b_1).clip(min=0)
    return h, h @ W_2


@is_wrong("logits", "prediction", "the maximum is along the wrong axis")
def accuracy(a, y):
    prediction = a.argmax(0)
    return prediction, np.mean(prediction == y)


@is_wrong("logits", "accuracy", "this is how many are right")
def accuracy(a, y):  # noqa: F811
    prediction = a.argmax(1)
    return prediction, sum(prediction == y)


@is_wrong("logits", "accuracy", "this is the share of the wrong ones")
def accuracy(a, y):  # noqa: F811
    prediction = a.argmax(1)
    return prediction, 1 - np.count_nonzero(prediction == y) / len(y)


# mul


@is_wrong("mul", "da", "the factor is a; da and db are swapped")
def da(dc, c, a, b):
    return dc * a


@is_wrong("mul", "db", "the factor dc is missing")
def db(dc, c, a, b):
    return a


@is_wrong("mul", "da", "c is used where b belongs")
def da(dc, c, a, b):  # noqa: F811
    return dc * c


@is_wrong("mul", "db", "it is summed up")
def db(dc, c, a, b):  # noqa: F811
    return (dc * a).sum()


@is_wrong("mul", "da", "@ is the product of matrices")
def da(dc, c, a, b):  # noqa: F811
    return dc @ b


@is_wrong("mul", "db", "this is c, and not its partial")
def db(dc, c, a, b):  # noqa: F811
    return a * b


# tanh


@is_wrong("tanh", "c", "exp overflows for large numbers")
def forward(a):
    above, below = np.exp(a), np.exp(-a)
    return (above - below) / (above + below)


@is_wrong("tanh", "c", "this is the sigmoid")
def forward(a):  # noqa: F811
    return 1 / (1 + np.exp(-a))


@is_wrong("tanh", "da", "it is 1 - c^2, and not 1 + c^2")
def da(dc, c, a):  # noqa: F811
    return dc * (1 + c * c)


@is_wrong("tanh", "da", "a is used where c belongs")
def da(dc, c, a):  # noqa: F811
    return dc * (1 - a**2)


@is_wrong("tanh", "da", "tanh is taken of c, which is tanh(a) already")
def da(dc, c, a):  # noqa: F811
    return dc * (1 - np.tanh(c) ** 2)


@is_wrong("tanh", "da", "the factor dc is missing")
def da(dc, c, a):  # noqa: F811
    return 1 - np.tanh(a) ** 2


@is_wrong("tanh", "c", "parentheses are missing")
def forward(a):  # noqa: F811
    return np.exp(a) - np.exp(-a) / np.exp(a) + np.exp(-a)


@is_wrong("tanh", "da", "cosh is not squared")
def da(dc, c, a):  # noqa: F811
    return dc / np.cosh(a)


# matmul


@is_wrong("matmul", "da", "b is not transposed")
def da(dc, c, a, b):  # noqa: F811
    return dc @ b


@is_wrong("matmul", "da", "da and db are swapped")
def da(dc, c, a, b):  # noqa: F811
    return a.mT @ dc


@is_wrong("matmul", "da", ".T turns round all axes of a stack")
def da(dc, c, a, b):  # noqa: F811
    return np.dot(dc, b.T)


@is_wrong("matmul", "db", "the factors are in the wrong order: dc stands on the right")
def db(dc, c, a, b):  # noqa: F811
    return dc @ np.swapaxes(a, -2, -1)


@is_wrong("matmul", "db", "it is transposed")
def db(dc, c, a, b):  # noqa: F811
    return (a.mT @ dc).T


@is_wrong("matmul", "db", "np.dot joins every matrix of one stack")
def db(dc, c, a, b):  # noqa: F811
    return np.dot(a.T, dc)


@is_wrong("matmul", "da", "a matrix has no three axes to transpose")
def da(dc, c, a, b):  # noqa: F811
    return dc @ b.transpose(0, 2, 1)


@is_wrong("matmul", "db", "a matrix has no axes 1 and 2 to swap")
def db(dc, c, a, b):  # noqa: F811
    return a.swapaxes(1, 2) @ dc


@is_wrong("matmul", "da", "* multiplies element by element")
def da(dc, c, a, b):  # noqa: F811
    return dc * b.T


# unbroadcast


@is_wrong("unbroadcast", "da", "the sum is over the wrong axes: the last ones")
def unbroadcast(dc, shape):
    while dc.ndim > len(shape):
        dc = dc.sum(axis=-1)
    for axis, size in enumerate(shape):
        if size == 1:
            dc = dc.sum(axis=axis, keepdims=True)
    return dc.reshape(shape)


@is_wrong("unbroadcast", "da", "the new axes are summed, but not those of size 1")
def unbroadcast(dc, shape):  # noqa: F811
    while dc.ndim > len(shape):
        dc = dc.sum(axis=0)
    return dc


@is_wrong("unbroadcast", "da", "an axis of size 1 is gone after the sum")
def unbroadcast(dc, shape):  # noqa: F811
    new = dc.ndim - len(shape)
    ones = [new + i for i in range(len(shape)) if shape[i] == 1]
    return np.sum(dc, axis=tuple(range(new)) + tuple(ones))


@is_wrong("unbroadcast", "da", "the gradients of copies add up")
def unbroadcast(dc, shape):  # noqa: F811
    while dc.ndim > len(shape):
        dc = dc.mean(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            dc = dc.mean(axis=axis, keepdims=True)
    return dc


@is_wrong("unbroadcast", "da", "reshape alone sums nothing")
def unbroadcast(dc, shape):  # noqa: F811
    return np.reshape(dc, shape)


@is_wrong("unbroadcast", "da", "the sum is over axis 0, whatever the shape is")
def unbroadcast(dc, shape):  # noqa: F811
    return np.sum(dc, axis=0)


@is_wrong("unbroadcast", "da", "axes of size 1 are counted from the left")
def unbroadcast(dc, shape):  # noqa: F811
    for axis, size in enumerate(shape):
        if size == 1:
            dc = dc.sum(axis=axis, keepdims=True)
    while dc.ndim > len(shape):
        dc = dc.sum(axis=0)
    return dc


# topological_order


@is_wrong("topological_order", "order", "append a node when all of its inputs are there")
def topological_order(root, inputs):
    order, waiting = [], [root]
    while waiting:  # breadth first, and then turned round
        node = waiting.pop(0)
        if node not in order:
            order.append(node)
            waiting.extend(inputs[node])
            if len(order) > 100:  # its list is slow for the long chain, which is no topic here
                return [f"n{i}" for i in range(len(inputs))]
    return order[::-1]


@is_wrong("topological_order", "order", "Python ends a recursion after about 1,000 calls")
def topological_order(root, inputs):  # noqa: F811
    order, visited = [], set()

    def visit(node):
        if node not in visited:
            visited.add(node)
            for i in inputs[node]:
                visit(i)
            order.append(node)

    visit(root)
    return order


@is_wrong("topological_order", "order", "it is the wrong way round")
def topological_order(root, inputs):  # noqa: F811
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.insert(0, node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((i, False) for i in inputs[node])
    return order


@is_wrong("topological_order", "order", "remember which ones you have visited")
def topological_order(root, inputs):  # noqa: F811
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(inputs[node])
    return order[::-1]


@is_wrong("topological_order", "order", "is missing, and the root depends on it")
def topological_order(root, inputs):  # noqa: F811
    order = [root]
    while inputs[order[0]]:
        order.insert(0, inputs[order[0]][0])  # the first input alone
    return order


@is_wrong("topological_order", "grads", "a gradient is multiplied, where it is added")
def backward(order, inputs, partials):
    grads = dict.fromkeys(order, 0.0)
    grads[order[-1]] = 1.0
    for c in reversed(order):
        for a, partial in zip(inputs[c], partials[c], strict=True):
            grads[a] *= grads[c] * partial
    return grads


@is_wrong("topological_order", "grads", "the first input of each node is the only one")
def backward(order, inputs, partials):  # noqa: F811
    grads = dict.fromkeys(order, 0.0)
    grads[order[-1]] = 1.0
    for c in reversed(order):
        if inputs[c]:
            grads[inputs[c][0]] += grads[c] * partials[c][0]
    return grads


@is_wrong("topological_order", "grads", "a gradient is overwritten where it must be added")
def backward(order, inputs, partials):  # noqa: F811
    grads = {order[-1]: 1.0}
    for c in reversed(order):
        for a, partial in zip(inputs[c], partials[c], strict=True):
            grads[a] = grads[c] * partial
    return grads


@is_wrong("topological_order", "grads", "the gradient of the root by itself is 1, and not 0")
def backward(order, inputs, partials):  # noqa: F811
    grads = dict.fromkeys(order, 0.0)
    for c in reversed(order):
        for a, partial in zip(inputs[c], partials[c], strict=True):
            grads[a] += grads[c] * partial
    return grads


@is_wrong("topological_order", "grads", "the order is walked from the front")
def backward(order, inputs, partials):  # noqa: F811
    grads = dict.fromkeys(order, 0.0)
    grads[order[-1]] = 1.0
    for c in order:
        for a, partial in zip(inputs[c], partials[c], strict=True):
            grads[a] += grads[c] * partial
    return grads


# gradcheck


@is_wrong("gradcheck", "dL", "these are forward differences")
def central_differences(L, x, h):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] += h
        gradient[i] = (L(moved) - L(x)) / h
    return gradient


@is_wrong("gradcheck", "dL", "it is divided by h, and not by 2 h")
def central_differences(L, x, h):  # noqa: F811
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        gradient[i] = (L(x + e) - L(x - e)) / h
    return gradient


@is_wrong("gradcheck", "dL", "an element is not put back and stays at x_i - h")
def central_differences(L, x, h):  # noqa: F811
    x, gradient = x.copy(), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = L(x)
        x[i] -= 2 * h
        gradient[i] = (above - L(x)) / (2 * h)
    return gradient


@is_wrong("gradcheck", "dL", "all elements are moved at once")
def central_differences(L, x, h):  # noqa: F811
    return (L(x + h) - L(x - h)) / (2 * h)


@is_wrong("gradcheck", "dL", "above = x and below = x, which is one array")
def central_differences(L, x, h):  # noqa: F811
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        above = below = x
        above[i] += h
        below[i] -= h
        gradient[i] = (L(above) - L(below)) / (2 * h)
    return gradient


@is_wrong("gradcheck", "dL", "x[i] is a row of a matrix: np.ndindex(x.shape)")
def central_differences(L, x, h):  # noqa: F811
    gradient = np.zeros(x.shape)
    for i in range(len(x)):
        e = np.zeros(x.shape)
        e[i] = h
        gradient[i] = (L(x + e) - L(x - e)) / (2 * h)
    return gradient


@is_wrong("gradcheck", "dL", "x.size counts elements")
def central_differences(L, x, h):  # noqa: F811
    gradient = np.zeros(x.shape)
    for i in range(x.size):
        e = np.zeros(x.shape)
        e[i] = h
        gradient[i] = (L(x + e) - L(x - e)) / (2 * h)
    return gradient


@is_wrong("gradcheck", "agrees", "there is a verdict for each element")
def gradcheck(L, dL, x):
    steps = 1e-6 * np.eye(x.size).reshape(x.size, *x.shape)
    numeric = np.array([(L(x + e) - L(x - e)) / 2e-6 for e in steps]).reshape(x.shape)
    return abs(dL(x) - numeric) <= 1e-7 + 1e-5 * abs(numeric)


@is_wrong("gradcheck", "agrees", "a gradient that is too small passes")
def gradcheck(L, dL, x):  # noqa: F811
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = 1e-6
        if dL(x)[i] - (L(x + e) - L(x - e)) / 2e-6 > 1e-5 * abs(dL(x)[i]):
            return False
    return True


@is_wrong("gradcheck", "agrees", "an absolute tolerance lets small gradients pass")
def gradcheck(L, dL, x):  # noqa: F811
    numeric = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = 1e-6
        numeric[i] = (L(x + e) - L(x - e)) / 2e-6
    return np.allclose(numeric, dL(x), atol=1e-4)


# batch_norm


@is_wrong("batch_norm", "mu", "the mean is over the wrong axis")
def batch_norm(x, g, b, m, v, alpha, eps):
    n = len(x)
    mu = x.mean(axis=1)
    sigma_2 = ((x - mu) ** 2).mean(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "sigma_2", "the divisor is n - 1, where it is n")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0, ddof=1)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "sigma_2", "this is the standard deviation")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.std(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "x_hat", "eps stands outside of the root")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - mu) / (np.sqrt(sigma_2) + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "x_hat", "that is what eval() does")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - m) / np.sqrt(v + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "y", "b is added before the product")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = g * (x_hat + b)
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "m", "alpha and 1 - alpha are swapped")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    n = len(x)
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = alpha * m + (1 - alpha) * mu
    v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "v", "the running variance is biased")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = v + alpha * (sigma_2 - v)
    return mu, sigma_2, x_hat, y, m, v


@is_wrong("batch_norm", "v", "n is the number of rows, and not that of channels")
def batch_norm(x, g, b, m, v, alpha, eps):  # noqa: F811
    mu = x.mean(axis=0)
    sigma_2 = x.var(axis=0)
    x_hat = (x - mu) / np.sqrt(sigma_2 + eps)
    y = x_hat * g + b
    m = (1 - alpha) * m + alpha * mu
    v = (1 - alpha) * v + alpha * x.shape[1] / (x.shape[1] - 1) * sigma_2
    return mu, sigma_2, x_hat, y, m, v


# vjp


@is_wrong("vjp", "dx", "the factor 1 - c^2 is applied twice")
def vjp(dc, c, W, x):
    da = dc * (1 - c**2)
    return da, (da * (1 - c**2)) @ W, da[:, None] * x


@is_wrong("vjp", "dx", "dc is used where da belongs")
def vjp(dc, c, W, x):  # noqa: F811
    return dc - dc * c**2, W.T @ dc, np.outer(dc - dc * c**2, x)


@is_wrong("vjp", "dx", "W stands on the left")
def vjp(dc, c, W, x):  # noqa: F811
    da = dc * (1 - c**2)
    return da, W @ da, np.outer(da, x)


@is_wrong("vjp", "dW", "the factors are in the wrong order")
def vjp(dc, c, W, x):  # noqa: F811
    da = dc * (1 - c**2)
    return da, da @ W, x[:, None] * da


@is_wrong("vjp", "dW", "* multiplies element by element")
def vjp(dc, c, W, x):  # noqa: F811
    da = dc * (1 - c**2)
    return da, da @ W, x * da


@is_wrong("vjp", "da", "tanh is taken of c, which is tanh(a) already")
def vjp(dc, c, W, x):  # noqa: F811
    da = dc * (1 - np.tanh(c) ** 2)
    return da, da @ W, np.outer(da, x)


@is_wrong("vjp", "a_dot", "W is transposed: that is for gradients, on the way back")
def jvp(x_dot, c, W):
    a_dot = W.T @ x_dot
    return a_dot, (1 - c**2) * a_dot


@is_wrong("vjp", "c_dot", "tanh is taken of the change")
def jvp(x_dot, c, W):  # noqa: F811
    return W @ x_dot, np.tanh(W @ x_dot)


@is_wrong("vjp", "J", "it is transposed: a vjp is a row of J")
def jacobian(vjp_of, m):
    return np.stack([vjp_of(e) for e in np.eye(m)], axis=1)


@is_wrong("vjp", "J", "the rows add up: put dc back to 0")
def jacobian(vjp_of, m):  # noqa: F811
    dc, rows = np.zeros(m), []
    for i in range(m):
        dc[i] = 1
        rows.append(vjp_of(dc))
    return np.array(rows)


@is_wrong("vjp", "J", "the rows are added up")
def jacobian(vjp_of, m):  # noqa: F811
    return sum(vjp_of(e) for e in np.eye(m))


@is_wrong("vjp", "J", "all rows are the last one")
def jacobian(vjp_of, m):  # noqa: F811
    for i, e in enumerate(np.eye(m)):
        row = vjp_of(e)
        if i == 0:
            J = np.zeros((m, row.size))
        J[:] = row
    return J


@is_wrong("vjp", "J", "np.stack makes a matrix of them")
def jacobian(vjp_of, m):  # noqa: F811
    J = []
    for e in np.eye(m):
        J.extend(vjp_of(e))
    return J


# hvp


@is_wrong("hvp", "Hv_approx", "v is multiplied after")
def hvp_by_differences(dL, x, v, h):
    return (dL(x + h) - dL(x - h)) / (2 * h) * v


@is_wrong("hvp", "Hv_approx", "these are forward differences")
def hvp_by_differences(dL, x, v, h):  # noqa: F811
    return (dL(x + h * v) - dL(x)) / h


@is_wrong("hvp", "Hv_approx", "this is the second difference, which belongs to L")
def hvp_by_differences(dL, x, v, h):  # noqa: F811
    return (dL(x + h * v) + dL(x - h * v) - 2 * dL(x)) / h**2


@is_wrong("hvp", "Hv_approx", "2 h stands without parentheses")
def hvp_by_differences(dL, x, v, h):  # noqa: F811
    return (dL(x + h * v) - dL(x - h * v)) / 2 * h


@is_wrong("hvp", "Hv", "v is multiplied after")
def hvp(f, x, v):
    x = sg.Tensor(x, requires_grad=True)
    dx = sg.grad(f(x), x, create_graph=True)
    return sg.grad(dx.sum(), x) * v


@is_wrong("hvp", "Hv", "create_graph=True gives it one")
def hvp(f, x, v):  # noqa: F811
    x = sg.Tensor(x, requires_grad=True)
    dx = sg.grad(f(x), x)
    return sg.grad((dx * v).sum(), x, allow_unused=True)


@is_wrong("hvp", "Hv", "this is dx times v: its sum is to be differentiated")
def hvp(f, x, v):  # noqa: F811
    x = sg.Tensor(x, requires_grad=True)
    f(x).backward()
    return x.grad * v


@is_wrong("hvp", "Hv", "the mean is taken, where the products are added up")
def hvp(f, x, v):  # noqa: F811
    x = sg.Tensor(x, requires_grad=True)
    dx_v = (sg.grad(f(x), x, create_graph=True) * v).mean()
    return sg.grad(dx_v, x).numpy()


@is_wrong("hvp", "Hv", "this is all of H")
def hvp(f, x, v):  # noqa: F811
    return sg.hessian(f, sg.Tensor(x)).numpy().reshape(x.size, *x.shape)


@is_wrong("hvp", "lambda_max", "it loses the sign of a negative curvature")
def power_step(v, Hv):
    size = np.sqrt(np.sum(Hv**2))
    return size / np.sqrt(np.sum(v**2)), Hv / size


@is_wrong("hvp", "lambda_max", "the division by v v is missing")
def power_step(v, Hv):  # noqa: F811
    return np.sum(v * Hv), Hv / np.sqrt(np.sum(Hv**2))


@is_wrong("hvp", "v_t", "it is divided by the curvature")
def power_step(v, Hv):  # noqa: F811
    lambda_max = np.dot(v, Hv) / np.dot(v, v)
    return lambda_max, Hv / lambda_max


# all_reduce


@is_wrong("all_reduce", "start", "what N / K leaves over is lost")
def share(k, K, N):
    size = N // K
    return size * k, (k + 1) * N // K


@is_wrong("all_reduce", "start", "as with np.array_split")
def share(k, K, N):  # noqa: F811
    sizes = [len(part) for part in np.array_split(np.arange(N), K)]
    return sum(sizes[:k]), (k + 1) * N // K


@is_wrong("all_reduce", "stop", "only the last process takes what is left over")
def share(k, K, N):  # noqa: F811
    return k * N // K, (N if k + 1 == K else N // K * (k + 1))


@is_wrong("all_reduce", "stop", "this is the last row of the share")
def share(k, K, N):  # noqa: F811
    return k * N // K, (k + 1) * N // K - 1


@is_wrong("all_reduce", "N", "this is how many processes there are")
def mean_of_shares(n_k, L_k, g_k):
    N = len(n_k)
    return N, n_k / N, L_k @ n_k / N, n_k @ g_k / N


@is_wrong("all_reduce", "w", "all processes count alike")
def mean_of_shares(n_k, L_k, g_k):  # noqa: F811
    w = np.full(len(n_k), 1 / len(n_k))
    return n_k.sum(), w, w @ L_k, w @ g_k


@is_wrong("all_reduce", "L", "this is the plain mean, as if all shares were equal")
def mean_of_shares(n_k, L_k, g_k):  # noqa: F811
    N = sum(n_k)
    return N, n_k / N, np.mean(L_k), n_k / N @ g_k


@is_wrong("all_reduce", "g", "as all-reduce makes it: the weights are missing")
def mean_of_shares(n_k, L_k, g_k):  # noqa: F811
    w = n_k / n_k.sum()
    return n_k.sum(), w, w @ L_k, g_k.sum(axis=0)


@is_wrong("all_reduce", "g", "the weights have divided already")
def mean_of_shares(n_k, L_k, g_k):  # noqa: F811
    w = n_k / n_k.sum()
    return n_k.sum(), w, w @ L_k, (w * g_k.T).mean(axis=1)


@is_wrong("all_reduce", "g", "it is weighted with n_k, and N is missing")
def mean_of_shares(n_k, L_k, g_k):  # noqa: F811
    w = n_k / n_k.sum()
    return n_k.sum(), w, w @ L_k, (n_k[:, None] * g_k).sum(axis=0)


# sgd_momentum


@is_wrong("sgd_momentum", "b_t", "g has the factor 1 - mu, as a moment of Adam would")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g if t == 1 else mu * b + (1 - mu) * g
    return g, b_t, theta - lr * b_t


@is_wrong("sgd_momentum", "b_t", "the velocity is overwritten")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g
    return g, b_t, theta - lr * b_t


@is_wrong("sgd_momentum", "g", "maximize turns round the sign of the decay, too")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = grad + weight_decay * theta
    if maximize:
        g = -g
    b_t = g if t == 1 else mu * b + (1 - tau) * g
    return g, b_t, theta - lr * b_t


@is_wrong("sgd_momentum", "theta", "g is used where b_t belongs")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g if t == 1 else mu * b + (1 - tau) * g
    theta -= lr * g
    return g, b_t, theta


@is_wrong("sgd_momentum", "theta", "the sign under maximize is turned round a second time")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g if t == 1 else mu * b + (1 - tau) * g
    theta += lr * b_t if maximize else -lr * b_t
    return g, b_t, theta


@is_wrong("sgd_momentum", "b_t", "it is to stay as it is, for the next step")
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g.copy() if t == 1 else mu * b + (1 - tau) * g
    right = theta - lr * (lr * b_t)
    b_t *= lr
    return g, b_t, right


@is_wrong("sgd_momentum", "g", "it is the same array as b_t", open=["b_t"])
def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):  # noqa: F811
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = g
    if t > 1:
        b_t *= 1 - tau
        b_t += mu * b
    return g, b_t, theta - lr * b_t


# rmsprop


@is_wrong("rmsprop", "v_t", "g is not squared", open=["theta"])
def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
    v_t = beta_2 * v + (1 - beta_2) * abs(g)
    v_t = beta_2 * v + (1 - beta_2) * g
    sign = 1 if maximize else -1
    return v_t, theta + sign * lr * g / (np.sqrt(v_t) + eps)


@is_wrong("rmsprop", "theta", "eps stands inside of the root")
def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):  # noqa: F811
    v_t = beta_2 * v + (1 - beta_2) * g**2
    sign = 1 if maximize else -1
    return v_t, theta + sign * lr * g / np.sqrt(v_t + eps)


@is_wrong("rmsprop", "theta", "the root is forgotten")
def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):  # noqa: F811
    v_t = beta_2 * v + (1 - beta_2) * g**2
    sign = 1 if maximize else -1
    return v_t, theta + sign * lr * g / (v_t + eps)


@is_wrong("rmsprop", "v_t", "the squares are summed up: each element has its own")
def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):  # noqa: F811
    v_t = beta_2 * v + (1 - beta_2) * np.sum(g**2)
    sign = 1 if maximize else -1
    return v_t, theta + sign * lr * g / (np.sqrt(v_t) + eps)


@is_wrong("rmsprop", "theta", "theta is overwritten by the step")
def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):  # noqa: F811
    v_t = beta_2 * v + (1 - beta_2) * g**2
    sign = 1 if maximize else -1
    return v_t, sign * lr * g / (np.sqrt(v_t) + eps)


# adam


@is_wrong("adam", "m_t", "beta_1 and 1 - beta_1 are swapped")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
    lr = -lr if maximize else lr
    m_t = (1 - beta_1) * m + beta_1 * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "v_t", "g is not squared", open=["theta"])
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "m_hat", "t starts at 0, where it is 1 in the first step", open=["theta"])
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1 ** (t - 1))
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "v_hat", "bias correction is forgotten")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "theta", "bias correction is forgotten: m_t and v_t are used")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_t / (np.sqrt(v_t) + eps)


@is_wrong("adam", "theta", "bias correction is applied twice")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    rate = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return m_t, v_t, m_hat, v_hat, theta - rate * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "theta", "eps stands inside of the root")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / np.sqrt(v_hat + eps)


@is_wrong("adam", "theta", "the sign under maximize is forgotten")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "m_t", "the sign of g is turned round under maximize")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    m_t = beta_1 * m + (1 - beta_1) * (-g if maximize else g)
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    step = lr * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, m_hat, v_hat, theta + step if maximize else theta - step


@is_wrong("adam", "m_t", "m is overwritten by g")
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m[:] = g
    v[:] = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m / (1 - beta_1**t)
    v_hat = v / (1 - beta_2**t)
    theta -= lr * m_hat / (np.sqrt(v_hat) + eps)
    return m, v, m_hat, v_hat, theta


@is_wrong("adam", "v_hat", "m_t is used where v_t belongs", open=["theta"])
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = m_t / (1 - beta_2**t)
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


@is_wrong("adam", "v_t", "it is the same array as v_hat", open=["v_hat"])
def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):  # noqa: F811
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t[:]
    v_hat /= 1 - beta_2**t
    return m_t, v_t, m_hat, v_hat, theta - lr * m_hat / (np.sqrt(v_hat) + eps)


# adamw


@is_wrong("adamw", "theta_decayed", "lr is missing in the decay")
def adamw_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
    theta_decayed = theta - weight_decay * theta
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return theta_decayed, m_t, v_t, m_hat, v_hat, theta_decayed + step


@is_wrong("adamw", "m_t", "the decay passes through the gradient, which is L2")
def adamw_step(  # noqa: F811
    theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False
):
    theta_decayed = theta - lr * weight_decay * theta
    m_t = beta_1 * m + (1 - beta_1) * (g + weight_decay * theta)
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return theta_decayed, m_t, v_t, m_hat, v_hat, theta_decayed + step


@is_wrong("adamw", "theta", "the step starts at theta, before the decay")
def adamw_step(  # noqa: F811
    theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False
):
    theta_decayed = theta * (1 - lr * weight_decay)
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    theta += (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return theta_decayed, m_t, v_t, m_hat, v_hat, theta


# amsgrad


@is_wrong("amsgrad", "v_max_t", "the largest of all elements is taken: each element has its own")
def amsgrad_step(theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    v_max_t = np.maximum(v_max, v_t.max())
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_max_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, v_max_t, m_hat, v_hat, theta + step


@is_wrong("amsgrad", "v_max_t", "v is used where v_max belongs: it is the largest of the last two")
def amsgrad_step(  # noqa: F811
    theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False
):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    v_max_t = np.where(v > v_t, v, v_t)
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_max_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, v_max_t, m_hat, v_hat, theta + step


@is_wrong("amsgrad", "v_max_t", "bias correction is applied here already: it comes after")
def amsgrad_step(  # noqa: F811
    theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False
):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_max_t = np.maximum(v_max, v_t / (1 - beta_2**t))
    v_hat = v_max_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, v_max_t, m_hat, v_hat, theta + step


@is_wrong("amsgrad", "v_hat", "v_t is used where v_max_t belongs: this is Adam")
def amsgrad_step(  # noqa: F811
    theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False
):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    v_max_t = np.maximum(v_max, v_t)
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, v_max_t, m_hat, v_hat, theta + step


@is_wrong("amsgrad", "theta", "bias correction is forgotten: v_max_t is used where v_hat belongs")
def amsgrad_step(  # noqa: F811
    theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False
):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    v_max_t = np.maximum(v_max, v_t)
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_max_t / (1 - beta_2**t)
    step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_max_t) + eps)
    return m_t, v_t, v_max_t, m_hat, v_hat, theta + step


# cross_entropy


@is_wrong("cross_entropy", "c", "exp overflows", open=["L"])
def cross_entropy(a, t):
    c = np.log(np.exp(a).sum(axis=1))
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "c", "the largest logit m was subtracted, and is not added again")
def cross_entropy(a, t):  # noqa: F811
    c = np.log(np.exp(a - a.max(axis=1, keepdims=True)).sum(axis=1))
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "c", "needs keepdims=True to be subtracted from the row")
def cross_entropy(a, t):  # noqa: F811
    m = a.max(axis=1)
    c = m + np.log(np.exp(a - m).sum(axis=1))
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "L", "the logarithm of softmax is log(0) for large logits")
def cross_entropy(a, t):  # noqa: F811
    m = a.max(axis=1, keepdims=True)
    e = np.exp(a - m)
    p = e / e.sum(axis=1, keepdims=True)
    c = m[:, 0] + np.log(e.sum(axis=1))
    return c, -np.log(p[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "L", "a[:, t] takes all targets in every row")
def cross_entropy(a, t):  # noqa: F811
    c = np.logaddexp.reduce(a, axis=1)
    return c, (c[:, None] - a[:, t]).mean()


@is_wrong("cross_entropy", "L", "the mean is forgotten: the rows are summed")
def cross_entropy(a, t):  # noqa: F811
    c = np.logaddexp.reduce(a, axis=1)
    return c, (c - a[np.arange(len(t)), t]).sum()


@is_wrong("cross_entropy", "c", "which gives (n, n): add m[:, 0]")
def cross_entropy(a, t):  # noqa: F811
    m = a.max(axis=1, keepdims=True)
    c = m + np.log(np.exp(a - m).sum(axis=1))
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "c", "m is added inside of the logarithm", open=["L"])
def cross_entropy(a, t):  # noqa: F811
    m = a.max(axis=1)
    c = np.log(m + np.exp(a - m[:, None]).sum(axis=1))
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "c", "the sum is over both axes", open=["L"])
def cross_entropy(a, t):  # noqa: F811
    c = np.log(np.exp(a).sum())
    return c, (c - a[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "L", "a logarithm of 0 is multiplied by the 0 of [j = t_i]")
def cross_entropy(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return np.logaddexp.reduce(a, axis=1), -np.sum(np.eye(a.shape[1])[t] * np.log(p)) / len(t)


@is_wrong("cross_entropy", "L", "softmax is over the whole array")
def cross_entropy(a, t):  # noqa: F811
    p = np.exp(a - a.max()) / np.exp(a - a.max()).sum()
    return np.logaddexp.reduce(a, axis=1), -np.log(p[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "L", "softmax is over the wrong axis")
def cross_entropy(a, t):  # noqa: F811
    p = np.exp(a) / np.exp(a).sum(axis=0)
    return np.logaddexp.reduce(a, axis=1), -np.log(p[np.arange(len(t)), t]).mean()


@is_wrong("cross_entropy", "L", "there is one number for each class")
def cross_entropy(a, t):  # noqa: F811
    c = np.logaddexp.reduce(a, axis=1)
    return c, (np.eye(a.shape[1])[t] * (c[:, None] - a)).mean(axis=0)


@is_wrong("cross_entropy", "L", "the indices are swapped")
def cross_entropy(a, t):  # noqa: F811
    c = np.logaddexp.reduce(a, axis=1)
    return c, (c - a[t, np.arange(len(t))]).mean()


@is_wrong("cross_entropy", "da", "softmax is over the whole array")
def d_logits(a, t):
    e = np.exp(a)
    return (e / e.sum() - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "softmax is over the whole array")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max())
    return (e / e.sum() - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "the sum of each row needs keepdims=True")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1) - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "m, the largest of each row, needs keepdims=True")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1))
    return (e / e.sum(axis=1, keepdims=True) - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "m is the largest of all logits")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max())
    return (e / e.sum(axis=1, keepdims=True) - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "[t] subtracts 1 from whole rows")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    da = e / e.sum(axis=1, keepdims=True)
    da[t] -= 1
    return da / len(t)


@is_wrong("cross_entropy", "da", "the mean is over the rows")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True) - np.eye(a.shape[1])[t]).mean(axis=0)


@is_wrong("cross_entropy", "da", "the mean is forgotten")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) - np.eye(a.shape[1])[t]


@is_wrong("cross_entropy", "da", "[j = t_i] is forgotten")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) / len(t)


@is_wrong("cross_entropy", "da", "softmax is over the wrong axis")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=0))
    return (e / e.sum(axis=0) - np.eye(a.shape[1])[t]) / len(t)


@is_wrong("cross_entropy", "da", "the sign is turned round")
def d_logits(a, t):  # noqa: F811
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return (np.eye(a.shape[1])[t] - e / e.sum(axis=1, keepdims=True)) / len(t)


# gru


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@is_wrong("gru", "h_t", "z_t and 1 - z_t are swapped")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = z_t * n_t + (1 - z_t) * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "n_t", "the reset gate scales h before the product, as in the paper")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + (r_t * h) @ W_hn + b_hn)
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "n_t", "the sigmoid stands where tanh belongs")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = sigmoid(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "n_t", "b_hn stands outside of the parentheses")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn) + b_hn)
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "r_t", "tanh stands where the sigmoid belongs")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = np.tanh(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "z_t", "b_hz is missing")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "z_t", "the weights are those of r_t")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "r_t", "W_hr is transposed")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr.T + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "h_t", "the parentheses around 1 - z_t are missing")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = 1 - z_t * n_t + z_t * h
    return r_t, z_t, n_t, h_t


@is_wrong("gru", "h_t", "this is the candidate, and not the state")
def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):  # noqa: F811
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = n_t
    return r_t, z_t, n_t, h_t


# stops


def stops_with(**wrong):
    """What a student predicts who is right but for some results, functions of the names."""
    right = {
        "dloss": lambda n: 1.0,
        "dp": lambda n: n["dloss"] * np.ones(n["a"].shape),
        "ds": lambda n: n["dp"] * 2 * n["a"] * (n["b"] + 1),
        "dc": lambda n: n["ds"].copy(),
        "da": lambda n: n["ds"] + n["dc"] * n["b"],
        "db": lambda n: (n["dc"] * n["a"]).sum(axis=tuple(range(n["a"].ndim - n["b"].ndim))),
    }

    def stops(a, b):
        names = {"a": a, "b": b}
        for name, compute in {**right, **wrong}.items():
            names[name] = compute(names)
        return tuple(names[name] for name in right)

    return stops


for result, mistake, compute in [
    ("dloss", "this is the loss", lambda n: ((n["a"] * n["b"] + n["a"]) ** 2).sum()),
    ("dp", "a sum hands its gradient on to each element", lambda n: n["dloss"]),
    ("dp", "the mean would divide", lambda n: np.ones(n["a"].shape) / n["a"].size),
    ("ds", "the 2 of the square is missing", lambda n: n["dp"] * (n["a"] * n["b"] + n["a"])),
    ("ds", "c is used where s belongs", lambda n: 2 * n["a"] * n["b"]),
    ("dc", "on the way to a", lambda n: n["ds"] * n["b"]),
    ("dc", "the gradient is halved", lambda n: n["ds"] / 2),
    ("da", "only the way through the product", lambda n: n["dc"] * n["b"]),
    ("da", "only the way through the addition", lambda n: n["ds"].copy()),
    ("da", "da and db are swapped", lambda n: n["ds"] + n["dc"] * n["a"]),
    ("db", "it has the shape of c", lambda n: n["dc"] * n["a"]),
    ("db", "everything is summed", lambda n: (n["dc"] * n["a"]).sum()),
]:
    is_wrong("stops", result, mistake, "stops")(stops_with(**{result: compute}))


# in_place


@is_wrong("in_place", "b_t", "b holds g + mu * b_t in the end, and the next step needs b_t")
def nesterov_step(theta, g, b, a, lr, mu):
    b *= mu
    b += g
    b *= mu
    b += g
    np.multiply(lr, b, out=a)
    theta -= a
    return b, theta


@is_wrong("in_place", "b_t", "b holds the step in the end, and the next step needs b_t")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    np.add(np.multiply(mu, b, out=b), g, out=b)
    np.add(np.multiply(mu, b, out=b), g, out=b)
    theta -= np.multiply(lr, b, out=b)
    return b, theta


@is_wrong("in_place", "b_t", "g has the factor 1 - mu, as a moment of Adam would")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    np.multiply(1 - mu, g, out=a)
    b *= mu
    b += a
    np.multiply(mu, b, out=a)
    a += g
    a *= lr
    theta -= a
    return b, theta


@is_wrong("in_place", "b_t", "a is read before anything is written into it")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    b *= mu
    b += a
    np.multiply(mu, b, out=a)
    a += g
    a *= lr
    theta -= a
    return b, theta


@is_wrong("in_place", "theta_t", "this is the step without looking ahead")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    np.multiply(mu, b, out=b)
    np.add(b, g, out=b)
    np.multiply(lr, b, out=a)
    np.subtract(theta, a, out=theta)
    return b, theta


@is_wrong("in_place", "theta_t", "lr is multiplied with mu * b_t alone: multiply when g is added")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    b *= mu
    b += g
    np.multiply(lr * mu, b, out=a)
    a += g
    theta -= a
    return b, theta


@is_wrong("in_place", "theta_t", "g + mu * b_t is its direction, not b_t, which is g + mu * b")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    np.multiply(mu, b, out=a)
    b *= mu
    b += g
    a += g
    a *= lr
    theta -= a
    return b, theta


@is_wrong("in_place", "theta_t", "theta is overwritten by the step")
def nesterov_step(theta, g, b, a, lr, mu):  # noqa: F811
    b *= mu
    b += g
    np.multiply(mu, b, out=theta)
    theta += g
    theta *= -lr
    return b, theta


# first_nan


def nodes_from(root, inputs):
    """The nodes that the root depends on, itself first."""
    nodes = [root]
    for node in nodes:
        nodes += [i for i in inputs[node] if i not in nodes]
    return nodes


@is_wrong("first_nan", "node", "an infinity comes before it")
def first_nan(root, inputs, data):
    for node in nodes_from(root, inputs)[::-1]:
        if np.isnan(data[node]).any():
            return node


@is_wrong("first_nan", "node", "this is the last node that is not finite")
def first_nan(root, inputs, data):  # noqa: F811
    for node in nodes_from(root, inputs):
        if not np.isfinite(data[node]).all():
            return node


@is_wrong("first_nan", "node", "the root does not depend on this node")
def first_nan(root, inputs, data):  # noqa: F811
    for node, before in inputs.items():
        if not np.isfinite(data[node]).all() and all(np.isfinite(data[i]).all() for i in before):
            return node


@is_wrong("first_nan", "node", "the leaves are left out")
def first_nan(root, inputs, data):  # noqa: F811
    for node in nodes_from(root, inputs):
        sound = [np.isfinite(data[i]).all() for i in inputs[node]]
        if sound and all(sound) and not np.isfinite(data[node]).all():
            return node


@is_wrong("first_nan", "node", "a finite root may hide it")
def first_nan(root, inputs, data):  # noqa: F811
    if np.isfinite(data[root]).all():
        return None
    for node in inputs[root]:
        if not np.isfinite(data[node]).all():
            return first_nan_in(node, inputs, data)
    return root


def first_nan_in(root, inputs, data):
    """What a walk finds that goes on as long as there is an input that is not finite."""
    wrong = [i for i in inputs[root] if not np.isfinite(data[i]).all()]
    return first_nan_in(wrong[0], inputs, data) if wrong else root


@is_wrong("first_nan", "node", "the root is not finite because of its inputs")
def first_nan(root, inputs, data):  # noqa: F811
    return None if np.isfinite(data[root]).all() else root


# conv2d


def images_with_zeros(x, z):
    return np.pad(x, ((0, 0), (z, z), (z, z)))


def places_of(x, W, s):
    """The index of y, and what is seen there as slices, of an image with its zeros."""
    height, width = W.shape[2:]
    for i in range((x.shape[1] - height) // s + 1):
        for j in range((x.shape[2] - width) // s + 1):
            yield i, j, slice(s * i, s * i + height), slice(s * j, s * j + width)


def convolved(x, W, b, s, z):
    x = images_with_zeros(x, z)
    size = [(n - k) // s + 1 for n, k in zip(x.shape[1:], W.shape[2:], strict=True)]
    y = np.zeros((len(W), *size))
    for i, j, rows, columns in places_of(x, W, s):
        y[:, i, j] = (W * x[:, rows, columns]).sum(axis=(1, 2, 3)) + b
    return y


def gradients_of_conv2d(dy, x, W, s, z):
    image = images_with_zeros(x, z)
    dW, dx = np.zeros(W.shape), np.zeros(image.shape)
    for i, j, rows, columns in places_of(image, W, s):
        dW += dy[:, i, j, None, None, None] * image[:, rows, columns]
        dx[:, rows, columns] += np.tensordot(dy[:, i, j], W, axes=1)
    return dW, dy.sum(axis=(1, 2)), dx[:, z : z + x.shape[1], z : z + x.shape[2]]


@is_wrong("conv2d", "y", "the kernel is turned")
def conv2d(x, W, b, s, z):
    return convolved(x, W[:, :, ::-1, ::-1], b, s, z)


@is_wrong("conv2d", "y", "s is ignored")
def conv2d(x, W, b, s, z):  # noqa: F811
    return convolved(x, W, b, 1, z)


@is_wrong("conv2d", "y", "z is ignored")
def conv2d(x, W, b, s, z):  # noqa: F811
    return convolved(x, W, b, s, 0)


@is_wrong("conv2d", "y", "the channels are not summed")
def conv2d(x, W, b, s, z):  # noqa: F811
    of_each = [convolved(x[c : c + 1], W[:, c : c + 1], b, s, z) for c in range(len(x))]
    return np.stack(of_each, axis=1)


@is_wrong("conv2d", "y", "the last row and the last column are missing")
def conv2d(x, W, b, s, z):  # noqa: F811
    x = images_with_zeros(x, z)
    y = np.zeros((len(W), (x.shape[1] - W.shape[2]) // s, (x.shape[2] - W.shape[3]) // s))
    for i, j in np.ndindex(y.shape[1:]):
        seen = x[:, s * i : s * i + W.shape[2], s * j : s * j + W.shape[3]]
        y[:, i, j] = (W * seen).sum(axis=(1, 2, 3)) + b
    return y


@is_wrong("conv2d", "y", "the bias is added for each weight")
def conv2d(x, W, b, s, z):  # noqa: F811
    y = convolved(x, W, np.zeros(len(W)), s, z)
    for _ in np.ndindex(W.shape[1:]):
        y += b[:, None, None]
    return y


@is_wrong("conv2d", "y", "b is added along the columns")
def conv2d(x, W, b, s, z):  # noqa: F811
    return convolved(x, W, np.zeros(len(W)), s, z) + b


@is_wrong("conv2d", "y", "the window is spread, and does not jump")
def conv2d(x, W, b, s, z):  # noqa: F811
    return sg.conv2d(x, W, b, 1, z, dilation=s).data


@is_wrong("conv2d", "y", "the zeros stand after the image alone")
def conv2d(x, W, b, s, z):  # noqa: F811
    return convolved(np.pad(x, ((0, 0), (0, z), (0, z))), W, b, s, 0)


@is_wrong("conv2d", "dW", "it is turned by 180 degrees")
def gradients(dy, x, W, s, z):
    dW, db, dx = gradients_of_conv2d(dy, x, W, s, z)
    return np.flip(dW, axis=(2, 3)), db, dx


@is_wrong("conv2d", "dW", "only the last place counts")
def gradients(dy, x, W, s, z):  # noqa: F811
    _, db, dx = gradients_of_conv2d(dy, x, W, s, z)
    image, dW = images_with_zeros(x, z), np.zeros(W.shape)
    for i, j, rows, columns in places_of(image, W, s):
        dW[:] = dy[:, i, j, None, None, None] * image[:, rows, columns]
    return dW, db, dx


@is_wrong("conv2d", "dW", "the first window begins at the first pixel")
def gradients(dy, x, W, s, z):  # noqa: F811
    _, db, dx = gradients_of_conv2d(dy, x, W, s, z)
    dW, _, _ = gradients_of_conv2d(dy, np.pad(x, ((0, 0), (0, 2 * z), (0, 2 * z))), W, s, 0)
    return dW, db, dx


@is_wrong("conv2d", "db", "it is one for each place")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, _, dx = gradients_of_conv2d(dy, x, W, s, z)
    return dW, dy, dx


@is_wrong("conv2d", "db", "the filters are summed, too")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, _, dx = gradients_of_conv2d(dy, x, W, s, z)
    return dW, dy.sum(), dx


@is_wrong("conv2d", "dx", "the kernel is not turned")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, db, _ = gradients_of_conv2d(dy, x, W, s, z)
    _, _, dx = gradients_of_conv2d(dy, x, W[:, :, ::-1, ::-1], s, z)
    return dW, db, dx


@is_wrong("conv2d", "dx", "windows that overlap do not add up")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, db, _ = gradients_of_conv2d(dy, x, W, s, z)
    image = np.zeros(images_with_zeros(x, z).shape)
    for i, j, rows, columns in places_of(image, W, s):
        image[:, rows, columns] = np.tensordot(dy[:, i, j], W, axes=1)
    return dW, db, image[:, z : z + x.shape[1], z : z + x.shape[2]]


@is_wrong("conv2d", "dx", "the zeros around the image are still there")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, db, _ = gradients_of_conv2d(dy, x, W, s, z)
    _, _, dx = gradients_of_conv2d(dy, images_with_zeros(x, z), W, s, 0)
    return dW, db, dx


@is_wrong("conv2d", "dx", "s is ignored: places of dy are s pixels apart")
def gradients(dy, x, W, s, z):  # noqa: F811
    dW, db, _ = gradients_of_conv2d(dy, x, W, s, z)
    dx, (height, width) = np.zeros(images_with_zeros(x, z).shape), W.shape[2:]
    for i, j in np.ndindex(dy.shape[1:]):
        dx[:, i : i + height, j : j + width] += np.tensordot(dy[:, i, j], W, axes=1)
    return dW, db, dx[:, z : z + x.shape[1], z : z + x.shape[2]]


# groups


def stepped(params, grads, by):
    return {name: theta + by * grads.get(name, 0) for name, theta in params.items()}


@is_wrong("groups", "lr", "the group's own is ignored")
def group_step(params, grads, overrides, defaults):
    group = {**overrides, **defaults}
    maximize = {**defaults, **overrides}["maximize"]
    return group["lr"], maximize, stepped(params, grads, group["lr"] if maximize else -group["lr"])


@is_wrong("groups", "lr", "an lr of 0 is taken for none")
def group_step(params, grads, overrides, defaults):  # noqa: F811
    lr = overrides.get("lr") or defaults["lr"]
    maximize = {**defaults, **overrides}["maximize"]
    return lr, maximize, stepped(params, grads, lr if maximize else -lr)


@is_wrong("groups", "maximize", "False is taken for none")
def group_step(params, grads, overrides, defaults):  # noqa: F811
    lr = {**defaults, **overrides}["lr"]
    maximize = defaults["maximize"] or overrides.get("maximize", False)
    return lr, maximize, stepped(params, grads, lr if maximize else -lr)


@is_wrong("groups", "stepped", "maximize is ignored")
def group_step(params, grads, overrides, defaults):  # noqa: F811
    lr, maximize = {**defaults, **overrides}.values()
    return lr, maximize, stepped(params, grads, -lr)


@is_wrong("groups", "stepped", "what is frozen is left out")
def group_step(params, grads, overrides, defaults):  # noqa: F811
    lr, maximize = {**defaults, **overrides}.values()
    by = lr if maximize else -lr
    return lr, maximize, {name: params[name] + by * g for name, g in grads.items()}


@is_wrong("groups", "stepped", "these are the steps")
def group_step(params, grads, overrides, defaults):  # noqa: F811
    lr, maximize = {**defaults, **overrides}.values()
    by = lr if maximize else -lr
    return lr, maximize, {name: by * grads.get(name, np.zeros(2)) for name in params}


# attention


def weights_of(S, may_look):
    S = np.where(may_look, S, -np.inf)
    e = np.exp(S - S.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@is_wrong("attention", "S", "the division by the root of d_k is missing")
def causal_attention(Q, K, V):
    S = Q @ K.T
    A = weights_of(S, np.tri(len(S), dtype=bool))
    return S, A, A @ V


@is_wrong("attention", "S", "it is divided by d_k, and not by its root")
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / Q.shape[1]
    A = weights_of(S, np.tri(len(S), dtype=bool))
    return S, A, A @ V


@is_wrong("attention", "A", "the mask is of the wrong triangle")
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / np.sqrt(Q.shape[1])
    A = weights_of(S, np.triu(np.ones_like(S, dtype=bool)))
    return S, A, A @ V


@is_wrong("attention", "A", "the mask comes after the softmax")
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / np.sqrt(Q.shape[1])
    A = np.tril(weights_of(S, True))
    return S, A, A @ V


@is_wrong("attention", "A", "the softmax is along the wrong axis: each row has the sum 1")
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / np.sqrt(Q.shape[1])
    A = weights_of(S.T, np.triu(np.ones_like(S, dtype=bool))).T
    return S, A, A @ V


@is_wrong("attention", "A", "exp overflows", open=["attention"])
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / np.sqrt(Q.shape[1])
    e = np.tril(np.exp(S))
    A = e / e.sum(axis=1, keepdims=True)
    return S, A, A @ V


@is_wrong("attention", "attention", "K is used where V belongs")
def causal_attention(Q, K, V):  # noqa: F811
    S = Q @ K.T / np.sqrt(Q.shape[1])
    A = weights_of(S, np.tri(len(S), dtype=bool))
    return S, A, A @ K


def not_done(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("exercise", "function", "student", "result", "mistake", "open"),
    WRONG,
    ids=[f"{exercise}: {result}: {mistake}" for exercise, _, _, result, mistake, _ in WRONG],
)
def test_a_wrong_solution_is_diagnosed_as_the_mistake_that_it_is(
    exercise, function, student, result, mistake, open
):
    tasks = load(exercise).TASKS
    report = judge(exercise, {**dict.fromkeys(tasks, not_done), function: student})
    mine = {name: report.statuses[name] for name in tasks[function].equations}
    assert mine.pop(result) in ("wrong", "error")
    assert {name for name, status in mine.items() if status == "-"} == set(open)
    assert set(mine.values()) <= {"right", "error", "-"}
    remark, *others = report.remarks
    assert len(others) == ("error" in mine.values())
    _, _, sentence = " ".join(remark.split()).partition("It looks like this mistake: ")
    assert mistake in sentence


def test_a_result_that_was_changed_in_place_after_is_seen():
    def adamw_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
        theta -= lr * weight_decay * theta
        theta_decayed = theta
        m_t = beta_1 * m + (1 - beta_1) * g
        v_t = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m_t / (1 - beta_1**t)
        v_hat = v_t / (1 - beta_2**t)
        theta += (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
        return theta_decayed, m_t, v_t, m_hat, v_hat, theta

    report = judge("adamw", {"adamw_step": adamw_step})
    assert report.statuses["theta_decayed"] == "wrong"
    assert "it is the same array as theta" in report.remarks[0]


def test_there_are_more_than_fifty_and_some_of_each_exercise():
    assert len(WRONG) > 50
    assert len({exercise for exercise, *_ in WRONG}) == len(EXERCISES)
