"""The maps between layers and the losses of `verify.models` as torch modules, and impl's transformer with the weights of a drawn model."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from almostlinear.impl import losses
from almostlinear.impl.models import AlmostLinearTransformer

from .models import FLOOR, Setting

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "silu": torch.nn.functional.silu}


class First(nn.Module):
    """phi(x W_g0)."""

    def __init__(self, setting: Setting, values: dict[str, Tensor]) -> None:
        super().__init__()
        self.phi, self.weight = ACTIVATIONS[setting.phi], nn.Parameter(values["W_g0"])

    def forward(self, x: Tensor) -> Tensor:
        return self.phi(x @ self.weight)


class Between(nn.Module):
    """g_i of a setting."""

    def __init__(self, setting: Setting, values: dict[str, Tensor], i: int) -> None:
        super().__init__()
        self.kind, self.phi, self.values, self.i = setting.g, ACTIVATIONS[setting.phi], values, i
        if self.kind != "norm":
            self.weight = nn.Parameter(values["W_g"][i])

    def forward(self, z: Tensor) -> Tensor:
        if self.kind == "norm":
            return nn.functional.layer_norm(z, z.shape[-1:], eps=float(FLOOR) ** 2)
        if self.kind == "position":
            z = z + self.values["place"][self.i]
        value = self.phi(z @ self.weight)
        if self.kind == "dropout":
            return value * self.values["keep"][self.i]
        return value @ self.values["W_2"][self.i] if self.kind == "mlp" else value


def loss_of(setting: Setting, values: dict[str, Tensor]) -> losses.Loss:
    """The loss of a setting."""
    target = values["target"]
    if setting.loss == "sum":
        return losses.WeightedSum(target)
    return losses.L2(target) if setting.loss == "l2" else losses.CrossEntropy(target.argmax(-1))


def load_weights(model: AlmostLinearTransformer, values: dict[str, Tensor]) -> None:
    """W_Q, W_K, W_V of all heads, phi(z W_g) W_2 without biases, and nothing behind the last layer."""
    with torch.no_grad():
        for i, layer in enumerate(model.blocks):
            parts = [values[name][i].transpose(0, 1).flatten(1).mT for name in ("W_Q", "W_K", "W_V")]
            layer.attention.into_heads.weight.copy_(torch.cat(parts))
            layer.attention.out.weight.copy_(torch.eye(parts[0].shape[0]))
            first, _, last = (cast(nn.Linear, module) for module in layer.mlp)
            first.weight.copy_(values["W_g"][i].mT)
            last.weight.copy_(values["W_2"][i].mT)
        model.head.weight.copy_(torch.eye(parts[0].shape[0]))


def recorded(model: AlmostLinearTransformer, first: nn.Module, x: Tensor, loss: losses.Loss) -> dict[str, list[Tensor]]:
    """States and gradients by name, from hooks and autograd."""
    x = x.clone().requires_grad_()
    states: list[Tensor] = []
    attended: list[Tensor] = []

    def keep(listed: list[Tensor], t: Tensor) -> None:
        t.retain_grad()
        listed.append(t)

    hooks = []
    for layer in model.blocks:
        hooks.append(layer.mlp.register_forward_pre_hook(lambda _, given: keep(attended, given[0])))
        hooks.append(layer.register_forward_hook(lambda _, __, t: keep(states, t)))
    keep(states, first(x))
    loss(model(embeddings=states[0][None])[0]).backward()
    for hook in hooks:
        hook.remove()
    found = {"T": [states[0], *(t[0] for t in states[1:])], "Z": [z[0] for z in attended], "dX": [gradient(x)]}
    found["gradient_T"] = [gradient(states[0]), *(gradient(t)[0] for t in states[1:])]
    found["gradient_Z"] = [gradient(z)[0] for z in attended]
    found["dW_g0"] = [gradient(p) for p in first.parameters()]
    for k, name in enumerate(("dW_Q", "dW_K", "dW_V")):
        by_layer = [gradient(layer.attention.into_heads.weight).chunk(3)[k].mT for layer in model.blocks]
        found[name] = [g.unflatten(-1, (model.config.heads, -1)).transpose(0, 1) for g in by_layer]
    found["dW_g"] = [gradient(cast(nn.Linear, layer.mlp[0]).weight).mT for layer in model.blocks]
    return found


def gradient(x: Tensor) -> Tensor:
    """What backward has left.

    Raises:
        ValueError: if it has left nothing.
    """
    if x.grad is None:
        raise ValueError("the loss does not depend on a state or a weight of the model")
    return x.grad
