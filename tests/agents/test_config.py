"""Settings: what their fields accept, in Python and as text; schedules."""

import copy
import dataclasses
import itertools
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from mario_rl_agents.algorithms.ppo import PPOConfig
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Positive,
    ProperFraction,
    Schedule,
    Sizes,
    check,
    convert,
    describe,
    exponential,
    field_types,
    linear,
    parse_pairs,
    piecewise,
    replaced,
    value_at,
)
from mario_rl_agents.recipes import ALGORITHMS, recipes_of


@dataclass(frozen=True)
class Example(Config):
    """A field of each kind."""

    rate: Positive | Schedule = 1e-3
    gamma: Fraction = 0.9
    offset: float = 0.0
    size: Count = 4
    limit: Count | None = None
    sizes: Sizes = (8, 8)
    betas: tuple[ProperFraction, ProperFraction] = (0.9, 0.99)
    folder: str | None = None
    encoder: Encoder = "nature"
    double: bool = False

    def check(self) -> None:
        check("limit", self.limit, self.limit != self.size, f"other than size = {self.size}")


RATES: Final = "a number > 0 or a schedule such as linear(1, 0, 10000)"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("rate", 1, 1.0),
        ("rate", "linear(1e-3, 0, 1_000)", linear(1e-3, 0, 1000)),
        ("gamma", np.float64(0.5), 0.5),
        ("gamma", np.array(0.5), 0.5),
        ("offset", -3, -3.0),
        ("size", 5.0, 5),
        ("size", np.int32(5), 5),
        ("limit", None, None),
        ("sizes", [3, 4.0], (3, 4)),
        ("sizes", [], ()),
        ("betas", np.array([0.5, 0.25]), (0.5, 0.25)),
        ("folder", Path("replay"), "replay"),
        ("double", "Yes", True),
        ("double", "off", False),
        ("double", np.True_, True),
    ],
)
def test_what_loses_nothing_is_converted(field: str, value: Any, expected: Any) -> None:
    found = getattr(Example(**{field: value}), field)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "rate",
            True,
            f"{RATES}, got True of type bool",
        ),
        (
            "rate",
            "fast",
            f"{RATES}, got 'fast' of type str",
        ),
        (
            "rate",
            linear(1, -1, 9),
            f"{RATES}, got linear(1, -1, 9) of type Schedule",
        ),
        ("gamma", 2, "a number in [0, 1], got 2 of type int"),
        ("gamma", "0.5", "a number in [0, 1], got '0.5' of type str"),
        ("gamma", float("nan"), "a number in [0, 1], got nan of type float"),
        ("gamma", [0.5], "a number in [0, 1], got [0.5] of type list"),
        ("offset", float("inf"), "a finite number, got inf of type float"),
        ("offset", 2**53 + 1, "a finite number, got 9007199254740993 of type int"),
        ("offset", 10**400, "a finite number, got 1000"),
        ("size", 0, "a whole number >= 1, got 0 of type int"),
        ("size", 2.5, "a whole number >= 1, got 2.5 of type float"),
        ("size", None, "a whole number >= 1, got None of type NoneType"),
        ("limit", "3", "a whole number >= 1 or None, got '3' of type str"),
        ("limit", 4, "other than size = 4, got 4 of type int"),
        ("sizes", 3, "a tuple of whole numbers >= 1, got 3 of type int"),
        ("sizes", (8, 0), "a tuple of whole numbers >= 1, got (8, 0) of type tuple"),
        (
            "sizes",
            np.zeros((2, 2)),
            "a tuple of whole numbers >= 1, got array([[0., 0.], [0",
        ),
        (
            "betas",
            (0.9,),
            "a tuple of a number in [0, 1) and a number in [0, 1), got (0",
        ),
        ("folder", 3, "a text or None, got 3 of type int"),
        ("encoder", "big", '"nature" or "small" or "tiny" or "impala", got \'big\' of type str'),
        ("double", 1, "true or false, yes or no, on or off, got 1 of type int"),
        ("double", "maybe", "true or false, yes or no, on or off, got 'maybe' of type str"),
    ],
)
def test_the_rest_is_refused_in_one_line(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        Example(**{field: value})
    assert str(caught.value).startswith(f"{field} must be {message}")
    assert "\n" not in str(caught.value)


def test_a_configuration_is_a_plain_frozen_dataclass() -> None:
    config = Example(rate=linear(2.5e-4, 0, 10**6), sizes=(1, 2))
    assert dataclasses.replace(config, size=9).size == 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.size = 3  # type: ignore[misc]
    for again in (
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
        Example(**dataclasses.asdict(config)),
        Example(**json.loads(json.dumps(dataclasses.asdict(config)))),
    ):
        assert again == config
        assert hash(again) == hash(config)
        assert value_at(again.rate, 500_000) == 1.25e-4
    assert (
        json.loads(json.dumps(dataclasses.asdict(config)))["rate"] == "linear(0.00025, 0, 1000000)"
    )
    assert "rate=linear(0.00025, 0, 1000000)" in repr(config)


def test_values_of_schedules() -> None:
    line = linear(1.0, 0.2, 100)
    assert [line(0), line(50), line(100), line(1000)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    corners = piecewise(1.0, 0.2, 100, 0.2, 200, -0.3, 300)
    assert [corners(step) for step in (0, 50, 100, 150, 200, 250, 300, 1000)] == pytest.approx(
        [1.0, 0.6, 0.2, 0.2, 0.2, -0.05, -0.3, -0.3]
    )
    tutorial = exponential(1.0, 0.1, 0.99999975)
    epsilon = 1.0
    for _ in range(1000):
        epsilon *= 0.99999975
    assert tutorial(0) == 1.0
    assert tutorial(1000) == pytest.approx(epsilon, rel=1e-12)
    assert tutorial(9_210_000) > 0.1 == tutorial(9_211_000)
    assert value_at(0.3, 10**9) == 0.3
    assert value_at(line, 50) == line(50)


@pytest.mark.parametrize(
    "schedule",
    [
        linear(1e-3, 0, 7),
        linear(-1 / 3, 1e30, 10**9),
        exponential(2, 1e-9, 0.999),
        piecewise(0.01, 2e-4, 3, -1 / 3, 10**9),
    ],
)
def test_schedules_are_read_back_equal_and_do_not_change(schedule: Schedule) -> None:
    for again in (Schedule(str(schedule)), pickle.loads(pickle.dumps(schedule))):
        assert again == schedule
        assert [again(step) for step in range(9)] == [schedule(step) for step in range(9)]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'kind'"):
        schedule.kind = "linear"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("linear(nan, 0, 9)", "start must be a finite number, got nan"),
        ("linear(0, inf, 9)", "end must be a finite number, got inf"),
        ("linear(1, 0, 0)", "num_steps must be a whole number >= 1, got 0 of type int"),
        ("linear(1, 0, 2.5)", "num_steps must be a whole number >= 1, got 2.5"),
        ("exponential(1, 0.1, 1.5)", "factor must be in (0, 1], got 1.5"),
        ("exponential(0.1, 1, 0.9)", "end must be in [0, start = 0.1], got 1.0"),
        ("linear(a, 0, 9)", "start must be a number, got 'a' of type str"),
        ("linear(1, None, 9)", "end must be a number, got 'None' of type str"),
        ("linear(1, 0, True)", "num_steps must be a number, got 'True' of type str"),
        ("exponential(1, 0, no)", "factor must be a number, got 'no' of type str"),
        ("piecewise(1, 0, 9, 1, 9)", "step 2 must be a whole number >= 10, got 9"),
        ("piecewise(1, 0, 0.5)", "step 1 must be a whole number >= 1, got 0.5"),
        ("piecewise(1, 0, 9, inf, 10)", "value 2 must be a finite number, got inf"),
        ("piecewise(1, 0, 9, , 10)", "value 2 must be a number, got ''"),
        ("piecewise(1)", "a schedule must be linear(start, end, num_steps), piecewise("),
        ("piecewise(1, 0, 9, 1)", "a schedule must be linear(start, end, num_steps), piecewise("),
        ("linear(1, 0)", "a schedule must be linear(start, end, num_steps), piecewise("),
        ("linear(1, 0, 9, 2)", "a schedule must be linear(start, end, num_steps), piecewise("),
        ("cosine(1, 0, 9)", "a schedule must be linear(start, end, num_steps), piecewise("),
    ],
)
def test_schedules_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        Schedule(text)
    assert str(caught.value).startswith(message)


def test_pairs_of_text() -> None:
    texts = ["a=1", "b=1e-3", "c=yes", "d=none", "e=[1, 2]", "f=linear(1, 0, 9)", "g=", "h=a=b"]
    expected = {"a": 1, "b": 1e-3, "c": "yes", "d": None, "e": [1, 2], "f": "linear(1, 0, 9)"}
    assert parse_pairs(texts) == {**expected, "g": "", "h": "a=b"}
    for text in ("gamma", "=1"):
        with pytest.raises(ValueError, match=f"takes KEY=VALUE, received '{text}'"):
            parse_pairs([text])
    changed = replaced(Example(), parse_pairs(["double=no", "sizes=[3]", "size=2e1"]))
    assert changed == Example(double=False, sizes=(3,), size=20)
    with pytest.raises(ValueError, match=r"gama: Example has no such field, did you mean gamma\?"):
        replaced(Example(), {"gama": 1})


# Every field of every algorithm.
CONFIGS: Final = {name: agent.config_class for name, agent in ALGORITHMS.items()}
FIELDS: Final = [
    (config_class, field)
    for config_class in dict.fromkeys(CONFIGS.values())
    for field in field_types(config_class)
]
NEVER: Final = (object(), {"a": 1}, b"bytes", float("nan"), float("inf"), [None], ["a"], "maybe(")


def members(hint: Any) -> list[Any]:
    """Return the types that a field accepts, one by one."""
    return list(get_args(hint)) if get_origin(hint) in (Union, UnionType) else [hint]


def wrong_values(hint: Any) -> list[Any]:
    """Return values of the wrong type or range, and texts, as on the command line."""
    kinds = members(hint)
    numbers = {
        get_args(kind)[0]: get_args(kind)[1] for kind in kinds if get_origin(kind) is Annotated
    }
    wrong = [value for value in NEVER if not (str in kinds and isinstance(value, str))]
    if NoneType not in kinds and not any("none" in get_args(kind) for kind in kinds):
        wrong.append(None)
    if bool not in kinds:
        wrong += [True, False, np.True_]
    if bool in kinds:
        wrong += [0, 1, 1.0, "2", "maybe", "", "none"]
    if str not in kinds:
        wrong += ["no", "false", "1", ""] if bool not in kinds else ["1", ""]
    for kind, interval in numbers.items():
        wrong += [interval.low - 1, -1e300]
        wrong += [interval.low] if interval.open_low else []
        wrong += [interval.high + 1] if interval.high < float("inf") else []
        wrong += [0.5] if kind is int else []
    takes_numbers = bool(numbers) or float in kinds
    if any(get_origin(kind) in (tuple, Literal) for kind in kinds) or bool in kinds:
        wrong += [] if takes_numbers else [3, 2.5]
    if any(get_origin(kind) is tuple for kind in kinds):
        wrong += [(0.5, -1), (-1,), ("a",)]
    if tuple[str, ...] in kinds:
        wrong = [value for value in wrong if value not in (["a"], ("a",))]
    if Schedule in kinds:
        wrong += ["linear(1, 0)", "linear(1, 0, 0)"]
        wrong += [] if float in kinds else [linear(-1, 1, 9), linear(1, -1, 9)]
    return wrong


@pytest.mark.parametrize(("config_class", "field"), FIELDS)
def test_every_field_refuses_wrong_values_and_names_them(
    config_class: type[Any], field: str
) -> None:
    hint = field_types(config_class)[field]
    for value in wrong_values(hint):
        with pytest.raises(ValueError, match=f"^{field} must be ") as caught:
            replaced(config_class(), {field: value})
        shown = " ".join(repr(value).split())
        expected = f"{describe(hint)}, got {shown} of type {type(value).__name__}"
        assert str(caught.value) == f"{field} must be {expected}"


@pytest.mark.parametrize(("config_class", "field"), FIELDS)
def test_every_field_has_a_default_that_it_keeps(config_class: type[Any], field: str) -> None:
    config = config_class()
    value = getattr(config, field)
    assert replaced(config, {field: value}) == config
    if isinstance(value, bool):
        words = ("yes", "on", "true", "TRUE") if value else ("no", "off", "false", "False")
        for word in words:
            assert replaced(config, {field: word}) == config
            assert replaced(config, parse_pairs([f"{field}={word}"])) == config


@pytest.mark.parametrize("word", ["yes", "on", "true", "Yes", "no", "off", "false", "False"])
@pytest.mark.parametrize(
    ("config_class", "field"),
    [(kind, field) for kind, field in FIELDS if bool in members(field_types(kind)[field])],
)
def test_a_word_for_a_switch_is_never_taken_as_truth(
    config_class: type[Any], field: str, word: str
) -> None:
    """Also where the default says the other thing, in Python and as --set has it."""
    hint, expected = field_types(config_class)[field], word.lower() in ("yes", "on", "true")
    for value in (word, parse_pairs([f"{field}={word}"])[field]):
        assert convert(hint, value, field) is expected


def test_arguments_are_converted_as_fields_are() -> None:
    assert convert(Count, np.int64(3), "num_games") == 3
    assert convert(bool, "off", "record") is False
    with pytest.raises(
        ValueError, match=r"^num_games must be a whole number >= 1, got '3' of type"
    ):
        convert(Count, "3", "num_games")


def test_every_recipe_is_read_back_from_json() -> None:
    configs = [r.config for name in ALGORITHMS for r in recipes_of(name).values()]
    for config in itertools.chain(configs, (config_class() for config_class in CONFIGS.values())):
        text = json.dumps(dataclasses.asdict(config))
        assert type(config)(**json.loads(text)) == config


def test_the_word_none_is_a_choice_where_it_is_one() -> None:
    assert convert(Literal["none", "value"], None, "baseline") == "none"
    with pytest.raises(ValueError, match='baseline must be "mse" or "huber", got None'):
        convert(Literal["mse", "huber"], None, "baseline")
    words = parse_pairs(["normalize_advantages=none", "max_grad_norm=none"])
    config = replaced(PPOConfig(normalize_advantages="batch", max_grad_norm=0.5), words)
    assert (config.normalize_advantages, config.max_grad_norm) == ("none", None)
