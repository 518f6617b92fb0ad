#!/usr/bin/env python3
"""ipsecd with ten thousand connections: it continues to serve each of them, and when they are closed nothing of them is left."""
import os
import pathlib
import resource
import socket
import struct
import sys
import time
import unittest

from programs import DEADLINE, Case, sa_lines

CROWD = 10_000
FILES = CROWD + 500
GET = 5


def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), max(hard, FILES)))


class Crowd(Case):
    def test_ten_thousand_connections(self):
        many_files()
        daemon = self.start_daemon(options=["--max-clients", str(FILES)])
        descriptors = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
        before = len(os.listdir(descriptors))
        crowd = []
        for _ in range(CROWD):
            crowd.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            self.addCleanup(crowd[-1].close)
            crowd[-1].connect(str(daemon.socket))
            crowd[-1].settimeout(DEADLINE)
        self.assertEqual(self.run_it("-f", "-", text=sa_lines(100)).status, 0)
        self.assertEqual(self.count_sas(), 100)
        self.assertGreaterEqual(len(os.listdir(descriptors)), before + CROWD)

        # Each of them is served: a GET without an SA is refused to its sender.
        for one in crowd[::500]:
            one.send(struct.pack("=BBBBHHII", 2, GET, 0, 3, 2, 0, 1, 1))
        for one in crowd[::500]:
            heard = one.recv(65536)
            while heard[1] != GET:  # Notices of the load, which it has not read until now.
                heard = one.recv(65536)
            self.assertNotEqual(heard[2], 0)
        for one in crowd:
            one.close()
        end = time.monotonic() + DEADLINE
        while len(os.listdir(descriptors)) > before:
            self.assertLess(time.monotonic(), end, "descriptors of connections that are gone are still open")
            os.sched_yield()
        self.assertEqual(self.count_sas(), 100)


if __name__ == "__main__":
    sys.exit(unittest.main())
