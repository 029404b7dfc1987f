"""A work function for tests of the cluster: tiny, deterministic, without user code.

The package is JSON: {"do": …}. A map writes its split's length for every partition, a reduce adds up what
its sources hold and writes the sum as text into `part.mrf`.
"""

import json
import os
import signal
import subprocess
import time

from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, MapOrder
from mrframe.shuffle.partition import slots_for
from mrframe.shuffle.run_file.run_reader import RunReader
from mrframe.shuffle.run_file.run_writer import RunWriter


def run(package, order, reporter):
    settings = json.loads(package)
    report = TaskReport()
    if settings.get("print"):
        print("printed by user code")
    os.mkdir(order.out_dir)
    if isinstance(order, MapOrder):
        do_map(settings, order, report, reporter)
    else:
        do_reduce(order, report)
    for name in settings.get("count", []):
        report.counters[name] = settings["by"]
    if settings.get("fail") and isinstance(order, MapOrder):
        return Failure("raised", "no", traceback_text="user\udce9")
    return report


def start_processes(path):
    """What user code may do: a child, and a daemon in a session of its own; their pids are written to `path`."""
    try:
        os.close(os.open(path + ".taken", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    pids = []
    for own_session in (False, True):
        child = subprocess.Popen(["sleep", "1000"], start_new_session=own_session)
        pids.append(child.pid)
    with open(path + ".new", "w") as file:
        json.dump([os.getpid(), *pids], file)
    os.rename(path + ".new", path)


def do_map(settings, order, report, reporter):
    once = settings.get("die_once")
    if once and order.split.order == (0, 0):
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    if settings.get("start") and not os.path.exists(settings["start"]):
        start_processes(settings["start"])
    until = time.monotonic() + settings.get("busy_s", 0)
    while time.monotonic() < until:
        reporter.beat(1, 1)
    wait = settings.get("wait_for")
    while wait and not os.path.exists(wait):
        reporter.beat(1, 1)
        time.sleep(0.005)
    with open(os.path.join(order.out_dir, "map.mrf"), "wb") as file:
        writer = RunWriter(file, slots=slots_for(order.partitions))
        keys = [f"{i:04d}" for i in range(settings.get("keys", 40))]
        value = "x" * settings.get("value_bytes", 1)
        writer.add_run(keys, [f"{order.split.length}:{value}" for _ in keys])
        writer.close()
    for partition in range(order.partitions):
        report.partitions[partition] = (1, 1)
    report.records_out = order.split.length


def do_reduce(order, report):
    total = 0
    slots = slots_for(order.partitions)
    from mrframe.shuffle.partition import slot_range

    for path in order.sources:
        with open(path, "rb") as file:
            reader = RunReader(file, path, unpickle=False)
            for slot in slot_range(order.partition, slots, order.partitions):
                for stream in reader.streams(slot):
                    for _, _keys, values in stream:
                        total += sum(int(value.partition(":")[0]) for value in values)
    with open(os.path.join(order.out_dir, "part.mrf"), "w") as file:
        file.write(str(total))
    report.records_out = total
