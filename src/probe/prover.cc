// 1. Run::open() captures on all interfaces but those where packets are in clear by nature, and opens the sockets.
// 2. meet() finds out whether the other end tells what it sees. Then probes are sent (detail/run.cc).
// 3. If they are answered: repeat() sends a probe's own packet again, unchanged and with another number, each time
//    with a probe as a fence: when that is answered, the other end has judged what came before it. repeated_there() has
//    the same done there.
// 4. sizes() looks for the largest packet that is answered, and sends a datagram in fragments.
#include "probe/prover.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "probe/detail/run.h"
#include "probe/local.h"
#include "prove/packet.h"

namespace ipseckey::probe {

using namespace std::chrono_literals;
using policy::Direction;
using prove::Facts;
using prove::Kind;
using prove::Marker;
using prove::Sighting;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

void Run::connect_tcp() {
  // Its packets have the sizes of other connections': if there were such packets before, they prove nothing.
  pump([] { return false; }, 50ms);
  std::uint32_t number = 0;
  Reader(Bytes(first_)).net(number);
  if (number != 0 && probe_->begin_at(number)) f_.first_number = number;
  const std::size_t begin = f_.wire.size();
  f_.send_error = probe_->connect(f_.flow.remote, *f_.flow.remote_port);
  ++f_.sent, f_.packets += 3;
  int error = 0;
  const bool done = pump(
      [&] {
        if (probe_->connected()) return true;
        if (error == 0) error = probe_->error();
        return error != 0;
      },
      1500ms);
  pump([] { return true; }, 0ms);
  // Without and with all options (RFC 9293 section 3.1).
  const std::size_t head = (f_.flow.remote.family == Family::v4 ? 20u : 40u) + 20;
  const std::array answers{prove::Sizes{head, head + 40}};
  prove::claim(f_, {begin, answers[0], answers, 3, done, true});
  f_.answered_by_host = true;
  if (done && (error == 0 || error == ECONNREFUSED)) ++answers_[first_];
  if (error != 0 && error != ECONNREFUSED) f_.send_error = error;
}

// Until a probe is answered, and its protected packet is known for certain. Each has a marker of its own, so that a
// late answer is not taken for one to a copy.
void Run::first_probes() {
  constexpr unsigned kTries = 3;
  for (unsigned i = 0; i < kTries && !late(); ++i) {
    if (answered(first_)) first_ = fresh();
    const bool done = probe(first_, 1);
    for (const Sighting& s : f_.wire)
      for (auto& [seal, frame] : sealed_)
        if (s.out && s.mine && (s.esp ? *s.esp : *s.ah) == seal) outward_ = frame;
    if (done && (outward_ || f_.out.service == policy::Service::not_needed)) return;
  }
}

// The same packet again, then with another number; each time a probe as a fence. A copy may be lost, so there are
// three.
void Run::repeat() {
  // Where probes leave in clear, too, what is protected may be another program's.
  const bool clear = std::ranges::any_of(f_.wire, [&](const Sighting& s) { return s.out && prove::in_clear(f_, s); });
  if (!outward_ || clear) return;
  const auto once_more = [&](Bytes packet) {
    prove::Repeat result;
    const unsigned before = times(first_);
    constexpr unsigned kCopies = 3;
    for (unsigned i = 0; i < kCopies; ++i) {
      if (late() || !capture_->send(*outward_, packet)) return result;
      ++f_.packets;
    }
    const bool fence = probe(fresh(), 1);
    // The kernel may still be about to pass on what came before the fence.
    pump([&] { return times(first_) > before; }, 20ms);
    result.accepted = times(first_) > before;
    result.tried = fence || result.accepted;
    return result;
  };
  f_.replay = once_more(outward_->packet());
  if (const auto other = prove::renumbered(outward_->packet())) f_.flip = once_more(*other);
}

void Run::repeated_there() {
  if (!f_.there_before || late()) return;
  // The other end repeats its last echo.
  const Marker last = fresh();
  const std::size_t begin = f_.wire.size();
  if (!probe(last, 2, any_size(prove::kMostRepeated))) return;
  const auto copies = [&] {
    std::optional<prove::Seal> echo;
    unsigned count = 0;
    for (std::size_t i = begin; i < f_.wire.size(); ++i) {
      const Sighting& s = f_.wire[i];
      if (s.out || !prove::as_modelled(f_, s)) continue;
      const prove::Seal& seal = s.esp ? *s.esp : *s.ah;
      if (s.mine && !echo) echo = seal;
      if (echo == seal) ++count;
    }
    return count;
  };
  const unsigned before = times(last), on_wire = copies();
  std::optional<prove::Tell> unused;
  const auto clear_seen = [&] {
    return std::ranges::any_of(f_.wire, [&](const Sighting& s) {
      return !s.out && s.ours && s.ours->kind == Kind::clear && s.ours->marker == last;
    });
  };
  if (!ask(unused, Kind::again, last)) return;
  pump(clear_seen, 150ms);
  if (!probe(fresh(), 2)) return;
  pump([&] { return times(last) > before || clears_.contains(last); }, 20ms);
  const bool repeated = on_wire > 0 && copies() > on_wire;
  f_.replay_in = {repeated || times(last) > before, times(last) > before};
  f_.clear_in = {clear_seen(), clears_.contains(last)};
}

// From the largest that the host believes in down to what is answered.
void Run::sizes() {
  const std::uint32_t heads = (f_.flow.remote.family == Family::v4 ? 20u : 40u) + 8;
  const std::uint32_t least = heads + static_cast<std::uint32_t>(kProbe);
  probe_->fragment(Socket::Pieces::forbidden);
  std::uint32_t high = probe_->path_mtu();
  constexpr std::uint32_t kMost = 9000;
  if (high < least) return;
  high = std::min(high, kMost);
  std::uint32_t low = least, size = high;
  while (!late() && low < high) {
    if (probe(fresh(), 2, size - heads, 150ms)) {
      low = size;
    } else if (const std::uint32_t mtu = probe_->path_mtu(); mtu != 0 && mtu < high) {
      high = std::max(mtu, low);
      size = high;
      continue;
    } else {
      high = size - 1;
    }
    if (low + 16 >= high && low != least) break;
    size = low == least && high > 1280 && size > 1280 ? 1280 : low + (high - low + 1) / 2;
  }
  f_.largest = low;
  const std::uint32_t believed = probe_->path_mtu();
  f_.wanted = std::min(believed == 0 ? low : believed, kMost);
  if (f_.wanted <= low + 16 && f_.wanted > low) f_.wanted = low;  // The search ends within 16 octets.
  if (late()) return;
  probe_->fragment(Socket::Pieces::allowed);
  f_.pieces = probe(fresh(), 2, low + 700, 250ms);
}

void Run::note_neighbour() {
  if (!routes_) return;
  const auto route = routes_->to(f_.outer_to, std::nullopt, 0);
  if (!route) return;
  f_.outer.next = route->gateway.value_or(f_.outer_to);
  const auto state = routes_->neighbour(f_.outer.next, route->device);
  if (state && *state == kernel::NeighbourState::nobody) f_.outer.neighbour = prove::Way::Neighbour::nobody;
  if (state && *state == kernel::NeighbourState::there) f_.outer.neighbour = prove::Way::Neighbour::there;
  if (f_.outer.neighbour == prove::Way::Neighbour::there && f_.outer.next == f_.outer_to) f_.heard = true;
}

void Run::settle() {
  if (const auto local = read_local(plan_.database)) f_.after = local->dropped;
  f_.missed += capture_->lost();
  f_.answers = 0;
  for (const auto& [marker, count] : answers_) f_.answers += count;
}

// Whether there is somebody at the other end who tells what he sees.
void Run::meet() {
  ask(f_.there_before, Kind::ask, {});
  f_.there = f_.there_before;
}

void Run::go() {
  if (const auto local = read_local(plan_.database)) f_.before = local->dropped;
  f_.flow.protocol = f_.rule.selector.protocol.value_or(kUdp);
  plan_.serve(f_);
  meet();
  if (const auto opened = open_probe(); !opened || !probe_) return settle();
  first_ = fresh();
  if (f_.flow.protocol == kTcp) {
    connect_tcp();
  } else {
    f_.send_error = probe_->connect(f_.flow.remote, f_.flow.remote_port.value_or(0));
    if (f_.send_error == 0) first_probes();
  }
  settle();
  if (f_.answers == 0) {
    note_neighbour();
    // Counters need two answers, with a probe between them.
    if (!f_.there_before && ask(f_.there_before, Kind::ask, first_)) probe(first_, 1);
    if (f_.there_before) ask(f_.there, Kind::ask, first_);
    return settle();
  }
  if (f_.flow.protocol != kTcp && times(first_) > 0 && (!f_.answered_by_host || is_icmp())) {
    repeat();
    repeated_there();
    sizes();
  }
  std::optional<prove::Tell> there;
  if (f_.there_before && ask(there, Kind::ask, first_)) f_.there = there;
  f_.hurried = late();
  settle();
  prove::confirm_refusals(f_);
}

Result<Facts> observe(Plan plan) {
  Run run(std::move(plan));
  if (const auto opened = run.open(); !opened) return std::unexpected(opened.error());
  run.go();
  return std::move(run).facts();
}

std::optional<Address> address_there(const Address& end, const policy::Prefix& network, milliseconds patience) {
  auto socket = Socket::open(Socket::Kind::udp, end.family, std::nullopt, 0, 0);
  if (!socket || socket->connect(end, prove::kPort) != 0) return std::nullopt;
  const Marker run = fresh();
  prove::Ask q;
  q.wanted = network, q.from = q.to = unspecified(network.address.family);
  const auto datagram = prove::write_ask({Kind::ask, run, {}}, q);
  constexpr unsigned kTries = 2;
  for (unsigned attempt = 0; attempt < kTries; ++attempt) {
    socket->send(datagram);
    pollfd waiting{socket->descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(patience.count()) / static_cast<int>(kTries));
    while (const auto a = socket->receive()) {
      const auto head = prove::read_head(a->data);
      const auto tell = head && head->run == run && head->kind == Kind::tell ? prove::read_tell(a->data) : std::nullopt;
      if (tell && tell->mine && network.contains(*tell->mine)) return tell->mine;
    }
  }
  return std::nullopt;
}

}  // namespace ipseckey::probe
