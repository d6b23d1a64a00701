"""Workers on the machines of a Ray."""

import pytest

from tests.archive.conftest import READ
from vidpipe.archive.answering import Answerer, without_rules
from vidpipe.archive.run import Options
from vidpipe.core.errors import ConfigError

DIES = """
classes: {even: even, odd: odd}
stages:
  - {id: dies, type: mystages:Dies, at: 25, once: ONCE}
  - {id: read, type: mystages:Read}
"""


@pytest.mark.long
@pytest.mark.ray
def test_an_actor_that_dies_costs_nothing(archiver, cluster):
    recordings = {"clip": archiver.clip()}
    once = archiver.folder / "once"
    pipeline = DIES.replace("ONCE", str(once))
    options = Options(workers=2, address=cluster, chunk_s=0.75, warm_up_s=0.19)
    outcome = archiver(pipeline, recordings, options, make_workers=None)
    assert once.exists()
    assert outcome.errors == []
    assert archiver.lines() == archiver.one_run(READ, recordings)["clip"]


def test_a_recording_that_is_not_on_a_worker_s_machine_ends_it(archiver):
    """Left out it would be missed only in the end, and so would all others."""
    clip = archiver.clip()

    def workers(pipeline, options):
        made = archiver.workers(pipeline, options)
        answer = Answerer(without_rules(pipeline), "the machine of the driver")

        def work(task):
            clip.unlink()
            return answer(task)

        made.work = work
        return made

    with pytest.raises(ConfigError, match=r"clip.mp4 is not on machine .*mount the folder there"):
        archiver(READ, {"clip": clip}, make_workers=workers)
