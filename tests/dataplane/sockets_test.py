#!/usr/bin/env python3
"""What ipsecd does when its device, its sockets and the links below them are not as they should be: the device goes away,
a link is slower than what it gets, queues overflow, a port is in use. Two network namespaces, an ipsecd in each."""
import os
import pathlib
import sys
import unittest

from dataplane_test import Case, GCM_REST, both_ways
from hosts import datagrams, ip, wait_for


def ticks(pid):
    """Of processor time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class DeviceGone(Case):
    """The device goes away: it is made again, and said."""
    options = ("--workers", "2")

    def setUp(self):
        super().setUp()
        self.pair.load(both_ways(0x1000, GCM_REST))
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 3), [100] * 3)

    def is_back(self, times):
        wait_for("the device", lambda: self.a.status().get("device_made_again") == times)
        self.assertEqual(self.a.daemon.stderr.readline(),
                         "ipsecd: the device ipsec0 was gone and has been made again: its addresses, its routes and what else "
                         "was set on it are lost; set them again\n")
        self.assertIn("mtu 1380", self.a.ip("link", "show", "ipsec0", "up"))
        before = ticks(self.a.daemon.pid)
        self.pair.give_addresses(self.a)
        self.assertEqual(datagrams(self.a, self.b, "10.2.0.1", [100] * 5), [100] * 5)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [100] * 5), [100] * 5)
        self.assertLess(ticks(self.a.daemon.pid) - before, os.sysconf("SC_CLK_TCK") / 2)

    def test_it_is_deleted(self):
        for times in (1, 2):
            self.a.ip("link", "del", "ipsec0")
            self.is_back(times)
        self.assertNotIn("device_made_again", self.b.status())

    def test_its_namespace_is_deleted(self):
        other = f"{self.a.netns}-other"
        ip("netns", "add", other)
        self.a.ip("link", "set", "ipsec0", "netns", other)
        ip("netns", "del", other)
        self.is_back(1)

    def test_its_name_is_taken(self):
        """Then ipsecd ends, with an error."""
        self.a.ip("link", "set", "ipsec0", "name", "other")
        self.a.ip("link", "add", "ipsec0", "type", "veth")
        self.a.ip("link", "del", "other")
        self.assertEqual(self.a.daemon.wait(60), 1)
        self.assertEqual(self.a.daemon.stderr.read(),
                         "ipsecd: the device ipsec0 is gone and cannot be made again: cannot make the device ipsec0: Invalid "
                         "argument\n")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("sockets_test.py makes network namespaces and needs root")
    unittest.main()
