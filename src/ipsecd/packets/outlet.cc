// How packets leave:
// 1. send() turns packets into messages, in order: one message per packet for a raw or a packet socket, as ways.h
//    chooses, and one per run of UDP datagrams of equal length to one peer for the socket of their port; the kernel
//    splits it again.
// 2. flush() sends the messages of one socket. If there is no room and the caller can wait, send() returns how many
//    packets are done, and the next call starts there.
// 3. A packet longer than its MTU is sent in fragments; fragments_sent_ counts those that have left.
// 4. refused() handles a packet that the kernel did not accept: it is fragmented for a smaller MTU, or retried once.
//    What a packet socket refuses, and all that follows it in the batch, takes the raw socket.
#include "ipsecd/packets/outlet.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/cast.h"
#include "ipsecd/packets/inlet.h"
#include "ipsecd/packets/link_mtu.h"
#include "ipsecd/packets/socket_address.h"
#include "system/clock.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {

using traffic::Cause;
using traffic::Departure;
using traffic::Item;

namespace {

constexpr std::size_t kFront = 28;  // An IPv4 header without options and a UDP header.
// The kernel's limits for one piece: datagrams, and bytes of them.
constexpr std::size_t kMostDatagrams = 64, kMostBytes = UINT16_MAX - kFront;

// No room: in the socket, or in the queue of the link (ENOBUFS, which the kernel reports only with IP_RECVERR). The
// caller waits for room, or the packet is dropped.
bool is_full(int error) { return error == EAGAIN || error == ENOBUFS; }

std::uint8_t hop_limit(const Item& item) { return std::to_integer<std::uint8_t>(item.packet.bytes()[8]); }

bool leave_alike(const Item& a, const Item& b) {
  const Departure &x = a.departure, &y = b.departure;
  return x.dst == y.dst && x.src == y.src && x.src_port == y.src_port && x.dst_port == y.dst_port &&
         x.dont_fragment == y.dont_fragment && x.traffic_class == y.traffic_class && hop_limit(a) == hop_limit(b);
}

// Whether datagrams leave with DF. Either way the kernel asks only the device whether they fit, and refuses longer
// ones.
bool leave_with(int fd, bool dont_fragment) {
  const int way = dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_INTERFACE;
  return ::setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &way, sizeof way) == 0;
}

// Whether a message that starts there starts with this packet, its frame, or the part after its front.
bool has(const Item& item, const std::byte* begin) {
  const std::byte* const at = item.packet.memory.data() + item.packet.at;
  return item.cause == Cause::none && (begin == at || begin + Ways::kHeader == at || begin == at + kFront);
}

}  // namespace

// Arguments of sendmmsg(), and room for a fragment, created once.
struct Outlet::Batch {
  std::array<mmsghdr, Inlet::kBatch> messages{};
  std::array<iovec, Inlet::kBatch> parts{};
  std::array<SocketAddress, Inlet::kBatch> to{};
  struct alignas(cmsghdr) Details {
    std::array<char, CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t))>
        octets;
  };
  std::array<Details, Inlet::kBatch> details{};
  std::array<std::byte, 65536> fragment{};
  std::array<Item*, Inlet::kBatch> owners{};  // Of the parts.

  int fd = -1;                      // The messages' destination.
  bool dont_fragment = true;        // How datagrams leave by it.
  std::size_t count = 0, used = 0;  // Messages, and their parts.

  template <class T>
  void add_detail(msghdr& header, int level, int type, const T& value) {
    auto* const c = object_at<cmsghdr>(static_cast<char*>(header.msg_control) + header.msg_controllen);
    *c = {.cmsg_len = CMSG_LEN(sizeof value), .cmsg_level = level, .cmsg_type = type};
    std::memcpy(CMSG_DATA(c), &value, sizeof value);
    header.msg_controllen += CMSG_SPACE(sizeof value);
  }

  // For a complete packet that must leave by its interface.
  void add_interface(msghdr& header, Details& room, const Departure& d) {
    header.msg_control = &room;
    header.msg_controllen = 0;
    if (d.dst.family == Family::v4) {
      in_pktinfo by{};
      by.ipi_ifindex = static_cast<int>(d.interface);
      add_detail(header, IPPROTO_IP, IP_PKTINFO, by);
    } else {
      in6_pktinfo by{};
      by.ipi6_ifindex = d.interface;
      add_detail(header, IPPROTO_IPV6, IPV6_PKTINFO, by);
    }
  }
};

Outlet::Outlet(Descriptor v4, Descriptor v6, bool offload)
    : v4_(std::move(v4)), v6_(std::move(v6)), offload_(offload), batch_(new Batch, [](Batch* b) { delete b; }) {}

Result<Outlet> Outlet::make(std::uint32_t mark, bool offload) {
  Descriptor v4(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  if (!v4)
    return fail(errno == EPERM ? Errc::denied : Errc::io,
                fmt::format("cannot open a raw socket to send: {}{}", errno_text(errno),
                            errno == EPERM ? "; it needs CAP_NET_RAW" : ""));
  Descriptor v6(
      ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));  // If empty: packets to IPv6 fail.
  if (!link_decides(v4.get(), Family::v4) || (v6 && !link_decides(v6.get(), Family::v6)))
    return fail(Errc::io, fmt::format("cannot set up a raw socket to send: {}", errno_text(errno)));
  for (const Descriptor* fd : {&v4, &v6}) {
    if (!*fd) continue;
    give_room(fd->get());
    if (mark == 0) continue;
    if (::setsockopt(fd->get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
      return fail(Errc::denied, "cannot mark packets: it needs CAP_NET_ADMIN");
  }
  return Outlet(std::move(v4), std::move(v6), offload);
}

void Outlet::use(std::uint16_t port, int fd) {
  int none = 0;
  if (offload_ && ::setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof none) == 0 && leave_with(fd, false) &&
      leave_with(fd, true))
    ports_.push_back({port, fd, true});
}

void Outlet::forget(std::uint16_t port) {
  std::erase_if(ports_, [&](const Port& p) { return p.port == port; });
}

bool Outlet::send_now(Bytes packet, const Departure& d) {
  auto to = socket_address({d.dst, 0});
  iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
  Batch::Details details;
  msghdr header{.msg_name = &to.storage,
                .msg_namelen = to.size,
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = nullptr,
                .msg_controllen = 0,
                .msg_flags = 0};
  if (d.interface != 0) batch_->add_interface(header, details, d);
  return ::sendmsg(raw_socket(d.dst.family), &header, MSG_DONTWAIT) >= 0;
}

void Outlet::refused(Item& item, int error) {
  const Address& dst = item.departure.dst;
  const std::uint32_t mtu = is_full(error) ? 0 : link_mtu(raw_socket(dst.family), dst.family);
  if (error == EMSGSIZE && mtu != 0) return send_cut(item, mtu);
  // An ICMP error about another packet makes one send fail.
  if (!is_full(error) && error != EMSGSIZE && send_now(item.packet.bytes(), item.departure)) return;
  ++unsent_;
}

// The link's MTU may still shrink meanwhile, but not forever. No fragment is longer than the first: if the link accepts
// that, it accepts them all.
void Outlet::send_cut(Item& item, std::uint32_t mtu) {
  constexpr unsigned kMostTries = 3;
  for (unsigned i = 0; i < kMostTries && mtu != 0 && narrow_(item, mtu); ++i) {
    mtu = 0;
    const Departure& d = item.departure;
    const auto one = [&](Bytes piece) {
      if (mtu != 0 || send_now(piece, d)) return;
      mtu = errno == EMSGSIZE ? link_mtu(raw_socket(d.dst.family), d.dst.family) : 0;
      if (mtu == 0) ++unsent_;
    };
    if (!traffic::fragment(item.packet.bytes(), d.mtu, d.id, batch_->fragment, one)) ++unsent_;
  }
  if (mtu != 0) ++unsent_;
}

// False: there was no room for all of them; the next call begins with the first that was not sent.
bool Outlet::send_fragments(Item& item, bool wait) {
  std::size_t number = 0;
  bool stopped = false;
  int error = 0;
  const auto one = [&](Bytes piece) {
    if (stopped || error == EMSGSIZE || number++ < fragments_sent_) return;
    error = send_now(piece, item.departure) ? 0 : errno;
    stopped = wait && is_full(error);
    if (stopped || error == EMSGSIZE) return;
    if (error != 0) ++unsent_;
    ++fragments_sent_;
  };
  if (!traffic::fragment(item.packet.bytes(), item.departure.mtu, item.departure.id, batch_->fragment, one)) ++unsent_;
  if (!stopped) fragments_sent_ = 0;
  if (error == EMSGSIZE) refused(item, error);
  if (stopped) full_ = error == EAGAIN ? raw_socket(item.departure.dst.family) : -1;
  return !stopped;
}

// The UDP socket with which the kernel writes the same headers as the packet has; otherwise a raw one.
int Outlet::socket_of(const Item& item) const {
  const Departure& d = item.departure;
  if (offload_ && d.protocol == IPPROTO_UDP && d.dst.family == Family::v4 && d.header == kFront)
    if (const auto found = std::ranges::find(ports_, d.src_port, &Port::port); found != ports_.end()) return found->fd;
  return raw_socket(d.dst.family);
}

// A packet socket knows where its frames go.
void Outlet::add_whole(Item& item, bool framed) {
  Batch& b = *batch_;
  const std::size_t i = b.count++;
  b.owners[b.used] = &item;
  if (framed) {
    const MutableBytes frame = ways_->frame(item);
    b.parts[b.used] = {frame.data(), frame.size()};
    b.messages[i].msg_hdr = {};
    b.messages[i].msg_hdr.msg_iov = &b.parts[b.used++];
    b.messages[i].msg_hdr.msg_iovlen = 1;
    return;
  }
  b.to[i] = socket_address({item.departure.dst, 0});
  b.parts[b.used] = {item.packet.bytes().data(), item.packet.size};
  b.messages[i].msg_hdr = {.msg_name = &b.to[i].storage,
                           .msg_namelen = b.to[i].size,
                           .msg_iov = &b.parts[b.used++],
                           .msg_iovlen = 1,
                           .msg_control = nullptr,
                           .msg_controllen = 0,
                           .msg_flags = 0};
  if (item.departure.interface != 0) b.add_interface(b.messages[i].msg_hdr, b.details[i], item.departure);
}

void Outlet::add_datagrams(std::span<Item* const> run) {
  Batch& b = *batch_;
  const std::size_t i = b.count++;
  const Departure& d = run[0]->departure;
  b.to[i] = socket_address({d.dst, d.dst_port});
  msghdr& header = b.messages[i].msg_hdr;
  header = {.msg_name = &b.to[i].storage,
            .msg_namelen = b.to[i].size,
            .msg_iov = &b.parts[b.used],
            .msg_iovlen = run.size(),
            .msg_control = &b.details[i],
            .msg_controllen = 0,
            .msg_flags = 0};
  for (Item* const item : run) {
    const MutableBytes payload = item->packet.bytes().subspan(kFront);
    b.owners[b.used] = item;
    b.parts[b.used++] = {payload.data(), payload.size()};
  }
  in_pktinfo from{};
  std::memcpy(&from.ipi_spec_dst, d.src.octets.data(), sizeof from.ipi_spec_dst);
  b.add_detail(header, IPPROTO_IP, IP_PKTINFO, from);
  b.add_detail(header, IPPROTO_IP, IP_TOS, int{d.traffic_class});
  b.add_detail(header, IPPROTO_IP, IP_TTL, int{hop_limit(*run[0])});
  if (run.size() > 1)
    b.add_detail(header, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(run[0]->packet.size - kFront));
}

std::span<Item* const> Outlet::owners_of(std::size_t message) const {
  const msghdr& header = batch_->messages[message].msg_hdr;
  const auto first = static_cast<std::size_t>(header.msg_iov - batch_->parts.data());
  return std::span(batch_->owners).subspan(first, header.msg_iovlen);
}

// A message of datagrams that the kernel does not accept in one piece: sends its packets unchanged, including headers.
void Outlet::send_apart(std::size_t message) {
  for (Item* const item : owners_of(message))
    if (!send_now(item->packet.bytes(), item->departure)) refused(*item, errno);
}

// DF is an option of the socket.
void Outlet::set_dont_fragment() {
  const Batch& b = *batch_;
  const auto port = std::ranges::find(ports_, b.fd, &Port::fd);
  if (port == ports_.end() || port->dont_fragment == b.dont_fragment) return;
  if (leave_with(b.fd, b.dont_fragment)) port->dont_fragment = b.dont_fragment;
}

// All that follow the first, so that no packet overtakes another.
void Outlet::refused_frames(std::size_t from) {
  for (std::size_t i = from; i < batch_->count; ++i) {
    for (Item* const item : owners_of(i)) ways_->refused(*item);
    send_apart(i);
  }
}

// Waits until nothing is left in a packet socket. False: something is; the caller waits longer.
bool Outlet::leave_former(int former, bool wait) {
  constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 20'000};
  constexpr unsigned kNaps = 20;
  for (unsigned i = 0; i < kNaps && !Ways::empty(former); ++i) ::ppoll(nullptr, 0, &kNap, nullptr);
  if (!wait || Ways::empty(former)) return true;
  full_ = -1;
  return false;
}

// The bytes of the first packet for which there is no room; nullptr: all messages are done.
const std::byte* Outlet::flush(bool wait) {
  Batch& b = *batch_;
  if (b.count > 0 && !is_raw(b.fd)) set_dont_fragment();
  for (std::size_t sent = 0; sent < b.count;) {
    const int n = ::sendmmsg(b.fd, &b.messages[sent], static_cast<unsigned>(b.count - sent), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      if (is_framed(b.fd)) framed_ += static_cast<std::uint64_t>(n);
      continue;
    }
    // The first of them is the one that failed.
    if (wait && is_full(errno)) {
      full_ = errno == EAGAIN ? b.fd : -1;
      b.count = b.used = 0;
      return static_cast<const std::byte*>(b.messages[sent].msg_hdr.msg_iov->iov_base);
    }
    const int error = errno;
    if (is_framed(b.fd) && !is_full(error)) {
      refused_frames(sent);
      break;
    }
    if (!is_raw(b.fd) && !is_full(error)) {
      if (error == EIO) offload_ = false;  // The devices of this path do not support it.
      send_apart(sent);
    } else {
      for (Item* const item : owners_of(sent)) refused(*item, error);
    }
    ++sent;
  }
  b.count = b.used = 0;
  return nullptr;
}

// Runs of packets through one socket that fit are sent with one call; the order of all packets is kept.
std::size_t Outlet::send(std::span<Item> items, bool wait) {
  Batch& b = *batch_;
  const std::byte* stopped = nullptr;
  std::array<Item*, kMostDatagrams> run;
  std::size_t in_run = 0, bytes = 0;
  const auto end_run = [&] {
    if (in_run > 0) add_datagrams(std::span(run).first(in_run));
    in_run = bytes = 0;
  };
  const auto done = [&] {
    return static_cast<std::size_t>(std::ranges::find_if(items, [&](const Item& item) { return has(item, stopped); }) -
                                    items.begin());
  };
  if (ways_) ways_->begin(system_now().steady, v4_.get(), v6_.get());
  for (Item& item : items) {
    if (item.cause != Cause::none) continue;
    const bool long_one = item.packet.size > item.departure.mtu;
    int fd = long_one ? -1 : socket_of(item);
    const bool datagram = !long_one && fd != raw_socket(item.departure.dst.family);
    bool framed = false;
    if (ways_ && !datagram) {
      const Ways::Choice choice = ways_->choose(item, long_one);
      if (choice.former >= 0) {
        end_run();
        if ((stopped = flush(wait))) return done();
        if (!leave_former(choice.former, wait)) return static_cast<std::size_t>(&item - items.data());
      }
      ways_->chosen(item, choice);
      framed = choice.fd >= 0;
      if (framed) fd = choice.fd;
    }
    // A shorter one ends its run: only the last may be shorter.
    const bool goes_on = datagram && in_run > 0 && fd == b.fd && in_run < run.size() &&
                         bytes + item.packet.size <= kMostBytes && item.packet.size <= run[0]->packet.size &&
                         run[in_run - 1]->packet.size == run[0]->packet.size && leave_alike(*run[0], item);
    if (!goes_on) end_run();
    const bool dont_fragment = item.departure.dont_fragment;
    if (fd != b.fd || (datagram && dont_fragment != b.dont_fragment) || b.used + in_run == b.parts.size()) {
      end_run();
      if ((stopped = flush(wait))) return done();
    }
    b.fd = fd, b.dont_fragment = dont_fragment;
    if (long_one) {
      if (!send_fragments(item, wait)) return static_cast<std::size_t>(&item - items.data());
    } else if (datagram) {
      run[in_run++] = &item;
      bytes += item.packet.size;
    } else {
      add_whole(item, framed);
    }
  }
  end_run();
  stopped = flush(wait);
  return stopped ? done() : items.size();
}

}  // namespace ipseckey::ipsecd
