r"""Every differentiable rule: one forward equation, one equation per partial.

A rule is a static class, never instantiated, and knows only NumPy arrays:

- `forward(a, b, ..., **params)` computes the result `c`;
- `da(dc, c, a, b, ..., **params)` computes $da = \partial L / \partial a$ from
  $dc = \partial L / \partial c$, where $L$ is the scalar that is differentiated;
- `partials` lists one such function per input, in the order of the inputs.

Names mean the same in every rule: `a`, `b` are inputs, `c` is the result, `n` is the number of
elements that were reduced. A partial is a pure function: it may be called, and checked against
finite differences, without any engine. Where an input was broadcast, its partial has the shape of
`c`, and `autograd.unbroadcast` sums it back, unless the partial has done so, as that of `MatMul`.
"""

from simplegrad.rules import arithmetic, elementwise, reductions, shapes
from simplegrad.rules.arithmetic import *
from simplegrad.rules.elementwise import *
from simplegrad.rules.reductions import *
from simplegrad.rules.shapes import *

__all__ = [*arithmetic.__all__, *elementwise.__all__, *reductions.__all__, *shapes.__all__]
