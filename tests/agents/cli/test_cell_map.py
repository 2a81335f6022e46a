"""The map of a search, in characters."""

from mario_rl_agents.cli.cell_map import LINES_PER_AREA, draw_map

from mario_rl_envs.routes.search import Place


def test_a_character_is_two_places():
    places = [Place(7, x, y) for x, y in ((32, 0), (48, -32), (48, 0), (80, 32), (80, 224))]
    assert draw_map(places, width=80) == [
        "area 1 · x 32 to 80 · 5 places",
        "▄█",
        "   ▀",
        "",
        "",
        "   ▀",
    ]


def test_what_is_out_of_sight_stands_at_the_edge():
    high, low = draw_map([Place(7, 0, -256), Place(7, 0, 300)], width=80)[1::4]
    assert (high, low) == ("▀", "▄")


def test_areas_follow_one_another_as_they_were_entered():
    lines = draw_map([Place(9, 0, 0), Place(5, 3_200, 0), Place(9, 16, 0)], width=80)
    assert len(lines) == 2 * LINES_PER_AREA
    assert lines[0] == "area 1 · x 0 to 16 · 2 places"
    assert lines[LINES_PER_AREA] == "area 2 · x 3,200 to 3,200 · 1 place"


def test_no_line_is_wider_than_the_terminal():
    places = [Place(1, x, 0) for x in range(0, 4_096, 16)]
    for width in (1, 7, 80, 255, 256, 300):
        lines = draw_map(places, width=width)
        assert max(map(len, lines)) <= width
        assert set(lines[1]) == {"▄"}
    assert len(lines[1]) == 256
