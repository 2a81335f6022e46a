"""What the native core shows, against OpenCV, Gymnasium's wrappers and the decoder in Python."""

import cv2
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.wrappers import GrayscaleObservation, ResizeObservation

from mario_rl_envs.core import _core
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.wrappers.ram import EMPTY, ENEMY, ITEM, MARIO, SOLID, decode_tiles

HEIGHT, WIDTH = 240, 256
SIZES = range(1, _core.MAX_SIZE + 1)
STAGES = ("1-1", "2-2", "4-4", "5-3")


def levels(rng, values):
    return rng.choice(np.array(values, np.uint8), (HEIGHT, WIDTH))


def blocks(rng, side):
    small = rng.integers(0, 256, (HEIGHT // side, WIDTH // side), np.uint8)
    return small.repeat(side, axis=0).repeat(side, axis=1)


# Means exactly half way between two grays are where OpenCV's floats decide. They are frequent where
# there are few grays, and in blocks as the game's; noise has hardly any.
PICTURES = {
    "noise": lambda rng: levels(rng, range(256)),
    "darkest": lambda rng: levels(rng, [0, 1]),
    "lightest": lambda rng: levels(rng, [254, 255]),
    "black and white": lambda rng: levels(rng, [0, 255]),
    "the console's grays": lambda rng: levels(rng, list(_core.LUMA)),
    "tiles": lambda rng: blocks(rng, 8),
    "large pixels": lambda rng: blocks(rng, 4),
    "columns": lambda rng: np.tile(rng.integers(0, 256, (1, WIDTH), np.uint8), (HEIGHT, 1)),
    "rows": lambda rng: np.tile(rng.integers(0, 256, (HEIGHT, 1), np.uint8), (1, WIDTH)),
    "chequers": lambda rng: (np.indices((HEIGHT, WIDTH)).sum(0) % 2 * 255).astype(np.uint8),
    "one gray": lambda rng: np.full((HEIGHT, WIDTH), rng.integers(256), np.uint8),
}


def resize(picture, size, plain=False):
    out = np.empty((size, size), np.uint8)
    _core.Resizer(size, plain).gray(picture, out)
    return out


def resize_rgb(colors, size, plain=False):
    out = np.empty((size, size, 3), np.uint8)
    _core.Resizer(size, plain).rgb(colors, out)
    return out


def expand(colors, plain=False):
    out = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    (_core.rgb_plain if plain else _core.rgb)(colors, out)
    return out


def opencv(picture, size):
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def differing_sizes(picture, plain, sizes=SIZES):
    return [
        size
        for size in sizes
        if not np.array_equal(resize(picture, size, plain), opencv(picture, size))
    ]


def half_way_share(picture, size):
    """Return the share of new pixels whose mean lies exactly half way, in whole numbers."""

    def weights(length):
        edges = np.arange(size + 1) * length  # of new pixels, in 1 / size pixels
        sources = np.arange(length) * size
        begin = np.maximum(edges[:-1, None], sources)
        end = np.minimum(edges[1:, None], sources + size)
        return np.maximum(end - begin, 0)  # [size, length]

    sums = weights(HEIGHT) @ picture.astype(np.int64) @ weights(WIDTH).T
    return float(np.mean(2 * (sums % (HEIGHT * WIDTH)) == HEIGHT * WIDTH))


@pytest.fixture(scope="module")
def played():
    """Return screens, RGB, [N, 240, 256, 3], and RAM, [N, 2048], of nes-py in several stages."""
    rng = np.random.default_rng(5)
    screens, memories = [], []
    for stage in STAGES:
        env = SuperMarioBrosEnv(stage, emulator="nes-py")
        screen, _ = env.reset(seed=0)
        for step in range(1, 481):
            if step % 12 == 1:
                buttons = int(rng.choice([0x80, 0x81, 0x82, 0x83, 0x42, 0x20]))
            screen, _, terminated, _, _ = env.step(buttons)
            if step % 80 == 0:
                screens.append(screen)
            if step % 4 == 0:
                memories.append(env.ram)
            if terminated:
                screen, _ = env.reset()
        env.close()
    return np.array(screens), np.array(memories)


@pytest.fixture(scope="module")
def screens(played):
    return played[0]


class Still(gym.Env):
    """Shows one picture."""

    def __init__(self, picture):
        self.observation_space = Box(0, 255, picture.shape, np.uint8)
        self.action_space = gym.spaces.Discrete(1)
        self.picture = picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.picture, {}


def palette():
    colors = np.zeros((HEIGHT, WIDTH), np.uint8)
    colors[0, :64] = range(64)
    return expand(colors, plain=True)[0, :64]


# Pictures resized


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("kind", PICTURES)
def test_all_sizes_equal_opencv(kind, plain):
    picture = PICTURES[kind](np.random.default_rng(0))
    assert differing_sizes(picture, plain) == []


@pytest.mark.parametrize(("kind", "size"), [("darkest", 84), ("tiles", 84), ("large pixels", 96)])
def test_pictures_have_means_half_way(kind, size):
    """Otherwise the comparison with OpenCV would not reach the floats."""
    assert half_way_share(PICTURES[kind](np.random.default_rng(0)), size) > 0.0005


@pytest.mark.parametrize("size", [84, 96, 128])
def test_many_pictures_equal_opencv(size):
    rng = np.random.default_rng(1)
    for _ in range(100):
        values = rng.integers(0, 256, rng.integers(2, 9))
        picture = levels(rng, values)
        assert np.array_equal(resize(picture, size), opencv(picture, size))


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_screens_of_the_game_equal_opencv(screens, plain):
    for screen in screens[:: 1 + 5 * plain]:
        gray = GrayscaleObservation(Still(screen)).reset()[0]
        assert differing_sizes(gray, plain, [*range(32, 241, 16), 42, 60, 84, 100, 210]) == []


def test_gray_pipeline_of_gymnasium(screens):
    for screen in screens:
        env = ResizeObservation(GrayscaleObservation(Still(screen)), (84, 84))
        gray = GrayscaleObservation(Still(screen)).reset()[0]
        assert np.array_equal(resize(gray, 84), env.reset()[0])


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_all_sizes_of_colors_equal_opencv(plain):
    colors = np.random.default_rng(2).integers(0, 64, (HEIGHT, WIDTH), np.uint8)
    rgb = palette()[colors]
    for size in SIZES:
        assert np.array_equal(resize_rgb(colors, size, plain), opencv(rgb, size)), size


@pytest.mark.parametrize("size", [60, 84, 128])
def test_color_pipeline_of_gymnasium(screens, size):
    numbers = {tuple(rgb): number for number, rgb in enumerate(palette().tolist())}
    for screen in screens[::3]:
        colors = np.array([[numbers[tuple(rgb)] for rgb in line] for line in screen.tolist()])
        env = ResizeObservation(Still(screen), (size, size))
        assert np.array_equal(resize_rgb(colors.astype(np.uint8), size), env.reset()[0])


def test_a_picture_is_not_changed():
    picture = PICTURES["noise"](np.random.default_rng(3))
    before = picture.copy()
    resize(picture, 84)
    resize_rgb(picture % 64, 84)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 31, 84, 240])
def test_only_the_array_is_written(size, plain):
    """Rows are made eight at a time, and pixels in fours: what is too much must not spill over."""
    picture = PICTURES["noise"](np.random.default_rng(4))
    for write, length in (("gray", size * size), ("rgb", size * size * 3)):
        memory = np.full(length + 200, 99, np.uint8)
        getattr(_core.Resizer(size, plain), write)(picture % 64, memory[100 : 100 + length])
        assert (memory[:100] == 99).all()
        assert (memory[-100:] == 99).all()


# Grays and colors


def test_luma_is_gymnasiums_gray():
    env = GrayscaleObservation(Still(palette()[None]))  # [1, 64, 3]
    assert env.reset()[0][0].tolist() == list(_core.LUMA)


def test_colors_expand_alike():
    colors = np.random.default_rng(6).integers(0, 64, (HEIGHT, WIDTH), np.uint8)
    assert np.array_equal(expand(colors), palette()[colors])
    assert np.array_equal(expand(colors, plain=True), palette()[colors])


# Tiles


def tiles(memory):
    out = np.empty((13, 16), np.uint8)
    _core.tiles(memory, out)
    return out


def random_memory(rng):
    """Return RAM in which much is on the screen."""
    memory = rng.integers(0, 256, ram.SIZE, np.uint8)
    page = int(memory[ram.SCREEN_LEFT_PAGE])
    pages = np.array([page - 1, page, page, page + 1, page + 2, 0, 255]) % 256
    memory[ram.ENEMY_X_PAGE : ram.ENEMY_X_PAGE + 6] = rng.choice(pages, 6)
    memory[ram.PLAYER_X_PAGE] = rng.choice(pages)
    memory[ram.ENEMY_ACTIVE : ram.ENEMY_ACTIVE + 6] = rng.integers(0, 3, 6)
    memory[ram.ENEMY_TYPES : ram.ENEMY_TYPES + 6] = rng.integers(0, 0x40, 6)
    memory[ram.PLAYER_VIEWPORT] = rng.integers(0, 3)
    return memory


def test_tiles_of_random_memory():
    rng = np.random.default_rng(7)
    seen = np.zeros(5, np.int64)
    for _ in range(3_000):
        memory = random_memory(rng)
        grid = tiles(memory)
        assert np.array_equal(grid, decode_tiles(memory))
        seen += np.bincount(grid.ravel(), minlength=5)
    assert (seen[[EMPTY, SOLID, ITEM, ENEMY, MARIO]] > 100).all()


def test_tiles_of_every_block_and_object():
    memory = np.zeros(ram.SIZE, np.uint8)
    memory[ram.ENEMY_ACTIVE] = 1
    memory[ram.ENEMY_X] = memory[ram.ENEMY_Y] = 100
    for value in range(256):
        memory[ram.BLOCK_BUFFER : ram.BLOCK_BUFFER + 208] = value
        memory[ram.ENEMY_TYPES] = value
        assert np.array_equal(tiles(memory), decode_tiles(memory)), value


def test_tiles_of_the_game(played):
    for memory in played[1]:
        grid = tiles(memory)
        assert np.array_equal(grid, decode_tiles(memory))
        assert SOLID in grid


# Arguments


@pytest.mark.parametrize("size", [0, -1, 241, 2**40])
def test_resizer_refuses_sizes(size):
    with pytest.raises(ValueError, match=f"size is {size}; accepted is an integer, 1 to 240"):
        _core.Resizer(size)


@pytest.mark.parametrize(
    ("picture", "out", "message"),
    [
        (np.zeros((240, 255), np.uint8), np.zeros((84, 84), np.uint8), "accepted are 61440 bytes"),
        (np.zeros((240, 256), np.float32), np.zeros((84, 84), np.uint8), "4 an item"),
        (np.zeros((240, 256), np.uint8), np.zeros((84, 85), np.uint8), "accepted are 7056 bytes"),
        (np.zeros((240, 512), np.uint8)[:, ::2], np.zeros((84, 84), np.uint8), "contiguous"),
    ],
    ids=["picture", "type", "out", "strides"],
)
def test_resizer_refuses_arrays(picture, out, message):
    with pytest.raises(ValueError, match=message):
        _core.Resizer(84).gray(picture, out)
    assert not out.any()


def test_resizer_refuses_to_write_what_is_only_to_be_read():
    out = np.zeros((84, 84), np.uint8)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _core.Resizer(84).gray(np.full((HEIGHT, WIDTH), 9, np.uint8), out)
    assert not out.any()
