"""Errors that the package raises on purpose; bad arguments are a ValueError besides.

Each message names what was received, what is accepted, and what to do.
"""


class AgentError(TypeError):
    """What an agent of one's own returns that is not what the training loop can go on with."""


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or that does not fit the algorithm or the environment."""


class DemonstrationsError(ValueError):
    """Demonstrations that are damaged, that do not fit, or that a training did not begin with."""


class JobError(Exception):
    """A job whose folder is damaged, or holds another job."""


class NoEnvError(RuntimeError):
    """An agent that was loaded to act alone is to do what takes an environment."""


class ObservationError(ValueError):
    """An observation that is not what its space says, or does not follow on the one before."""


class RewardError(ValueError):
    """A reward that is not one number."""


class RunError(Exception):
    """A run that cannot be made, read or resumed."""


class SetupError(RuntimeError):
    """What a worker process works with cannot be made there, by its successors neither."""


class UntrustedError(Exception):
    """Code that a file names would run, and the user has not said that it may."""


class WorkerError(RuntimeError):
    """A worker process that dies again each time it is replaced."""
