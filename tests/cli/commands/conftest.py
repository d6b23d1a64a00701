"""What tests of commands share."""

THIRDS = '''
from vidpipe import Transform


class Thirds(Transform):
    """Tells of each third result."""

    def apply(self, frame, answer, moment):
        if moment.seq % 3 == 0:
            self.emit("third", moment)
'''
