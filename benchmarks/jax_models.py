"""Some steps of `models` once more, as one compiled function each: what JAX's `jit` makes of them.

Sizes and kinds of layers are those of `models`, pictures have their channels last, which JAX does faster, the old state
of the optimizer is given up to hold the new one (`donate_argnums`), and Adam is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    """Normally distributed data."""
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def weight(*shape: int) -> Any:
    """A weight whose last axis is that of the results."""
    return normal(*shape) / float(np.sqrt(np.prod(shape[:-1])))


def labels(classes: int, *shape: int) -> Any:
    """Class numbers."""
    return jnp.asarray(rng.integers(0, classes, shape))


def cross_entropy(scores: Any, y: Any) -> Any:
    """The mean of minus the logarithm of the probability of the class that is right."""
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[..., None], -1).mean()


def linear(fan_in: int, fan_out: int) -> Any:
    """Weight and bias."""
    return weight(fan_in, fan_out), jnp.zeros(fan_out)


def dense(layer: Any, x: Any) -> Any:
    """A linear layer."""
    return x @ layer[0] + layer[1]


def training(parameters: Any, loss: Callable[..., Any], *data: Any, decay: float = 0.0) -> Callable[[], Any]:
    """The compiled step of Adam, or AdamW, on a loss(parameters, *data)."""
    rate, beta1, beta2, eps = 1e-3, 0.9, 0.999, 1e-8

    def update(state: Any, *data: Any) -> Any:
        parameters, mean, square, count = state
        value, gradient = jax.value_and_grad(loss)(parameters, *data)
        count = count + 1
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradient)
        square = jax.tree.map(lambda s, g: beta2 * s + (1 - beta2) * g * g, square, gradient)
        first, second = 1 - beta1**count, jnp.sqrt(1 - beta2**count)

        def moved(p: Any, m: Any, s: Any) -> Any:
            return p * (1 - rate * decay) - rate / first * m / (jnp.sqrt(s) / second + eps)

        return value, (jax.tree.map(moved, parameters, mean, square), mean, square, count)

    compiled = jax.jit(update, donate_argnums=0)
    state = parameters, *(jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)), jnp.zeros(())

    def step() -> Any:
        nonlocal state
        value, state = compiled(state, *data)
        jax.block_until_ready(state)
        return value

    return step


def mlp(sizes: list[int], batch: int) -> Callable[[], Any]:
    """A multi-layer perceptron that classifies."""

    def loss(layers: Any, x: Any, y: Any) -> Any:
        for layer in layers[:-1]:
            x = jax.nn.relu(dense(layer, x))
        return cross_entropy(dense(layers[-1], x), y)

    return training([linear(*pair) for pair in zip(sizes, sizes[1:])], loss, normal(batch, sizes[0]), labels(10, batch))


def cnn(batch: int) -> Callable[[], Any]:
    """A convolutional network in the manner of LeNet."""

    def stage(layer: Any, x: Any, padding: str) -> Any:
        x = jax.lax.conv_general_dilated(x, layer[0], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.lax.reduce_window(
            jax.nn.relu(x + layer[1]), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        )

    def loss(layers: Any, x: Any, y: Any) -> Any:
        x = stage(layers[1], stage(layers[0], x, "SAME"), "VALID").reshape(batch, -1)
        x = jax.nn.relu(dense(layers[3], jax.nn.relu(dense(layers[2], x))))
        return cross_entropy(dense(layers[4], x), y)

    filters = [(weight(5, 5, 1, 16), jnp.zeros(16)), (weight(5, 5, 16, 32), jnp.zeros(32))]
    layers = [*filters, linear(800, 120), linear(120, 84), linear(84, 10)]
    return training(layers, loss, normal(batch, 28, 28, 1), labels(10, batch))


def gpt(batch: int, width: int = 128, depth: int = 4, heads: int = 4, length: int = 64) -> Callable[[], Any]:
    """A transformer that predicts the next of 65 characters."""
    letters = 65

    def norm(layer: Any, x: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * layer[0] + layer[1]

    def block(layers: Any, x: Any) -> Any:
        queries = dense(layers["qkv"], norm(layers["norm1"], x)).reshape(batch, length, 3, heads, -1)
        mixed = jax.nn.dot_product_attention(*jnp.moveaxis(queries, 2, 0), is_causal=True).reshape(x.shape)
        x = x + dense(layers["out"], mixed)
        hidden = jax.nn.gelu(dense(layers["up"], norm(layers["norm2"], x)), approximate=False)
        return x + dense(layers["down"], hidden)

    def loss(model: Any, x: Any, y: Any) -> Any:
        x = model["letters"][x] + model["places"]
        for layers in model["blocks"]:
            x = block(layers, x)
        return cross_entropy(dense(model["head"], norm(model["norm"], x)), y)

    def ones_and_zeros() -> Any:
        return jnp.ones(width), jnp.zeros(width)

    blocks = [
        {"norm1": ones_and_zeros(), "norm2": ones_and_zeros()}
        | {"qkv": linear(width, 3 * width), "out": linear(width, width)}
        | {"up": linear(width, 4 * width), "down": linear(4 * width, width)}
        for _ in range(depth)
    ]
    model = {"blocks": blocks, "norm": ones_and_zeros(), "head": linear(width, letters)}
    model |= {"letters": normal(letters, width), "places": normal(length, width)}
    text = labels(letters, batch, length + 1)
    return training(model, loss, text[:, :-1], text[:, 1:], decay=0.01)


MODELS: dict[str, Callable[[], Callable[[], Any]]] = {
    "digits: MLP 64-128-10, batch 64": lambda: mlp([64, 128, 10], 64),
    "MLP 784-128-64-10, batch 32": lambda: mlp([784, 128, 64, 10], 32),
    "MLP 784-128-64-10, batch 256": lambda: mlp([784, 128, 64, 10], 256),
    "MLP 1024³, batch 512": lambda: mlp([1024] * 4, 512),
    "CNN like LeNet, batch 64": lambda: cnn(64),
    "GPT, batch 16": lambda: gpt(16),
}
