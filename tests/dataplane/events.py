"""Events on two hosts under traffic, and which losses each may cause. One row of EVENTS for each kind."""
import signal

from routed import FOLLOWS, KINDS

NOTHING, MEANWHILE, UNTIL_HEALED = 0, 1, 2


class Expected:
    """What an event may do to the traffic.

    `lost`    flow: NOTHING; MEANWHILE, what is sent before the event is complete; UNTIL_HEALED, what is sent before something
              arrives again.
    `causes`  counters that may move, by the names that Counters gives them. One packet that they count explains one lost
              datagram of a flow that loses NOTHING by itself.
    `order`   flow: whether what arrives keeps its order.
    `echoes`  counters that may move from now on, much later too, because of what is lost here, and explain nothing."""

    def __init__(self, lost=lambda flow: NOTHING, causes=(), order=lambda flow: True, echoes=()):
        self.lost, self.causes, self.order, self.echoes = lost, causes, order, echoes


class Event:
    """`choose` decides from the seed alone what will be done: words for act(). `act` does it and returns the expected effects;
    it is a generator, so that it can report when the traffic must flow again before it continues."""

    def __init__(self, name, choose, act):
        self.name, self.choose, self.act = name, choose, act


def pieces(name):
    """Of datagrams with fragments that a host lost before ipsecd received them: it waits for the missing ones, and then drops
    the others."""
    return (f"{name}.out.fragment",)


def uses_nat(flow):
    return flow.kind.udp


SIZES = (1500, 1450, 1400, 1340, 1300)
# While a link has a smaller MTU than others, a packet that is too long is dropped there, or by whichever has learnt of it,
# ipsecd or the kernel below it, and counted; its sender is informed.
TOLD = ("r.ip.FragFails", "r.ip6.Ip6InTooBigErrors", "r.ip6.Ip6FragFails", "a.out.too_big", "b.out.too_big", "a.out.unsent",
        "b.out.unsent")


def choose_path(random):
    return random.choice("ab"), random.choice(SIZES)


def act_path(net, towards, size):
    """The path MTU that the router reports changes."""
    net.narrow[towards] = size
    net.tell_path(towards)
    yield Expected()


def choose_link_mtu(random):
    return random.choice(("up1", "up2", "up3")), random.choice(SIZES)


def act_link_mtu(net, device, size):
    """The MTU of a host's own link changes. Packets that cross it between the changes of its two ends are lost."""
    host, port = net.b if device == "up3" else net.a, device.replace("up", "p")
    carries = device in ("up3", f"up{net.uplink}")
    net.narrow[port] = size
    net.r.ip("link", "set", port, "mtu", str(size))
    host.ip("link", "set", device, "mtu", str(size))
    for towards in ("a", "b"):
        net.tell_path(towards)
    yield Expected(lost=lambda flow: MEANWHILE if carries else NOTHING)


def choose_link_down(random):
    return random.choice(("p1", "p2", "p3")), random.randint(5, 60)


def act_link_down(net, port, steps):
    """A link has no carrier for some steps. If no packet uses it, nothing is lost. If Linux forwards to a link that goes down
    at that moment, it answers with "fragmentation needed" and a tiny MTU."""
    carries = port in ("p3", f"p{net.uplink}")
    net.r.ip("link", "set", port, "down")
    net.traffic.wait_for_steps(steps)
    net.r.ip("link", "set", port, "up")
    net.route_by(net.uplink)
    for towards in ("a", "b"):
        net.tell_path(towards)
    yield Expected(lost=lambda flow: UNTIL_HEALED if carries else NOTHING,
                   causes=TOLD if carries else (), order=lambda flow: not carries)


def choose_rate(random):
    return random.choice(("p1", "p2", "p3")), random.choice(("40mbit", "100mbit", "1gbit", "10gbit"))


def act_rate(net, port, rate):
    """A link gets slower or faster: packets wait for it, and none is lost."""
    net.slow(port, rate)
    yield Expected()


def choose_route(random):
    return (random.choice((1, 2)),)


def act_route(net, uplink):
    """The other of two working routes. Packets on the old one still arrive, and may be overtaken."""
    net.route_by(uplink)
    yield Expected(order=lambda flow: False)


def choose_host(random):
    return (random.choice("ab"),)


def act_device(net, name):
    """The device is deleted; ipsecd creates it again, and addresses and routes are set again."""
    host = net.host(name)
    before = host.status().get("device_made_again", 0)
    host.ip("link", "del", "ipsec0")
    net.wait_for("the device", lambda: host.status().get("device_made_again", 0) == before + 1)
    net.give_addresses(host)
    yield Expected(lost=lambda flow: UNTIL_HEALED, causes=(f"{name}.in.unsent",), order=lambda flow: False,
                   # While some addresses are missing, the kernel answers from one that no SA covers.
                   echoes=(*pieces(name), f"{name}.out.no_sa"))


def choose_restart(random):
    return random.choice("ab"), random.choice(("SIGTERM", "SIGKILL")), random.choice((0, 0, 20))


def act_restart(net, name, number, steps):
    """ipsecd ends and another one continues. Packets that arrive meanwhile are lost; outbound ones wait in the device, except
    those that a killed ipsecd was processing. An ipsecd that follows NATs learns the place again from the next packet."""
    host = net.host(name)
    net.counters.end(name)
    host.end(getattr(signal, number))
    with net.traffic.changed:
        net.complete_at = {flow: flow.sent for flow in net.traffic.flows}
    net.traffic.wait_for_steps(steps)
    host.start()
    net.counters.begin(name)

    def lost(flow):
        if flow.giver_name != name or (FOLLOWS and name == "b" and uses_nat(flow)):
            return UNTIL_HEALED
        return MEANWHILE if number == "SIGKILL" else NOTHING

    yield Expected(lost=lost, order=lambda flow: False, echoes=pieces(name))


def choose_keys(random):
    return (tuple(sorted(random.sample(range(len(KINDS)), random.randint(1, len(KINDS))))),)


def act_keys(net, numbers):
    """New keys, in the order of a key manager: the receiver gets them first, then the sender; then the old ones are deleted,
    first at the sender. No packet is lost."""
    kinds = [KINDS[number] for number in numbers]
    expected = Expected(order=lambda flow: flow.kind not in kinds)
    for outbound in (False, True):
        for host in (net.a, net.b):
            net.apply(host, newer=kinds, outbound=outbound)
    yield expected
    for kind in kinds:
        net.generation[kind] += 1
    for host in (net.a, net.b):
        net.apply(host, older=kinds)
    yield expected
    for host in (net.a, net.b):
        net.apply(host)
    yield expected


def choose_unrelated(random):
    return random.choice("ab"), random.randint(1, 300)


def act_unrelated(net, name, count):
    """SAs without any relation to the traffic are added, read and deleted."""
    host = net.host(name)
    names = [f"esp spi {0x100000 + n:#x} dst 203.0.113.{n % 250 + 1}" for n in range(count)]
    host.load("".join(f"add {one} src 203.0.113.251 isrc 10.20.{n // 250}.{n % 250}/32 idst 10.30.0.0/16 encralg aes-gcm "
                      f"encrkey {'5a' * 16}{n:08x}\n" for n, one in enumerate(names)))
    host.ipseckey("-n", "dump")
    host.load("".join(f"delete {one}\n" for one in names))
    yield Expected()


def choose_nat(random):
    return ()


def act_nat(net):
    """The NAT forgets its connections and uses another port. Packets from it are accepted; for the other direction, ipsecd must
    follow, or be given the port."""
    net.new_nat_port()
    expected = Expected(lost=lambda flow: UNTIL_HEALED if uses_nat(flow) and flow.giver_name == "b" else NOTHING,
                        order=lambda flow: not uses_nat(flow), causes=() if FOLLOWS else ("b.out.no_sa",))
    if not FOLLOWS:
        net.apply(net.b)
    yield expected


EVENTS = (
    Event("path MTU", choose_path, act_path),
    Event("link MTU", choose_link_mtu, act_link_mtu),
    Event("link down", choose_link_down, act_link_down),
    Event("rate", choose_rate, act_rate),
    Event("route", choose_route, act_route),
    Event("device", choose_host, act_device),
    Event("restart", choose_restart, act_restart),
    Event("keys", choose_keys, act_keys),
    Event("unrelated SAs", choose_unrelated, act_unrelated),
    Event("NAT", choose_nat, act_nat),
)
