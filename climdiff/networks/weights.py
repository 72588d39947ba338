"""Weights that were saved, and the network they are for."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from climdiff.errors import MismatchError, Problem


def put_weights(network: nn.Module, weights: Mapping[str, Tensor], where: str, fix: str) -> None:
    """Give `network` the weights that were saved at `where`.

    Raises:
        MismatchError: CD-054 where they are of a network of another shape, with `fix` as the advice.
    """
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if found != own:
        name = next(name for name in sorted({*found, *own}) if found.get(name) != own.get(name))
        what = f"weights '{name}' have shape {found.get(name)}, the recipe's network has {own.get(name)}"
        raise MismatchError(Problem(54, where, what, fix))
    network.load_state_dict(weights)
