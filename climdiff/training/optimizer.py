"""The optimizer: Muon for the weight matrices of a network, AdamW for everything else.

Muon replaces the momentum of a weight matrix by one near to it with orthogonal rows or columns, so that every direction
is learned at the same pace, not only the few that dominate the gradient. A convolution is a matrix too: one row for
each of its outputs. Both share one learning rate and one weight decay. docs/networks.md compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from climdiff.training.muon import Muon

Method = Literal["muon", "adamw"]
# A matrix with fewer rows or columns has hardly more directions than AdamW tells apart.
SMALLEST_SIDE = 32


class Optimizer:
    """What turns gradients into steps of a network.

    Args:
        network: What is trained; its tensors must stay where they are in memory.
        method: `muon` as above; `adamw` treats matrices like everything else (Loshchilov & Hutter, 2019).
        learning_rate: Initial learning rate.
        weight_decay: Share of the learning rate by which weights shrink at every step.
        dtype: What Muon computes in; weights and what is kept of gradients stay as they are.
    """

    def __init__(
        self,
        network: nn.Module,
        method: Method,
        learning_rate: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        matrices = _matrices(network) if method == "muon" else []
        self._matrices = [(weight, nn.Parameter(_as_matrix(weight.data, weight))) for weight in matrices]
        taken = {id(weight) for weight in matrices}
        others = [parameter for parameter in network.parameters() if id(parameter) not in taken]
        self._methods: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(
                others, lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
            )
        }
        if matrices:
            self._methods["muon"] = Muon([matrix for _, matrix in self._matrices], learning_rate, weight_decay, dtype)

    def step(self, learning_rate: float) -> None:
        """Move the weights along their gradients, and forget these."""
        for weight, matrix in self._matrices:
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad, weight)
            weight.grad = None
        for method in self._methods.values():
            for group in method.param_groups:
                group["lr"] = learning_rate
            method.step()
            method.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Return all that a later `load` needs to go on, as flat names and tensors."""
        return {
            f"{name}.{index}.{key}": value
            for name, method in self._methods.items()
            for index, entry in method.state_dict()["state"].items()
            for key, value in entry.items()
        }

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Take over a state that `state` returned, of a network of the same shape and the same method."""
        for name, method in self._methods.items():
            parameters = [parameter for group in method.param_groups for parameter in group["params"]]
            own = {key.split(".", 1)[1]: value for key, value in saved.items() if key.startswith(f"{name}.")}
            method.load_state_dict({**method.state_dict(), "state": _unflatten(own, parameters)})


def _matrices(network: nn.Module) -> list[Tensor]:
    """Return the weights of convolutions and linear layers that are matrices of some size."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    weights = [layer.weight for layer in layers if layer.weight.requires_grad]
    return [w for w in weights if min(len(w), w[0].numel()) >= SMALLEST_SIDE]


def _as_matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """Return `tensor`, of the shape of `weight`, as (outputs, all else), columns in the order of weight's memory."""
    columns = sorted(range(1, weight.ndim), key=weight.stride, reverse=True)
    return tensor.permute(0, *columns).reshape(len(weight), -1)


def _unflatten(tensors: Mapping[str, Tensor], parameters: list[nn.Parameter]) -> dict[int, dict[str, Tensor]]:
    """Return the optimizer's state by parameter, each tensor laid out in memory as its parameter.

    Files hold plain row-major tensors; the fused optimizer walks parameter and state side by side in memory.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        laid_out = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(number), {})[name] = laid_out.detach()
    return state
