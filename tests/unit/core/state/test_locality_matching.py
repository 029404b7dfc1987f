"""LocalityMatching of waiting tasks are as even as the replicas allow, whatever comes and goes."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.core.state.locality_matching import LocalityMatching

NODES = "abcd"
data_nodes = st.sets(st.sampled_from(NODES), min_size=1, max_size=3).map(lambda drawn: tuple(sorted(drawn)))


def shares_of(shares: LocalityMatching[str], tasks: dict[str, tuple[str, ...]]) -> list[int]:
    """How many tasks are meant for each node, the largest share first; all are taken out, the first one first."""
    sizes = {}
    for node in NODES:
        sizes[node] = sum(shares._matched[task] == node for task in tasks)
    return sorted(sizes.values(), reverse=True)


def most_even(tasks: dict[str, tuple[str, ...]]) -> list[int]:
    """The same, for the best of all ways to give the tasks to their data_nodes."""
    ways = ([way.count(node) for node in NODES] for way in product(*tasks.values()))
    return min(sorted(sizes, reverse=True) for sizes in ways)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(data_nodes, st.integers(0, 5)), max_size=9))
def test_no_way_to_share_is_more_even(changes):
    shares, tasks = LocalityMatching[str](), {}
    for number, change in enumerate(changes):
        if isinstance(change, int):
            for task in sorted(tasks)[change : change + 1]:
                shares.remove(task)
                del tasks[task]
        else:
            tasks[f"t{number}"] = change
            shares.add(f"t{number}", number, change)
        assert shares_of(shares, tasks) == most_even(tasks)
    assert len(shares) == len(tasks)


def test_the_first_task_of_a_node_is_one_of_its_share():
    shares = LocalityMatching[str]()
    for number in range(6):
        shares.add(f"t{number}", number, ("a", "b"))
    firsts = []
    for node in "ababab":
        task = shares.first(node)
        assert task is not None
        firsts.append(task)
        shares.remove(task)
    assert sorted(firsts) == [f"t{number}" for number in range(6)]
    assert shares.first("a") is None
    assert firsts[:2] == ["t0", "t1"]
