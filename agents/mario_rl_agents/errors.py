"""What the library raises on purpose, beside Python's own errors."""


class ObservationError(ValueError):
    """An observation is not what its space says, or does not follow on the one before."""
