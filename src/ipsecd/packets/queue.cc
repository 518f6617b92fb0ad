// How packets come and go:
// 1. configure() binds the queue, asks for whole packets and for room. Without NFQA_CFG_F_FAIL_OPEN a full queue drops.
// 2. receive() reads one message, which is one packet with what the kernel knows about it.
// 3. decide() and accept() collect verdicts; send() passes them on with one system call. The kernel carries each packet
//    on inside that call.
// 4. overruns() reads the kernel's own counters, from a file that is opened before ipsecd gives up files.
#include "ipsecd/packets/queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kMessage = 0x10000 + 4096;  // A packet, and the facts about it.
constexpr std::size_t kDecided = 1 << 20;         // Of verdicts that are sent at once; longer ones go earlier.
constexpr int kRoom = 32 << 20;                   // Bytes of packets that may wait in the socket.
constexpr std::uint32_t kMostBytes = 0xffff;      // The kernel's own limit for one packet is a little less.

nlmsghdr* put_header(std::byte* at, std::uint8_t type, std::uint16_t queue) {
  return nfq_nlmsg_put(octets_as<char>(at), type, queue);
}

std::uint32_t number(const nlattr* attribute) { return attribute ? big_endian(mnl_attr_get_u32(attribute)) : 0; }

}  // namespace

Queue::Queue(Descriptor fd, std::uint16_t number)
    : fd_(std::move(fd)),
      counters_(::open("/proc/self/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC)),
      number_(number),
      memory_(std::make_unique_for_overwrite<std::byte[]>(kMessage)),
      decided_(kDecided + kMessage) {}

Result<Queue> Queue::make(std::uint16_t number, Options options) {
  Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!fd) return fail(Errc::unsupported, fmt::format("cannot speak to netfilter: {}", errno_text(errno)));
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(fd.get(), interface_cast<const sockaddr>(&own), sizeof own) != 0)
    return fail(Errc::io, fmt::format("cannot speak to netfilter: {}", errno_text(errno)));
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kRoom, sizeof kRoom);
  Queue queue(std::move(fd), number);
  if (auto r = queue.configure(options); !r) return std::unexpected(std::move(r.error()));
  return queue;
}

Result<void> Queue::configure(Options options) {
  std::array<std::byte, 512> room{};
  nlmsghdr* head = put_header(room.data(), NFQNL_MSG_CONFIG, number_);
  head->nlmsg_flags |= NLM_F_ACK;
  nfq_nlmsg_cfg_put_cmd(head, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
  nfq_nlmsg_cfg_put_params(head, NFQNL_COPY_PACKET, kMostBytes);
  nfq_nlmsg_cfg_put_qmaxlen(head, options.length);
  mnl_attr_put_u32(head, NFQA_CFG_MASK, big_endian(std::uint32_t{NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN}));
  mnl_attr_put_u32(head, NFQA_CFG_FLAGS, big_endian(std::uint32_t{options.long_packets ? NFQA_CFG_F_GSO : 0u}));
  return request(std::span(room).first(head->nlmsg_len));
}

Result<void> Queue::request(std::span<const std::byte> message) {
  int error = 0;
  std::array<std::byte, 1024> answer{};
  if (::send(fd_.get(), message.data(), message.size(), 0) < 0) {
    error = errno;
  } else if (const ssize_t got = ::recv(fd_.get(), answer.data(), answer.size(), MSG_DONTWAIT); got < 0) {
    error = errno;
  } else {
    Reader in(Bytes(answer).first(static_cast<std::size_t>(got)));
    std::uint32_t refusal = 0;
    in.pad(16), in.host(refusal);
    error = in.ok() ? -static_cast<int>(refusal) : EPROTO;
  }
  if (error == 0) return {};
  // Also without CAP_NET_ADMIN; but NfTables has needed that before.
  const bool taken = error == EPERM || error == EBUSY;
  return fail(taken ? Errc::exists : Errc::io,
              fmt::format("cannot read netfilter's queue {}: {}{}", number_, errno_text(error),
                          taken ? "; another program reads it: choose other queues with --queue N" : ""));
}

std::optional<Queued> Queue::receive() {
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), memory_.get(), kMessage, MSG_DONTWAIT);
    if (got < 0 && errno == ENOBUFS) ++lost_;
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (got <= 0) return std::nullopt;
    const auto* const head = object_at<nlmsghdr>(memory_.get());
    if (!mnl_nlmsg_ok(head, static_cast<int>(got)) || head->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
      continue;  // A verdict about a packet that is gone.
    std::array<nlattr*, NFQA_MAX + 1> told{};
    if (nfq_nlmsg_parse(head, told.data()) < 0 || !told[NFQA_PACKET_HDR]) continue;
    nfqnl_msg_packet_hdr packet{};
    std::memcpy(&packet, mnl_attr_get_payload(told[NFQA_PACKET_HDR]), sizeof packet);
    Queued queued{.id = big_endian(packet.packet_id),
                  .forwarded = packet.hook == NF_INET_FORWARD,
                  .in = number(told[NFQA_IFINDEX_INDEV]),
                  .out = number(told[NFQA_IFINDEX_OUTDEV]),
                  .mark = number(told[NFQA_MARK]),
                  .packet = {},
                  .uncut = (number(told[NFQA_SKB_INFO]) & NFQA_SKB_GSO) != 0,
                  .unsummed = (number(told[NFQA_SKB_INFO]) & NFQA_SKB_CSUMNOTREADY) != 0,
                  .whole = told[NFQA_CAP_LEN] == nullptr};
    if (const nlattr* const payload = told[NFQA_PAYLOAD])
      queued.packet = {static_cast<const std::byte*>(mnl_attr_get_payload(payload)), mnl_attr_get_payload_len(payload)};
    return queued;
  }
}

void Queue::put(std::uint32_t id, Verdict verdict, std::optional<Bytes> instead) {
  nlmsghdr* const head = put_header(decided_.data() + used_, NFQNL_MSG_VERDICT, number_);
  nfq_nlmsg_verdict_put(head, static_cast<int>(id), verdict == Verdict::accept ? NF_ACCEPT : NF_DROP);
  if (instead) nfq_nlmsg_verdict_put_pkt(head, instead->data(), static_cast<std::uint32_t>(instead->size()));
  used_ += NLMSG_ALIGN(head->nlmsg_len);
  if (used_ > kDecided) send();
}

void Queue::decide(std::uint32_t id, Verdict verdict) { put(id, verdict, std::nullopt); }
void Queue::accept(std::uint32_t id, Bytes instead) { put(id, Verdict::accept, instead); }

// A verdict that the kernel refuses is for a packet whose device is gone.
void Queue::send() {
  if (used_ == 0) return;
  while (::send(fd_.get(), decided_.data(), used_, 0) < 0 && errno == EINTR) continue;
  used_ = 0;
}

// A line of numbers for each queue: its own, the port of its reader, packets that wait, how they are copied, and how
// many were dropped because the queue was full, and because the socket was.
std::uint64_t Queue::overruns() const {
  std::array<char, 16384> text;
  const ssize_t got = counters_ ? ::pread(counters_.get(), text.data(), text.size(), 0) : -1;
  if (got <= 0) return lost_;
  std::string_view rest(text.data(), static_cast<std::size_t>(got));
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::array<std::uint64_t, 7> said{};
    std::size_t count = 0;
    while (count < said.size() && !line.empty()) {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), said[count]);
      if (ec != std::errc()) break;
      line.remove_prefix(static_cast<std::size_t>(end - line.data()));
      ++count;
    }
    if (count == said.size() && said[0] == number_) return said[5] + said[6];
  }
  return lost_;
}

}  // namespace ipseckey::ipsecd
