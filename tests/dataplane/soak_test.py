#!/usr/bin/env python3
"""Every event of the soak once, with a fixed seed; and a check that the soak notices what it must notice."""
import contextlib
import io
import os
import sys
import unittest

import soak
from events import EVENTS, MEANWHILE, NOTHING, TOLD, UNTIL_HEALED, Expected
from soak import Losses, judge


class FlowLike:
    def __init__(self, name, missing):
        self.name, self.missing = name, set(missing)


class Judge(unittest.TestCase):
    """One flow whose numbers 3, 12 and 25 are lost: before the event, which is complete at 20, meanwhile, and after it. The
    flow has recovered at 30; 31 is in transit."""

    def setUp(self):
        self.flow = FlowLike("one", (3, 12, 25, 31))
        self.losses = Losses(self.flow, {3}, 20, 30)

    def test_when_each_was_lost(self):
        self.assertEqual((self.losses.all, self.losses.before, self.losses.meanwhile, self.losses.later), ([3, 12, 25], [3], [12], [25]))

    def said(self, lost, causes=(), moved=None, disordered=None, spare=0, order=True):
        expected = Expected(lost=lambda flow: lost, causes=causes, order=lambda flow: order)
        return judge(expected, [self.losses], moved or {}, disordered or {}, spare)

    def test_what_the_event_may_lose(self):
        for lost, numbers in ((NOTHING, [3, 12, 25]), (MEANWHILE, [3, 25]), (UNTIL_HEALED, [3])):
            self.assertEqual(self.said(lost)[0], [f"lost: {{'one': {numbers}}}; the counters explain 0 of them: {{}}"])

    def test_what_a_counter_explains(self):
        for lost, count in ((NOTHING, 3), (MEANWHILE, 2), (UNTIL_HEALED, 1)):
            for counted, spare in ((count, 0), (0, count), (count + 2, 0)):
                moved = {"a.out.too_big": counted} if counted else {}
                self.assertEqual(self.said(lost, ("a.out.too_big",), moved, spare=spare), ([], max(counted - count, 0)))
            few = {"a.out.too_big": count - 1} if count > 1 else {}
            self.assertEqual(len(self.said(lost, ("a.out.too_big",), few)[0]), 1)

    def test_more_than_a_counter_may_explain(self):
        for count in (soak.MOST, soak.MOST + 1):
            self.losses = Losses(self.flow, set(range(count)), 20, 30)
            self.losses.before, self.losses.meanwhile, self.losses.later = list(range(count)), [], []
            self.assertEqual(self.said(UNTIL_HEALED, spare=99)[0], [] if count == soak.MOST else [
                f"one lost {list(range(count))}: more than was under way"])

    def test_a_counter_without_a_reason(self):
        self.assertIn("b.in.corrupt has counted 9, and this event is no reason for it",
                      self.said(UNTIL_HEALED, ("b.in.unsent",), {"b.in.corrupt": 9}, spare=1)[0])

    def test_order(self):
        self.assertEqual(self.said(UNTIL_HEALED, disordered={self.flow: [7]}, spare=1)[0], ["one came out of order: [7]"])
        self.assertEqual(self.said(UNTIL_HEALED, disordered={self.flow: [7]}, spare=1, order=False)[0], [])


class Run(unittest.TestCase):
    def said(self, *words):
        """The status of a run, and what it printed."""
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            status = soak.main(words)
        return status, text.getvalue()

    def test_every_event_once(self):
        status, text = self.said("--seed", "15", "--events", str(len(EVENTS)))
        self.assertEqual(status, 0, text)
        for number, event in enumerate(EVENTS, 1):
            self.assertRegex(text, rf"(?m), \d+: {event.name}( |;)", number)

    def test_it_notices_a_loss(self):
        """The link is down for a while, and nothing announced it."""
        net = soak.Net(15)
        self.addCleanup(net.close)
        net.start()
        net.make_traffic()

        def act():
            net.r.ip("link", "set", "p3", "down")
            net.traffic.wait_for_steps(20)
            net.r.ip("link", "set", "p3", "up")
            yield Expected(causes=TOLD, order=lambda flow: False)

        with net.traffic, contextlib.redirect_stdout(io.StringIO()):
            one = soak.Soak(net, 15)
            one.judged(lambda: iter([Expected()]), "the beginning")
            self.assertEqual(one.faults, [])
            one.judged(act, "a link down")
        self.assertRegex("\n".join(one.faults), r"(?m)^lost: \{'tunnel a to b': \[[\d, ]+\],")

    def test_it_notices_packets_in_clear(self):
        net = soak.Net(15)
        self.addCleanup(net.close)
        net.start()
        net.make_traffic()
        with net.traffic, contextlib.redirect_stdout(io.StringIO()):
            one = soak.Soak(net, 15)
            one.judged(lambda: iter([Expected()]), "the beginning")
            net.a.ip("-6", "rule", "del", "not", "fwmark", soak.routed.MARK, "table", "50")
            one.judged(lambda: iter([Expected()]), "a rule deleted")
        self.assertRegex("\n".join(one.faults), r"packets have come to the router in clear: \[.*dpts:7000:7199")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("soak_test.py makes network namespaces and needs root")
    unittest.main()
