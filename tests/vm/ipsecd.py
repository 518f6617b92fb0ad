"""An ipsecd with a data plane in a namespace of the guest."""
import json
import os
import select
import subprocess

from guest import IPSECKEY, run
from netns import PATIENCE, wait

HERE = os.path.dirname(os.path.abspath(__file__))
MARK, TABLE = "0x50", "50"  # For packets that ipsecd itself sends, and for packets routed to it.


class Daemon:
    def __init__(self, netns, *options, hook=False):
        """With a device, or with hooks in netfilter."""
        self.netns = netns
        self.socket = f"/tmp/ipsecd-{netns}"
        self.sadb = f"ipsecd:{self.socket}"
        self.process = subprocess.Popen(  # Until stop().
            ["ip", "netns", "exec", netns, f"{HERE}/ipsecd", "--socket", self.socket, *(["--hook"] if hook else ["--tun", "ipsec0"]),
             "--mark", MARK, *options], stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stderr], [], [], 20)
        said = self.process.stderr.readline() if ready else "nothing"
        if "serving" not in said:
            raise RuntimeError(f"ipsecd said {said}")

    def take(self, *networks):
        """Packets to there go through ipsecd, except those that ipsecd itself sends."""
        for network in networks:
            family = "-6" if ":" in network else "-4"
            run("ip", "-n", self.netns, family, "route", "add", network, "dev", "ipsec0", "table", TABLE)
            run("ip", "-n", self.netns, family, "rule", "add", "not", "fwmark", MARK, "table", TABLE)

    def run_ipseckey(self, *words, stdin=None):
        return run(IPSECKEY, "--sadb", self.sadb, *words, stdin=stdin)

    def load(self, text):
        return self.run_ipseckey("-f", "-", stdin=text)

    def status(self):
        return json.loads(run(f"{HERE}/ipsecd", "status", "--json", "--socket", self.socket))

    def wait(self, what, condition, seconds=PATIENCE):
        if not wait(seconds, condition):
            raise TimeoutError(f"{what}: {self.status()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stderr.close()
