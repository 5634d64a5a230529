"""A solution of the exercise topological_order."""


def topological_order(root, inputs):
    order, placed, stack = [], set(), [root]
    while stack:
        node = stack[-1]
        missing = [i for i in inputs[node] if i not in placed]
        if missing:
            stack.extend(missing)
        else:
            stack.pop()
            if node not in placed:
                placed.add(node)
                order.append(node)
    return order


def backward(order, inputs, partials):
    grads = dict.fromkeys(order, 0.0)
    grads[order[-1]] = 1.0
    for c in reversed(order):
        for a, partial in zip(inputs[c], partials[c], strict=True):
            grads[a] += grads[c] * partial
    return grads
