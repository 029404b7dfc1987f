"""The limits of the scheduler and of a node, each with its unit in its name and the reason for its value."""

from __future__ import annotations

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MIB

BLOCKS_AHEAD_MAX = 16
"""Blocks of a decode attempt that may wait to be mapped: ten slots map as fast as one process decodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerLimits:
    """Waits and retries of the scheduler.

    lease_s               a node that has not been heard for so long is taken to be gone. A process that ends
                          is reported by its keeper at once; the lease is for one that hangs.
    resend_s              a start that the node's heartbeats do not show after so long is sent again
    locality_wait_s       a task waits so long at most for a node that has its data, and never longer than
                          moving the data would take
    locality_wait_s_min   a wait shorter than this is none
    transfer_bytes_per_s  assumed rate of moving data, for that comparison
    tries_max             attempts at a task that may end by themselves ("died", "io") before the job fails
    losses_max            attempts at a task that may be lost to nodes and fetches before the job fails
    block_losses_max      the same for a task whose block no node has any more
    by_path               nodes read the sealed output of others by path, so no task waits for a near node
    fetch_reports_max     reports that an output cannot be fetched, before it is taken to be lost
    fetch_pause_s         pause before a task whose source could not be fetched is tried again; doubles
    fetch_pause_s_max     bound of that pause
    queued_per_slot       attempts that a node is given beyond its slots, per slot, so that executors need not
                          wait for the master
    small_bytes           a node whose attempts read no more than this together has small ones, which may take less
                          time than the way to the master and back
    small_queued_per_slot in place of `queued_per_slot` for such a node, at most
    small_waiting         tasks that must wait for each slot of the cluster, for each small one queued at a slot
    speculate_after_s     an attempt that has run for less is never late
    speculate_every_s     how often attempts that are late are looked for
    speculate_times       an attempt is late that will take so many times as long as a task of its kind usually does
    speculative_share     of all slots, so many may work on second attempts at a time (but one in any case)
    speculative_max       speculative attempts at a task
    faults_max            tasks whose attempts end by themselves on a node, before it is excluded
    faults_window_s       within so long
    exclusion_s           an excluded node gets no attempts for so long
    """

    lease_s: float = 10.0
    resend_s: float = 2.0
    locality_wait_s: float = 0.3
    locality_wait_s_min: float = 0.05
    transfer_bytes_per_s: int = 200 * MIB
    by_path: bool = False
    tries_max: int = 4
    losses_max: int = 100
    block_losses_max: int = 8
    fetch_reports_max: int = 3
    fetch_pause_s: float = 0.1
    fetch_pause_s_max: float = 2.0
    queued_per_slot: int = 1
    small_bytes: int = MIB
    small_queued_per_slot: int = 16
    small_waiting: int = 16
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

    beat_s                 time between heartbeats, and between hellos until one is answered
    unheard_s              a node that has had no answer for so long says hello again
    repeat_s               a report without an answer is repeated after so long; doubles
    repeat_s_max           bound of that pause
    held_per_beat          committed attempts named in one heartbeat, in turn
    executor_attempts_max  an executor is replaced after so many attempts
    respawn_s              pause before an executor that died before it was ready is replaced; doubles
    respawn_s_max          bound of that pause
    scrub_s                in which all blocks of its store are judged once
    blocks_ahead_max       blocks of a decode attempt that may wait to be mapped, before it waits, too
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
