// What a run does again and again:
// 1. pump() reads the capture and the sockets until something holds; see() notes each packet on the wire.
// 2. ask() goes the ordinary way, and once more past the rules: on the link, with the header of a packet that left. So
//    the other end can say what it saw even if nothing gets through.
// 3. probe() sends probes until one is answered.
#include "probe/detail/run.h"

#include <poll.h>
#include <sys/random.h>

#include <array>
#include <cerrno>

#include "probe/inside.h"
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

namespace {

constexpr std::size_t kMostSightings = 4000, kMostFrames = 200;

}  // namespace

Marker fresh() {
  Marker m{};
  if (getrandom(m.data(), m.size(), 0) != static_cast<ssize_t>(m.size())) m = {};
  return m;
}

std::size_t any_size(std::size_t most) {
  constexpr std::size_t kStep = 8;
  return kProbe + std::to_integer<std::size_t>(fresh()[0]) % ((most - kProbe) / kStep + 1) * kStep;
}

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
  if (s.protocol) return open_socket();
  const std::uint8_t echo = six ? kIcmp6 : kIcmp;
  std::array<std::uint8_t, 3> kinds{echo, kTcp, kUdp};
  if (s.local_port || s.remote_port) kinds = {kUdp, kTcp, kUdp};
  if (f_.there_before) kinds = {kUdp, s.local_port || s.remote_port ? kTcp : echo, kTcp};
  // The first kind that the rule is about, and no rule before it.
  for (const std::uint8_t kind : kinds)
    if (suits(kind)) return open_socket();
  suits(kinds[0]);
  return open_socket();
}

// Whether probes of that protocol meet the rule, both ways if it is about both.
bool Run::suits(std::uint8_t protocol) {
  policy::Flow& flow = f_.flow;
  const policy::Selector& s = f_.rule.selector;
  flow.protocol = protocol;
  flow.icmp_type.reset(), flow.icmp_code.reset(), flow.local_port.reset(), flow.remote_port.reset();
  if (is_icmp()) {
    flow.icmp_type = protocol == kIcmp ? 8 : 128, flow.icmp_code = 0;
  } else {
    constexpr std::uint16_t kAnyPort = 49152;
    flow.local_port = s.local_port.value_or(kAnyPort), flow.remote_port = s.remote_port.value_or(prove::kPort);
  }
  plan_.serve(f_);
  return f_.ahead_out.empty() && (!f_.rule.in || f_.in.service != policy::Service::not_needed);
}

Result<void> Run::open_socket() {
  policy::Flow& flow = f_.flow;
  const policy::Selector& s = f_.rule.selector;
  const bool six = flow.remote.family == Family::v6;
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
    if (prove::as_modelled(f_, *s) && sealed_.size() < kMostFrames)
      sealed_.emplace_back(s->esp ? *s->esp : *s->ah, frame);
    if (!any_out_) any_out_ = std::move(frame);
  }
  if (s->ours && s->ours->run != run_) return;  // Of another run.
  const auto end = [&](const Address& a) { return a == f_.outer_to || a == f_.flow.remote; };
  if (!s->ours && !s->complaint && !end(s->from) && !end(s->to) && !prove::in_clear(f_, *s)) return;
  if (s->ours || f_.wire.size() < kMostSightings)
    f_.wire.push_back(*std::move(s));
  else
    f_.crowded = true;
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
      ++f_.packets;
    }
    if (pump([&] { return told_.has_value(); }, 150ms)) break;
    if (any_out_ && !is_unspecified(plan_.outer_from)) {
      const std::uint16_t port = ask_ ? ask_->port() : prove::kPort;
      capture_->send(*any_out_, prove::udp_packet(plan_.outer_from, f_.outer_to, port, prove::kPort, datagram));
      ++f_.packets;
      if (pump([&] { return told_.has_value(); }, 250ms)) break;
    }
  }
  if (told_) answer = told_;
  return told_.has_value();
}

// An answer is as long as the probe, or it is an ICMP error, which quotes it (RFC 792; RFC 4443 section 3.1).
void Run::claim(std::size_t begin, prove::Sizes sizes, bool answered) {
  const std::size_t quoted = f_.flow.remote.family == Family::v4 ? 28 : 48;
  const std::array answers{sizes, prove::Sizes{sizes.least + quoted, sizes.most + quoted}};
  prove::claim(f_, {begin, sizes, answers, 1, answered, false});
}

int Run::send(const Marker& marker, std::size_t size) {
  std::vector<std::byte> data(size);
  prove::write_head(data, {Kind::probe, run_, marker});
  ++f_.packets;
  if (is_icmp())
    data = prove::echo_request(f_.flow.remote.family, 0x7072, static_cast<std::uint16_t>(f_.packets), data);
  int error = probe_->send(data);
  if (error == ECONNREFUSED) error = probe_->send(data);  // An error of an earlier packet.
  return error;
}

bool Run::probe(const Marker& marker, unsigned tries, std::size_t size, milliseconds patience) {
  const std::size_t octets = size + 8 + (f_.flow.remote.family == Family::v4 ? 20 : 40);
  for (unsigned i = 0; i < tries && !late(); ++i) {
    pump([] { return true; }, 0ms);  // What was there before is not this probe.
    const std::size_t begin = f_.wire.size();
    sealed_.clear();
    const int error = send(marker, size);
    if (error != 0) f_.send_error = error;
    ++f_.sent;
    int later = 0;
    pump([&] { return answered(marker) || (later = probe_->error()) != 0; }, patience);
    pump([] { return true; }, 0ms);
    claim(begin, {octets, octets}, answered(marker) || later == ECONNREFUSED);
    if (answered(marker)) return true;
    if (later == ECONNREFUSED) {
      f_.answered_by_host = f_.unreachable = true;
      ++answers_[marker];
      return true;
    } else if (later != 0 && f_.send_error == 0) {
      f_.send_error = later;
    }
  }
  return false;
}

}  // namespace ipseckey::probe
