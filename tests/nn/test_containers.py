"""Sequences of modules."""

import numpy as np

from autograd_nn import Tensor, grad, manual_seed, nn
from autograd_nn.engine import listen


def test_a_sequential_runs_a_layer_and_its_relu_as_one_unless_a_hook_watches():
    manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 2))
    x = Tensor(np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32), requires_grad=True)

    def gradients():
        names = []

        def listener(proceed, primitive, inputs, params):
            names.append(primitive.name)
            return proceed(*inputs, **params)

        with listen(listener):
            out = model(x)
        return names, out.array.copy(), [g.array for g in grad((out * out).sum(), [x, *model.parameters()])]

    fused_names, fused_out, fused = gradients()
    seen = []
    handles = [model[i].register_forward_hook(lambda m, i, o: seen.append(o.shape)) for i in (1, 4)]
    names, out, separate = gradients()
    for handle in handles:
        handle.remove()
    assert fused_names == ["conv2d_relu", "reshape", "linear_relu", "linear"]
    assert "relu" in names and "conv2d" in names and seen == [(2, 3, 4, 4), (2, 5)]
    assert np.array_equal(fused_out, out) and all(np.array_equal(a, b) for a, b in zip(fused, separate))
