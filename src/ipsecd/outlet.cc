#include "ipsecd/outlet.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <random>

#include "ipsecd/error_text.h"
#include "ipsecd/inlet.h"
#include "ipsecd/socket_address.h"

namespace ipsecd {

using engine::traffic::Cause;
using engine::traffic::Item;

// What sendmmsg() wants, and room for a fragment, made once.
struct Outlet::Batch {
  std::array<mmsghdr, Inlet::kBatch> messages{};
  std::array<iovec, Inlet::kBatch> parts{};
  std::array<SocketAddress, Inlet::kBatch> to{};
  std::array<std::byte, 65536> fragment{};
};

Outlet::Outlet(Fd v4, Fd v6)
    : v4_(std::move(v4)),
      v6_(std::move(v6)),
      id_(std::random_device{}()),
      batch_(new Batch, [](Batch* b) { delete b; }) {}

Result<Outlet> Outlet::make(std::uint32_t mark) {
  Fd v4(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  if (!v4)
    return fail(errno == EPERM ? Errc::denied : Errc::io,
                fmt::format("cannot open a raw socket to send: {}{}", text_of(errno),
                            errno == EPERM ? "; it needs CAP_NET_RAW" : ""));
  Fd v6(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));  // None: packets to IPv6 fail.
  for (const Fd* fd : {&v4, &v6}) {
    if (!*fd || mark == 0) continue;
    if (::setsockopt(fd->get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
      return fail(Errc::denied, "cannot mark packets: it needs CAP_NET_ADMIN");
  }
  return Outlet(std::move(v4), std::move(v6));
}

void Outlet::send_now(Bytes packet, const Address& dst) {
  const auto to = socket_address({dst, 0});
  const int fd = dst.family == Family::v4 ? v4_.get() : v6_.get();
  if (::sendto(fd, packet.data(), packet.size(), MSG_DONTWAIT, to.get(), to.size) < 0) ++unsent_;
}

void Outlet::send_fragments(Item& item) {
  const auto one = [&](Bytes piece) { send_now(piece, item.departure.dst); };
  if (!engine::traffic::fragment(item.packet.bytes(), item.departure.mtu, ++id_, batch_->fragment, one)) ++unsent_;
}

// Runs of packets of one family that fit go with one call; the order of all is kept.
void Outlet::send(std::span<Item> items) {
  Batch& b = *batch_;
  std::size_t count = 0;
  Family family = Family::v4;
  const auto flush = [&] {
    const int fd = family == Family::v4 ? v4_.get() : v6_.get();
    for (std::size_t sent = 0; sent < count;) {
      const int n = ::sendmmsg(fd, &b.messages[sent], static_cast<unsigned>(count - sent), MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) ++unsent_;  // The first of them is the one that failed.
      sent += n > 0 ? static_cast<std::size_t>(n) : 1;
    }
    count = 0;
  };
  for (Item& item : items) {
    if (item.cause != Cause::none) continue;
    const Family wanted = item.departure.dst.family;
    const bool long_one = item.packet.size > item.departure.mtu;
    if (count == b.messages.size() || wanted != family || long_one) flush();
    family = wanted;
    if (long_one) {
      send_fragments(item);
      continue;
    }
    b.to[count] = socket_address({item.departure.dst, 0});
    b.parts[count] = {item.packet.bytes().data(), item.packet.size};
    b.messages[count].msg_hdr = {.msg_name = &b.to[count].storage,
                                 .msg_namelen = b.to[count].size,
                                 .msg_iov = &b.parts[count],
                                 .msg_iovlen = 1,
                                 .msg_control = nullptr,
                                 .msg_controllen = 0,
                                 .msg_flags = 0};
    ++count;
  }
  flush();
}

}  // namespace ipsecd
