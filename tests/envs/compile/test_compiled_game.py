"""The real thing: the game's code, compiled, plays as nes-py and as the interpreter do."""

import pytest
from support.tiny_library import ROM

from benchmarks.exactness import compare_processors
from mario_rl_envs import native_info
from mario_rl_envs.compile import command
from mario_rl_envs.compile.cache import FOLDER_VARIABLE
from mario_rl_envs.compile.library import load
from mario_rl_envs.emulators import create_emulator
from mario_rl_envs.game.actions import COMPLEX, joypad_byte
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.game.skipping import skip_start_screen

BYTES = [joypad_byte(buttons) for buttons in COMPLEX]


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Have a library: the user's, as `make test` makes it, else one that is made here."""
    if native_info().runs == "compiled":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("cache") / "libraries"))
        load.cache_clear()
        command.run(force=False, remove=False, report=print)
        yield
    load.cache_clear()


def test_it_runs_compiled_code():
    assert native_info().runs == "compiled"
    assert load(ROM).cartridge is not None


@pytest.mark.parametrize("stage", ["1-1", "2-2", "8-4"])
def test_all_consoles_play_alike(stage):
    """Memory after every frame, pixels of some; states pass from each to the other on the way."""
    names = ("compiled", "interpreted", "nes-py")
    compiled, interpreted, reference = (create_emulator(name, find_rom()) for name in names)
    for console in (compiled, interpreted, reference):
        skip_start_screen(console, stage)
    for frame in range(400):
        buttons = BYTES[frame // 7 * 5 % len(BYTES)]
        for console in (compiled, interpreted, reference):
            console.advance(buttons)
        assert compiled.ram == interpreted.ram == reference.ram, frame
        if frame % 20 == 0:
            assert (compiled.screen() == reference.screen()).all(), frame
            state = compiled.save_state()
            assert interpreted.save_state() == state, frame
            compiled.load_state(interpreted.save_state())
            interpreted.load_state(state)


def test_processors_side_by_side():
    """A short part of what benchmarks/exactness.py compares."""
    count = compare_processors(["1-1", "3-3", "5-2", "7-4"], 8_000, seed=0)
    assert count.frames >= 8_000
    assert min(count.loads, count.saves, count.shown, count.deaths) > 0
