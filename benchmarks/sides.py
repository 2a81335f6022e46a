"""The sides of `throughput.py`: ours and its rivals, each playing in a process of its own.

    python -m benchmarks.sides --list                 # what there is, as JSON
    python -m benchmarks.sides gym.make --cores 0     # then commands, one a line, on stdin

The commands are `check`, `play SECONDS` and `cost`; each is answered by one line of JSON on stdout.
Nothing runs between commands, so many sides can be kept ready while one is measured.

All play 1-1 with one life and random RIGHT_ONLY actions, each held for four frames, and begin anew
when Mario dies. The random actions are the same for all.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import importlib.util
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, ResizeObservation

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.game.actions import RIGHT_ONLY, joypad_byte
from mario_rl_envs.game.rom import find_rom

ENV_ID = "MarioRL-1-1-v0"
SKIP = 4  # frames an action is held for
SIZE = 84
STACK = 4
JOYPAD = tuple(joypad_byte(buttons) for buttons in RIGHT_ONLY)
NUM_EPISODES = 10  # that a bare console plays again and again
MAX_EPISODE = 1000  # steps
# What every side plays so that we can see that it plays: right, wait, jump, right, wait.
CHECK_ACTIONS = (1,) * 12 + (0,) * 4 + (2,) * 5 + (1,) * 5 + (0,) * 4
NUM_MORE = 64  # environments made to see what one costs
NUM_ENVS = 1024


# --- Who plays -----------------------------------------------------------------------------------


class Player(Protocol):
    """Something that plays."""

    def begin(self) -> None:
        """Get to where the first action can be taken."""

    def step(self, action: int) -> None:
        """Take a step."""

    def x(self) -> int:
        """Return Mario's horizontal position after a step, in pixels."""

    def play(self) -> Iterator[int]:
        """Play on for ever; yields the number of steps (of a bare console: of frames) just done."""


@functools.cache
def random_actions() -> tuple[int, ...]:
    """Return the random actions that all sides play."""
    return tuple(np.random.default_rng(0).integers(0, len(RIGHT_ONLY), 100_000).tolist())


class EnvPlayer:
    """Plays a Gymnasium environment."""

    def __init__(self, env: gym.Env[Any, Any], read: Callable[[int], int] | None = None) -> None:
        """Play `env`; `read` reads the console's memory where info does not tell `x_pos`."""
        self._env, self._read = env, read
        self._info: dict[str, Any] = {}

    def begin(self) -> None:
        """Reset."""
        self._env.reset(seed=0)

    def step(self, action: int) -> None:
        """Take a step."""
        *_, self._info = self._env.step(action)

    def x(self) -> int:
        """Return Mario's horizontal position."""
        return read_x(self._read) if self._read else int(self._info["x_pos"])

    def play(self) -> Iterator[int]:
        """Step, reset at an episode's end."""
        env = self._env
        for action in itertools.cycle(random_actions()):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
            yield 1


class VectorPlayer:
    """Plays a Gymnasium vector environment, which resets by itself."""

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        """Play `envs`."""
        self._envs = envs
        self._infos: dict[str, Any] = {}

    def begin(self) -> None:
        """Reset."""
        self._envs.reset(seed=0)

    def step(self, action: int) -> None:
        """Take the same step in all environments."""
        *_, self._infos = self._envs.step(np.full(self._envs.num_envs, action))

    def x(self) -> int:
        """Return Mario's horizontal position, which is the same in all environments."""
        (x,) = set(np.asarray(self._infos["x_pos"]).tolist())
        return int(x)

    def play(self) -> Iterator[int]:
        """Step; an environment that is only reset does not count."""
        envs, num_envs = self._envs, self._envs.num_envs
        actions = np.array(random_actions()).reshape(-1, 100)[:, np.arange(num_envs) % 100]
        num_resets = 0
        for each in itertools.cycle(actions):
            _, _, terminated, truncated, _ = envs.step(each)
            yield num_envs - num_resets
            num_resets = int(np.count_nonzero(terminated | truncated))


class Console(Protocol):
    """A bare console; `joypad` is a byte as nes-py has it."""

    def hold(self, joypad: int) -> None:
        """Run four frames with these buttons."""

    def frame(self, joypad: int) -> None:
        """Run one frame."""

    def read(self, address: int) -> int:
        """Read a byte of RAM."""

    def save(self) -> None:
        """Remember this moment."""

    def restore(self) -> None:
        """Go back to it."""


class ConsolePlayer:
    """Plays a bare console.

    Reading the memory may cost as much as a frame. So the episodes are played once beforehand,
    looking for Mario's death; what is measured plays them again, without looking.
    """

    def __init__(self, console: Console) -> None:
        """Play `console`."""
        self._console = console

    def begin(self) -> None:
        """Pass the start screen, and wait for the clock's first tick."""
        console = self._console
        while console.read(0x0770) != 1:  # not playing yet
            for joypad in (0, 0, 0, 0, 8, 8):  # 8: start
                console.frame(joypad)
        while read_clock(console.read) == 0 or console.read(0x0772) != 3:  # level not running yet
            console.frame(0)
        clock = read_clock(console.read)
        while read_clock(console.read) == clock:
            console.frame(0)
        console.save()

    def step(self, action: int) -> None:
        """Hold the buttons of an action."""
        self._console.hold(JOYPAD[action])

    def x(self) -> int:
        """Return Mario's horizontal position."""
        return read_x(self._console.read)

    def play(self) -> Iterator[int]:
        """Play the episodes."""
        console = self._console
        for episode in itertools.cycle(self._record()):
            console.restore()
            for joypad in episode:
                console.hold(joypad)
                yield SKIP

    def _record(self) -> list[list[int]]:
        """Return the buttons of random episodes, which end when Mario dies."""
        console, actions = self._console, iter(random_actions())
        episodes = []
        for _ in range(NUM_EPISODES):
            console.restore()
            episode = []
            for action in itertools.islice(actions, MAX_EPISODE):
                episode.append(JOYPAD[action])
                console.hold(JOYPAD[action])
                if console.read(0x0E) in (6, 11) or console.read(0xB5) > 1:  # dead, dying, fallen
                    break
            episodes.append(episode)
        return episodes


def read_x(read: Callable[[int], int]) -> int:
    """Return Mario's horizontal position, read from memory."""
    return read(0x6D) * 256 + read(0x86)


def read_clock(read: Callable[[int], int]) -> int:
    """Return the game's clock, whose three digits are a byte each."""
    return read(0x07F8) * 100 + read(0x07F9) * 10 + read(0x07FA)


# --- Ours ----------------------------------------------------------------------------------------


def make_ours(**keywords: Any) -> Player:
    """Return `gym.make`, as registered."""
    return EnvPlayer(gym.make(ENV_ID, **keywords))


def make_ours_vector(num_envs: int, num_threads: int) -> Player:
    """Return `gym.make_vec`, as registered."""
    return VectorPlayer(gym.make_vec(ENV_ID, num_envs=num_envs, num_threads=num_threads))


def make_ours_sync(num_envs: int) -> Player:
    """Return Gymnasium's own vector environment over ours."""
    return VectorPlayer(gym.vector.SyncVectorEnv([lambda: gym.make(ENV_ID)] * num_envs))


class OurConsole:
    """A console of ours, which draws where it is told to."""

    def __init__(self, *, draws: bool, sees: bool) -> None:
        from mario_rl_envs.emulators.native import NativeEmulator

        self._emulator = NativeEmulator(find_rom())
        self._draws, self._sees = draws, sees
        if draws:
            self._emulator.screen()  # a console draws nothing until colors or grays were asked for

    def frame(self, joypad: int) -> None:
        self._emulator.advance(joypad)

    def hold(self, joypad: int) -> None:
        emulator, advance, draws = self._emulator, self._emulator.game.advance, self._draws
        for _ in range(SKIP):
            advance(joypad, draws)
            if self._sees:
                emulator.screen()

    def read(self, address: int) -> int:
        return self._emulator.ram[address]

    def save(self) -> None:
        self._state = self._emulator.save_state()

    def restore(self) -> None:
        self._emulator.load_state(self._state)


# --- gym-super-mario-bros and nes-py -------------------------------------------------------------


class SkipFrame(gym.Wrapper[Any, Any, Any, Any]):
    """Repeats an action, as everybody's own wrapper does."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        total = 0.0
        for _ in range(SKIP):
            obs, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return obs, total, terminated, truncated, info


def with_wrappers(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return `env` with the wrappers of Gymnasium that everybody uses."""
    env = ResizeObservation(GrayscaleObservation(SkipFrame(env)), (SIZE, SIZE))
    return FrameStackObservation(env, STACK)


class OldGymEnv(gym.Env[Any, Any]):
    """An environment of the old gym, which Gymnasium's wrappers do not take as it is."""

    def __init__(self, env: Any, shape: tuple[int, ...]) -> None:
        self._env = env
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gym.spaces.Discrete(int(env.action_space.n))

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        return self._env.reset(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, done, info = self._env.step(action)
        return obs, reward, done, False, info


@contextlib.contextmanager
def numpy_1_rom_header() -> Iterator[None]:
    """Let nes-py 8.2.1, written for NumPy 1, read the ROM's header on NumPy 2."""
    from nes_py._rom import ROM

    header = ROM.header
    ROM.header = property(lambda rom: header.fget(rom).astype(int))
    try:
        yield
    finally:
        ROM.header = header


def has_old_gym_mario() -> bool:
    """Return whether gym-super-mario-bros 7.4.0 is installed rather than 9."""
    return sys.version_info < (3, 13)


def make_gym_super_mario_bros() -> Player:
    """Return gym-super-mario-bros with Gymnasium's wrappers."""
    return EnvPlayer(gym_super_mario_bros_env())


def gym_super_mario_bros_env() -> gym.Env[Any, Any]:
    """Return the environment of gym-super-mario-bros with Gymnasium's wrappers."""
    if not has_old_gym_mario():
        import gym_super_mario_bros  # noqa: F401 (registers)
        from nes_py.wrappers import JoypadSpace

        env = JoypadSpace(gym.make("SuperMarioBros-1-1-v0"), list(map(list, RIGHT_ONLY)))
        return with_wrappers(env)

    from gym_super_mario_bros.smb_env import SuperMarioBrosEnv
    from nes_py.wrappers import JoypadSpace

    class OnNumpy2(SuperMarioBrosEnv):  # type: ignore[misc]
        """Reads memory as Python integers, where NumPy 2's bytes overflow; this is faster, too."""

        def _ram_buffer(self) -> memoryview:
            return memoryview(super()._ram_buffer())

    with numpy_1_rom_header():
        old = JoypadSpace(OnNumpy2(target=(1, 1)), list(map(list, RIGHT_ONLY)))
    return with_wrappers(OldGymEnv(old, (240, 256, 3)))


class NesPyConsole:
    """nes-py's own class, without a game's rules."""

    def __init__(self, *, sees: bool) -> None:
        from nes_py import NESEnv

        with numpy_1_rom_header() if has_old_gym_mario() else contextlib.nullcontext():
            self._env = NESEnv(str(find_rom()))
        self._env.reset()
        self.frame = self._env._frame_advance
        self._ram = memoryview(self._env.ram)
        self._sees = sees

    def hold(self, joypad: int) -> None:
        env = self._env
        for _ in range(SKIP):
            env._frame_advance(joypad)
            if self._sees:
                env.screen.copy()

    def read(self, address: int) -> int:
        return self._ram[address]

    def save(self) -> None:
        self._env._backup()

    def restore(self) -> None:
        self._env._restore()


# --- stable-retro --------------------------------------------------------------------------------

RETRO_GAME = "SuperMarioBros-Nes-v0"
# From a joypad byte to stable-retro's B, (none), select, start, up, down, left, right, A.
RETRO_BITS = (1, None, 2, 3, 4, 5, 6, 7, 0)


@functools.cache
def retro_buttons(joypad: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return stable-retro's array of buttons."""
    pressed = [bit is not None and joypad >> bit & 1 for bit in RETRO_BITS]
    return np.array(pressed, np.uint8)


class RetroConsole:
    """stable-retro's emulator, a libretro core (FCEUmm); there can be one in a process."""

    def __init__(self, *, sees: bool) -> None:
        import stable_retro
        from stable_retro.data import GameData

        gc.collect()  # the one before
        self._emulator = stable_retro.RetroEmulator(str(find_rom()))
        self._data = GameData()
        self._emulator.configure_data(self._data)
        self._sees = sees

    def frame(self, joypad: int) -> None:
        self._emulator.set_button_mask(retro_buttons(joypad), 0)
        self._emulator.step()

    def hold(self, joypad: int) -> None:
        emulator = self._emulator
        emulator.set_button_mask(retro_buttons(joypad), 0)
        for _ in range(SKIP):
            emulator.step()
            if self._sees:
                emulator.get_screen()

    def read(self, address: int) -> int:
        self._data.update_ram()
        return int(self._data.memory.extract(address, "|u1"))

    def save(self) -> None:
        self._state = self._emulator.get_state()

    def restore(self) -> None:
        self._emulator.set_state(self._state)


class RetroJoypad(gym.ActionWrapper[Any, Any, Any]):
    """The five actions of RIGHT_ONLY for stable-retro."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = gym.spaces.Discrete(len(RIGHT_ONLY))

    def action(self, action: int) -> Any:
        return retro_buttons(JOYPAD[action])


def make_retro() -> Player:
    """Return stable-retro's environment with Gymnasium's wrappers."""
    import stable_retro
    from stable_retro.data import Integrations

    gc.collect()  # the one before
    with tempfile.TemporaryDirectory() as folder:
        game = Path(folder, RETRO_GAME)
        shutil.copytree(Path(stable_retro.data.path(), "stable", RETRO_GAME), game)
        shutil.copy(find_rom(), game / "rom.nes")
        scenario = json.loads((game / "scenario.json").read_text())
        scenario["done"] = {"variables": {"lives": {"op": "less-than", "reference": 2}}}  # one life
        (game / "scenario.json").write_text(json.dumps(scenario))
        Integrations.add_custom_path(folder)
        env = stable_retro.make(
            RETRO_GAME, inttype=Integrations.CUSTOM_ONLY, render_mode="rgb_array"
        )
        Integrations.clear_custom_paths()

    def read(address: int) -> int:
        return int(env.data.memory.extract(address, "|u1"))

    return EnvPlayer(with_wrappers(RetroJoypad(env)), read)


# --- cynes ---------------------------------------------------------------------------------------


class CynesConsole:
    """cynes, which always draws; its buttons are nes-py's the other way round."""

    def __init__(self) -> None:
        import cynes

        self._nes = cynes.NES(str(find_rom()))
        self.read = self._nes.__getitem__

    def frame(self, joypad: int) -> None:
        self._nes.controller = CYNES_JOYPAD[joypad]
        self._nes.step()

    def hold(self, joypad: int) -> None:
        self._nes.controller = CYNES_JOYPAD[joypad]
        self._nes.step(SKIP)

    def save(self) -> None:
        self._state = self._nes.save()

    def restore(self) -> None:
        self._nes.load(self._state)


CYNES_JOYPAD = tuple(int(f"{joypad:08b}"[::-1], 2) for joypad in range(256))


# --- The table of sides --------------------------------------------------------------------------


class Side(NamedTuple):
    """One row of the results."""

    name: str  # on the command line
    title: str  # in the table
    table: str  # "steps", "frames", "pictures" (frames, each looked at) or "" (only its cost)
    make: Callable[[], Player]
    num_threads: int = 1
    packages: Sequence[str] = ()  # that it needs, by the name that one imports
    cost: str = ""  # "" (not measured), "more", "envs" or "one" (a process can hold only one)


def our_vector(num_envs: int, num_threads: int) -> Side:
    """Return the side of `gym.make_vec` with so many games and threads."""
    games, threads = plural(num_envs, "game"), plural(num_threads, "thread")
    return Side(
        f"gym.make_vec-{num_envs}x{num_threads}",
        f"`gym.make_vec`, {games}, {threads}",
        "steps",
        functools.partial(make_ours_vector, num_envs, num_threads),
        num_threads,
    )


def our_console(name: str, title: str, *, draws: bool, sees: bool) -> Side:
    """Return a side of our bare console."""
    return Side(
        f"native-{name}",
        f"our console, {title}",
        "pictures" if draws else "frames",
        lambda: ConsolePlayer(OurConsole(draws=draws, sees=sees)),
        cost="" if draws else "more",
    )


def plural(number: int, noun: str) -> str:
    """Return "1 game", "8 games"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


MARIO = ("gym_super_mario_bros", "nes_py")
RETRO = ("stable_retro",)
SIDES = (
    Side("gym.make", "`gym.make`", "steps", make_ours, cost="more"),
    *(our_vector(num_envs, threads) for threads in (1, 2) for num_envs in (1, 8, 32)),
    Side(
        "sync",
        "`SyncVectorEnv` of 8 `gym.make`",
        "steps",
        functools.partial(make_ours_sync, 8),
    ),
    Side(
        "gym.make-nes-py",
        '`gym.make(emulator="nes-py")`',
        "steps",
        functools.partial(make_ours, emulator="nes-py"),
        packages=MARIO,
        cost="more",
    ),
    Side(
        "gym-super-mario-bros",
        "gym-super-mario-bros, Gymnasium's wrappers",
        "steps",
        make_gym_super_mario_bros,
        packages=MARIO,
        cost="more",
    ),
    Side(
        "stable-retro",
        "stable-retro, Gymnasium's wrappers",
        "steps",
        make_retro,
        packages=RETRO,
        cost="one",
    ),
    Side(
        "envs",
        f"`gym.make_vec`, one of {NUM_ENVS:,} games",
        "",
        functools.partial(make_ours_vector, 1, 1),
        cost="envs",
    ),
    our_console("drawn", "drawn", draws=True, sees=False),
    *(
        side
        for sees, table in ((False, "frames"), (True, "pictures"))
        for side in (
            our_console(table, "copied as RGB" if sees else "not drawn", draws=sees, sees=sees),
            Side(
                f"nes-py-{table}",
                "nes-py (always draws)" + ", screen copied" * sees,
                table,
                functools.partial(lambda sees: ConsolePlayer(NesPyConsole(sees=sees)), sees),
                packages=MARIO,
                cost="" if sees else "more",
            ),
            Side(
                f"stable-retro-{table}",
                "stable-retro" + ", `get_screen`" * sees,
                table,
                functools.partial(lambda sees: ConsolePlayer(RetroConsole(sees=sees)), sees),
                packages=RETRO,
                cost="" if sees else "one",
            ),
        )
    ),
    Side(
        "cynes",
        "cynes (always draws)",
        "pictures",
        lambda: ConsolePlayer(CynesConsole()),
        packages=("cynes",),
        cost="more",
    ),
)


# --- What is measured ----------------------------------------------------------------------------


def check(side: Side) -> dict[str, Any]:
    """Return where Mario is after some inputs, the same for all sides."""
    player = side.make()
    player.begin()
    for action in CHECK_ACTIONS:
        player.step(action)
    return {"x": player.x()}


def play(steps: Iterator[int], seconds: float) -> dict[str, Any]:
    """Play for so long; return steps or frames a second."""
    now = start = time.perf_counter()
    total = 0
    while now < start + seconds:
        total += next(steps)
        now = time.perf_counter()
    return {"rate": total / (now - start)}


def cost(side: Side) -> dict[str, Any]:
    """Return what one more costs, begun and stepped once: megabytes and milliseconds.

    Raises:
        OSError: This system does not say how much memory a process has.
    """
    for package in side.packages:
        importlib.import_module(package)
    if side.cost == "one":
        return cost_of_only_one(side)
    first = made(side.make)
    gc.collect()
    memory = resident_memory()
    start = time.perf_counter()
    if side.cost == "envs":
        number = NUM_ENVS
        more = [made(functools.partial(make_ours_vector, NUM_ENVS, 1))]
    else:
        number = NUM_MORE
        more = [made(side.make) for _ in range(number)]
    seconds = time.perf_counter() - start
    memory = resident_memory() - memory
    del first, more
    return {"megabytes": memory / number / 1e6, "milliseconds": seconds / number * 1e3}


def cost_of_only_one(side: Side) -> dict[str, Any]:
    """Return the memory of the only one that there can be, and the time to replace it."""
    gc.collect()
    memory = resident_memory()
    player = made(side.make)
    memory = resident_memory() - memory
    del player
    start = time.perf_counter()
    made(side.make)
    seconds = time.perf_counter() - start
    return {"megabytes": memory / 1e6, "milliseconds": seconds * 1e3}


def made(make: Callable[[], Player]) -> Player:
    """Return a player that has begun and taken a step."""
    player = make()
    player.begin()
    player.step(1)
    return player


def resident_memory() -> int:
    """Return the bytes of memory that this process occupies; Linux tells."""
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * os.sysconf("SC_PAGE_SIZE")


def answer(side: Side, command: str, playing: list[Iterator[int]]) -> dict[str, Any]:
    """Do what a command asks for; `playing` keeps the game between calls."""
    name, *arguments = command.split()
    if name == "check":
        return check(side)
    if name == "cost":
        return cost(side)
    if not playing:
        player = side.make()
        player.begin()
        playing.append(player.play())
        next(playing[0])  # gets ready, which is not measured
    return play(playing[0], *map(float, arguments))


def main() -> None:
    """List the sides, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", nargs="?", choices=[side.name for side in SIDES])
    parser.add_argument("--list", action="store_true", help="print the sides and exit")
    parser.add_argument("--cores", type=int, nargs="*", default=[], help="to run on")
    arguments = parser.parse_args()
    if arguments.list:
        print(json.dumps([describe(side) for side in SIDES]))
        return
    if arguments.side is None:
        parser.error("name a side, or give --list")
    (side,) = (side for side in SIDES if side.name == arguments.side)
    playing: list[Iterator[int]] = []
    serve(lambda command: answer(side, command, playing), arguments.cores)


def serve(do: Callable[[str], dict[str, Any]], cores: Sequence[int]) -> None:
    """Do what the lines of stdin say, on these cores; answer each by a line of JSON."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")  # the old gym's, about itself
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints is no answer
    for command in sys.stdin:
        try:
            reply = do(command)
        except Exception as error:  # also what a rival makes up
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


def describe(side: Side) -> dict[str, Any]:
    """Return what `throughput.py` has to know about a side."""
    missing = [name for name in side.packages if importlib.util.find_spec(name) is None]
    return {
        "name": side.name,
        "title": side.title,
        "table": side.table,
        "num_threads": side.num_threads,
        "cost": side.cost,
        "missing": missing,
    }


if __name__ == "__main__":
    main()
