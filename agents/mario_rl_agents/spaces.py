"""The kinds of spaces, and which of them an algorithm accepts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

_MOST_KINDS: Final = 16  # in a grid; more are shades of gray rather than kinds


@dataclass(frozen=True)
class Kind:
    """A kind of space; `str` returns it in words."""

    words: str
    contains: Callable[[gym.Space[Any]], bool]

    def __str__(self) -> str:
        """Return the words."""
        return self.words


@dataclass(frozen=True)
class Accepts:
    """The observations and the actions that an algorithm is made for."""

    observations: tuple[Kind, ...]
    actions: tuple[Kind, ...]


def is_one_of(kinds: tuple[Kind, ...], space: gym.Space[Any]) -> bool:
    """Return whether `space` is of one of some kinds."""
    return any(kind.contains(space) for kind in kinds)


def is_image(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a uint8 image (C, H, W) or (H, W, C)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8


def is_channels_last(space: gym.Space[Any]) -> bool:
    """Return whether an image is (H, W, C): its last axis is shorter than the others."""
    assert space.shape is not None
    return space.shape[2] < min(space.shape[:2])


def image_shape(space: gym.Space[Any]) -> tuple[int, int, int]:
    """Return the channels, height and width of an image."""
    assert space.shape is not None
    axes = (2, 0, 1) if is_channels_last(space) else (0, 1, 2)
    channels, height, width = (space.shape[axis] for axis in axes)
    return channels, height, width


def num_stacked(space: gym.Space[Any]) -> int:
    """Return how many frames an observation may be a stack of.

    Those of an image (C, H, W) are its first axis. Of all others, images (H, W, C) too, it is 1:
    they are stored whole.
    """
    return image_shape(space)[0] if is_image(space) and not is_channels_last(space) else 1


def is_grid(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a uint8 grid (H, W) of at most 16 kinds."""
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 2
        and space.dtype == np.uint8
        and int(space.high.max()) < _MOST_KINDS
    )


def is_vector(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a vector of numbers (D,)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def is_array(space: gym.Space[Any]) -> bool:
    """Return whether an element of `space` is one array of numbers."""
    return space.shape is not None and space.dtype is not None


def flattened(space: gym.Space[Any]) -> gym.Space[Any]:
    """Return the space of vectors that Gymnasium's FlattenObservation makes of `space`.

    It is `space` itself where there is none: elements have no fixed size, or no parts.
    """
    try:
        return spaces.flatten_space(space) if space.is_np_flattenable else space
    except ValueError:  # an empty Dict
        return space


def is_discrete(space: gym.Space[Any]) -> bool:
    """Return whether `space` is Discrete(n) from 0."""
    return isinstance(space, spaces.Discrete) and space.start == 0


def is_continuous(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a bounded Box of floats with one axis."""
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 1
        and np.issubdtype(space.dtype, np.floating)
        and space.is_bounded("both")
    )


def has_uniform(space: gym.Space[Any]) -> bool:
    """Return whether there is a uniform distribution over `space`, an array."""
    if isinstance(space, spaces.Box):
        return bool(space.is_bounded("both"))
    return isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


VECTOR: Final = Kind("a Box of shape (size,)", is_vector)
IMAGE: Final = Kind(
    "a Box of dtype uint8 and shape (channels, height, width) or (height, width, channels)",
    is_image,
)
GRID: Final = Kind(
    f"a Box of dtype uint8, shape (height, width) and at most {_MOST_KINDS} values", is_grid
)
ARRAY: Final = Kind("that are one array", is_array)

DISCRETE: Final = Kind("Discrete(n) from 0", is_discrete)
CONTINUOUS: Final = Kind("a bounded Box of floats with one axis", is_continuous)
UNIFORM: Final = Kind("Discrete, MultiDiscrete, MultiBinary or a bounded Box", has_uniform)


def num_discrete_actions(space: gym.Space[Any]) -> int:
    """Return the number of actions of a Discrete space."""
    assert isinstance(space, spaces.Discrete)
    return int(space.n)


def box_actions(space: gym.Space[Any]) -> spaces.Box:
    """Return a space of continuous actions, shape [A]."""
    assert isinstance(space, spaces.Box)
    return space


def check_elements(space: gym.Space[Any], elements: NDArray[Any], what: str) -> None:
    """Check that an array holds elements of a space, such as actions, one after the other.

    A number outside the bounds of a Box is accepted, as environments do; NaN and infinity are not.

    Args:
        space: Box, Discrete, MultiDiscrete or MultiBinary.
        elements: Shape [..., *space.shape].
        what: What they are, for the message.

    Raises:
        ValueError: If one is none.
    """
    shape = space.shape or ()
    if elements.dtype != space.dtype or elements.shape[elements.ndim - len(shape) :] != shape:
        raise ValueError(
            f"{what} must be of {space}, got those of shape {elements.shape} and dtype "
            f"{elements.dtype}"
        )
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        numbers = space.n if isinstance(space, spaces.Discrete) else space.nvec
        is_accepted = (elements >= space.start) & (elements < space.start + numbers)
    elif isinstance(space, spaces.MultiBinary):
        is_accepted = (elements == 0) | (elements == 1)
    else:
        is_accepted = np.isfinite(elements)
    if not is_accepted.all():
        raise ValueError(f"{what} must be of {space}, got {elements[~is_accepted].flat[0]}")
