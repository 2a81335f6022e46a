"""A small environment of every kind that agents know, registered: workers make it again."""

from typing import Any, Final

import gymnasium as gym
import numpy as np

OBSERVATIONS: Final[dict[str, gym.Space[Any]]] = {
    "vector": gym.spaces.Box(-9, 9, (3,), np.float32),
    "image": gym.spaces.Box(0, 255, (2, 36, 36), np.uint8),
}
ACTIONS: Final[dict[str, gym.Space[Any]]] = {
    "discrete": gym.spaces.Discrete(3),
    "continuous": gym.spaces.Box(
        np.array([-2, 0], np.float32), np.array([2, 1], np.float32), dtype=np.float32
    ),
}


class Toy(gym.Env[Any, Any]):
    """Random observations and rewards; episodes of 6 steps, of which half are truncated."""

    def __init__(
        self, obs: str, actions: str, wrong: str = "", at: int = 0, channels_last: bool = False
    ) -> None:
        self.observation_space, self.action_space = OBSERVATIONS[obs], ACTIONS[actions]
        if channels_last:
            self.observation_space = gym.spaces.Box(0, 255, (36, 36, 2), np.uint8)
        self._wrong, self._at, self._channels_last = wrong, at, channels_last
        self._all_steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        self._truncates = bool(self.np_random.random() < 0.5)
        return self._look(), {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        self._all_steps += 1
        obs, reward = self._look(), float(self.np_random.normal())
        if self._all_steps == self._at and self._wrong == "obs":
            obs[1] = np.nan
        if self._all_steps == self._at and self._wrong == "reward":
            reward = float("inf")
        over = self._steps == 6
        ends = over and not self._truncates, over and self._truncates
        return obs, reward, *ends, {"steps": self._steps}

    def _look(self) -> Any:
        space = self.observation_space
        assert space.shape is not None
        if space.dtype == np.uint8:
            image = self.np_random.integers(0, 256, OBSERVATIONS["image"].shape, np.uint8)
            return np.moveaxis(image, 0, -1) if self._channels_last else image
        return self.np_random.normal(size=space.shape).astype(np.float32)


class Switches(Toy):
    """The same, with observations that are no Box: three switches."""

    def __init__(self, actions: str) -> None:
        super().__init__("vector", actions)
        self.observation_space = gym.spaces.MultiBinary(3)

    def _look(self) -> Any:
        return self.np_random.integers(0, 2, 3, np.int8)


for name in ("Toy", "Switches"):
    if f"{name}-v0" not in gym.registry:
        gym.register(f"{name}-v0", entry_point=f"support.interface_toys:{name}")


def toy(obs: str, actions: str, **keywords: Any) -> gym.Env[Any, Any]:
    """Return one of them."""
    return gym.make("Toy-v0", obs=obs, actions=actions, disable_env_checker=True, **keywords)
