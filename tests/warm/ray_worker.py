"""Ray runs this in place of its own `setup_worker.py`, which loads Ray only to have another Python load it again."""

import sys

from ask import stand_for  # it lies beside this program

OF_THE_SETUP = ("--serialized-runtime-env-context", "--language")  # of which the worker knows nothing

worker, *arguments = (argument for argument in sys.argv[1:] if not argument.startswith(OF_THE_SETUP))
stand_for("ray._private.workers.default_worker", arguments)
