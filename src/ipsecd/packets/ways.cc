// How a destination changes its way:
// 1. begin() reads the roads if they are others. The board gets a question about a destination that is
//    not among them.
// 2. Its first packet in a batch may enter a packet socket, if the road is open and the raw socket is empty: start().
// 3. choose() returns the way of a packet. A packet that does not fit, or whose road was closed, takes the raw socket,
//    and names the socket that must be empty before.
// 4. A destination that had to leave returns only after kStay, so that fragments among other packets cost little.
#include "ipsecd/packets/ways.h"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/cast.h"
#include "ipsecd/packets/inlet.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {

using traffic::Item;

// Without a protocol they receive nothing.
Result<Ways> Ways::make(RoadBoard& board, std::uint32_t mark) {
  Ways ways(board);
  for (std::size_t i = 0; i < kLinks; ++i) {
    Descriptor fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd)
      return fail(errno == EPERM ? Errc::denied : Errc::io,
                  fmt::format("cannot open a packet socket: {}", errno_text(errno)));
    if (mark != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
      return fail(Errc::denied, "cannot mark frames: it needs CAP_NET_ADMIN");
    give_room(fd.get());
    ways.sockets_.push_back({std::move(fd)});
  }
  return ways;
}

void Ways::begin(std::chrono::nanoseconds now, int raw_v4, int raw_v6) {
  now_ = now, raw_v4_ = raw_v4, raw_v6_ = raw_v6;
  ++batch_;
  if (board_->serial() != serial_) follow();
}

// The serial is read first: a later one is noticed at the next batch.
void Ways::follow() {
  serial_ = board_->serial();
  const auto roads = board_->roads();
  for (auto at = trips_.begin(); at != trips_.end();) {
    Trip& trip = at->second;
    const auto found = roads->to.find(at->first);
    if (found != roads->to.end()) {
      trip.judged = found->second.judged, trip.used = found->second.used;
    } else if (trip.last < 0) {
      at = trips_.erase(at);
      continue;
    } else {
      trip.judged = {}, trip.used = nullptr;
    }
    ++at;
  }
  last_trip_ = nullptr;
}

Ways::Trip* Ways::trip_to(const Address& to) {
  if (last_trip_ && last_to_ == to) return last_trip_;
  auto found = trips_.find(to);
  if (found == trips_.end()) {
    if (trips_.size() >= kMostTrips) return nullptr;
    found = trips_.try_emplace(to).first;
    const auto roads = board_->roads();
    if (const auto known = roads->to.find(to); known != roads->to.end())
      found->second.judged = known->second.judged, found->second.used = known->second.used;
  }
  last_to_ = to, last_trip_ = &found->second;
  return last_trip_;
}

// Once for each batch.
void Ways::start(Trip& trip, const Address& to) {
  trip.batch = batch_;
  if (!trip.used) {
    if (std::exchange(trip.asked, serial_) != serial_) board_->ask(to);
    return;
  }
  if (!trip.used->load(std::memory_order_relaxed)) trip.used->store(true, std::memory_order_relaxed);
  if (trip.last >= 0 || trip.judged.detour != Detour::none || now_ < trip.stays_until) return;
  if (const int fd = socket_of(trip.judged.road.link); fd >= 0 && empty(to.family == Family::v4 ? raw_v4_ : raw_v6_))
    trip.last = fd;
}

Ways::Choice Ways::choose(const Item& item, bool long_one) {
  const traffic::Departure& d = item.departure;
  Trip* const trip = trip_to(d.dst);
  if (!trip) return {};
  if (trip->batch != batch_) start(*trip, d.dst);
  if (trip->last < 0) return {};
  // Without a source, the kernel writes one.
  const bool fits = !long_one && d.interface == 0 && item.packet.at >= kHeader && !is_unspecified(d.src) &&
                    trip->judged.detour == Detour::none && item.packet.size <= trip->judged.road.mtu;
  const int fd = fits ? socket_of(trip->judged.road.link) : -1;
  return {fd, fd == trip->last ? -1 : trip->last};
}

void Ways::chosen(const Item& item, const Choice& choice) {
  if (choice.former < 0) return;
  Trip* const trip = trip_to(item.departure.dst);
  trip->last = choice.fd;
  if (choice.fd < 0) trip->stays_until = now_ + kStay;
}

void Ways::refused(const Item& item) {
  Trip* const trip = trip_to(item.departure.dst);
  if (!trip) return;
  // The link may have been away: then its socket must be bound again.
  if (const auto socket = std::ranges::find_if(sockets_, [&](const Socket& s) { return s.fd.get() == trip->last; });
      socket != sockets_.end())
    socket->link = 0;
  trip->last = -1, trip->stays_until = now_ + kStay;
}

MutableBytes Ways::frame(const Item& item) {
  const MutableBytes frame = item.packet.memory.subspan(item.packet.at - kHeader, kHeader + item.packet.size);
  std::ranges::copy(trip_to(item.departure.dst)->judged.road.header, frame.begin());
  return frame;
}

bool Ways::in_use(const Socket& socket) const {
  return std::ranges::any_of(trips_, [&](const auto& entry) {
    const Trip& trip = entry.second;
    return trip.last == socket.fd.get() || (trip.judged.detour == Detour::none && trip.judged.road.link == socket.link);
  });
}

// The packet socket of a link; -1: there are too many links.
int Ways::socket_of(unsigned link) {
  auto socket = std::ranges::find(sockets_, link, &Socket::link);
  if (socket != sockets_.end()) return socket->fd.get();
  socket = std::ranges::find(sockets_, 0u, &Socket::link);
  if (socket == sockets_.end()) socket = std::ranges::find_if(sockets_, [&](const Socket& s) { return !in_use(s); });
  if (socket == sockets_.end()) return -1;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(link);
  if (::bind(socket->fd.get(), interface_cast<const sockaddr>(&to), sizeof to) != 0) return -1;
  socket->link = link;
  return socket->fd.get();
}

bool Ways::empty(int fd) {
  int octets = 0;
  return ::ioctl(fd, SIOCOUTQ, &octets) != 0 || octets == 0;
}

bool Ways::is_packet_socket(int fd) const {
  return std::ranges::any_of(sockets_, [&](const Socket& s) { return s.fd.get() == fd; });
}

}  // namespace ipseckey::ipsecd
