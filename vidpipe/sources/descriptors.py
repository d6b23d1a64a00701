"""When a process has too many files open: FFmpeg and Python say so in words that blame the file at hand."""

from __future__ import annotations

import errno


def too_many(error: BaseException) -> str:
    """What to say of an error for which the file at hand is not to blame; "" for any other error."""
    if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
        return ""
    if error.errno == errno.ENFILE:
        return "this machine has too many files open: end other programs, or raise fs.file-max"
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"this process has too many files open, of {most} that it may have: raise the limit with ulimit -n 4096"
