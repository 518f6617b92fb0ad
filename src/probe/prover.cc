// 1. Run::open() captures on all interfaces but those where packets are in clear by nature, and opens the sockets.
// 2. ask() goes the ordinary way, and once more past the rules: on the link, with the header of a packet that left. So
//    the other end can say what it saw also where nothing gets through.
// 3. probe() sends probes until one is answered. Everything on the wire is noted meanwhile (Run::see).
// 4. If they are answered: repeat() sends a probe's own packet again, unchanged and with another number, then a probe
// as
//    a fence: when that is answered, the other end has judged the two. repeated_there() has the same done there.
// 5. sizes() looks for the largest packet that is answered, and sends a datagram in fragments.
#include "probe/prover.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/cast.h"
#include "kernel/route.h"
#include "probe/capture.h"
#include "probe/inside.h"
#include "probe/local.h"
#include "probe/socket.h"
#include "prove/packet.h"
#include "system/clock.h"

namespace ipseckey::probe {
namespace {

using namespace std::chrono_literals;
using policy::Direction;
using prove::Facts;
using prove::Head;
using prove::Kind;
using prove::Marker;
using prove::Sighting;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmp6 = 58;
constexpr std::size_t kProbe = 150;  // Octets of a probe's data.
constexpr std::size_t kMostSightings = 4000;

Marker fresh() {
  Marker m{};
  if (getrandom(m.data(), m.size(), 0) != static_cast<ssize_t>(m.size())) m = {};
  return m;
}

class Run {
 public:
  explicit Run(Plan plan) : plan_(std::move(plan)), f_(plan_.facts), run_(fresh()), end_(now() + kMostTime) {}

  Result<void> open();
  void go();
  Facts facts() && { return std::move(f_); }

 private:
  nanoseconds now() const { return system_now().steady; }
  bool late() const { return now() >= end_ || packets_ >= kMostPackets; }
  // Reads everything until the condition holds. False: it did not in time.
  bool pump(absl::FunctionRef<bool()> done, milliseconds patience);
  void see(Frame&& frame);
  void hear(const Arrival& arrival);
  void hear_tell(Bytes datagram);

  Result<void> open_probe();
  bool is_icmp() const { return f_.flow.protocol == kIcmp || f_.flow.protocol == kIcmp6; }
  bool ask(std::optional<prove::Tell>& answer, Kind kind, const Marker& marker);
  prove::Ask question() const;
  int send(const Marker& marker, std::size_t size);
  bool answered(const Marker& m) const { return answers_.contains(m); }
  unsigned times(const Marker& m) const;
  bool probe(const Marker& marker, unsigned tries, std::size_t size = kProbe, milliseconds patience = 400ms);
  void connect_tcp();
  void meet();
  void repeat();
  void repeated_there();
  void sizes();
  void note_neighbour();
  void settle();

  Plan plan_;
  Facts& f_;
  Marker run_;
  nanoseconds end_;
  unsigned packets_ = 0;
  std::optional<Capture> capture_;
  std::optional<Socket> probe_, ask_;
  std::map<Marker, unsigned> answers_;  // Echoes by what they answer.
  std::map<Marker, unsigned> clears_;   // Clear packets that reached the socket.
  std::optional<prove::Tell> told_;
  Marker first_{};
  std::optional<Frame> outward_;  // The first protected packet after a probe was sent.
  std::optional<Frame> any_out_;  // Any packet that left to the other end: it has the header of the link.
  std::optional<kernel::Routes> routes_;
};

unsigned Run::times(const Marker& m) const {
  const auto at = answers_.find(m);
  return at == answers_.end() ? 0 : at->second;
}

Result<void> Run::open() {
  auto inside = inside_devices(f_.device);
  if (!inside) return std::unexpected(inside.error());
  const auto one = [](const Address& a) { return policy::Prefix{a, static_cast<std::uint8_t>(a.bits())}; };
  const std::array ends{one(f_.outer_to), one(f_.flow.remote)};
  auto capture = Capture::open(ends, *std::move(inside));
  if (!capture) return std::unexpected(capture.error());
  capture_ = *std::move(capture);
  auto routes = kernel::Routes::open();
  if (routes) routes_ = *std::move(routes);
  auto ask = Socket::open(Socket::Kind::udp, f_.flow.remote.family, f_.flow.local, 0, plan_.mark);
  if (ask) ask_ = *std::move(ask);
  return {};
}

// With a responder at the other end a probe is UDP, unless the rule says otherwise; without, an echo request.
Result<void> Run::open_probe() {
  policy::Flow& flow = f_.flow;
  const policy::Selector& s = f_.rule.selector;
  const bool six = flow.remote.family == Family::v6;
  if (!s.protocol) flow.protocol = f_.there_before || s.local_port || s.remote_port ? kUdp : six ? kIcmp6 : kIcmp;
  const auto kind = is_icmp() ? Socket::Kind::icmp : flow.protocol == kTcp ? Socket::Kind::tcp : Socket::Kind::udp;
  auto opened = Socket::open(kind, flow.remote.family, flow.local, s.local_port.value_or(0), plan_.mark);
  if (!opened) {
    f_.busy = opened.error().code == Errc::exists;
    if (!f_.busy) return std::unexpected(opened.error());
    return {};
  }
  probe_ = *std::move(opened);
  if (is_icmp()) {
    flow.icmp_type = six ? 128 : 8, flow.icmp_code = 0;
  } else {
    flow.local_port = probe_->port();
    flow.remote_port = s.remote_port.value_or(prove::kPort);
  }
  plan_.serve(f_);
  return {};
}

bool Run::pump(absl::FunctionRef<bool()> done, milliseconds patience) {
  const nanoseconds until = std::min(now() + patience, end_);
  while (true) {
    capture_->drain([&](Frame&& frame) { see(std::move(frame)); });
    for (auto* const s : {&probe_, &ask_})
      while (*s && !((*s)->descriptor() < 0)) {
        const auto arrival = f_.flow.protocol == kTcp && s == &probe_ ? std::nullopt : (*s)->receive();
        if (!arrival) break;
        hear(*arrival);
      }
    if (done()) return true;
    const auto left = std::chrono::duration_cast<milliseconds>(until - now());
    if (left <= 0ms) return false;
    std::array<pollfd, 3> waiting{{{capture_->descriptor(), POLLIN, 0},
                                   {probe_ ? probe_->descriptor() : -1, POLLIN, 0},
                                   {ask_ ? ask_->descriptor() : -1, POLLIN, 0}}};
    if (f_.flow.protocol == kTcp) waiting[1].events = POLLOUT;
    ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<std::int64_t>(left.count() + 1, 50)));
  }
}

void Run::see(Frame&& frame) {
  auto s = prove::sight(frame.packet(), plan_.udp_ports);
  if (!s) return;
  s->out = frame.out;
  if (!s->out && (s->from == f_.outer_to || s->from == f_.flow.remote)) f_.heard = true;
  if (s->ours && s->ours->run == run_ && !s->out && s->ours->kind == Kind::tell)
    hear_tell(frame.packet().subspan(s->ours_at));
  if (s->out && (s->to == f_.outer_to || s->to == f_.flow.remote)) {
    if (prove::as_modelled(f_, *s) && !outward_ && s->size > kProbe) outward_ = frame;
    if (!any_out_) any_out_ = std::move(frame);
  }
  if (s->ours && s->ours->run != run_) return;  // Of another run.
  if (f_.wire.size() < kMostSightings) f_.wire.push_back(*std::move(s));
}

void Run::hear_tell(Bytes datagram) {
  if (auto tell = prove::read_tell(datagram)) told_ = *std::move(tell);
}

void Run::hear(const Arrival& a) {
  Bytes data = a.data;
  if (is_icmp() && probe_ && data.size() >= 8 && prove::read_head(data.subspan(8))) {
    const bool reply = data[0] == std::byte{0} || data[0] == std::byte{129};
    if (!reply) return;
    data = data.subspan(8);
    f_.answered_by_host = true;
  }
  const auto head = prove::read_head(data);
  if (!head || head->run != run_) return;
  if (head->kind == Kind::echo || (is_icmp() && head->kind == Kind::probe)) ++answers_[head->marker];
  if (head->kind == Kind::clear) ++clears_[head->marker];
  if (head->kind == Kind::tell) hear_tell(data);
}

prove::Ask Run::question() const {
  prove::Ask q;
  q.out_spi = prove::spi_of(f_, Direction::out).value_or(0);
  q.in_spi = prove::spi_of(f_, Direction::in).value_or(0);
  q.wanted = plan_.wanted;
  q.from = f_.flow.local, q.to = f_.flow.remote, q.outer = plan_.outer_from;
  q.protocol = f_.flow.protocol;
  q.from_port = f_.flow.local_port.value_or(0), q.to_port = f_.flow.remote_port.value_or(0);
  return q;
}

// The ordinary way first; past the rules if there is no answer.
bool Run::ask(std::optional<prove::Tell>& answer, Kind kind, const Marker& marker) {
  const auto datagram = prove::write_ask({kind, run_, marker}, question());
  told_.reset();
  for (unsigned attempt = 0; attempt < 2 && !late(); ++attempt) {
    if (ask_) {
      ask_->send(datagram, f_.flow.remote, prove::kPort, f_.flow.local);
      ++packets_;
    }
    if (pump([&] { return told_.has_value(); }, 150ms)) break;
    if (any_out_ && !is_unspecified(plan_.outer_from)) {
      const std::uint16_t port = ask_ ? ask_->port() : prove::kPort;
      capture_->send(*any_out_, prove::udp_packet(plan_.outer_from, f_.outer_to, port, prove::kPort, datagram));
      ++packets_;
      if (pump([&] { return told_.has_value(); }, 250ms)) break;
    }
  }
  if (told_) answer = told_;
  return told_.has_value();
}

int Run::send(const Marker& marker, std::size_t size) {
  std::vector<std::byte> data(size);
  prove::write_head(data, {Kind::probe, run_, marker});
  ++packets_;
  if (is_icmp()) data = prove::echo_request(f_.flow.remote.family, 0x7072, static_cast<std::uint16_t>(packets_), data);
  int error = probe_->send(data);
  if (error == ECONNREFUSED) error = probe_->send(data);  // An error of an earlier packet.
  return error;
}

bool Run::probe(const Marker& marker, unsigned tries, std::size_t size, milliseconds patience) {
  for (unsigned i = 0; i < tries && !late(); ++i) {
    const int error = send(marker, size);
    if (error != 0) f_.send_error = error;
    ++f_.sent;
    if (pump([&] { return answered(marker); }, patience)) return true;
    if (const int later = probe_->error(); later == ECONNREFUSED) {
      f_.answered_by_host = true;
      ++answers_[marker];
      return true;
    } else if (later != 0 && f_.send_error == 0) {
      f_.send_error = later;
    }
  }
  return false;
}

void Run::connect_tcp() {
  f_.send_error = probe_->connect(f_.flow.remote, *f_.flow.remote_port);
  ++f_.sent, packets_ += 3;
  int error = 0;
  const bool done = pump(
      [&] {
        if (probe_->connected()) return true;
        if (error == 0) error = probe_->error();
        return error != 0;
      },
      1500ms);
  f_.answered_by_host = true;
  if (done && (error == 0 || error == ECONNREFUSED)) ++answers_[first_];
  if (error != 0 && error != ECONNREFUSED) f_.send_error = error;
}

// The same packet again, then with another number; each time a probe as a fence.
void Run::repeat() {
  if (!outward_) return;
  const auto once_more = [&](Bytes packet) {
    prove::Repeat result;
    const unsigned before = times(first_);
    if (late() || !capture_->send(*outward_, packet)) return result;
    ++packets_;
    if (!probe(fresh(), 2)) return result;
    // The kernel may still be about to pass on what came before the fence.
    pump([&] { return times(first_) > before; }, 20ms);
    result = {true, times(first_) > before};
    return result;
  };
  f_.replay = once_more(outward_->packet());
  if (const auto other = prove::renumbered(outward_->packet())) f_.flip = once_more(*other);
}

void Run::repeated_there() {
  if (!f_.there_before || late()) return;
  const auto seals = [&] {
    std::map<std::uint32_t, unsigned> count;
    for (const Sighting& s : f_.wire)
      if (!s.out && prove::as_modelled(f_, s)) ++count[s.esp ? s.esp->number : s.ah->number];
    return count;
  };
  const unsigned before = times(first_);
  std::optional<prove::Tell> unused;
  const auto clear_seen = [&] {
    return std::ranges::any_of(f_.wire, [&](const Sighting& s) {
      return !s.out && s.ours && s.ours->kind == Kind::clear && s.ours->marker == first_;
    });
  };
  if (!ask(unused, Kind::again, first_)) return;
  pump(clear_seen, 150ms);
  if (!probe(fresh(), 2)) return;
  pump([&] { return times(first_) > before || clears_.contains(first_); }, 20ms);
  const bool repeated = std::ranges::any_of(seals(), [](const auto& one) { return one.second > 1; });
  f_.replay_in = {repeated, repeated && times(first_) > before};
  f_.clear_in = {clear_seen(), clears_.contains(first_)};
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
    outward_.reset();
    if (f_.send_error == 0) probe(first_, 3);
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
}

}  // namespace

Result<Facts> observe(Plan plan) {
  Run run(std::move(plan));
  if (const auto opened = run.open(); !opened) return std::unexpected(opened.error());
  run.go();
  return std::move(run).facts();
}

std::optional<Address> address_there(const Address& end, const policy::Prefix& network) {
  auto socket = Socket::open(Socket::Kind::udp, end.family, std::nullopt, 0, 0);
  if (!socket || socket->connect(end, prove::kPort) != 0) return std::nullopt;
  const Marker run = fresh();
  prove::Ask q;
  q.wanted = network, q.from = q.to = unspecified(network.address.family);
  const auto datagram = prove::write_ask({Kind::ask, run, {}}, q);
  for (unsigned attempt = 0; attempt < 2; ++attempt) {
    socket->send(datagram);
    pollfd waiting{socket->descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, 300);
    while (const auto a = socket->receive()) {
      const auto head = prove::read_head(a->data);
      const auto tell = head && head->run == run && head->kind == Kind::tell ? prove::read_tell(a->data) : std::nullopt;
      if (tell && tell->mine && network.contains(*tell->mine)) return tell->mine;
    }
  }
  return std::nullopt;
}

}  // namespace ipseckey::probe
