#!/usr/bin/env python3
"""An IKE daemon with NAT traversal, an unmodified charon of strongSwan, and ipsecd share UDP port 4500 of one host. Two network
namespaces, both daemons in each."""
import os
import subprocess
import sys
import unittest

from dataplane_test import GCM_REST, IN_UDP, both_ways
from hosts import DEADLINE, Capture, Pair, datagrams, echo, wait_for

CHARON = "/usr/lib/ipsec/charon"
STRONGSWAN_CONF = """
charon {
  load = random nonce openssl kdf kernel-netlink socket-default vici
  install_routes = no
  filelog { stderr { default = -1 } }
  plugins { vici { socket = unix://SOCKET } }
}
swanctl { load = random openssl }
"""
# Childless: its own ESP would need the kernel's. encap: as if there was a NAT.
SWANCTL_CONF = """
connections { peer {
  version = 2
  local_addrs = HERE
  remote_addrs = THERE
  encap = yes
  childless = force
  proposals = aes128gcm16-prfsha256-x25519
  local { auth = psk
          id = HERE }
  remote { auth = psk
           id = THERE }
} }
secrets { ike { secret = a-secret-of-this-test } }
"""


class Charon:
    """A daemon in a host's namespace, with a /run of its own, where it stores its process id."""

    def __init__(self, host, here, there):
        self.uri = host.folder / f"{host.name}.vici"
        conf, self.connection = host.folder / f"{host.name}.conf", host.folder / f"{host.name}.swanctl"
        conf.write_text(STRONGSWAN_CONF.replace("SOCKET", str(self.uri)))
        self.connection.write_text(SWANCTL_CONF.replace("THERE", there).replace("HERE", here))
        self.environment = {**os.environ, "STRONGSWAN_CONF": str(conf)}
        self.process = subprocess.Popen(["ip", "netns", "exec", host.netns, "unshare", "--mount", "sh", "-c",
                                         f"mount -t tmpfs none /run && exec {CHARON}"], env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("charon", self.uri.exists)
        self.swanctl("--load-all", "--file", str(self.connection))

    def swanctl(self, *words):
        ended = subprocess.run(["swanctl", *words, "--uri", f"unix://{self.uri}"], env=self.environment,
                               capture_output=True, text=True, timeout=DEADLINE)
        if ended.returncode != 0:
            raise RuntimeError(f"swanctl {words[0]}: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE)
        self.uri.unlink(missing_ok=True)


class Together(unittest.TestCase):
    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.a, self.b = self.pair.a, self.pair.b
        self.cable = Capture(self.a, "cable")
        self.addCleanup(self.cable.close)

    def start_charons(self):
        charons = Charon(self.a, "192.0.2.1", "192.0.2.2"), Charon(self.b, "192.0.2.2", "192.0.2.1")
        for charon in charons:
            self.addCleanup(charon.stop)
        return charons

    def negotiates(self, charon):
        """A new IKE SA on port 4500, both ends of it."""
        charon.swanctl("--initiate", "--ike", "peer")
        told = charon.swanctl("--list-sas")
        self.assertRegex(told, r"peer: #\d+, ESTABLISHED, IKEv2")
        self.assertRegex(told, r"local +'192.0.2.1' @ 192.0.2.1\[4500\]")
        self.assertRegex(told, r"remote +'192.0.2.2' @ 192.0.2.2\[4500\]")

    def carries(self):
        """ESP of ipsecd both ways, on port 4500 of both ends."""
        self.cable.packets()
        echo(self.a, self.b, "10.2.0.1", 1_000_000)
        self.assertEqual(datagrams(self.b, self.a, "10.1.0.1", [1, 100, 1300]), [1, 100, 1300])
        ports = {packet[20:24] for packet in self.cable.packets() if packet[0] >> 4 == 4 and packet[9] == 17}
        self.assertEqual(ports, {(4500).to_bytes(2, "big") * 2})
        self.assertEqual([host.status()["in"]["dropped"] for host in (self.a, self.b)], [{}, {}])

    def load(self):
        self.pair.load(both_ways(0x1000, GCM_REST + IN_UDP + " replay 64"))

    def test_ipsecd_comes_first(self):
        """ipsecd does not bind the port, and the IKE daemon may come and go."""
        self.pair.start("--beside-ike")
        self.load()
        self.carries()
        for _ in range(2):
            charons = self.start_charons()
            self.negotiates(charons[0])
            self.carries()
            charons[0].swanctl("--rekey", "--ike", "peer")
            wait_for("the new IKE SA", lambda: "#2, ESTABLISHED" in charons[0].swanctl("--list-sas"))
            for charon in charons:
                charon.stop()
            self.carries()
        self.assertNotIn("busy_udp_ports", self.a.status())

    def test_charon_comes_first(self):
        """Then ipsecd needs no option."""
        charons = self.start_charons()
        self.negotiates(charons[0])
        self.pair.start()
        self.load()
        self.carries()
        charons[0].swanctl("--rekey", "--ike", "peer")
        wait_for("the new IKE SA", lambda: "#2, ESTABLISHED" in charons[0].swanctl("--list-sas"))
        self.carries()
        self.assertEqual(self.a.status()["busy_udp_ports"], [{"port": 4500}])


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("ike_test.py makes network namespaces and needs root")
    unittest.main()
