"""Ray runs this in place of its own `setup_worker.py`, which loads Ray only to have another Python load it again."""

import os
import sys

OF_THE_SETUP = ("--serialized-runtime-env-context", "--language")  # of which the worker knows nothing

worker = [argument for argument in sys.argv[1:] if not argument.startswith(OF_THE_SETUP)]
os.execv(sys.executable, [sys.executable, *worker])
