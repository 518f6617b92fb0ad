"""What systemd does for a service: receives notifications, holds its socket and descriptors, and starts it with both."""
import fcntl
import os
import pathlib
import socket
import subprocess

BIN = pathlib.Path(os.environ["IPSECKEY_BIN"])
DEADLINE = 120  # The most seconds that anything may take.


class Manager:
    """The manager of one ipsecd, whose socket is `sadb.sock` in the folder."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(DEADLINE)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(folder / "sadb.sock"))
        self.listening.listen(16)
        self.store = []  # (name, descriptor), in the order of their arrival.
        self.heard = []

    def close(self):
        self.notify.close()
        self.listening.close()
        for _, fd in self.store:
            os.close(fd)

    def start(self, *options, watchdog=None, inside=(), stderr=subprocess.PIPE) -> subprocess.Popen:
        handed = [("ipsecd.socket", self.listening.fileno()), *self.store]
        names = ":".join(name for name, _ in handed)
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "LISTEN_FDS": str(len(handed)), "LISTEN_FDNAMES": names}
        if watchdog:
            environment["WATCHDOG_USEC"] = str(watchdog)
        # Descriptors from 3 on, one after another, moved by way of numbers that none of them has.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for _, fd in handed]
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
        words = ["bash", "-c", f'LISTEN_PID=$$ exec "$@" {moves}', "start", *inside, BIN / "ipsecd", *options]
        process = subprocess.Popen(words, env=environment, pass_fds=high, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr, cwd=self.folder)
        for fd in high:
            os.close(fd)
        return process

    def take(self) -> list:
        """The lines of the next notification, which is carried out."""
        message, fds, _, _ = socket.recv_fds(self.notify, 4096, 8)
        lines = message.decode().splitlines()
        self.heard.append(lines)
        name = next((line.split("=")[1] for line in lines if line.startswith("FDNAME=")), "")
        if "FDSTORE=1" in lines:
            self.store += [(name, fd) for fd in fds]
        elif "FDSTOREREMOVE=1" in lines:
            for _, fd in [entry for entry in self.store if entry[0] == name]:
                os.close(fd)
            self.store = [entry for entry in self.store if entry[0] != name]
        elif "BARRIER=1" in lines:
            os.close(fds[0])
        return lines

    def wait_for(self, text: str):
        """Reads notifications until one has a line that begins so."""
        while not any(line.startswith(text) for line in self.take()):
            pass
