"""The limits of the scheduler and of a node, each with its unit in its name and the reason for its value."""

from __future__ import annotations

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MIB

RUN_NODES_MAX = 256
"""Most nodes of a run. Each is a few processes, so that more than one for each core only serve tests."""

STANDING_NODES_MAX = 64
"""Most nodes of a standing cluster: all of them must start within its `START_S`."""

BLOCKS_AHEAD_MAX = 16
"""Most blocks of a decode attempt that may wait to be mapped. One process decodes about five times as fast as a slot
maps, so these keep the slots of a node busy (docs/decisions/0006-decoding.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerLimits:
    """Waits and retries of the scheduler. Counts of attempts begin anew with each master.

    lease_s               a node that sends nothing for this long counts as lost: 20 heartbeats, so that a busy or
                          paused node survives. The keeper reports a process that ends at once, so only a node that
                          hangs is found by its lease.
    resend_s              a start that the node's heartbeats do not show is sent again after this long: 4 heartbeats
    locality_wait_s       the longest that a task waits for a node that has its data (delay scheduling), and never
                          longer than moving the data would take
    locality_wait_s_min   shorter waits are skipped: they would last until the next event, which is longer
    transfer_bytes_per_s  assumed rate of moving data, to compute that time: about that of a disk
    by_path               nodes read the sealed output of others by path, so no task waits for a node near such
                          output. Tasks over stored blocks still wait.
    tries_max             attempts at a task that may end by themselves ("died", "io") before the job fails: one may
                          be bad luck and two a bad node, so 4 show that the task is at fault
    losses_max            attempts at a task that may be lost with nodes and fetches before the job fails. They are
                          not the task's fault, so this only prevents endless repetition.
    block_losses_max      the same for a task if no node has its block any more: fewer, as the block may never return
    node_deaths_shared_max  losses with a node that has died, after which attempts at the task run isolated and have
                          a node for themselves: two may be chance, or the fault of another attempt on that node
    node_deaths_max       losses with a node that has died before the job fails. Those beyond the shared ones are
                          the task's fault, or that of the machine.
    full_s                time from the first failure for lack of room ("full") to that of the job, which also takes
                          `tries_max` attempts. In this time other programs may free the room that they have used.
    full_pause_s          pause before a task is retried after that. It doubles with each attempt.
    full_pause_s_max      upper bound of that pause: room that has become free is used within seconds
    fetch_reports_max     failed fetches of an output before it counts as lost: the first may be due to the reader
    fetch_pause_s         pause before a task is retried after its first failed fetch. It doubles with each attempt
                          that is lost.
    fetch_pause_s_max     upper bound of that pause
    queued_per_slot       attempts assigned to a node beyond its slots, per slot, so that an executor does not wait
                          for the master between two attempts
    small_bytes           the attempts of a node are small if their splits have no more than this in total. They may
                          take less time than a message to the master and its reply.
    small_queued_per_slot replaces `queued_per_slot` for such a node, as an upper bound
    small_waiting         tasks that must wait per slot of the cluster for each small one queued at a slot, so that
                          a few tasks are still spread over all nodes
    quick_queued_s        estimated duration of the attempts queued for a slot, on a node whose recent attempts were
                          so quick that more than `small_queued_per_slot` fit: several round trips to the master
    quick_queued_per_slot  replaces `small_queued_per_slot` for such a node
    quick_waiting         replaces `small_waiting`: a slot gets at most half of its share of what still waits
    speculate_after_s     an attempt younger than this is never slow: starting another would take as long
    speculate_every_s     time between two searches for slow attempts: one heartbeat, which brings their progress
    speculate_times       an attempt is slow if it will take more than this many times as long as tasks of its kind
                          usually do
    speculative_share     share of all slots that speculative attempts may use (one slot in any case), so that they
                          do not displace other work
    speculative_max       speculative attempts that a task may get in all
    faults_max            tasks with attempts that ended by themselves on a node, at which the node is excluded if
                          another has at most a third as many. A task counts once, so a few bad tasks exclude none.
    faults_window_s       only faults within this time count, because the cause of older ones may be repaired
    exclusion_s           how long an excluded node gets no attempts. After that it is tested by new ones.
    """

    lease_s: float = 10.0
    resend_s: float = 2.0
    locality_wait_s: float = 0.3
    locality_wait_s_min: float = 0.05
    transfer_bytes_per_s: int = 200 * MIB
    by_path: bool = False
    tries_max: int = 4
    losses_max: int = 100
    node_deaths_shared_max: int = 2
    node_deaths_max: int = 6
    block_losses_max: int = 8
    full_s: float = 20.0
    full_pause_s: float = 0.5
    full_pause_s_max: float = 4.0
    fetch_reports_max: int = 3
    fetch_pause_s: float = 0.2
    fetch_pause_s_max: float = 2.0
    queued_per_slot: int = 1
    small_bytes: int = MIB
    small_queued_per_slot: int = 16
    small_waiting: int = 16
    quick_queued_s: float = 0.03
    quick_queued_per_slot: int = 256
    quick_waiting: int = 2
    speculate_after_s: float = 1.0
    speculate_every_s: float = 0.5
    speculate_times: float = 2.0
    speculative_share: float = 0.1
    speculative_max: int = 2
    faults_max: int = 5
    faults_window_s: float = 60.0
    exclusion_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimits:
    """Heartbeats, repeats and executors of a node.

    beat_s                 time between heartbeats, and between hellos until the reply: progress looks live, and the
                           master handles two small messages per node and second
    unheard_s              a node without a reply for this long sends a hello again: 6 heartbeats, and well before its
                           lease ends
    repeat_s               a report without a reply is repeated after this long. The pause doubles.
    repeat_s_max           upper bound of that pause: half a lease
    held_per_beat          committed attempts named in one heartbeat, in turn, so that a heartbeat stays small
    executor_attempts_max  an executor is replaced after this many attempts, which bounds leaks of user code
    respawn_s              pause before an executor that died before it was ready is replaced. It doubles.
    respawn_s_max          upper bound of that pause: a repaired environment is used within seconds
    scrub_s                time in which a node verifies all blocks of its store once, beside other work: a day
    blocks_ahead_max       blocks of a decode attempt that may wait to be mapped before it pauses
    batch_s                estimated duration of a batch, from the recent attempts of its job: ten times the cost of
                           waking a process and sending its report, and too short to keep another slot waiting long
    batch_attempts_max     most attempts that an executor has at a time, which are requeued when it dies
    batch_bytes_max        most bytes of their splits in total
    """

    beat_s: float = 0.5
    unheard_s: float = 3.0
    repeat_s: float = 0.5
    repeat_s_max: float = 5.0
    held_per_beat: int = 64
    executor_attempts_max: int = 1000
    respawn_s: float = 0.05
    respawn_s_max: float = 2.0
    scrub_s: float = 24 * 3600.0
    blocks_ahead_max: int = BLOCKS_AHEAD_MAX
    batch_s: float = 0.02
    batch_attempts_max: int = 64
    batch_bytes_max: int = MIB
