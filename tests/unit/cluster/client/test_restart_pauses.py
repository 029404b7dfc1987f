"""Pauses before a process is started again."""

from mrframe.cluster.client.restart_pauses import CALM_S, PAUSE_S_MAX, RestartPauses


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_up_to_a_bound():
    pauses = RestartPauses()
    waited = []
    for _ in range(12):
        waited.append(pauses.next_s("node-1", sum(waited)))
    assert waited[:4] == [0.0, 0.1, 0.2, 0.4]
    assert waited[-1] == PAUSE_S_MAX
    assert pauses.next_s("node-2", sum(waited)) == 0.0


def test_after_a_calm_time_a_restart_is_at_once_again():
    pauses = RestartPauses()
    for _ in range(5):
        pauses.next_s("node-1", 0.0)
    assert pauses.next_s("node-1", 10.0 + CALM_S) == 0.0
