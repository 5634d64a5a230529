"""Right solutions in other styles, for the tests: in place, with loops, with other names."""

import math

import numpy as np

import simplegrad as sg


def mul_da_by_numpy(grad, out, left, right):
    return np.multiply(grad, right)


def mul_db_with_loops(grad, out, left, right):
    result = np.empty(grad.shape)
    for i in np.ndindex(grad.shape):
        result[i] = grad[i] * left[i]
    return result


def mul_da_in_place_of_a_copy(dc, c, a, b):
    dc = dc.copy()
    dc *= b
    return dc


def tanh_from_exponentials(x):
    # each of the two where it cannot overflow
    positive, negative = np.exp(-2 * np.maximum(x, 0)), np.exp(2 * np.minimum(x, 0))
    return np.where(x >= 0, (1 - positive) / (1 + positive), (negative - 1) / (negative + 1))


def tanh_with_loops(a):
    c = np.zeros_like(a)
    for i in np.ndindex(a.shape):
        c[i] = math.tanh(a[i])
    return c


def tanh_da_factored(grad, out, x):
    return (grad - grad * out) * (1 + out)


def tanh_da_from_cosh(dc, c, a):
    return dc / np.cosh(a) ** 2


def matmul_da_by_einsum(dc, c, a, b):
    return np.einsum("...ij,...kj->...ik", dc, b)


def matmul_db_by_einsum(dc, c, a, b):
    return np.einsum("...ij,...ik->...jk", a, dc)


def matmul_da_with_loops(dc, c, a, b):
    da = np.zeros(a.shape)
    for index in np.ndindex(c.shape):
        *stack, i, j = index
        for k in range(a.shape[-1]):
            da[(*stack, i, k)] += dc[index] * b[(*stack, k, j)]
    return da


def matmul_db_by_matmul(grad, out, left, right):
    axes = [*range(left.ndim - 2), left.ndim - 1, left.ndim - 2]
    return np.matmul(left.transpose(axes), grad)


def unbroadcast_axis_by_axis(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def unbroadcast_by_index(dc, shape):
    da = np.zeros(shape)
    index = np.broadcast_to(np.arange(da.size).reshape(shape), dc.shape)
    np.add.at(da.reshape(-1), index, dc)
    return da


def order_of_kahn(end, graph):
    needed, todo = {end}, [end]
    while todo:
        for node in graph[todo.pop()]:
            if node not in needed:
                needed.add(node)
                todo.append(node)
    waits = {node: len(set(graph[node])) for node in needed}
    users = {node: [] for node in needed}
    for node in needed:
        for i in set(graph[node]):
            users[i].append(node)
    ready, result = [node for node in needed if not waits[node]], []
    while ready:
        node = ready.pop()
        result.append(node)
        for user in users[node]:
            waits[user] -= 1
            if not waits[user]:
                ready.append(user)
    return tuple(result)


def backward_that_pulls(order, inputs, partials):
    grads = {}
    for node in order[::-1]:
        grads[node] = 1 if node == order[-1] else 0
        for user in order[::-1]:
            for i, partial in zip(inputs[user], partials[user], strict=True):
                if i == node:
                    grads[node] = grads[node] + partial * grads[user]
    return grads


def differences_by_eye(f, x, step):
    steps = step * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [(f(x + e) - f(x - e)) / step / 2 for e in steps]
    return np.array(slopes).reshape(x.shape)


def differences_in_place(f, x, step):
    result = np.empty_like(x)
    for i in range(x.size):
        x.flat[i] += step
        result.flat[i] = f(x)
        x.flat[i] -= 2 * step
        result.flat[i] -= f(x)
        x.flat[i] += step
    result /= 2 * step
    return result


def gradcheck_with_loops(L, dL, x):
    h, gradient = 1e-6, dL(x)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        numeric = (L(x + e) - L(x - e)) / (2 * h)
        if abs(numeric - gradient[i]) > 1e-7 + 1e-5 * max(abs(numeric), abs(gradient[i])):
            return False
    return True


def vjp_from_jacobians(grad, out, weights, inputs):
    of_tanh = np.diag(1 - out**2)
    d_weights = np.zeros(weights.shape)
    for i, j in np.ndindex(weights.shape):
        d_weights[i, j] = (grad @ of_tanh)[i] * inputs[j]
    return grad @ of_tanh, grad @ (of_tanh @ weights), d_weights


def jvp_with_loops(x_dot, c, W):
    a_dot = [sum(w * change for w, change in zip(row, x_dot, strict=True)) for row in W]
    return a_dot, [a_i - c_i * c_i * a_i for a_i, c_i in zip(a_dot, c, strict=True)]


def jacobian_in_place(vjp_of, m):
    dc, rows = np.zeros(m), []
    for i in range(m):
        dc[i] = 1
        rows.append(vjp_of(dc))
        dc[i] = 0
    return rows


def hvp_by_half_differences(gradient, x, v, step):
    moved = step * v
    return gradient(x + moved) / (2 * step) - gradient(x - moved) / (2 * step)


def hvp_by_vjp(f, x, v):
    x = sg.Tensor(x, requires_grad=True)
    return sg.grad(sg.grad(f(x), x, create_graph=True), x, v).numpy()  # v H, and H is symmetric


def hvp_from_hessian(f, x, v):
    return np.tensordot(sg.hessian(f, sg.Tensor(x)).numpy(), v, v.ndim)


def power_step_by_sums(v, Hv):
    return np.sum(v * Hv) / np.sum(v**2), Hv / math.sqrt(sum(x * x for x in Hv))


def sgd_in_place(w, dw, velocity, step, rate, momentum, dampening, decay, climb=False):
    direction = dw.copy()
    if climb:
        direction *= -1
    direction += decay * w
    if step == 1:
        velocity[...] = direction
    else:
        velocity *= momentum
        velocity += (1 - dampening) * direction
    w -= rate * velocity
    return direction, velocity, w


def rmsprop_in_place(w, dw, square, rate, decay, tiny, climb=False):
    square *= decay
    square += (1 - decay) * dw * dw
    step = dw / (np.sqrt(square) + tiny)
    step *= rate
    w += step if climb else -step
    return [square, w]


def rmsprop_with_loops(theta, g, v, lr, beta_2, eps, maximize=False):
    v_t, new = v.copy(), theta.copy()
    for i in np.ndindex(g.shape):
        v_t[i] = beta_2 * v[i] + (1 - beta_2) * g[i] ** 2
        step = lr * g[i] / (math.sqrt(v_t[i]) + eps)
        new[i] = theta[i] + step if maximize else theta[i] - step
    return v_t, new


def adam_in_place(w, dw, m1, m2, step, rate, b1, b2, tiny, climb=False):
    m1 *= b1
    m1 += (1 - b1) * dw
    m2 *= b2
    m2 += (1 - b2) * np.square(dw)
    m1_hat = m1 / (1 - b1**step)
    m2_hat = m2 / (1 - b2**step)
    update = m1_hat / (m2_hat**0.5 + tiny)
    update *= rate
    if climb:
        w += update
    else:
        w -= update
    return m1, m2, m1_hat, m2_hat, w


def adam_as_interpolation(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
    m_t = m + (1 - beta_1) * (g - m)
    v_t = v + (1 - beta_2) * (g * g - v)
    m_hat, v_hat = (x / -math.expm1(t * math.log(b)) for x, b in ((m_t, beta_1), (v_t, beta_2)))
    sign = 1 if maximize else -1
    return m_t, v_t, m_hat, v_hat, theta + sign * lr / (eps + np.sqrt(v_hat)) * m_hat


def adamw_in_place(theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
    theta *= 1 - lr * weight_decay
    theta_decayed = theta.copy()
    m[:] = beta_1 * m + (1 - beta_1) * g
    v[:] = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m / (1 - beta_1**t)
    v_hat = v / (1 - beta_2**t)
    theta += (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return theta_decayed, m, v, m_hat, v_hat, theta


def amsgrad_in_place(theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False):
    m[:] = beta_1 * m + (1 - beta_1) * g
    v[:] = beta_2 * v + (1 - beta_2) * g**2
    v_max[v > v_max] = v[v > v_max]
    m_hat = m / (1 - beta_1**t)
    v_hat = v_max / (1 - beta_2**t)
    theta += (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
    return m, v, v_max, m_hat, v_hat, theta


def cross_entropy_with_loops(logits, targets):
    c = []
    for row in logits:
        largest = max(row)
        c.append(largest + math.log(sum(math.exp(x - largest) for x in row)))
    losses = [c_i - row[t] for c_i, row, t in zip(c, logits, targets, strict=True)]
    return c, sum(losses) / len(losses)


def cross_entropy_by_logaddexp(a, t):
    c = np.logaddexp.reduce(a, axis=1)
    a_it = np.take_along_axis(a, t[:, None], axis=1)[:, 0]
    return c, -np.sum(a_it - c) / len(a)


def d_logits_with_one_hot(a, t):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True) - np.eye(a.shape[1])[t]) / len(a)


def gru_with_gates_side_by_side(x, state, *weights):
    W, b = weights[::2], weights[1::2]
    of_x = np.split(x @ np.hstack(W[:3]) + np.hstack(b[:3]), 3, axis=-1)
    of_h = np.split(state @ np.hstack(W[3:]) + np.hstack(b[3:]), 3, axis=-1)
    r, z = (1 / (1 + np.exp(-(i + h))) for i, h in zip(of_x[:2], of_h[:2], strict=True))
    n = np.tanh(of_x[2] + r * of_h[2])
    return r, z, n, n + z * (state - n)


def gru_by_einsum_in_place(x, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, *of_state):
    W_hr, b_hr, W_hz, b_hz, W_hn, b_hn = of_state

    def product(a, W):
        return np.einsum("...i,ij->...j", a, W)

    # the sigmoid is a tanh of half the argument
    r = (1 + np.tanh((product(x, W_ir) + b_ir + product(h, W_hr) + b_hr) / 2)) / 2
    z = (1 + np.tanh((product(x, W_iz) + b_iz + product(h, W_hz) + b_hz) / 2)) / 2
    n = np.tanh(product(x, W_in) + b_in + r * (product(h, W_hn) + b_hn))
    h *= z
    h += (1 - z) * n
    return r, z, n, h


def stops_by_the_library(a, b):
    a, b = sg.Tensor(a, requires_grad=True), sg.Tensor(b, requires_grad=True)
    c = a * b
    s = c + a
    p = s**2
    loss = p.sum()
    loss.backward(retain_grads=True)
    return tuple(t.grad for t in (loss, p, s, c, a, b))


def stops_with_loops(a, b):
    ds = np.empty(a.shape)
    da, db, copies = np.zeros(a.shape), np.zeros(b.shape), np.broadcast_to(b, a.shape)
    for i in np.ndindex(a.shape):
        ds[i] = 2 * a[i] * (copies[i] + 1)
        da[i] += ds[i]
        da[i] += ds[i] * copies[i]
        db[i[a.ndim - b.ndim :]] += ds[i] * a[i]
    return 1, np.ones(a.shape), ds, ds.copy(), da, db


def first_nan_by_depth(root, inputs, data):
    for node in inputs[root]:
        found = first_nan_by_depth(node, inputs, data)
        if found is not None:
            return found
    return None if np.isfinite(np.sum(np.abs(data[root]))) else root


def first_nan_from_the_end(root, inputs, data):
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        wrong = [i for i in inputs[node] if (data[i] - data[i] != 0).any()]
        if not wrong and (data[node] - data[node] != 0).any():
            return node
        stack.extend(inputs[node])


def conv2d_as_a_product(x, W, b, s, z):
    x = np.pad(x, ((0, 0), (z, z), (z, z)))
    X = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(1, 2))[:, ::s, ::s]
    y = W.reshape(len(W), -1) @ X.transpose(0, 3, 4, 1, 2).reshape(W[0].size, -1)
    return (y + b[:, None]).reshape(len(W), *X.shape[1:3])


def gradients_by_einsum(dy, x, W, s, z):
    image = np.pad(x, ((0, 0), (z, z), (z, z)))
    X = np.lib.stride_tricks.sliding_window_view(image, W.shape[2:], axis=(1, 2))[:, ::s, ::s]
    dW = np.einsum("oij,cijkm->ockm", dy, X)
    dx = np.zeros(image.shape)
    for k, m in np.ndindex(W.shape[2:]):  # the places of the window, and not those of the result
        rows, columns = slice(k, k + s * dy.shape[1], s), slice(m, m + s * dy.shape[2], s)
        dx[:, rows, columns] += np.tensordot(W[:, :, k, m], dy, axes=(0, 0))
    return dW, np.einsum("oij->o", dy), dx[:, z:, z:][:, : x.shape[1], : x.shape[2]]


def conv2d_with_loops(x, W, b, s, z):
    (C, height, width), (h, w) = x.shape, W.shape[2:]
    y = np.empty((len(W), (height + 2 * z - h) // s + 1, (width + 2 * z - w) // s + 1))
    for o, i, j in np.ndindex(y.shape):
        y[o, i, j] = b[o]
        for c, k, m in np.ndindex(C, h, w):
            row, column = s * i + k - z, s * j + m - z
            if 0 <= row < height and 0 <= column < width:
                y[o, i, j] += W[o, c, k, m] * x[c, row, column]
    return y


def gradients_by_turned_kernels(dy, x, W, s, z):
    h, w = W.shape[2:]
    rows, columns = x.shape[1] + 2 * z - h + 1, x.shape[2] + 2 * z - w + 1
    apart = np.zeros((len(dy), rows, columns))
    apart[:, ::s, ::s] = dy
    no_bias = np.zeros(len(x))
    padded = np.pad(apart, ((0, 0), (h - 1, h - 1), (w - 1, w - 1)))
    dx = conv2d_as_a_product(padded, W[:, :, ::-1, ::-1].swapaxes(0, 1), no_bias, 1, 0)
    dW = [conv2d_as_a_product(c[None], apart[:, None], np.zeros(len(dy)), 1, z) for c in x]
    return np.stack(dW, axis=1), dy.sum((1, 2)), dx[:, z : z + x.shape[1], z : z + x.shape[2]]


def batch_norm_with_var(batch, gain, bias, mean, variance, share, tiny):
    mu, sigma_2 = batch.mean(0), batch.var(0)
    x_hat = (batch - mu) * (sigma_2 + tiny) ** -0.5
    mean += share * (mu - mean)
    variance += share * (batch.var(0, ddof=1) - variance)
    return mu, sigma_2, x_hat, gain * x_hat + bias, mean, variance


def batch_norm_with_loops(x, g, b, m, v, alpha, eps):
    n, C = x.shape
    mu, sigma_2, x_hat, y = np.zeros(C), np.zeros(C), np.empty((n, C)), np.empty((n, C))
    for c in range(C):
        mu[c] = sum(x[:, c]) / n
        for i in range(n):
            sigma_2[c] += (x[i, c] - mu[c]) ** 2 / n
        for i in range(n):
            x_hat[i, c] = (x[i, c] - mu[c]) / math.sqrt(sigma_2[c] + eps)
            y[i, c] = x_hat[i, c] * g[c] + b[c]
        m[c] = (1 - alpha) * m[c] + alpha * mu[c]
        v[c] = (1 - alpha) * v[c] + alpha * sigma_2[c] * n / (n - 1)
    return mu, sigma_2, x_hat, y, m, v


def batch_norm_by_einsum(x, g, b, m, v, alpha, eps):
    n = len(x)
    mu = np.einsum("ic->c", x) / n
    sigma_2 = np.einsum("ic,ic->c", x - mu, x - mu) / n
    x_hat = np.einsum("ic,c->ic", x - mu, 1 / np.sqrt(sigma_2 + eps))
    y = np.einsum("ic,c->ic", x_hat, g) + b
    return mu, sigma_2, x_hat, y, m - alpha * (m - mu), v - alpha * (v - sigma_2 * n / (n - 1))


def logits_in_place(x, W_1, b_1, W_2, b_2):
    h = np.dot(x, W_1)
    h += b_1
    h[h < 0] = 0
    a = np.einsum("ni,ij->nj", h, W_2)
    a += b_2
    return h, a


def accuracy_with_loops(a, y):
    prediction = [max(range(len(row)), key=lambda j, row=row: row[j]) for row in a]
    return prediction, sum(int(p == i) for p, i in zip(prediction, y, strict=True)) / len(y)


def group_step_in_place(params, grads, overrides, defaults):
    lr = overrides["lr"] if "lr" in overrides else defaults["lr"]
    maximize = overrides.get("maximize", defaults["maximize"])
    for name, theta in params.items():
        if name in grads:
            theta -= (-lr if maximize else lr) * grads[name]
    return lr, maximize, params


def attention_with_loops(Q, K, V):
    T, d_k = K.shape
    S = np.array([[sum(Q[t] * K[s]) / d_k**0.5 for s in range(T)] for t in range(T)])
    A = np.zeros((T, T))
    for t in range(T):
        seen = S[t, : t + 1]
        e = np.exp(seen - max(seen))
        A[t, : t + 1] = e / sum(e)
    attention = np.array([sum(A[t, s] * V[s] for s in range(T)) for t in range(T)])
    return S, A, attention


def attention_in_place(Q, K, V):
    S = np.einsum("ti,si->ts", Q, K)
    S /= math.sqrt(Q.shape[-1])
    A = S.copy()
    A[np.triu_indices(len(A), 1)] = -np.inf
    A -= A.max(axis=-1, keepdims=True)
    np.exp(A, out=A)
    A /= A.sum(axis=-1, keepdims=True)
    return S, A, np.einsum("ts,sj->tj", A, V)


def nesterov_by_augmented_assignment(w, dw, velocity, scratch, rate, momentum):
    velocity *= momentum
    velocity += dw
    scratch[:] = velocity
    scratch *= momentum
    scratch += dw
    scratch *= rate
    w -= scratch
    return velocity, w


def nesterov_in_blocks(w, dw, velocity, scratch, rate, momentum):
    for start in range(0, len(w), 1000):
        block = slice(start, start + 1000)
        v, s = velocity[block], scratch[block]
        np.add(np.multiply(v, momentum, out=v), dw[block], out=v)
        np.multiply(v, rate * momentum, out=s)
        w[block] -= s
        np.multiply(dw[block], rate, out=s)
        w[block] -= s
    return velocity, w


def share_by_divmod(k, K, N):
    whole, left = divmod(N, K)
    return k * whole + k * left // K, (k + 1) * whole + (k + 1) * left // K


def mean_with_loops(n_k, L_k, g_k):
    N = sum(int(n) for n in n_k)
    w = [int(n) / N for n in n_k]
    L = sum(weight * loss for weight, loss in zip(w, L_k, strict=True))
    g = np.zeros(g_k.shape[1])
    for weight, gradient in zip(w, g_k, strict=True):
        g += weight * gradient
    return N, np.array(w), L, g


def mean_by_average(n_k, L_k, g_k):
    N = n_k.sum()
    return N, n_k / N, np.average(L_k, weights=n_k), np.average(g_k, axis=0, weights=n_k)


STYLES = {
    "Nesterov by augmented assignment": ("in_place", nesterov_by_augmented_assignment),
    "Nesterov in blocks": ("in_place", nesterov_in_blocks),
    "logits in place": ("logits", logits_in_place, accuracy_with_loops),
    "a group in place": ("groups", group_step_in_place),
    "attention with loops": ("attention", attention_with_loops),
    "attention in place": ("attention", attention_in_place),
    "mul by NumPy and with loops": ("mul", mul_da_by_numpy, mul_db_with_loops),
    "mul in place of a copy": ("mul", mul_da_in_place_of_a_copy, mul_db_with_loops),
    "tanh from exponentials": ("tanh", tanh_from_exponentials, tanh_da_factored),
    "tanh with loops": ("tanh", tanh_with_loops, tanh_da_from_cosh),
    "tanh by NumPy": ("tanh", np.tanh, tanh_da_factored),
    "matmul by einsum": ("matmul", matmul_da_by_einsum, matmul_db_by_einsum),
    "matmul with loops": ("matmul", matmul_da_with_loops, matmul_db_by_matmul),
    "unbroadcast axis by axis": ("unbroadcast", unbroadcast_axis_by_axis),
    "unbroadcast by index": ("unbroadcast", unbroadcast_by_index),
    "stops by the library": ("stops", stops_by_the_library),
    "stops with loops": ("stops", stops_with_loops),
    "first NaN by depth": ("first_nan", first_nan_by_depth),
    "first NaN from the end": ("first_nan", first_nan_from_the_end),
    "Kahn's order": ("topological_order", order_of_kahn, backward_that_pulls),
    "differences by eye": ("gradcheck", differences_by_eye, gradcheck_with_loops),
    "differences in place": ("gradcheck", differences_in_place, gradcheck_with_loops),
    "vjp from Jacobians": ("vjp", vjp_from_jacobians, jvp_with_loops, jacobian_in_place),
    "hvp by vjp": ("hvp", hvp_by_half_differences, hvp_by_vjp, power_step_by_sums),
    "hvp from the Hessian": ("hvp", hvp_by_half_differences, hvp_from_hessian, power_step_by_sums),
    "shares with loops": ("all_reduce", share_by_divmod, mean_with_loops),
    "shares by np.average": ("all_reduce", share_by_divmod, mean_by_average),
    "SGD in place": ("sgd_momentum", sgd_in_place),
    "RMSProp in place": ("rmsprop", rmsprop_in_place),
    "RMSProp with loops": ("rmsprop", rmsprop_with_loops),
    "Adam in place": ("adam", adam_in_place),
    "Adam as interpolation": ("adam", adam_as_interpolation),
    "AdamW in place": ("adamw", adamw_in_place),
    "AMSGrad in place": ("amsgrad", amsgrad_in_place),
    "GRU with gates side by side": ("gru", gru_with_gates_side_by_side),
    "GRU by einsum, in place": ("gru", gru_by_einsum_in_place),
    "cross-entropy with loops": (
        "cross_entropy",
        cross_entropy_with_loops,
        d_logits_with_one_hot,
    ),
    "cross-entropy by logaddexp": (
        "cross_entropy",
        cross_entropy_by_logaddexp,
        d_logits_with_one_hot,
    ),
    "conv2d as a product": ("conv2d", conv2d_as_a_product, gradients_by_einsum),
    "conv2d with loops": ("conv2d", conv2d_with_loops, gradients_by_turned_kernels),
    "batch norm with var, in place": ("batch_norm", batch_norm_with_var),
    "batch norm with loops": ("batch_norm", batch_norm_with_loops),
    "batch norm by einsum": ("batch_norm", batch_norm_by_einsum),
}
"""The exercise and its functions, by a description."""
