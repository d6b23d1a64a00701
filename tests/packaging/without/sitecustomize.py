"""Python as if some packages were not installed, in this process and all that it starts: those of `TEST_WITHOUT`."""

import os
import sys

for _name in os.environ["TEST_WITHOUT"].split():
    sys.modules[_name] = None  # type: ignore[assignment]
