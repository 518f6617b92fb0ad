// 1. open() listens on the ports of the rules, and captures; again when the rules change.
// 2. receive() has what came to a socket. It came protected if a rule demands that (and, with ipsecd --tun, if it came
//    by ipsecd's device). Each asker has an allowance, a smaller one for what came in clear.
// 3. see() counts for each run what crosses the interfaces. A question that is seen in clear waits for a moment: only
//    if no socket gets it, it is answered by the way it came.
// 4. send_again() sends an echo's own packet once more, if it is certain which one that is, and a clear packet, which
//    the asker's rules must refuse.
#include "probe/responder.h"

#include <fmt/format.h>
#include <net/if.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <set>

#include "probe/capture.h"
#include "probe/inside.h"
#include "probe/local.h"
#include "probe/socket.h"
#include "prove/packet.h"
#include "system/clock.h"

namespace ipseckey::probe {
namespace {

using namespace std::chrono_literals;
using policy::Flow;
using prove::Ask;
using prove::Asker;
using prove::Echo;
using prove::Head;
using prove::Kind;
using prove::Marker;
using prove::RunSeen;
using prove::Sighting;
using prove::Tell;
using std::chrono::nanoseconds;

constexpr std::uint8_t kUdp = 17;
// The most that the protection of an echo adds to a probe that came in clear.
constexpr std::size_t kProtection = 108;
constexpr unsigned kMostRepeats = 2;  // Of one echo: a question may be lost once.

// A question that was seen in clear.
struct Waiting {
  Frame frame;
  Sighting seen;
  Ask ask;
  nanoseconds until;
};
constexpr std::size_t kMostWaiting = 64, kMostWaitingOfOne = 8;
constexpr auto kCountersTime = 10ms;  // In which the counters are not read again.
constexpr auto kSocketsTime = 30ms;   // In which a socket gets what was seen.

struct Door {
  Family family;
  std::uint16_t port;
  auto operator<=>(const Door&) const = default;
};

class Responder {
 public:
  explicit Responder(const Responding& r) : r_(r) {}

  Result<void> open();
  Result<void> serve();

 private:
  nanoseconds now() const { return system_now().steady; }
  Result<void> listen();
  bool came_protected(const Arrival& a, std::uint16_t port) const;
  void see(const Frame& frame);
  void note_left(const Sighting& s, const Frame& frame);
  void receive(Socket& socket);
  void echo(Socket& socket, const Arrival& a, const Head& head, bool sealed, RunSeen& run);
  void expect(const Socket& socket, const Arrival& a, const Marker& marker, std::size_t size, RunSeen& run);
  void answer_waiting();
  Tell tell(const Ask& ask, RunSeen& run, const Marker& marker, const Asker& asker);
  void send_again(const Marker& marker, RunSeen& run, const Address& to, std::size_t tell);

  const Responding& r_;
  std::optional<Capture> capture_;
  std::map<Door, Socket> sockets_;
  bool by_device_ = false;  // What is protected comes by this device, and what is not does not meet the rules.
  unsigned device_ = 0;
  prove::Allowance allowance_;
  prove::Runs runs_;
  std::deque<Waiting> waiting_;
  prove::Counters counters_;
  nanoseconds counted_until_{};
};

std::vector<policy::Prefix> networks_of(const policy::Rules& rules, const std::vector<Address>& peers) {
  std::vector<policy::Prefix> all;
  for (const Address& peer : peers) all.push_back({peer, static_cast<std::uint8_t>(peer.bits())});
  for (const policy::Rule& rule : rules) {
    if (!rule.selector.remote) return {};  // Everybody.
    all.push_back(*rule.selector.remote);
    for (const policy::Alternative& a : rule.alternatives)
      if (const auto& ends = a.protection.ends)
        all.push_back(
            {ends->remote, static_cast<std::uint8_t>(is_unspecified(ends->remote) ? 0 : ends->remote.bits())});
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

// Where probes of the rules come to.
std::set<Door> doors_of(const policy::Rules& rules) {
  std::set<Door> doors;
  for (const policy::Rule& rule : rules) {
    const policy::Selector& s = rule.selector;
    if (!s.local_port || s.protocol.value_or(kUdp) != kUdp) continue;
    const auto& known = s.local ? s.local : s.remote;
    for (const Family family : {Family::v4, Family::v6})
      if (!known || known->address.family == family) doors.insert({family, *s.local_port});
  }
  return doors;
}

void allow_descriptors(std::size_t more) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  constexpr std::size_t kOthers = 64;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(limit.rlim_cur, more + kOthers));
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<void> Responder::listen() {
  std::set<Door> doors = doors_of(r_.rules());
  for (const Family family : {Family::v4, Family::v6}) doors.insert({family, prove::kPort});
  std::erase_if(sockets_, [&](const auto& one) { return !doors.contains(one.first); });
  allow_descriptors(std::min(doors.size(), kMostSockets));
  std::vector<std::uint16_t> without;
  // The port of the questions first.
  std::vector<Door> order(doors.begin(), doors.end());
  std::ranges::stable_partition(order, [](const Door& d) { return d.port == prove::kPort; });
  for (const Door& door : order) {
    if (sockets_.contains(door)) continue;
    const bool main = door.port == prove::kPort;
    Errc why = Errc::io;
    if (sockets_.size() < kMostSockets) {
      auto socket = Socket::open(Socket::Kind::udp, door.family, std::nullopt, door.port, 0);
      if (socket) {
        sockets_.emplace(door, *std::move(socket));
        continue;
      }
      why = socket.error().code;
    }
    if (main && why == Errc::exists)
      return fail(Errc::exists,
                  fmt::format("UDP port {} belongs to another program: is another --respond running?", prove::kPort));
    // A port that a program has is left to it; a host may lack a family.
    if (!main && why != Errc::exists && sockets_.contains({door.family, prove::kPort})) without.push_back(door.port);
  }
  if (sockets_.empty()) return fail(Errc::io, "no UDP socket can be opened");
  if (!without.empty())
    r_.warn(fmt::format("probes of {} UDP ports that rules name, from {} to {}, are not answered: too many ports",
                        without.size(), *std::ranges::min_element(without), *std::ranges::max_element(without)));
  return {};
}

Result<void> Responder::open() {
  const auto local = read_local(r_.database);
  by_device_ = local && local->database == prove::Database::tun;
  device_ = by_device_ ? if_nametoindex(local->device.c_str()) : 0;
  auto inside = inside_devices(local ? local->device : "");
  if (!inside) return std::unexpected(inside.error());
  auto capture = Capture::open(networks_of(r_.rules(), r_.peers), *std::move(inside), prove::kPort);
  if (!capture) return std::unexpected(capture.error());
  capture_ = *std::move(capture);
  return listen();
}

bool Responder::came_protected(const Arrival& a, std::uint16_t port) const {
  const Flow flow{a.to, a.from, kUdp, port, a.from_port, {}, {}, {}};
  return r_.demanded(flow) && (!by_device_ || (device_ != 0 && a.device == device_));
}

// Which packet carried an echo.
void Responder::note_left(const Sighting& s, const Frame& frame) {
  for (RunSeen& run : runs_.all())
    if (Echo* const e = run.left(s, now()))
      e->octets = frame.octets, e->packet_at = frame.packet_at, e->device = frame.device;
}

void Responder::see(const Frame& frame) {
  auto s = prove::sight(frame.packet());
  if (!s) return;
  s->out = frame.out;
  if (s->sealed() && s->out) return note_left(*s, frame);
  if (s->sealed()) {
    for (RunSeen& run : runs_.all()) run.came(*s);
    return;
  }
  if (!s->ours) return;
  RunSeen* const run = runs_.find(s->ours->run);
  if (run && !s->out && s->ours->kind == Kind::probe) ++run->clear_seen;
  if (run && s->out && s->ours->kind == Kind::echo) ++run->answers_clear;
  const bool question = s->ours->kind == Kind::ask || s->ours->kind == Kind::again;
  if (s->out || !question || s->protocol != kUdp || s->to_port != prove::kPort || !r_.is_local(s->to) ||
      !r_.named(s->from))
    return;
  const Bytes data = frame.packet().subspan(s->ours_at);
  const auto ask = prove::read_ask(data.first(std::min(data.size(), prove::kTalk)));
  const auto his = std::ranges::count_if(waiting_, [&](const Waiting& w) { return w.seen.from == s->from; });
  if (!ask || waiting_.size() >= kMostWaiting || static_cast<std::size_t>(his) >= kMostWaitingOfOne) return;
  waiting_.push_back({frame, *s, *ask, now() + kSocketsTime});
}

void Responder::answer_waiting() {
  for (; !waiting_.empty() && waiting_.front().until <= now(); waiting_.pop_front()) {
    const Waiting& w = waiting_.front();
    const Asker asker{w.seen.from, false};
    if (!allowance_.spend(asker, now())) continue;
    RunSeen* const run = runs_.take(w.seen.ours->run, asker, now());
    if (!run) continue;
    const Head head{Kind::tell, w.seen.ours->run, w.seen.ours->marker};
    const auto answer = prove::write_tell(head, tell(w.ask, *run, head.marker, asker));
    capture_->send(w.frame, prove::udp_packet(w.seen.to, w.seen.from, prove::kPort, w.seen.from_port, answer), true);
  }
}

Tell Responder::tell(const Ask& ask, RunSeen& run, const Marker& marker, const Asker& asker) {
  run.asked = ask, run.asker = asker.address, run.known = true;
  Tell t;
  t.seen_from = asker.address;
  if (asker.sealed) t.time = seconds_since_1970(system_now());
  t.protected_seen = run.protected_seen, t.other_spi = run.other_spi, t.last_number = run.last_number;
  t.clear_seen = run.clear_seen, t.answers_clear = run.answers_clear;
  t.protected_from = run.protected_from;
  t.received = run.received, t.of_marker = run.times(marker);
  run.owns = r_.judge(asker, ask, t);
  if (now() >= counted_until_) {
    const auto local = read_local(r_.database);
    counters_ = local ? local->dropped : prove::Counters();
    counted_until_ = now() + kCountersTime;
  }
  t.counters = counters_;
  // What this host drops as it sends is for those only who are known for certain.
  if (!asker.sealed)
    std::erase_if(t.counters,
                  [](const auto& c) { return c.first.starts_with("out.") || c.first.starts_with("XfrmOut"); });
  return t;
}

void Responder::send_again(const Marker& marker, RunSeen& run, const Address& to, std::size_t tell) {
  Echo* const e = run.certain(marker);
  if (!e || e->to != to || e->repeated >= kMostRepeats || !prove::fits_question(*e, tell)) return;
  ++e->repeated;
  const Frame frame{e->octets, e->packet_at, e->device, true};
  capture_->send(frame, frame.packet());
  // To the socket from which the probe came, as the echo went.
  std::vector<std::byte> data(prove::kHead);
  prove::write_head(data, {Kind::clear, run.run, marker});
  capture_->send(frame, prove::udp_packet(e->from, e->to, e->from_port, e->to_port, data));
}

// A packet with data of that size is about to leave.
void Responder::expect(const Socket& socket, const Arrival& a, const Marker& marker, std::size_t size, RunSeen& run) {
  const std::uint16_t port = socket.port();
  const Leaving by = r_.leaving({a.to, a.from, kUdp, port, a.from_port, {}, {}, {}});
  Echo e;
  e.marker = marker;
  e.to = a.from, e.from = a.to, e.to_port = a.from_port, e.from_port = port;
  e.size = size, e.spi = by.spi, e.outer = by.to;
  run.add(std::move(e), now());
}

void Responder::echo(Socket& socket, const Arrival& a, const Head& head, bool sealed, RunSeen& run) {
  run.count(head.marker);
  std::vector<std::byte> data = a.data;
  if (!sealed && data.size() < prove::kHead + kProtection) return;
  if (!sealed) data.resize(prove::kHead);  // It may leave protected, and is not to be longer then.
  prove::write_head(data, {Kind::echo, head.run, head.marker});
  if (sealed && data.size() <= prove::kMostRepeated) expect(socket, a, head.marker, data.size(), run);
  socket.send(data, a.from, a.from_port, a.to);
}

void Responder::receive(Socket& socket) {
  while (const auto a = socket.receive()) {
    const auto head = prove::read_head(a->data);
    if (!head || is_multicast(a->from) || is_multicast(a->to)) continue;
    const bool question = head->kind == Kind::ask || head->kind == Kind::again;
    if (!question && head->kind != Kind::probe) continue;
    const Asker asker{a->from, came_protected(*a, socket.port())};
    if (!asker.sealed && !r_.named(a->from)) continue;
    capture_->drain([&](Frame&& frame) { see(frame); });
    std::erase_if(waiting_, [&](const Waiting& w) { return w.seen.ours == head && w.seen.from == a->from; });
    if (!allowance_.spend(asker, now())) continue;
    RunSeen* const run = runs_.take(head->run, asker, now());
    if (!run) continue;
    if (!question) {
      echo(socket, *a, *head, asker.sealed, *run);
      continue;
    }
    const auto ask = prove::read_ask(a->data);
    if (!ask) continue;
    Tell t = tell(*ask, *run, head->marker, asker);
    const bool again = head->kind == Kind::again;
    if (again) t.counters.clear();  // The packets that are sent again count, too.
    const auto answer = prove::write_tell({Kind::tell, head->run, head->marker}, t);
    if (again && head->marker != head->run) send_again(head->marker, *run, a->from, answer.size());
    // Its packet may have the size of an echo's; no probe has the run for a marker.
    if (answer.size() <= 2 * prove::kMostRepeated) expect(socket, *a, head->run, answer.size(), *run);
    socket.send(answer, a->from, a->from_port, a->to);
  }
}

Result<void> Responder::serve() {
  r_.ready(fmt::format("answering on UDP port {}", prove::kPort));
  std::vector<pollfd> all;
  std::vector<Socket*> of;
  const auto list = [&] {
    all = {{r_.stop, POLLIN, 0}, {capture_->descriptor(), POLLIN, 0}};
    of = {nullptr, nullptr};
    for (auto& [door, socket] : sockets_) all.push_back({socket.descriptor(), POLLIN, 0}), of.push_back(&socket);
  };
  list();
  while (true) {
    if (::poll(all.data(), all.size(), waiting_.empty() ? 1000 : 10) < 0 && errno != EINTR)
      return fail(Errc::io, "cannot wait for packets");
    if (all[0].revents != 0) return {};
    if (r_.changed()) {
      if (const auto opened = open(); !opened) return opened;
      list();
      continue;
    }
    capture_->drain([&](Frame&& frame) { see(frame); });
    for (std::size_t i = 2; i < all.size(); ++i)
      if (all[i].revents != 0) receive(*of[i]);
    answer_waiting();
  }
}

}  // namespace

Result<void> respond(const Responding& responding) {
  Responder responder(responding);
  if (const auto opened = responder.open(); !opened) return opened;
  return responder.serve();
}

}  // namespace ipseckey::probe
