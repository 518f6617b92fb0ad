"""Steady traffic between two hosts, of which every loss, duplicate and change of order is known: numbered datagrams and TCP."""
import select
import socket
import threading
import time

from hosts import DEADLINE, LOST, family_of

TICK = 0.005  # The least seconds from one step to the next.
PATIENCE = 0.25  # Seconds after which another datagram replaces a missing one; it may still arrive.
UNDER_WAY = 4  # The most datagrams of a flow.
TCP_UNDER_WAY = 1 << 16  # Bytes.
PATTERN = bytes(range(251)) * (TCP_UNDER_WAY // 251 + 2)


def content(number, size):
    return (number.to_bytes(8, "big") * (size // 8 + 1))[:size]


class Flow:
    """Numbered datagrams from one host to another. `at` is the receiver's address, `to` what the sender knows it by."""

    def __init__(self, name, giver, own, to, taker, at, port, sizes):
        self.name, self.sizes, self.to = name, sizes, (to, port)
        self.taker = taker.socket(family_of(at), socket.SOCK_DGRAM)
        self.giver = giver.socket(family_of(own), socket.SOCK_DGRAM)
        for one, address, number in ((self.taker, at, port), (self.giver, own, port)):
            one.bind((address, number))
            one.setblocking(False)
        self.sent, self.got, self.highest = 0, 0, -1
        self.missing, self.flying = set(), {}
        self.doubled, self.disordered, self.strange = [], [], []
        self.mark, self.healed, self.healed_at = 0, None, 0
        self.last_given_up = 0.0

    def step(self, now):
        self.take()
        if len(self.flying) >= UNDER_WAY:
            oldest = next(iter(self.flying))
            if now - max(self.flying[oldest], self.last_given_up) > PATIENCE:
                del self.flying[oldest]
                self.last_given_up = now
        while len(self.flying) < UNDER_WAY:
            try:
                self.giver.sendto(content(self.sent, next(self.sizes)), self.to)
            except OSError:  # The host reports at once that it cannot be sent.
                return
            self.missing.add(self.sent)
            self.flying[self.sent] = now
            self.sent += 1

    def take(self):
        while True:
            try:
                data = self.taker.recv(65536)
            except BlockingIOError:
                return
            number = int.from_bytes(data[:8], "big")
            if data != content(number, len(data)) or number >= self.sent:
                self.strange.append(data[:16].hex())
            elif number not in self.missing:
                self.doubled.append(number)
            else:
                self.arrived(number)

    def arrived(self, number):
        self.got += 1
        self.missing.remove(number)
        self.flying.pop(number, None)
        if number < self.highest:
            self.disordered.append(number)
        self.highest = max(self.highest, number)
        if self.healed is None and number >= self.mark:
            self.healed = number

    def set_mark(self):
        """Datagrams sent from now on must be recorded when they arrive."""
        self.mark, self.healed = self.sent, None

    def close(self):
        self.giver.close()
        self.taker.close()


class Connection:
    """Bytes by TCP from one host to another."""

    def __init__(self, name, giver, own, to, taker, at, port):
        self.name, self.sent, self.got, self.strange = name, 0, 0, []
        self.mark, self.healed, self.healed_at = 0, None, 0
        with taker.socket(family_of(at)) as listener:
            listener.bind((at, port))
            listener.listen()
            self.giver = giver.socket(family_of(own))
            self.giver.bind((own, port))
            self.giver.connect((to, port))
            self.taker, _ = listener.accept()
        for one in (self.giver, self.taker):
            one.setblocking(False)

    def step(self, _):
        try:
            while some := self.taker.recv(65536):
                begin = self.got % 251
                if some != PATTERN[begin:begin + len(some)]:
                    self.strange.append(f"byte {self.got}")
                self.got += len(some)
        except BlockingIOError:
            pass
        if self.healed is None and self.got >= self.mark:
            self.healed = self.got
        room = TCP_UNDER_WAY - (self.sent - self.got)
        if room > 0:
            begin = self.sent % 251
            try:
                self.sent += self.giver.send(PATTERN[begin:begin + room])
            except BlockingIOError:
                pass

    def set_mark(self):
        """More than was in transit must arrive from now on."""
        self.mark, self.healed = self.got + 2 * TCP_UNDER_WAY, None

    def close(self):
        self.giver.close()
        self.taker.close()


class Traffic:
    """All of it, on a thread of its own."""

    def __init__(self, flows, connections):
        self.flows, self.connections, self.steps = flows, connections, 0
        self.said = ""
        self.changed, self.ended, self.error = threading.Condition(), False, None
        self.thread = threading.Thread(target=self.pump)
        self.poll = select.poll()
        for one in (*flows, *connections):
            self.poll.register(one.taker, select.POLLIN)

    def pump(self):
        try:
            while not self.ended:
                began = time.monotonic()
                with self.changed:
                    for one in (*self.flows, *self.connections):
                        one.step(began)
                        if one.healed is None:
                            one.healed_at = self.steps
                    self.steps += 1
                    self.changed.notify_all()
                self.poll.poll(TICK * 1000)
                with self.changed:  # A limit on the rate, however fast answers arrive.
                    self.changed.wait_for(lambda: self.ended, max(0.0, began + TICK - time.monotonic()))
        except OSError as error:
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def wait(self, condition, seconds=DEADLINE):
        """Whether it holds in time, while traffic continues."""
        with self.changed:
            held = self.changed.wait_for(lambda: self.error or condition(), seconds)
        if self.error:
            raise self.error
        return held

    def wait_for_steps(self, count):
        end = self.steps + count
        self.wait(lambda: self.steps >= end)

    def flow_again(self, explained):
        """Waits until something that was sent after this call has arrived in every flow, and TCP has advanced, too; then
        missing datagrams have the time that late packets may need, unless their loss is explained. Returns the names of those
        that do not flow."""
        begin = self.steps
        with self.changed:
            for one in (*self.flows, *self.connections):
                one.set_mark()
        everything = (*self.flows, *self.connections)
        self.wait(lambda: all(one.healed is not None for one in everything))
        last = max(everything, key=lambda one: one.healed_at)
        self.said = f"all flow again after {last.healed_at - begin} steps{f', {last.name} as the last' if last.healed_at > begin else ''}"
        still = [one.name for one in everything if one.healed is None]
        if not still:
            self.wait(explained, LOST)
        return still

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        for one in (*self.flows, *self.connections):
            one.close()

    def stop(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        if self.thread.is_alive():
            self.thread.join()
