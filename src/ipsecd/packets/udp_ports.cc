#include "ipsecd/packets/udp_ports.h"

#include <fmt/format.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "ipsecd/packets/overruns.h"

namespace ipseckey::ipsecd {
namespace {

constexpr Family kFamilies[] = {Family::v4, Family::v6};
constexpr time_t kPause = 1;  // Seconds.

}  // namespace

UdpPorts::UdpPorts(const Threads& threads, const Options& options, Log log)
    : threads_(threads),
      options_(options),
      log_(std::move(log)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

// For all threads or none: the kernel delivers the packets of one peer to one thread's UDP socket. If the host lacks
// the family, it needs none.
Result<std::vector<Inlet>> UdpPorts::open(std::uint16_t number, Family family, bool beside) const {
  std::vector<Inlet> inlets;
  const auto count = static_cast<unsigned>(threads_.size());
  while (inlets.size() < count) {
    const Share share{static_cast<unsigned>(inlets.size()), count};
    auto inlet = beside ? Inlet::beside(family, number, share) : Inlet::udp(family, number, options_.sockets);
    if (!inlet && inlet.error().code == Errc::unsupported) break;
    if (!inlet) return std::unexpected(std::move(inlet.error()));
    inlets.push_back(std::move(*inlet));
  }
  return inlets;
}

void UdpPorts::hand_over(std::vector<Inlet> inlets, Port& port) {
  for (std::size_t i = 0; i < inlets.size(); ++i) {
    port.sockets.push_back({inlets[i].fd(), inlets[i].family()});
    threads_[i]->add(std::move(inlets[i]));
  }
}

void UdpPorts::close(std::uint16_t number, Port& port, Family family) {
  std::erase_if(port.sockets, [&](const Socket& socket) {
    if (socket.family != family) return false;
    overruns_of_closed_ += dropped_by_socket(socket.fd);
    return true;
  });
  for (const auto& thread : threads_) thread->drop_port(number, family);
}

void UdpPorts::use(std::uint16_t number) {
  Port& port = ports_[number];
  if (++port.users > 1) return;
  std::string why;
  for (const Family family : kFamilies) {
    auto inlets = open(number, family, options_.beside_ike);
    if (!inlets && !options_.beside_ike) {
      why = inlets.error().text;
      if (inlets.error().code == Errc::exists) port.busy.push_back(family);
      inlets = open(number, family, true);
    }
    if (inlets) {
      hand_over(std::move(*inlets), port);
    } else {
      log_(fmt::format("{}: SAs that use UDP port {} receive no packets", inlets.error().text, number));
    }
  }
  if (why.empty()) return;
  if (port.busy.empty()) return log_(fmt::format("{}: packets for SAs are received one at a time", why));
  log_(
      fmt::format("{}: packets for SAs are received alongside the program that has the port, one at a time, until "
                  "the port is free",
                  why));
  set_timer();
}

void UdpPorts::leave(std::uint16_t number) {
  const auto found = ports_.find(number);
  if (found == ports_.end() || --found->second.users > 0) return;
  for (const Family family : kFamilies) close(number, found->second, family);
  ports_.erase(found);
  set_timer();
}

// While one kind of socket replaces the other, packets are received by both, or only by the new one.
void UdpPorts::retry() {
  std::uint64_t times = 0;
  if (::read(timer_.get(), &times, sizeof times) != sizeof times) return;  // It was another source that called.
  for (auto& [number, port] : ports_) {
    if (port.busy.empty()) continue;
    std::erase_if(port.busy, [&](Family family) {
      auto inlets = open(number, family, false);
      if (!inlets) return false;
      close(number, port, family);
      hand_over(std::move(*inlets), port);
      return true;
    });
    if (port.busy.empty()) log_(fmt::format("UDP port {} is free now; ipsecd uses it", number));
  }
  set_timer();
}

void UdpPorts::set_timer() {
  const bool any = std::ranges::any_of(ports_, [](const auto& row) { return !row.second.busy.empty(); });
  itimerspec when{};
  if (any) when.it_value.tv_sec = when.it_interval.tv_sec = kPause;
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

std::vector<std::uint16_t> UdpPorts::busy() const {
  std::vector<std::uint16_t> numbers;
  for (const auto& [number, port] : ports_)
    if (!port.busy.empty()) numbers.push_back(number);
  return numbers;
}

std::uint64_t UdpPorts::overruns() const {
  std::uint64_t sum = overruns_of_closed_;
  for (const auto& [number, port] : ports_)
    for (const Socket& socket : port.sockets) sum += dropped_by_socket(socket.fd);
  return sum;
}

}  // namespace ipseckey::ipsecd
