"""Rotary positions, exact at any length of a text."""

import torch
from torch import Tensor, nn


def turn(states: Tensor, angles: Tensor) -> Tensor:
    """Rotates states of shape (…, width) further, by angles of shape (…, half of what is rotated of the width).

    Halves are the pairs, as with Llama's `rotate_half`; what is beyond them (partial rotation) stays. The angles'
    cosines are rounded once, to float32.
    """
    half = angles.shape[-1]
    cos, sin = angles.cos().float(), angles.sin().float()
    one, other, rest = states[..., :half].float(), states[..., half : 2 * half].float(), states[..., 2 * half :]
    turned = torch.cat((one * cos - other * sin, other * cos + one * sin), dim=-1)
    return torch.cat((turned.to(states.dtype), rest), dim=-1)


class Frequencies:
    """Of one kind of layers."""

    def __init__(self, inverse: Tensor) -> None:
        """`inverse`: radians for each position, of shape (half of what is rotated of the width)."""
        self._inverse = inverse.double()

    def angles(self, positions: Tensor) -> Tensor:
        """float64 of shape (…, half). In float32, which models use, a position of a million is off by over 0.01."""
        return positions[..., None].double() * self._inverse


class ExactRotary(nn.Module):
    """In place of a model's own `rotary_emb`, whose angles are float32 and, with some, depend on the longest text."""

    def __init__(self, frequencies: dict[str | None, Frequencies], scaling: dict[str | None, float]) -> None:
        """By the type of a layer; None: of all."""
        super().__init__()
        self._frequencies = frequencies
        self._scaling = scaling

    def forward(self, x: Tensor, position_ids: Tensor, layer_type: str | None = None) -> tuple[Tensor, Tensor]:
        """Cosines and sines of shape (rows, tokens, what is rotated of the width), as the layers take them."""
        angles = self._frequencies[layer_type].angles(position_ids)
        both = torch.cat((angles, angles), dim=-1)
        scaling = self._scaling[layer_type]
        return (both.cos() * scaling).to(x.dtype), (both.sin() * scaling).to(x.dtype)
