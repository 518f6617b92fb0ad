// How requests go to the kernel:
// 1. A NetlinkBatch holds requests one after another in one buffer; number() numbers them consecutively.
// 2. take() reads what has arrived and ignores messages from other processes. receive() waits for it, with a deadline.
// 3. exchange() sends a batch in slices and reads until each request of a slice has its verdict. An answer has the
//    number of its request. If answers are lost, the remaining ones are read, and then the call fails.
// 4. dump() collects the whole list before it passes it on. If the list changed in the meantime, it is requested again.
// 5. hear() reads events. Its result reports a loss, so that the listener can start again.
// 6. Everything sent or received may contain keys, and is wiped.
#include "kernel/netlink.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/cast.h"
#include "base/registers.h"
#include "system/errno_text.h"

namespace ipseckey::kernel {
namespace {

constexpr int kReceiveBuffer = 8 << 20;       // Bytes: the verdicts of a whole batch, or a burst of events.
constexpr std::size_t kDatagram = 256 << 10;  // Bytes; the kernel's own dumps come in pieces of 32 KB.
constexpr std::size_t kTogether = 32;         // Datagrams received in one call, of 8 KB at most.
constexpr std::size_t kSendAtOnce = 128 << 10;
constexpr int kDumpTries = 10;
constexpr const char* kLost =
    "answers from the kernel were lost (ENOBUFS): commands without one may have been carried out";

std::string reason() { return fmt::format("{} (errno {})", errno_text(errno), errno); }

template <class T>
std::optional<T> peek(Bytes from) {
  if (from.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, from.data(), sizeof value);
  return value;
}

// The kernel's verdict: an errno, then the request's header, the whole request unless it is capped, and attributes.
std::optional<Netlink::Verdict> verdict_of(const NetlinkMessage& m) {
  const auto head = peek<nlmsgerr>(m.payload);
  if (!head) return std::nullopt;
  Netlink::Verdict verdict{-head->error, {}};
  if (!(m.flags & NLM_F_ACK_TLVS)) return verdict;
  std::size_t at = sizeof(nlmsgerr);
  if (!(m.flags & NLM_F_CAPPED)) at += MNL_ALIGN(head->msg.nlmsg_len) - sizeof(nlmsghdr);
  while (at + sizeof(nlattr) <= m.payload.size()) {
    const auto attribute = peek<nlattr>(m.payload.subspan(at));
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > m.payload.size() - at) break;
    const Bytes value = m.payload.subspan(at + sizeof(nlattr), attribute->nla_len - sizeof(nlattr));
    if ((attribute->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
      for (const std::byte b : value)
        if (b != std::byte{0}) verdict.text.push_back(static_cast<char>(b));
    at += MNL_ALIGN(attribute->nla_len);
  }
  return verdict;
}

std::unexpected<Error> cut_short() {
  return fail(Errc::malformed,
              "an answer from the kernel was truncated; the results of the other commands in it are unknown");
}

}  // namespace

// ---- requests

nlmsghdr* NetlinkBatch::last() { return object_at<nlmsghdr>(buffer_.bytes().subspan(starts_.back()).data()); }

void NetlinkBatch::begin(std::uint16_t type, std::uint16_t flags) {
  ok_ = true;
  if (buffer_.size() < size_ + kRoom) buffer_.grow(std::max(2 * buffer_.size(), size_ + kRoom));
  starts_.push_back(size_);
  nlmsghdr* const header = mnl_nlmsg_put_header(buffer_.bytes().subspan(size_).data());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
  size_ += header->nlmsg_len;
}

void NetlinkBatch::body(Bytes fixed) {
  nlmsghdr* const header = last();
  std::memcpy(mnl_nlmsg_put_extra_header(header, fixed.size()), fixed.data(), fixed.size());
  size_ = starts_.back() + header->nlmsg_len;
}

void NetlinkBatch::attribute(std::uint16_t type, Bytes value) {
  nlmsghdr* const header = last();
  ok_ = ok_ && mnl_attr_put_check(header, kRoom, type, value.size(), value.data());
  size_ = starts_.back() + header->nlmsg_len;
}

void NetlinkBatch::drop() {
  wipe(buffer_.bytes().first(size_).subspan(starts_.back()));
  size_ = starts_.back();
  starts_.pop_back();
  ok_ = true;
}

void NetlinkBatch::clear() {
  wipe(buffer_.bytes().first(size_));
  size_ = 0;
  starts_.clear();
  ok_ = true;
}

std::pair<Bytes, std::size_t> NetlinkBatch::slice(std::size_t index, std::size_t most) const {
  const auto end_of = [&](std::size_t i) { return i + 1 < starts_.size() ? starts_[i + 1] : size_; };
  std::size_t next = index + 1;
  while (next < starts_.size() && end_of(next) - starts_[index] <= most) ++next;
  return {bytes().subspan(starts_[index], end_of(next - 1) - starts_[index]), next - index};
}

void NetlinkBatch::number(std::uint32_t first) {
  for (const std::size_t start : starts_) {
    const std::uint32_t seq = first++;
    std::memcpy(buffer_.bytes().subspan(start + offsetof(nlmsghdr, nlmsg_seq)).data(), &seq, sizeof seq);
  }
}

// ---- the socket

Result<Netlink> Netlink::open(int protocol, std::span<const unsigned> groups) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) {
    const bool missing = errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT;
    return fail(missing ? Errc::unsupported : Errc::io,
                missing ? "this kernel has no XFRM netlink: module xfrm_user is missing; `modprobe xfrm_user`"
                        : fmt::format("cannot open the kernel's netlink socket: {}", reason()));
  }
  Netlink netlink(fd);
  const int on = 1;
  // Old kernels support neither option; their refusals have no text, and contain the whole request.
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  // A socket without a port of its own counts as the sender of the kernel's broadcasts, and receives none of them.
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(fd, interface_cast<sockaddr>(&own), sizeof own) != 0)
    return fail(Errc::io, fmt::format("cannot open the kernel's netlink socket: {}", reason()));
  for (const unsigned group : groups)
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return fail(errno == EPERM ? Errc::denied : Errc::io,
                  fmt::format("cannot listen to the kernel: {}{}", reason(),
                              errno == EPERM ? "; it needs CAP_NET_ADMIN: run it as root" : ""));
  return netlink;
}

Netlink::Netlink(int fd, std::chrono::milliseconds patience) : fd_(fd), patience_(patience) { in_.grow(kDatagram); }

Result<void> Netlink::send(Bytes messages) {
  while (::send(fd_.get(), messages.data(), messages.size(), MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    return fail(errno == EPERM ? Errc::denied : Errc::io, fmt::format("cannot send to the kernel: {}", reason()));
  }
  return {};
}

// The messages of a datagram from the kernel; datagrams from other senders are ignored, because any process may send to
// a netlink socket.
Result<void> Netlink::open_up(const msghdr& message, Bytes left, absl::FunctionRef<void(const NetlinkMessage&)> each) {
  const auto* const from = static_cast<const sockaddr_nl*>(message.msg_name);
  if (message.msg_namelen >= sizeof *from && from->nl_family == AF_NETLINK && from->nl_pid != 0) return {};
  if (message.msg_flags & MSG_TRUNC) return cut_short();
  while (!left.empty()) {
    const auto header = peek<nlmsghdr>(left);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > left.size()) return cut_short();
    each({header->nlmsg_type, header->nlmsg_flags, header->nlmsg_seq,
          left.first(header->nlmsg_len).subspan(sizeof(nlmsghdr))});
    left = left.subspan(std::min<std::size_t>(MNL_ALIGN(header->nlmsg_len), left.size()));
  }
  return {};
}

Result<Netlink::Came> Netlink::take(std::size_t at_most, absl::FunctionRef<void(const NetlinkMessage&)> each) {
  std::array<sockaddr_nl, kTogether> from{};
  std::array<iovec, kTogether> rooms{};
  std::array<mmsghdr, kTogether> messages{};
  const std::size_t size = in_.size() / at_most;
  for (std::size_t i = 0; i < at_most; ++i) {
    rooms[i] = {in_.bytes().subspan(i * size).data(), size};
    messages[i].msg_hdr.msg_name = &from[i], messages[i].msg_hdr.msg_namelen = sizeof from[i];
    messages[i].msg_hdr.msg_iov = &rooms[i], messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int got = ::recvmmsg(fd_.get(), messages.data(), static_cast<unsigned>(at_most), MSG_DONTWAIT, nullptr);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return Came::nothing;
    // The callers recognise it by its code: each has its own words for a loss.
    if (errno == ENOBUFS) return fail(Errc::exists, "");
    return fail(Errc::io, fmt::format("cannot read from the kernel: {}", reason()));
  }
  Result<Came> came = got == 0 ? Came::nothing : Came::some;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    const MutableBytes datagram = in_.bytes().subspan(i * size, messages[i].msg_len);
    const Result<void> opened = datagram.empty() ? fail(Errc::io, "the kernel closed the netlink socket")
                                                 : open_up(messages[i].msg_hdr, datagram, each);
    if (!opened && came) came = std::unexpected(opened.error());  // Whatever else has arrived is still read.
    wipe(datagram);
  }
  return came;
}

Result<void> Netlink::receive(std::size_t at_most, absl::FunctionRef<void(const NetlinkMessage&)> each) {
  std::optional<std::chrono::steady_clock::time_point> deadline;  // The clock is read only if there is a wait.
  while (true) {
    const auto came = take(at_most, each);
    if (!came) return std::unexpected(came.error());
    if (*came == Came::some) return {};
    const auto now = std::chrono::steady_clock::now();
    if (!deadline) deadline = now + patience_;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - now);
    pollfd ready{fd_.get(), POLLIN, 0};
    wipe_registers();
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0)
      return fail(Errc::timeout, "the kernel does not answer");
  }
}

// Some verdicts were lost; the others can still be read.
std::unexpected<Error> Netlink::after_loss(absl::FunctionRef<void(const NetlinkMessage&)> each) {
  for (Result<Came> came = Came::some; came && *came == Came::some;) came = take(kTogether, each);
  return fail(Errc::io, kLost);
}

Result<void> Netlink::exchange(NetlinkBatch& batch, Payload payload, Done done) {
  const std::uint32_t first = seq_ + 1;
  batch.number(first);
  seq_ += static_cast<std::uint32_t>(batch.count());
  std::vector<bool> decided(batch.count(), false);
  std::size_t open = 0;
  Result<void> wrong;
  const auto each = [&](const NetlinkMessage& m) {
    const std::uint32_t index = m.seq - first;
    if (index >= decided.size() || decided[index]) return;  // A late answer to an earlier request.
    if (m.type != NLMSG_ERROR) return payload(index, m);
    const auto verdict = verdict_of(m);
    if (!verdict) {
      wrong = cut_short();
      return;
    }
    decided[index] = true;
    --open;
    done(index, *verdict);
  };
  for (std::size_t sent = 0; sent < batch.count();) {
    const auto [bytes, count] = batch.slice(sent, kSendAtOnce);
    open += count;
    sent += count;
    if (auto failed = send(bytes); !failed) return failed;
    while (open > 0) {
      auto failed = receive(kTogether, each);
      if (!failed && failed.error().code == Errc::exists) failed = after_loss(each);
      if (!failed) return failed;
      if (!wrong) return wrong;
    }
  }
  return {};
}

Result<Netlink::Verdict> Netlink::dump(NetlinkBatch& batch, absl::FunctionRef<void(const NetlinkMessage&)> each) {
  SecretBuffer kept;
  for (int tried = 0; tried < kDumpTries; ++tried) {
    std::size_t size = 0;
    std::vector<std::pair<NetlinkMessage, std::size_t>> list;  // With the offset of its payload.
    std::optional<Verdict> verdict;
    bool interrupted = false, broken = false;
    batch.number(++seq_);
    if (auto sent = send(batch.bytes()); !sent) return std::unexpected(sent.error());
    while (!verdict && !broken) {
      const auto received = receive(1, [&](const NetlinkMessage& m) {
        if (m.seq != seq_ || verdict) return;
        interrupted = interrupted || (m.flags & NLM_F_DUMP_INTR);
        if (m.type == NLMSG_ERROR) {
          verdict = verdict_of(m);
          broken = !verdict;
        } else if (m.type == NLMSG_DONE) {
          const auto error = peek<std::int32_t>(m.payload);
          verdict = Verdict{error ? -*error : 0, {}};
        } else {
          if (kept.size() < size + m.payload.size()) kept.grow(std::max(2 * kept.size(), size + m.payload.size()));
          std::ranges::copy(m.payload, kept.bytes().subspan(size).begin());
          list.emplace_back(m, size);
          size += m.payload.size();
        }
      });
      if (!received && received.error().code == Errc::exists) return fail(Errc::io, kLost);
      if (!received) return std::unexpected(received.error());
    }
    if (broken) return cut_short();
    if (verdict->error == 0 && interrupted) continue;
    for (auto& [m, at] : list) {
      m.payload = std::as_const(kept).bytes().subspan(at, m.payload.size());
      if (verdict->error == 0) each(m);
    }
    return *verdict;
  }
  return fail(Errc::io, "the SAs change faster than the kernel can list them: try again");
}

Result<Netlink::Heard> Netlink::hear(Sink sink) {
  const auto came = take(kTogether, sink);
  if (came) return *came == Came::some ? Heard::some : Heard::nothing;
  if (came.error().code == Errc::exists || came.error().code == Errc::malformed) return Heard::lost;
  return std::unexpected(came.error());
}

Result<Netlink::Heard> Netlink::hear_all(Sink sink) {
  Result<Heard> heard = Heard::some;
  while (heard && *heard == Heard::some) heard = hear(sink);
  return heard;
}

}  // namespace ipseckey::kernel
