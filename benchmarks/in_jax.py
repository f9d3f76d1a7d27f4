"""The nets of the subject `compiled` in JAX: a whole training step under one jit, its state donated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import zoo
from .zoo import Net

Weights = dict[str, Any]
BETA1, BETA2, EPSILON, DECAY = 0.9, 0.999, 1e-8, 0.01  # PyTorch's defaults


def linear(jax: Any, w: Weights, name: str, x: Any) -> Any:
    out = x @ w[f"{name}.weight"].T
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def layer_norm(jax: Any, w: Weights, name: str, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def convnet(jax: Any, w: Weights, x: Any) -> Any:
    x = jax.lax.conv_general_dilated(x, w["0.weight"], (1, 1), "VALID") + w["0.bias"][:, None, None]
    window = (1, 1, 2, 2)
    x = jax.lax.reduce_window(jax.nn.relu(x), -np.inf, jax.lax.max, window, window, "VALID")
    return linear(jax, w, "4", x.reshape(len(x), -1))


def perceptron(jax: Any, w: Weights, x: Any) -> Any:
    """Linear layers with ReLU between them."""
    x = x.reshape(len(x), -1)
    *hidden, last = sorted({name.split(".")[0] for name in w}, key=int)
    for name in hidden:
        x = jax.nn.relu(linear(jax, w, name, x))
    return linear(jax, w, last, x)


def gpt(jax: Any, w: Weights, text: Any, heads: int = 4, layers: int = 2) -> Any:
    jnp, (n, steps) = jax.numpy, text.shape
    x = w["characters.weight"][text] + w["places.weight"][:steps]
    seen = jnp.tril(jnp.ones((steps, steps), bool))
    for i in range(layers):
        block = f"blocks.{i}"
        parts = jnp.split(linear(jax, w, f"{block}.qkv", layer_norm(jax, w, f"{block}.norm1", x)), 3, -1)
        q, k, v = (part.reshape(n, steps, heads, -1).transpose(0, 2, 1, 3) for part in parts)
        scores = q @ k.transpose(0, 1, 3, 2) * np.float32(q.shape[-1] ** -0.5)
        mixed = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), -1) @ v
        x = x + linear(jax, w, f"{block}.out", mixed.transpose(0, 2, 1, 3).reshape(n, steps, -1))
        up = linear(jax, w, f"{block}.up", layer_norm(jax, w, f"{block}.norm2", x))
        x = x + linear(jax, w, f"{block}.down", jax.nn.gelu(up, approximate=False))
    return linear(jax, w, "head", layer_norm(jax, w, "norm", x))


def lstm(jax: Any, w: Weights, x: Any) -> Any:
    jnp = jax.numpy
    of_input, of_state = w["memory.weight_ih_l0"], w["memory.weight_hh_l0"]
    gates = (x @ of_input.T + w["memory.bias_ih_l0"] + w["memory.bias_hh_l0"]).transpose(1, 0, 2)

    def cell(state: Any, gate: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(gate + h @ of_state.T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    nothing = jnp.zeros((len(x), of_state.shape[1]), x.dtype)
    (h, _), _ = jax.lax.scan(cell, (nothing, nothing), gates)
    return linear(jax, w, "head", h)


FORWARD: dict[str, Callable[..., Any]] = {
    zoo.CONVNET.name: convnet, zoo.MLP.name: perceptron, zoo.POLICY.name: perceptron, zoo.GPT64.name: gpt,
    zoo.SERIES.name: lstm,
}  # fmt: skip


def updated(jax: Any, net: Net, w: Weights, g: Weights, state: Any) -> tuple[Weights, Any]:
    """Return the weights after a step of SGD, Adam or AdamW, and the optimizer's state."""
    name, settings = net.optimizer
    lr = settings["lr"]
    if name == "SGD":
        return {key: w[key] - lr * g[key] for key in w}, state
    m, v, count = state
    count = count + 1
    m = {key: BETA1 * m[key] + (1 - BETA1) * g[key] for key in w}
    v = {key: BETA2 * v[key] + (1 - BETA2) * g[key] ** 2 for key in w}
    first, second = 1 - BETA1**count, jax.numpy.sqrt(1 - BETA2**count)
    keep = 1 - lr * DECAY if name == "AdamW" else 1.0
    w = {key: keep * w[key] - lr / first * m[key] / (jax.numpy.sqrt(v[key]) / second + EPSILON) for key in w}
    return w, (m, v, count)


def step(jax: Any, net: Net, weights: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Return a function that trains once, and gives the loss."""
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # else each small step waits for another thread
    jnp, forward = jax.numpy, FORWARD[net.name]
    x, y = map(jnp.asarray, net.data(np.random.default_rng(0), net.batch))

    def loss(w: Weights, x: Any, y: Any) -> Any:
        likelihood = jax.nn.log_softmax(forward(jax, w, x))
        return -jnp.take_along_axis(likelihood, y[..., None], -1).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train(w: Weights, state: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(w, x, y)
        return *updated(jax, net, w, g, state), value

    w = {name: jnp.array(value) for name, value in weights.items()}
    state: Any = [({key: jnp.zeros_like(value) for key, value in w.items()},
                   {key: jnp.zeros_like(value) for key, value in w.items()}, jnp.float32(0))]  # fmt: skip
    held = [w, () if net.optimizer[0] == "SGD" else state[0]]

    def once() -> Any:
        held[0], held[1], value = train(held[0], held[1], x, y)
        return value.block_until_ready()

    return once
