"""The channels: the messages allowed over each in each direction. `messages.py` says what they mean."""

from __future__ import annotations

from mrframe.core.model import block_messages, events, manifest_messages
from mrframe.core.model.reports import JobProgress
from mrframe.wire import messages
from mrframe.wire.codec import MESSAGE_BYTES_MAX, Vocabulary

_FORWARDED_BYTES_MAX = MESSAGE_BYTES_MAX + 512
"""A message of a client must still fit when the master and a node pass it on."""

FROM_CLIENT = Vocabulary(
    messages.JobCode,
    messages.EndHeard,
    messages.FollowJob,
    messages.ClusterWanted,
    events.NodeGone,
    events.JobSubmitted,
    events.SplitsAdded,
    events.InputsClosed,
    events.CancelRequested,
    events.OutputUnreadable,
    events.JobReleased,
    events.DatasetPut,
    events.DatasetRemoved,
    events.NodeDrained,
    block_messages.BlocksOffered,
    block_messages.PutEnded,
    block_messages.JudgingWanted,
    manifest_messages.RecoverVersions,
    block_messages.PutWanted,
    block_messages.VersionsWanted,
    block_messages.VersionWanted,
    block_messages.StorageWanted,
)
FROM_NODE = Vocabulary(
    messages.NodeAddress,
    messages.CodeWanted,
    events.NodeJoined,
    events.NodeBeat,
    events.AttemptSealed,
    events.AttemptFailed,
    events.BlockSealed,
    block_messages.BlocksHeld,
    block_messages.BlockStored,
    block_messages.BlockRefused,
    block_messages.BlockDamaged,
    block_messages.BlocksJudged,
    manifest_messages.VersionsHeld,
    manifest_messages.VersionTold,
    manifest_messages.VersionKept,
    bytes_max=_FORWARDED_BYTES_MAX,
)
TO_NODE = Vocabulary(
    messages.Peers,
    messages.JobCode,
    messages.Refused,
    events.Welcome,
    events.StartAttempt,
    events.CommitAttempt,
    events.DiscardAttempt,
    events.AcknowledgeBlock,
    events.ForgetJob,
    block_messages.StoreBlock,
    block_messages.DropBlock,
    block_messages.JudgeBlocks,
    manifest_messages.KeepVersion,
    manifest_messages.DropVersion,
    manifest_messages.VersionAsked,
    bytes_max=_FORWARDED_BYTES_MAX,
)
TO_CLIENT = Vocabulary(
    messages.Peers,
    messages.Accepted,
    messages.Refused,
    JobProgress,
    messages.Reports,
    messages.Ended,
    messages.JobUnknown,
    messages.ClusterState,
    block_messages.PutState,
    block_messages.VersionsState,
    block_messages.VersionState,
    block_messages.StorageState,
)
FETCH_ASKED = Vocabulary(messages.FetchFile, messages.FetchMore, messages.FetchStop, bytes_max=4096)
FETCH_REPLY = Vocabulary(messages.FilePiece, messages.FileEnd, messages.FileRefused, bytes_max=4096)

TO_KEEPER = Vocabulary(messages.KeeperSetup, messages.ForkChildren, messages.EndChildren, messages.EndAll)
TO_WARM_PARENT = Vocabulary(messages.ForkExecutor, messages.EndExecutor)
FROM_PARENT = Vocabulary(messages.ChildStarted, messages.ChildEnded)
TO_CHILD = Vocabulary(messages.MasterSetup, messages.NodeSetup)
FROM_CHILD = Vocabulary(messages.ChildReady, messages.ChildFault, messages.ExecutorPids)
TO_EXECUTOR = Vocabulary(messages.Work, messages.BlockDeleted, messages.BlockWork)
FROM_EXECUTOR = Vocabulary(
    events.ExecutorSealed,
    events.ExecutorFailed,
    events.ExecutorBlock,
    events.ExecutorBeat,
    block_messages.BlockDone,
    bytes_max=messages.REPORT_BYTES_MAX,
)

ALL = (
    *(FROM_CLIENT, FROM_NODE, TO_NODE, TO_CLIENT, FETCH_ASKED, FETCH_REPLY),
    *(TO_KEEPER, TO_WARM_PARENT, FROM_PARENT, TO_CHILD, FROM_CHILD, TO_EXECUTOR, FROM_EXECUTOR),
)
