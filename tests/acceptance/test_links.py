"""Links between nodes and master, and between nodes, that are cut, half-open or one-way for a while.

Whoever is cut off does not know what becomes of its work. Each task has one winner all the same: the counters, which
count once for each committed attempt, and the answer are those of the inline engine.
"""

import random
import time

import pytest
from links import FAULTS, Links
from test_pauses import LOCAL, Paused


class Cut(Paused):
    """Runs of one job, of whose links some fail for a while."""

    def cut_off(self, faults, chance, longest_s):
        """A run whose links fail in these ways, one after the other; how often one with a connection did."""
        failed = 0
        with Links() as links:
            run = self.start(*LOCAL, "--shuffle", "zmq", SEAM_PROXY=str(links.port))
            while not run.pids("exec"):
                assert run.runs_for(0.005), run.err
            for fault in faults:
                goes_on = run.runs_for(chance.uniform(0, 0.2))
                used = [link for link in links.all() if link.passed_bytes]
                if not goes_on or not used:
                    break
                link = chance.choice(used)
                link.fail(fault)
                failed += run.runs_for(chance.uniform(0.1, longest_s))
                link.fail("")
            run.to_its_end()
            assert self.said(run) == self.expected, (faults, run.took_s)
            assert run.left() == []
        return failed


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return Cut(tmp_path_factory.mktemp("links"))


def test_cutting_a_link_does_not_change_the_answer(cut):
    chance, failed = random.Random(3), 0
    while failed < 3:
        failed += cut.cut_off(chance.sample(FAULTS[:3], 3), chance, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_cut_links_do_not_change_the_answer(cut):
    chance, failed, start_s = random.Random(4), dict.fromkeys(FAULTS, 0), time.monotonic()
    slowest_s = 0.0
    while sum(failed.values()) < 200:
        faults, longest_s = chance.sample(FAULTS, 2), chance.choice([0.5, 2, 7])
        begun_s = time.monotonic()
        for fault in faults[: cut.cut_off(faults, chance, longest_s)]:
            failed[fault] += 1
        slowest_s = max(slowest_s, time.monotonic() - begun_s)
    print(f"{failed} in {time.monotonic() - start_s:.0f} s; the longest run took {slowest_s:.1f} s")
