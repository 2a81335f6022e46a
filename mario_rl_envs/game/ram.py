"""The memory of Super Mario Bros: where things are and what they mean.

Every decoder takes the console's 2,048 bytes of RAM as something that yields Python integers:
`bytes`, or the `memoryview` that an emulator gives. A NumPy array of bytes would overflow in the
sums: pass `array.tobytes()`.

Addresses: the community's SMB1 disassembly and RAM map; the meanings (what counts as dying, busy,
cleared) are those of gym-super-mario-bros 7.4.0, `smb_env.py`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Ram: TypeAlias = bytes | bytearray | memoryview

SIZE: Final = 0x800

PLAYER_STATE: Final = 0x000E
ENEMY_ACTIVE: Final = 0x000F  # 6 slots, 0: the slot is empty
ENEMY_TYPES: Final = 0x0016  # 6 slots, the sixth holds power-ups
PLAYER_FLOAT_STATE: Final = 0x001D
PLAYER_X_PAGE: Final = 0x006D
ENEMY_X_PAGE: Final = 0x006E  # 6 slots
PLAYER_X: Final = 0x0086
ENEMY_X: Final = 0x0087  # 6 slots
PLAYER_VIEWPORT: Final = 0x00B5
PLAYER_Y_LEVEL: Final = 0x00CE
ENEMY_Y: Final = 0x00CF  # 6 slots
AREA_DATA: Final = 0x00E7  # 2 bytes, where the ROM keeps the loaded area's layout
PLAYER_Y_SCREEN: Final = 0x03B8
BLOCK_BUFFER: Final = 0x0500  # 2 pages of 13 rows of 16 blocks
AREA_CHANGE_TIMER: Final = 0x06DE
SCREEN_LEFT_PAGE: Final = 0x071A
SCREEN_LEFT_X: Final = 0x071C
POWER: Final = 0x0756
LIVES: Final = 0x075A
STAGE: Final = 0x075C
WORLD: Final = 0x075F
AREA: Final = 0x0760
GAME_MODE: Final = 0x0770
PRE_LEVEL_TIMER: Final = 0x07A0
SCORE: Final = 0x07DE  # 6 decimal digits
COINS: Final = 0x07ED  # 2 decimal digits
CLOCK: Final = 0x07F8  # 3 decimal digits

STATE_DEAD: Final = 0x06
STATE_DYING: Final = 0x0B
# Leftmost of the screen, vine, pipes, automatic walking, entering an area: no button has an effect.
STATES_BUSY: Final = frozenset({0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07})

_NUM_FLAG_SLOTS: Final = 5
_ENEMY_BOWSER: Final = 0x2D
_ENEMY_FLAGPOLE: Final = 0x31
_FLOAT_STATE_POLE: Final = 3
_MODE_WORLD_OVER: Final = 2
_LIVES_GAME_OVER: Final = 0xFF
_POWER_NAMES: Final = {0: "small", 1: "tall"}


def _decimal(ram: Ram, address: int, num_digits: int) -> int:
    """Return the number whose decimal digits stand in consecutive bytes, highest first.

    A byte over 9 (a frame may end while the game is carrying a digit) is joined as text, as 7.4.0
    does.
    """
    return int("".join(map(str, ram[address : address + num_digits])))


def score(ram: Ram) -> int:
    """Return the score in points, 0 to 999,990."""
    return _decimal(ram, SCORE, 6)


def coins(ram: Ram) -> int:
    """Return the number of coins, 0 to 99."""
    return _decimal(ram, COINS, 2)


def clock(ram: Ram) -> int:
    """Return the game clock: ticks left, 0 to 999; one tick is 24 frames."""
    return _decimal(ram, CLOCK, 3)


def world(ram: Ram) -> int:
    """Return the world, 1 to 8."""
    return ram[WORLD] + 1


def stage(ram: Ram) -> int:
    """Return the stage within the world, 1 to 4."""
    return ram[STAGE] + 1


def area(ram: Ram) -> int:
    """Return the area within the world, 1 to 5 (an introduction before a pipe counts as one)."""
    return ram[AREA] + 1


def area_key(ram: Ram) -> int:
    """Return a number that tells the areas (main level, bonus room, ...) of all stages apart.

    Stages share areas (1-2 and 2-2 end in the same one), so the stage is part of it.
    """
    return ram[AREA_DATA] | ram[AREA_DATA + 1] << 8 | ram[STAGE] << 16 | ram[WORLD] << 24


def life(ram: Ram) -> int:
    """Return the lives left after this one: 2, 1, 0, and 255 when the game is over."""
    return ram[LIVES]


def x_position(ram: Ram) -> int:
    """Return the player's horizontal position in the area, in pixels."""
    return ram[PLAYER_X_PAGE] * 256 + ram[PLAYER_X]


def screen_left(ram: Ram) -> int:
    """Return where the screen begins in the area, in pixels; the picture follows a frame later."""
    return ram[SCREEN_LEFT_PAGE] * 256 + ram[SCREEN_LEFT_X]


def x_screen(ram: Ram) -> int:
    """Return the player's distance from the left edge of the screen, in pixels, 0 to 255."""
    return (ram[PLAYER_X] - ram[SCREEN_LEFT_X]) % 256


def y_position(ram: Ram) -> int:
    """Return the player's height over the screen's bottom, in pixels; over 255 is above it."""
    if ram[PLAYER_VIEWPORT] < 1:
        return 255 + (255 - ram[PLAYER_Y_SCREEN])
    return 255 - ram[PLAYER_Y_SCREEN]


def power(ram: Ram) -> str:
    """Return the player's power: "small", "tall" or "fireball"."""
    return _POWER_NAMES.get(ram[POWER], "fireball")


def is_dying(ram: Ram) -> bool:
    """Return whether the death animation runs or the player has fallen below the screen."""
    return ram[PLAYER_STATE] == STATE_DYING or ram[PLAYER_VIEWPORT] > 1


def is_dead(ram: Ram) -> bool:
    """Return whether the player is dead: the next frames load the next life."""
    return ram[PLAYER_STATE] == STATE_DEAD


def death_cause(ram: Ram) -> str | None:
    """Return what kills the player: "fall", "time" or "enemy"; None where nothing does.

    A fall is one below the screen, into lava too. An enemy is all that hurts: fire bars as well.
    """
    if not (is_dying(ram) or is_dead(ram)):
        return None
    if ram[PLAYER_VIEWPORT] > 1:
        return "fall"
    return "time" if clock(ram) == 0 else "enemy"


def is_game_over(ram: Ram) -> bool:
    """Return whether the last life is lost."""
    return ram[LIVES] == _LIVES_GAME_OVER


def is_busy(ram: Ram) -> bool:
    """Return whether the game moves the player by itself, so that no button has an effect."""
    return ram[PLAYER_STATE] in STATES_BUSY


def is_world_over(ram: Ram) -> bool:
    """Return whether the closing scene of a world runs."""
    return ram[GAME_MODE] == _MODE_WORLD_OVER


def is_flag_reached(ram: Ram) -> bool:
    """Return whether the stage is cleared: sliding down the flagpole, or Bowser's bridge is cut."""
    if is_world_over(ram):
        return True
    # The float state is 3 on a vine too: only a loaded flagpole (or Bowser) makes it a flag.
    enemies = bytes(ram[ENEMY_TYPES : ENEMY_TYPES + _NUM_FLAG_SLOTS])
    if _ENEMY_FLAGPOLE in enemies or _ENEMY_BOWSER in enemies:
        return ram[PLAYER_FLOAT_STATE] == _FLOAT_STATE_POLE
    return False
