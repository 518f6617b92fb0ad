// 1. Questions and probes come to UDP sockets, like any packet, and to the capture, past the rules. Each is answered by
//    the way it came.
// 2. count() adds up for each run: protected packets, probes in clear, echoes that left.
// 3. `again` sends the last echo's own packet once more, and a clear packet, which the asker's rules must refuse.
#include "probe/responder.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>

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
using prove::Ask;
using prove::Head;
using prove::Kind;
using prove::Marker;
using prove::Sighting;
using prove::Tell;

constexpr std::size_t kMostRuns = 64, kMostPorts = 64;
constexpr std::uint8_t kUdp = 17;

// One run of a prover.
struct RunSeen {
  Marker run{};
  Ask asked;
  bool known = false;  // It has asked.
  std::uint32_t received = 0, clear_seen = 0, answers_clear = 0, protected_seen = 0, other_spi = 0, last_number = 0;
  std::optional<Address> protected_from;
  std::map<Marker, std::uint32_t> of_marker;
  std::optional<Frame> echo;  // The packet in which the last echo left.
  std::size_t echo_size = 0;  // Octets of the echo's data; 0: none was sent.
  Address echo_to, echo_from;
};

class Responder {
 public:
  explicit Responder(const Responding& r) : r_(r) {}

  Result<void> open();
  Result<void> serve();

 private:
  bool may_answer(const Address& to);
  RunSeen& run(const Marker& marker);
  void see(const Frame& frame);
  void count(const Sighting& s, const Frame& frame);
  void receive(Socket& socket);
  Tell tell(const Ask& ask, const Marker& run, const Marker& marker, const Address& from);
  void note(const Marker& marker, const Ask& ask);
  void send_again(const Head& head, const RunSeen& of);

  const Responding& r_;
  std::optional<Capture> capture_;
  std::vector<Socket> sockets_;
  std::deque<RunSeen> runs_;
  std::deque<Address> natted_;  // Sources of protected packets with an SPI of ours.
  std::chrono::seconds second_{};
  unsigned answers_ = 0;
};

std::vector<policy::Prefix> networks_of(const policy::Rules& rules) {
  std::vector<policy::Prefix> all;
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

Result<void> Responder::open() {
  const auto local = read_local(r_.database);
  auto inside = inside_devices(local ? local->device : "");
  if (!inside) return std::unexpected(inside.error());
  auto capture = Capture::open(networks_of(r_.rules), *std::move(inside), prove::kPort);
  if (!capture) return std::unexpected(capture.error());
  capture_ = *std::move(capture);
  std::vector<std::uint16_t> ports;
  for (const policy::Rule& rule : r_.rules)
    if (rule.selector.local_port && rule.selector.protocol.value_or(kUdp) == kUdp)
      ports.push_back(*rule.selector.local_port);
  std::ranges::sort(ports);
  ports.erase(std::ranges::unique(ports).begin(), ports.end());
  if (ports.size() > kMostPorts) ports.resize(kMostPorts);
  for (const Family family : {Family::v4, Family::v6}) {
    auto socket = Socket::open(Socket::Kind::udp, family, std::nullopt, prove::kPort, 0);
    if (!socket && socket.error().code == Errc::exists)
      return fail(Errc::exists,
                  fmt::format("UDP port {} belongs to another program: is another --respond running?", prove::kPort));
    if (socket) sockets_.push_back(*std::move(socket));  // A host may lack a family.
    // A port that a program has is left to it.
    for (const std::uint16_t port : ports)
      if (auto one = Socket::open(Socket::Kind::udp, family, std::nullopt, port, 0); one)
        sockets_.push_back(*std::move(one));
  }
  if (sockets_.empty()) return fail(Errc::io, "no UDP socket can be opened");
  return {};
}

// Only hosts that a rule names, or that send protected packets under an SPI of this host's, as from behind a NAT; and
// not too often.
bool Responder::may_answer(const Address& to) {
  const auto named = [&](const policy::Rule& rule) {
    if (!rule.selector.remote || rule.selector.remote->contains(to)) return true;
    return std::ranges::any_of(rule.alternatives, [&](const policy::Alternative& a) {
      return a.protection.ends && a.protection.ends->remote == to;
    });
  };
  const bool known = std::ranges::any_of(r_.rules, named) || std::ranges::find(natted_, to) != natted_.end();
  if (is_multicast(to) || !known) return false;
  const auto now = std::chrono::floor<std::chrono::seconds>(system_now().steady);
  if (now != second_) second_ = now, answers_ = 0;
  return ++answers_ <= kMostAnswers;
}

RunSeen& Responder::run(const Marker& marker) {
  const auto found = std::ranges::find(runs_, marker, &RunSeen::run);
  if (found != runs_.end()) return *found;
  if (runs_.size() >= kMostRuns) runs_.pop_front();
  runs_.emplace_back().run = marker;
  return runs_.back();
}

void Responder::count(const Sighting& s, const Frame& frame) {
  if (!s.out && s.sealed() && r_.holds(s.esp ? s.esp->spi : s.ah->spi) &&
      std::ranges::find(natted_, s.from) == natted_.end()) {
    if (natted_.size() >= kMostRuns) natted_.pop_front();
    natted_.push_back(s.from);
  }
  for (RunSeen& run : runs_) {
    if (!run.known || !s.sealed()) continue;
    const auto has = [&](std::uint32_t spi) {
      return spi != 0 && ((s.esp && s.esp->spi == spi) || (s.ah && s.ah->spi == spi));
    };
    const prove::Seal& seal = s.esp ? *s.esp : *s.ah;
    if (!s.out && has(run.asked.out_spi)) {
      ++run.protected_seen;
      run.last_number = seal.number;
      if (s.from != run.asked.outer && !is_unspecified(run.asked.outer)) run.protected_from = s.from;
    } else if (!s.out) {
      run.other_spi = seal.spi;
    }
    // The first protected packet of enough octets after an echo was sent.
    if (s.out && run.echo_size != 0 && !run.echo && s.size > run.echo_size) run.echo = frame;
  }
  if (!s.ours || s.sealed()) return;
  if (!s.out && s.ours->kind == Kind::probe) ++run(s.ours->run).clear_seen;
  if (s.out && s.ours->kind == Kind::echo) ++run(s.ours->run).answers_clear;
}

void Responder::see(const Frame& frame) {
  auto s = prove::sight(frame.packet());
  if (!s) return;
  s->out = frame.out;
  count(*s, frame);
  if (s->out || !s->ours || s->sealed() || s->protocol != kUdp || s->to_port != prove::kPort || !r_.is_local(s->to))
    return;
  if (s->ours->kind != Kind::ask && s->ours->kind != Kind::again) return;
  const Bytes data = frame.packet().subspan(s->ours_at);
  const auto ask = prove::read_ask(data.first(std::min(data.size(), prove::kTalk)));
  if (!ask || !may_answer(s->from)) return;
  note(s->ours->run, *ask);
  if (s->ours->kind == Kind::again) send_again(*s->ours, run(s->ours->run));
  const Head head{Kind::tell, s->ours->run, s->ours->marker};
  const auto answer = prove::write_tell(head, tell(*ask, head.run, head.marker, s->from));
  capture_->send(frame, prove::udp_packet(s->to, s->from, prove::kPort, s->from_port, answer), true);
}

Tell Responder::tell(const Ask& ask, const Marker& run_marker, const Marker& marker, const Address& from) {
  const RunSeen& seen = run(run_marker);
  Tell t;
  t.seen_from = from;
  t.time = seconds_since_1970(system_now());
  t.protected_seen = seen.protected_seen, t.other_spi = seen.other_spi, t.last_number = seen.last_number;
  t.clear_seen = seen.clear_seen, t.answers_clear = seen.answers_clear;
  t.protected_from = seen.protected_from;
  t.received = seen.received;
  if (const auto at = seen.of_marker.find(marker); at != seen.of_marker.end()) t.of_marker = at->second;
  r_.judge(ask, t);
  if (const auto local = read_local(r_.database)) t.counters = local->dropped;
  return t;
}

void Responder::note(const Marker& marker, const Ask& ask) {
  RunSeen& seen = run(marker);
  seen.asked = ask, seen.known = true;
}

void Responder::send_again(const Head& head, const RunSeen& of) {
  if (!of.echo || of.asked.from_port == 0) return;
  capture_->send(*of.echo, of.echo->packet());
  // To the socket from which the probe came, as the echo went.
  std::vector<std::byte> data(prove::kHead);
  prove::write_head(data, {Kind::clear, head.run, head.marker});
  capture_->send(*of.echo,
                 prove::udp_packet(of.echo_from, of.echo_to, of.asked.to_port ? of.asked.to_port : prove::kPort,
                                   of.asked.from_port, data));
}

void Responder::receive(Socket& socket) {
  while (const auto a = socket.receive()) {
    const auto head = prove::read_head(a->data);
    if (!head || !may_answer(a->from)) continue;
    if (head->kind == Kind::probe) {
      capture_->drain([&](Frame&& frame) { see(frame); });
      RunSeen& of = run(head->run);
      ++of.received, ++of.of_marker[head->marker];
      std::vector<std::byte> echo = a->data;
      prove::write_head(echo, {Kind::echo, head->run, head->marker});
      const bool small = echo.size() < prove::kTalk / 2;
      if (small) of.echo.reset(), of.echo_size = echo.size(), of.echo_to = a->from, of.echo_from = a->to;
      socket.send(echo, a->from, a->from_port, a->to);
    } else if (head->kind == Kind::ask || head->kind == Kind::again) {
      const auto ask = prove::read_ask(a->data);
      if (!ask) continue;
      capture_->drain([&](Frame&& frame) { see(frame); });
      note(head->run, *ask);
      if (head->kind == Kind::again) send_again(*head, run(head->run));
      const Head answer{Kind::tell, head->run, head->marker};
      socket.send(prove::write_tell(answer, tell(*ask, head->run, head->marker, a->from)), a->from, a->from_port,
                  a->to);
    }
  }
}

Result<void> Responder::serve() {
  std::vector<pollfd> waiting{{r_.stop, POLLIN, 0}, {capture_->descriptor(), POLLIN, 0}};
  for (const Socket& s : sockets_) waiting.push_back({s.descriptor(), POLLIN, 0});
  r_.ready(fmt::format("answering on UDP port {}", prove::kPort));
  while (true) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
      return fail(Errc::io, "cannot wait for packets");
    if (waiting[0].revents != 0) return {};
    capture_->drain([&](Frame&& frame) { see(frame); });
    for (Socket& s : sockets_) receive(s);
  }
}

}  // namespace

Result<void> respond(const Responding& responding) {
  Responder responder(responding);
  if (const auto opened = responder.open(); !opened) return opened;
  return responder.serve();
}

}  // namespace ipseckey::probe
