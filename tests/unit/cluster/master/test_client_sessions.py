"""Requests of a client: which of them a master takes and accepts together."""

import pytest
import zmq

from mrframe.cluster.master.client_sessions import REQUEST, ClientSessions
from mrframe.cluster.transport.transport import Received
from mrframe.core.model import events
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.wire import channels, messages

JOB = "job-1"
CODE = messages.JobCode(JOB, b"code")
SUBMITTED = events.JobSubmitted(JOB, (StepSpec(1),))
SPLITS = events.SplitsAdded(JOB, (Split("file", "a", "/a", 0, 1, (0, 0)),))
CLOSED = events.InputsClosed(JOB)
REQUESTS = (CODE, SUBMITTED, SPLITS, CLOSED)


class Router:
    """Keeps what is sent to clients."""

    def __init__(self):
        self.sent = []

    def send(self, frame, flags):
        if not flags & zmq.SNDMORE:
            self.sent.append(channels.TO_CLIENT.decode(frame))


class Client:
    """A client of `ClientSessions`, whose requests are numbered from 1."""

    def __init__(self, *, whole):
        self.router = Router()
        self.sessions = ClientSessions(self.router, Scheduler(1), whole=whole)
        self.number = 0

    def request(self, message):
        """What the master has to do for this request, and the number up to which it accepts requests then."""
        self.number += 1
        frames = [zmq.Frame(REQUEST.pack(7, self.number, 0)), zmq.Frame(channels.FROM_CLIENT.encode(message))]
        taken = self.sessions.receive(Received(b"route", "client", frames), messages.Peers(()))
        self.sessions.send_due(0.0)
        return taken, [one.number for one in self.router.sent if isinstance(one, messages.Accepted)][-1]


@pytest.fixture
def one_run():
    return Client(whole=False)


@pytest.fixture
def standing():
    return Client(whole=True)


def test_the_code_of_a_job_is_accepted_with_its_submission_and_not_before(one_run):
    """A master that dies between the two would leave a submission without code to the next one."""
    assert one_run.request(CODE) == ([], 0)
    assert one_run.request(SUBMITTED) == ([CODE, SUBMITTED], 2)
    assert one_run.request(SPLITS) == ([SPLITS], 3)
    assert one_run.request(CLOSED) == ([CLOSED], 4)


def test_a_standing_cluster_accepts_a_submission_as_a_whole(standing):
    assert [standing.request(message) for message in REQUESTS[:3]] == [([], 0)] * 3
    assert standing.request(CLOSED) == (list(REQUESTS), 4)
