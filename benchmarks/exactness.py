"""Compare an emulator with nes-py bit for bit: all RAM after every frame, RGB of every frame shown.

    python benchmarks/exactness.py                     # everything: about 15 minutes on one core
    python benchmarks/exactness.py --parts routes random --frames 5000
    python benchmarks/exactness.py --emulator nes-py   # the comparison itself: nes-py with nes-py

- routes: the recorded inputs of all stages that have them, to the flag.
- random: random play over all stages; random save and load, random mixing of frames shown and not
  shown, the pokes of the game's rules, pauses, power-ups, stars, deaths and new games.
- unbroken: one run without save, load or power-on, longer than the 59,500 frames in which the start
  of nes-py's frame drifts once around the picture.
- environment: `SuperMarioBrosEnv` on both; observations, rewards, ends and infos.
- processors: compiled code beside the interpreter, without nes-py, so it is fast: random play over
  all stages; the state of the whole machine after every frame, sometimes loaded by the other.

Ends with status 1 at the first difference, and says what differs. The same seed plays the same. The
reference is nes-py 9 (Python 3.13 on). On older Python it is nes-py 8.2.1, which pushes the
processor's status with its bits in reverse order; the only status that the game ever pushes, 0xA5,
reads the same both ways, so RAM is equal there too.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs import routes
from mario_rl_envs.emulators import EMULATORS, create_emulator, nes_py
from mario_rl_envs.emulators.emulator import COMPILED, INTERPRETED
from mario_rl_envs.emulators.native import NativeEmulator
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS, COMPLEX, joypad_byte
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.game.skipping import skip_start_screen, skip_uncontrolled
from mario_rl_envs.game.stages import STAGES, stage_address

START: Final = BUTTONS["start"]
ALL_BUTTONS: Final = 0xFF
PLAY: Final = tuple(joypad_byte(buttons) for buttons in COMPLEX)
RIGHT: Final = BUTTONS["right"]
STAR_TIMER: Final = 0x079F  # ticks of 21 frames that nothing can hurt the player
MODE_TITLE: Final = 0
NUM_REPORTED: Final = 16  # addresses or pixels that a difference lists


class Difference(Exception):
    """The two consoles are not the same."""


@dataclass
class Count:
    """What a part compared."""

    frames: int = 0
    shown: int = 0
    saves: int = 0
    loads: int = 0
    pokes: int = 0
    deaths: int = 0
    flags: int = 0


class Twins:
    """The emulator under test and nes-py, treated alike; itself an `Emulator`.

    Every frame is compared. Which frames are shown is drawn in runs, so that the picture is asked
    for after frames shown and not shown, and in each of many frames on end.
    """

    name: ClassVar[str] = "twins"

    def __init__(self, emulator: str, rom_path: Path, rng: np.random.Generator) -> None:
        """Make both; neither has run a frame."""
        self.count = Count()
        self.place = ""  # where in the comparison we are, for the report
        self._emulator = emulator
        self._rom_path = rom_path
        self._rng = rng
        self._subject = create_emulator(emulator, rom_path)
        self._reference = nes_py._create_machine(rom_path)
        self._saved = b""
        self._num_left = 0  # frames of the run
        self._is_shown = False
        self._buttons = 0

    @property
    def ram(self) -> memoryview:
        """The RAM of both."""
        return self._reference.ram

    def power_on(self) -> None:
        """Take a new nes-py, and switch the other off and on."""
        self._reference.close()
        self._reference = nes_py._create_machine(self._rom_path)
        self._subject.power_on()
        self._saved = b""
        self._compare_ram("power-on")

    def advance(self, buttons: int) -> None:
        """Run one frame on both and compare."""
        if self._num_left == 0:
            self._is_shown = bool(self._rng.integers(2))
            self._num_left = int(self._rng.choice([1, 2, 3, 4, 30]))
        self._num_left -= 1
        self._buttons = buttons
        self._advance_subject(buttons)
        self._reference.advance(buttons)
        self.count.frames += 1
        self._compare_ram("a frame")
        if self._is_shown:
            self._compare_screen("a frame")

    def _advance_subject(self, buttons: int) -> None:
        if isinstance(self._subject, NativeEmulator):
            # Drawn at once, whether shown or not; or later, and only if shown.
            self._subject.game.advance(buttons, bool(self._rng.integers(2)))
        else:
            self._subject.advance(buttons)

    def poke(self, address: int, value: int) -> None:
        """Write one byte of both RAMs."""
        self.count.pokes += 1
        self._subject.poke(address, value)
        self._reference.ram[address] = value

    def screen(self) -> NDArray[np.uint8]:
        """Return the screen of both."""
        self._compare_screen("a frame")
        return self._reference.screen()

    def save_state(self) -> bytes:
        """Save both; nes-py keeps only its last state."""
        self.count.saves += 1
        self._saved = self._subject.save_state()
        self._reference.backup()
        return self._saved

    def load_state(self, state: bytes) -> None:
        """Load the state saved last, every second time into a new console."""
        if state != self._saved:
            raise ValueError("nes-py holds the state saved last and no other; load that one")
        self.count.loads += 1
        if self.count.loads % 2:
            self._subject.close()
            self._subject = create_emulator(self._emulator, self._rom_path)
        self._subject.load_state(state)
        self._reference.restore()
        self._compare_ram("load_state")
        self._compare_screen("load_state")
        if self._subject.save_state() != state:
            raise Difference(f"{self._describe('load_state')}: saved again, the state differs")

    def close(self) -> None:
        """Free both."""
        self._subject.close()
        self._reference.close()

    def _describe(self, what: str) -> str:
        return (
            f"{self.place}, after {what} (frame {self.count.frames} of the part, "
            f"buttons 0x{self._buttons:02x}, {'shown' if self._is_shown else 'not shown'})"
        )

    def _compare_ram(self, what: str) -> None:
        actual, expected = bytes(self._subject.ram), bytes(self._reference.ram)
        if actual != expected:
            raise Difference(f"{self._describe(what)}: {describe_memory(actual, expected)}")

    def _compare_screen(self, what: str) -> None:
        self.count.shown += 1
        actual, expected = self._subject.screen(), self._reference.screen()
        if not np.array_equal(actual, expected):
            raise Difference(f"{self._describe(what)}: {describe_pixels(actual, expected)}")


class Processors(Twins):
    """Compiled code and the interpreter, treated alike."""

    def __init__(self, rom_path: Path, rng: np.random.Generator) -> None:
        """Make both; neither has run a frame."""
        self.count = Count()
        self.place = ""
        self._rng = rng
        self._buttons = 0
        self._is_shown = False
        self._compiled = create_emulator(COMPILED, rom_path)
        self._interpreted = create_emulator(INTERPRETED, rom_path)

    @property
    def ram(self) -> memoryview:
        """The RAM of both."""
        return self._interpreted.ram

    def power_on(self) -> None:
        """Switch both off and on."""
        self._compiled.power_on()
        self._interpreted.power_on()

    def advance(self, buttons: int) -> None:
        """Run one frame on both, compare, and exchange their states at times."""
        self._buttons = buttons
        self._is_shown = self._rng.random() < 0.02
        self._compiled.advance(buttons)
        self._interpreted.advance(buttons)
        self.count.frames += 1
        state = self._compare_states("a frame")
        if self._is_shown:
            self.count.shown += 1
            actual, expected = self._compiled.screen(), self._interpreted.screen()
            if not np.array_equal(actual, expected):
                raise Difference(
                    f"{self._describe('a frame')}: {describe_pixels(actual, expected)}"
                )
        if self._rng.random() < 0.05:
            self._interpreted.load_state(self._compiled.save_state())
            self._compiled.load_state(state)

    def poke(self, address: int, value: int) -> None:
        """Write one byte of both RAMs."""
        self.count.pokes += 1
        self._compiled.poke(address, value)
        self._interpreted.poke(address, value)

    def save_state(self) -> bytes:
        """Return the state of both."""
        self.count.saves += 1
        return self._compare_states("save_state")

    def load_state(self, state: bytes) -> None:
        """Load a state into both."""
        self.count.loads += 1
        self._compiled.load_state(state)
        self._interpreted.load_state(state)
        self._compare_states("load_state")

    def close(self) -> None:
        """Free both."""
        self._compiled.close()
        self._interpreted.close()

    def _compare_states(self, what: str) -> bytes:
        state = self._interpreted.save_state()
        if self._compiled.save_state() != state:
            actual, expected = bytes(self._compiled.ram), bytes(self._interpreted.ram)
            where = describe_memory(actual, expected) if actual != expected else "outside of RAM"
            raise Difference(f"{self._describe(what)}: {where}")
        return state


def describe_memory(actual: bytes, expected: bytes) -> str:
    """Return which bytes differ and how."""
    if len(actual) != len(expected):
        return f"{len(actual)} bytes of RAM instead of {len(expected)}"
    pairs = enumerate(zip(actual, expected, strict=True))
    different = [(address, got, want) for address, (got, want) in pairs if got != want]
    listed = ", ".join(
        f"0x{address:04x}: 0x{got:02x} instead of 0x{want:02x}"
        for address, got, want in different[:NUM_REPORTED]
    )
    return f"{len(different)} bytes of RAM differ: {listed}"


def describe_pixels(actual: NDArray[np.uint8], expected: NDArray[np.uint8]) -> str:
    """Return which pixels differ and how."""
    if actual.shape != expected.shape:
        return f"a screen of shape {actual.shape} instead of {expected.shape}"
    different = np.argwhere((actual != expected).any(axis=2))
    lines = np.unique(different[:, 0])
    listed = ", ".join(
        f"line {y}, column {x}: {actual[y, x].tolist()} instead of {expected[y, x].tolist()}"
        for y, x in different[:NUM_REPORTED]
    )
    return f"{len(different)} pixels differ, on lines {lines.tolist()}: {listed}"


def play_route(twins: Twins, stage: str) -> None:
    """Play the recorded inputs of a stage to its flag, as the environment does."""
    twins.power_on()
    skip_start_screen(twins, stage)
    for joypad in np.repeat(routes.load(stage).joypad, routes.FRAMES_PER_STEP).tolist():
        twins.advance(joypad)
        if ram.is_flag_reached(twins.ram):
            twins.count.flags += 1
            twins.screen()
            return
        skip_uncontrolled(twins, whole_game=False)
    raise Difference(f"{twins.place}: the route does not lead to the flag")


def random_buttons(rng: np.random.Generator) -> Iterator[int]:
    """Yield joypad bytes held for random times: mostly to the right, sometimes anything."""
    while True:
        byte = int(rng.choice(PLAY))
        if rng.random() < 0.6:
            byte |= RIGHT
        if rng.random() < 0.1:
            byte = int(rng.integers(ALL_BUTTONS + 1)) & ~START
        for _ in range(int(rng.integers(1, 40))):
            yield byte


def play_randomly(twins: Twins, stage: str, num_frames: int, rng: np.random.Generator) -> None:
    """Play a stage, and what comes after it, for at least `num_frames` frames."""
    end = twins.count.frames + num_frames
    buttons = random_buttons(rng)
    while twins.count.frames < end:
        twins.power_on()
        skip_start_screen(twins, stage)
        state, num_loads = twins.save_state(), 0
        while twins.count.frames < end:
            is_over = ram.is_game_over(twins.ram)
            if is_over and (num_loads == 3 or rng.random() < 0.5):
                break
            if is_over or rng.random() < 0.006:
                twins.load_state(state)
                num_loads += 1
            elif rng.random() < 0.006:
                state, num_loads = twins.save_state(), 0
            _play_frame(twins, next(buttons), rng)


def _play_frame(twins: Twins, joypad: int, rng: np.random.Generator) -> None:
    """Play a frame and what the rules skip after it; sometimes help, sometimes pause."""
    if rng.random() < 0.003:
        twins.poke(ram.POWER, int(rng.integers(3)))
    if rng.random() < 0.002:
        twins.poke(STAR_TIMER, 0x23)
    if rng.random() < 0.001:
        _pause(twins, rng)
    twins.advance(joypad)
    is_dying, has_flag = ram.is_dying(twins.ram), ram.is_flag_reached(twins.ram)
    twins.count.deaths += is_dying
    twins.count.flags += has_flag and not ram.is_busy(twins.ram)
    if not ram.is_game_over(twins.ram):
        skip_uncontrolled(twins, whole_game=True)


def _pause(twins: Twins, rng: np.random.Generator) -> None:
    """Pause and go on; the game takes no second pause within its jingle."""
    twins.advance(START)
    for _ in range(int(rng.integers(60, 90))):
        twins.advance(0)
    twins.advance(START)
    twins.advance(0)


def play_unbroken(twins: Twins, num_frames: int, rng: np.random.Generator) -> None:
    """Play on and on, games over included, never skipping; on the title screen draw a stage."""
    twins.power_on()
    buttons = random_buttons(rng)
    address = stage_address("1-1")
    while twins.count.frames < num_frames:
        if twins.ram[ram.GAME_MODE] == MODE_TITLE:
            if twins.count.frames % 2:
                address = stage_address(str(rng.choice(STAGES)))
            twins.advance(START * (twins.count.frames % 2))
            twins.poke(ram.WORLD, address.world)
            twins.poke(ram.STAGE, address.stage)
            twins.poke(ram.AREA, address.area)
        else:
            was_dying = ram.is_dying(twins.ram)
            had_flag = ram.is_flag_reached(twins.ram)
            twins.advance(next(buttons))
            twins.count.deaths += ram.is_dying(twins.ram) and not was_dying
            twins.count.flags += ram.is_flag_reached(twins.ram) and not had_flag


def play_environments(
    emulator: str, stage: str, num_steps: int, rng: np.random.Generator, count: Count
) -> None:
    """Step two environments that differ only in the emulator."""
    subject = SuperMarioBrosEnv(stage, emulator=emulator)
    reference = SuperMarioBrosEnv(stage, emulator="nes-py")
    buttons = random_buttons(rng)
    is_over = True
    for step in range(num_steps):
        where = f"environment {stage}, step {step}"
        if is_over:
            _compare_answers(f"{where}, reset", subject.reset(), reference.reset())
        joypad = next(buttons)
        expected = reference.step(joypad)
        _compare_answers(where, subject.step(joypad), expected)
        count.frames += 1
        count.shown += 1
        is_over = expected[2]
        count.deaths += is_over and not expected[4]["flag_get"]
        count.flags += is_over and expected[4]["flag_get"]
    subject.close()
    reference.close()


def _compare_answers(where: str, actual: Sequence[object], expected: Sequence[object]) -> None:
    (screen, *rest), (expected_screen, *expected_rest) = actual, expected
    if rest != expected_rest:
        raise Difference(f"{where}: {rest} instead of {expected_rest}")
    if not np.array_equal(np.asarray(screen), np.asarray(expected_screen)):
        pixels = describe_pixels(np.asarray(screen), np.asarray(expected_screen))
        raise Difference(f"{where}: {pixels}")


def compare_routes(emulator: str, stages: Sequence[str], seed: int) -> Count:
    """Compare on every route through these stages."""
    twins = Twins(emulator, find_rom(), np.random.default_rng(seed))
    for stage in stages:
        if stage in routes.stages():
            twins.place = f"route through {stage}"
            play_route(twins, stage)
    twins.close()
    return twins.count


def compare_random(emulator: str, stages: Sequence[str], num_frames: int, seed: int) -> Count:
    """Compare on at least `num_frames` frames of random play, shared out between the stages."""
    rng = np.random.default_rng(seed)
    twins = Twins(emulator, find_rom(), rng)
    for stage in stages:
        twins.place = f"random play in {stage}"
        play_randomly(twins, stage, -(-num_frames // len(stages)), rng)
    twins.close()
    return twins.count


def compare_unbroken(emulator: str, num_frames: int, seed: int) -> Count:
    """Compare on one run of `num_frames` frames."""
    rng = np.random.default_rng(seed)
    twins = Twins(emulator, find_rom(), rng)
    twins.place = "unbroken run"
    play_unbroken(twins, num_frames, rng)
    twins.close()
    return twins.count


def compare_processors(stages: Sequence[str], num_frames: int, seed: int) -> Count:
    """Compare compiled code with the interpreter on `num_frames` frames of random play."""
    rng = np.random.default_rng(seed)
    twins = Processors(find_rom(), rng)
    for stage in stages:
        twins.place = f"random play in {stage}, compiled and interpreted"
        play_randomly(twins, stage, -(-num_frames // len(stages)), rng)
    twins.close()
    return twins.count


def compare_environments(emulator: str, stages: Sequence[str], num_steps: int, seed: int) -> Count:
    """Compare environments on `num_steps` steps, shared out between the stages."""
    rng = np.random.default_rng(seed)
    count = Count()
    for stage in stages:
        play_environments(emulator, stage, -(-num_steps // len(stages)), rng, count)
    return count


def main() -> int:
    """Run the parts that were asked for and print a table; return 1 at a difference."""
    parser = argparse.ArgumentParser(description="Is it nes-py, bit for bit?")
    parser.add_argument("--emulator", choices=list(EMULATORS), default="native")
    parser.add_argument("--frames", type=int, default=200_000, help="of random play")
    parser.add_argument("--unbroken", type=int, default=66_000, help="frames of the unbroken run")
    parser.add_argument("--steps", type=int, default=32_000, help="of the environments")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, metavar="STAGE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side-by-side", type=int, default=2_000_000, help="frames of processors")
    names = ("routes", "random", "unbroken", "environment", "processors")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART")
    given = parser.parse_args()
    emulator, stages, seed = given.emulator, given.stages, given.seed
    parts: dict[str, Callable[[], Count]] = {
        "routes": lambda: compare_routes(emulator, stages, seed),
        "random": lambda: compare_random(emulator, stages, given.frames, seed),
        "unbroken": lambda: compare_unbroken(emulator, given.unbroken, seed),
        "environment": lambda: compare_environments(emulator, stages, given.steps, seed),
        "processors": lambda: compare_processors(stages, given.side_by_side, seed),
    }
    print(
        f"{emulator} against nes-py {importlib.metadata.version('nes-py')}; "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{len(stages)} stages, seed {seed}\n"
    )
    print("| part | frames | shown | saves | loads | pokes | deaths | flags | different | s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in given.parts:
        start = time.perf_counter()
        try:
            count = parts[name]()
        except Difference as difference:
            print(f"\n{difference}")
            return 1
        columns = [f"{value:,}" for value in vars(count).values()]
        seconds = f"{time.perf_counter() - start:.0f}"
        print(f"| {' | '.join([name, *columns, '0', seconds])} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
