// How packets arrive:
// 1. raw() receives ESP or AH, the SPIs of one share; udp() a port; beside() a port that another program holds.
// 2. take_whole() reads packets of a raw socket into their buffers, many at once.
// 3. take_pieces() reads UDP, where one piece may be many datagrams; each is opened where it is, if its headers are
//    plain. Those for which there is no item wait for the next call.
// 4. complete() rebuilds the headers that the kernel removed from what it reports beside the packet.
#include "ipsecd/packets/inlet.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/cast.h"
#include "ipsecd/packets/beside_ike.h"
#include "ipsecd/packets/socket_address.h"
#include "system/errno_text.h"
#include "traffic/header.h"

namespace ipseckey::ipsecd {
namespace {

using traffic::Arrival;
using traffic::Extension;
using traffic::Item;
using traffic::Packet;

constexpr std::uint8_t kAh = 51;
constexpr int kRoom = 4 << 20;  // Bytes of packets that may wait in a socket.

bool set_option(const Descriptor& fd, int level, int name, int value) {
  return ::setsockopt(fd.get(), level, name, &value, sizeof value) == 0;
}

bool take_only(const Descriptor& fd, std::vector<sock_filter> code) {
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

// The extension headers that can precede ESP, AH and UDP in a complete packet, so without a fragment's: the option that
// requests each, its name in the answer, its number. If all are requested, they arrive in their order.
struct ExtensionRow {
  int ask, name;
  std::uint8_t protocol;
};
constexpr std::array kExtensions = {ExtensionRow{IPV6_RECVHOPOPTS, IPV6_HOPOPTS, IPPROTO_HOPOPTS},
                                    ExtensionRow{IPV6_RECVRTHDR, IPV6_RTHDR, IPPROTO_ROUTING},
                                    ExtensionRow{IPV6_RECVDSTOPTS, IPV6_DSTOPTS, IPPROTO_DSTOPTS}};

// What the kernel reports beside a packet: its destination, hop limit, traffic class, options or extension headers.
bool ask_for_details(const Descriptor& fd, Family family) {
  if (family == Family::v4)
    return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) && set_option(fd, IPPROTO_IP, IP_RECVTTL, 1) &&
           set_option(fd, IPPROTO_IP, IP_RECVTOS, 1) && set_option(fd, IPPROTO_IP, IP_RECVOPTS, 1);
  return set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) && set_option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
         std::ranges::all_of(kExtensions, [&](const auto& row) { return set_option(fd, IPPROTO_IPV6, row.ask, 1); });
}

template <class T>
T data_of(const cmsghdr* c) {
  T v{};
  std::memcpy(&v, CMSG_DATA(c), sizeof v);
  return v;
}

// They stay where the kernel wrote them.
Bytes octets_of(const cmsghdr* c) { return {octets_as<std::byte>(CMSG_DATA(c)), c->cmsg_len - CMSG_LEN(0)}; }

void read_detail(const cmsghdr* c, Arrival& arrival) {
  if (c->cmsg_level == IPPROTO_IP) {
    if (c->cmsg_type == IP_PKTINFO) arrival.dst = address_of(data_of<in_pktinfo>(c).ipi_addr);
    if (c->cmsg_type == IP_TTL) arrival.hop_limit = static_cast<std::uint8_t>(data_of<int>(c));
    if (c->cmsg_type == IP_TOS) arrival.traffic_class = data_of<std::uint8_t>(c);
    if (c->cmsg_type == IP_RECVOPTS) arrival.options = octets_of(c);
  } else if (c->cmsg_level == IPPROTO_IPV6) {
    if (c->cmsg_type == IPV6_PKTINFO) arrival.dst = address_of(data_of<in6_pktinfo>(c).ipi6_addr);
    if (c->cmsg_type == IPV6_HOPLIMIT) arrival.hop_limit = static_cast<std::uint8_t>(data_of<int>(c));
    if (c->cmsg_type == IPV6_TCLASS) arrival.traffic_class = static_cast<std::uint8_t>(data_of<int>(c));
  }
}

std::optional<Extension> extension_of(const cmsghdr* c) {
  if (c->cmsg_level != IPPROTO_IPV6) return std::nullopt;
  const auto row = std::ranges::find(kExtensions, c->cmsg_type, &ExtensionRow::name);
  if (row == kExtensions.end()) return std::nullopt;
  return Extension{row->protocol, octets_of(c)};
}

// The size of each datagram but the last, if the kernel merged many into a piece; 0: it is one.
std::size_t told_size(msghdr& header) {
  for (const cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, const_cast<cmsghdr*>(c)))
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) return static_cast<std::size_t>(data_of<int>(c));
  return 0;
}

// nullopt: the kernel reported more than there was room for. `extensions` keeps the headers that the Arrival refers to.
std::optional<Arrival> arrival_of(msghdr& header, const sockaddr_storage& from, std::uint8_t protocol,
                                  std::uint16_t port, std::span<Extension> extensions) {
  if (header.msg_flags & MSG_CTRUNC) return std::nullopt;
  Arrival arrival;
  const Endpoint peer = endpoint_of(from);
  arrival.src = peer.address;
  arrival.dst = unspecified(peer.address.family);
  arrival.protocol = protocol;
  arrival.src_port = peer.port, arrival.dst_port = port;
  std::size_t count = 0;
  for (const cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, const_cast<cmsghdr*>(c))) {
    read_detail(c, arrival);
    const auto extension = extension_of(c);
    if (!extension) continue;
    if (count == extensions.size()) return std::nullopt;
    extensions[count++] = *extension;
  }
  arrival.extensions = extensions.first(count);
  return arrival;
}

// An empty packet is counted as malformed.
void complete(Packet& packet, const std::optional<Arrival>& arrival) {
  if (!arrival || !add_header(packet, *arrival)) packet.size = 0;
}

}  // namespace

void give_room(int fd) {
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kRoom, sizeof kRoom) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kRoom, sizeof kRoom);
}

// The filter sees the IP header only for IPv4. A load beyond the end would drop the packet in every socket, uncounted.
std::vector<sock_filter> share_filter(Family family, std::uint8_t protocol, Share share) {
  const std::uint32_t spi_at = protocol == kAh ? 4 : 0;
  const std::uint32_t of_short = share.number == 0 ? UINT32_MAX : 0;
  std::vector<sock_filter> code;
  if (family == Family::v4) {
    code = {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
            BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0)};
  } else {
    code = {BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0)};
  }
  const auto size = static_cast<std::uint32_t>(sizeof(std::uint32_t));
  code.insert(code.end(),
              {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, spi_at + size, 1, 0), BPF_STMT(BPF_RET | BPF_K, of_short),
               BPF_STMT(BPF_LD | BPF_W | BPF_IND, spi_at), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, share.count),
               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, share.number, 0, 1), BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
               BPF_STMT(BPF_RET | BPF_K, 0)});
  return code;
}

// Arguments of recvmmsg(), created once; and for a UDP socket what was received and has not been passed on yet.
struct Inlet::Batch {
  static constexpr std::size_t kPieces = 16, kPiece = 65536;
  // Bytes of ancillary data per packet, and of its extension headers: room for one of the longest, or many usual ones.
  static constexpr std::size_t kDetails = 192, kExtensionDetails = 2048;
  static_assert((kDetails + kExtensionDetails) % alignof(cmsghdr) == 0);

  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::array<sockaddr_storage, kBatch> from{};
  const std::size_t details_size;  // For each packet.
  std::unique_ptr<std::byte[]> details;
  std::array<Extension, traffic::kMostExtensions> extensions;  // Of the current packet.

  std::unique_ptr<std::byte[]> pieces;
  std::size_t got = 0, number = 0, taken = 0;            // Pieces; the current one; its bytes that were passed on.
  Bytes piece;                                           // Its datagrams,
  std::size_t each = 0;                                  // and how long each is.
  std::array<std::optional<Arrival>, kPieces> arrivals;  // Of the pieces; items refer to them.

  Batch(Family family, bool udp)
      : details_size(kDetails + (family == Family::v6 ? kExtensionDetails : 0)),
        details(std::make_unique_for_overwrite<std::byte[]>((udp ? kPieces : kBatch) * details_size)) {
    if (udp) pieces = std::make_unique_for_overwrite<std::byte[]>(kPieces * kPiece);
  }

  // `whole`: packets include their header, and need no ancillary data.
  void prepare(std::size_t i, MutableBytes room, bool whole = false) {
    parts[i] = {room.data(), room.size()};
    msghdr& m = messages[i].msg_hdr = {};
    m.msg_iov = &parts[i];
    m.msg_iovlen = 1;
    if (whole) return;
    m.msg_name = &from[i];
    m.msg_namelen = sizeof from[i];
    m.msg_control = details.get() + i * details_size;
    m.msg_controllen = details_size;
  }
  std::size_t receive(int fd, std::size_t most) {
    const int n = ::recvmmsg(fd, messages.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  bool cut(std::size_t i) const { return (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }
  // nullopt: the packet or the headers before it are incomplete.
  std::optional<Arrival> told(std::size_t i, std::uint8_t protocol, std::uint16_t port) {
    return cut(i) ? std::nullopt : arrival_of(messages[i].msg_hdr, from[i], protocol, port, extensions);
  }
  std::optional<Arrival>& arrival() { return arrivals[number]; }
  // The same bytes in the piece's buffer, which is ours.
  MutableBytes own(Bytes datagram) { return {pieces.get() + (datagram.data() - pieces.get()), datagram.size()}; }
  // The remaining datagrams of the piece.
  std::size_t left() const { return (piece.size() - taken + each - 1) / each; }
};

Inlet::Inlet(Descriptor fd, Family family, std::uint8_t protocol, std::uint16_t port, bool beside)
    : fd_(std::move(fd)),
      family_(family),
      protocol_(protocol),
      port_(port),
      beside_(beside),
      batch_(new Batch(family, port != 0), [](Batch* b) { delete b; }) {}

namespace {

// `filter`: none if it is empty.
Result<Descriptor> raw_socket(Family family, std::uint8_t protocol, std::vector<sock_filter> filter) {
  const int domain = family == Family::v4 ? AF_INET : AF_INET6;
  Descriptor fd(::socket(domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd && errno == EAFNOSUPPORT) return fail(Errc::unsupported, "this host has no IPv6");
  if (!fd)
    return fail(errno == EPERM ? Errc::denied : Errc::io,
                fmt::format("cannot open a raw socket for protocol {}: {}{}", protocol, errno_text(errno),
                            errno == EPERM ? "; it needs CAP_NET_RAW" : ""));
  if ((!filter.empty() && !take_only(fd, std::move(filter))) || (family == Family::v6 && !ask_for_details(fd, family)))
    return fail(Errc::io, fmt::format("cannot set up a raw socket: {}", errno_text(errno)));
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, kRoom)) set_option(fd, SOL_SOCKET, SO_RCVBUF, kRoom);
  return fd;
}

}  // namespace

Result<Inlet> Inlet::raw(Family family, std::uint8_t protocol, Share share) {
  auto fd = raw_socket(family, protocol,
                       share.count > 1 ? share_filter(family, protocol, share) : std::vector<sock_filter>());
  if (!fd) return std::unexpected(std::move(fd.error()));
  return Inlet(std::move(*fd), family, protocol, 0);
}

Result<Inlet> Inlet::beside(Family family, std::uint16_t port, Share share) {
  auto fd = raw_socket(family, IPPROTO_UDP, beside_filter(family, port, share));
  if (!fd) return std::unexpected(std::move(fd.error()));
  return Inlet(std::move(*fd), family, IPPROTO_UDP, port, true);
}

Result<Inlet> Inlet::udp(Family family, std::uint16_t port, UdpOptions options) {
  const bool v4 = family == Family::v4;
  Descriptor fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd && errno == EAFNOSUPPORT) return fail(Errc::unsupported, "this host has no IPv6");
  // Packets sent from here must not be fragmented, whatever the kernel knows about the path: that was decided before.
  // Datagrams without checksum are RFC 3948's way under IPv4; some senders use them under IPv6; the ICV decides.
  const bool ready =
      fd && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) && ask_for_details(fd, family) &&
      (v4 ? set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
          : set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set_option(fd, SOL_UDP, UDP_NO_CHECK6_RX, 1)) &&
      (options.mark == 0 || set_option(fd, SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)));
  if (ready && options.offload) set_option(fd, SOL_UDP, UDP_GRO, 1);
  const auto any = socket_address({unspecified(family), port});
  if (!ready || ::bind(fd.get(), any.get(), any.size) != 0) {
    const Errc code = errno == EADDRINUSE ? Errc::exists : errno == EACCES ? Errc::denied : Errc::io;
    return fail(code, fmt::format("cannot listen on UDP port {}: {}", port, errno_text(errno)));
  }
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, kRoom)) set_option(fd, SOL_SOCKET, SO_RCVBUF, kRoom);
  give_room(fd.get());
  return Inlet(std::move(fd), family, IPPROTO_UDP, port);
}

std::size_t Inlet::receive(std::span<Item> items) {
  const std::span<Item> most = items.first(std::min(items.size(), kBatch));
  return port_ == 0 ? take_whole(most) : take_pieces(most);
}

bool Inlet::left() const { return batch_->number < batch_->got; }

std::size_t Inlet::take_whole(std::span<Item> items) {
  Batch& b = *batch_;
  const bool whole = family_ == Family::v4;  // A raw IPv4 socket includes the header.
  for (std::size_t i = 0; i < items.size(); ++i) {
    const MutableBytes room = items[i].packet.memory.subspan(Packet::kHeadroom);
    b.prepare(i, room.first(room.size() - Packet::kTailroom), whole);
  }
  const std::size_t got = b.receive(fd_.get(), items.size());
  for (std::size_t i = 0; i < got; ++i) {
    Packet& p = items[i].packet;
    p.at = Packet::kHeadroom;
    p.size = b.messages[i].msg_len;
    if (whole && b.cut(i)) p.size = 0;
    if (whole) traffic::mend_after_options(p.bytes());
    if (!whole) complete(p, b.told(i, protocol_, port_));
  }
  return got;
}

// False: it contains nothing for an SA.
bool Inlet::open_piece() {
  Batch& b = *batch_;
  b.piece = {b.pieces.get() + b.number * Batch::kPiece, b.messages[b.number].msg_len};
  if (!beside_) {
    b.each = told_size(b.messages[b.number].msg_hdr);
    if (b.each == 0) b.each = b.piece.size();
    b.arrival() = b.told(b.number, protocol_, port_);
    return !b.piece.empty();
  }
  auto datagram = read_datagram(family_, b.piece);
  if (!datagram || datagram->payload.empty() || b.cut(b.number)) return false;
  b.piece = datagram->payload;
  b.each = size_of_each(b.piece);
  b.arrival() = datagram->arrival;
  if (family_ == Family::v4) return true;
  b.arrival() = b.told(b.number, protocol_, port_);
  if (b.arrival()) b.arrival()->src_port = datagram->arrival.src_port;
  return true;
}

// Options and extension headers are seldom; they are kept for one piece only, and checked with the packet.
void Inlet::pass_on(Bytes datagram, Item& item) {
  Batch& b = *batch_;
  const std::optional<Arrival>& arrival = b.arrival();
  if (arrival && arrival->options.empty() && arrival->extensions.empty()) {
    item.spare = item.packet.memory;
    item.packet = {b.own(datagram), 0, datagram.size()};
    item.told = &*arrival;
    return;
  }
  Packet& p = item.packet;
  p.at = Packet::kHeadroom;
  p.size = datagram.size();
  std::ranges::copy(datagram, p.bytes().begin());
  complete(p, arrival);
}

// A piece is not started if it would not fit: packets that belong together are decrypted and merged together.
std::size_t Inlet::take_pieces(std::span<Item> items) {
  Batch& b = *batch_;
  if (!left()) {
    const bool whole = beside_ && family_ == Family::v4;
    for (std::size_t i = 0; i < Batch::kPieces; ++i)
      b.prepare(i, {b.pieces.get() + i * Batch::kPiece, Batch::kPiece}, whole);
    b.got = b.receive(fd_.get(), Batch::kPieces);
    b.number = b.taken = 0;
  }
  std::size_t count = 0;
  for (; left(); ++b.number, b.taken = 0) {
    if (b.taken == 0) {
      if (!open_piece()) continue;
      if (count > 0 && b.left() > items.size() - count) return count;
    }
    while (b.taken < b.piece.size()) {
      if (count == items.size()) return count;
      const Bytes datagram = b.piece.subspan(b.taken, std::min(b.each, b.piece.size() - b.taken));
      b.taken += datagram.size();
      pass_on(datagram, items[count++]);
    }
  }
  return count;
}

// ---- paths

Result<PathInlet> PathInlet::make(Family family) {
  const bool v4 = family == Family::v4;
  Descriptor fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  bool ready = static_cast<bool>(fd);
  if (v4) {
    constexpr int kIcmpFilter = 1;  // ICMP_FILTER of linux/icmp.h, which cannot be included with netinet/in.h.
    const std::uint32_t blocked = ~(1u << ICMP_DEST_UNREACH);
    ready = ready && ::setsockopt(fd.get(), SOL_RAW, kIcmpFilter, &blocked, sizeof blocked) == 0;
  } else {
    icmp6_filter only;
    ICMP6_FILTER_SETBLOCKALL(&only);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &only);
    ready = ready && ::setsockopt(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof only) == 0;
  }
  // ICMPv6's checksum covers the address to which a report was sent.
  ready = ready && (v4 || set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
  if (!ready) return fail(Errc::unsupported, fmt::format("cannot receive reports of path MTUs: {}", errno_text(errno)));
  return PathInlet(std::move(fd), family);
}

std::vector<traffic::PathReport> PathInlet::take() {
  std::array<std::byte, 2048> buffer;
  Packet p{buffer, Packet::kHeadroom, 0};
  std::vector<traffic::PathReport> reports;
  for (std::size_t i = 0; i < kBatch; ++i) {
    sockaddr_storage from{};
    const MutableBytes room = p.memory.subspan(Packet::kHeadroom);
    iovec part{room.data(), room.size()};
    alignas(cmsghdr) std::array<char, 128> details;
    msghdr header{.msg_name = &from,
                  .msg_namelen = sizeof from,
                  .msg_iov = &part,
                  .msg_iovlen = 1,
                  .msg_control = details.data(),
                  .msg_controllen = details.size(),
                  .msg_flags = 0};
    const ssize_t got = ::recvmsg(fd_.get(), &header, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    p.at = Packet::kHeadroom;
    p.size = static_cast<std::size_t>(got);
    if (family_ == Family::v6) complete(p, arrival_of(header, from, IPPROTO_ICMPV6, 0, {}));
    if (const auto report = traffic::read_path_report(p.bytes())) reports.push_back(*report);
  }
  return reports;
}

}  // namespace ipseckey::ipsecd
