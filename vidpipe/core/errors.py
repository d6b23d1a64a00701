"""Everything that vidpipe raises on purpose.

    VidpipeError
    ├── ConfigError      what the user wrote cannot be run: exit status 2
    │   ├── ModelError   a model's file, family or classes are not what the pipeline says
    │   └── SourceError  a file, folder or camera that cannot be read at all
    ├── StageError       a stage broke its contract (wrong number of answers, cannot be opened)
    └── RunError         it failed while running (disk full): exit status 1
        └── ClusterError the Ray that it ran on is gone

A message names the thing, its value and the way out, in one line; it never holds a credential.
"""


class VidpipeError(Exception):
    """Base of all errors of vidpipe; `str()` of one can be shown to a user."""

    exit_status = 1


class ConfigError(VidpipeError):
    """What the user wrote cannot be run."""

    exit_status = 2


class ModelError(ConfigError):
    """A model's file, family, size or classes are not what the pipeline says."""


class SourceError(ConfigError):
    """A source that cannot be read at all; damage in the middle of one is counted, not raised."""


class StageError(VidpipeError):
    """A stage broke its contract or could not be opened."""


class RunError(VidpipeError):
    """The run could not go on."""


class ClusterError(RunError):
    """The Ray that the run went on is gone."""


def contained(raised: BaseException) -> VidpipeError:
    """What was raised, as an error that may go from thread to thread and from process to process.

    One of a kind that ends whoever looks at it (SystemExit), or that nobody else can unpickle, goes as its text.
    """
    return raised if isinstance(raised, VidpipeError) else RunError(f"{type(raised).__name__}: {text_of(raised)}")


def text_of(raised: BaseException) -> str:
    """`str` of an error, also of one that raises when it is asked for it."""
    try:
        return str(raised)
    except BaseException:
        return "(it does not say what)"
