"""The error of a configuration's field with a value that is not accepted."""


def check(name: str, value: object, accepted: bool, what: str) -> None:
    """Raise unless `accepted`.

    Args:
        name: Of the field.
        value: What it has.
        accepted: Whether that is accepted.
        what: The accepted values, to go on from "must be".

    Raises:
        ValueError: Names all three.
    """
    if not accepted:
        raise ValueError(f"{name} must be {what}, got {value!r}")
