#include "ipsecd/packets/nf_tables.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/bytes.h"
#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {

NfTables::NfTables(Descriptor fd, const QueueNumbers& queues)
    : fd_(std::move(fd)), queues_(queues), table_(fmt::format("ipsecd-{}", queues.first)) {}

Result<NfTables> NfTables::make(const QueueNumbers& queues) {
  Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd) return fail(Errc::unsupported, fmt::format("cannot speak to netfilter: {}", errno_text(errno)));
  constexpr int kMost = 16 << 20;
  for (const int which : {SO_SNDBUFFORCE, SO_RCVBUFFORCE})
    ::setsockopt(fd.get(), SOL_SOCKET, which, &kMost, sizeof kMost);
  NfTables made(std::move(fd), queues);
  made.facts_.owned = made.carry_out(trial_of_ownership(made.table_ + "-trial")) == 0;
  made.facts_.queue_expression = made.try_queueing(Family::v4, true) == 0;
  if (!made.facts_.queue_expression) {
    if (const int error = made.try_queueing(Family::v4, false); error != 0)
      return fail(
          error == EPERM ? Errc::denied : Errc::unsupported,
          fmt::format("cannot queue packets: {}{}", errno_text(error),
                      error == EPERM ? "; it needs CAP_NET_ADMIN"
                                     : "; the kernel needs nf_tables, and nft_queue or nft_compat with xt_NFQUEUE"));
  }
  made.facts_.v6 = made.try_queueing(Family::v6, made.facts_.queue_expression) == 0;
  made.facts_.local_source =
      made.carry_out(trial_of_sources(made.table_ + "-trial", Family::v4)) == 0 &&
      (!made.facts_.v6 || made.carry_out(trial_of_sources(made.table_ + "-trial", Family::v6)) == 0);
  made.facts_.whole_v6 = made.facts_.v6 && made.carry_out(trial_of_defragmenting(made.table_ + "-trial")) == 0;
  return made;
}

int NfTables::try_queueing(Family family, bool by_expression) {
  return carry_out(trial_of_queueing(table_ + "-trial", family, by_expression));
}

// Only refusals are answered, before send() returns.
int NfTables::carry_out(std::span<const std::byte> transaction) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd_.get(), transaction.data(), transaction.size(), 0, interface_cast<const sockaddr>(&kernel),
               sizeof kernel) < 0)
    return errno;
  int refusal = 0;
  std::array<std::byte, 16384> buffer;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return refusal;
    Reader in(Bytes(buffer).first(static_cast<std::size_t>(got)));
    std::uint32_t length = 0, error = 0;
    std::uint16_t type = 0;
    in.host(length), in.host(type), in.pad(10), in.host(error);
    if (in.ok() && type == NLMSG_ERROR && error != 0 && refusal == 0) refusal = -static_cast<int>(error);
  }
}

std::uint32_t NfTables::port() const {
  sockaddr_nl here{};
  socklen_t size = sizeof here;
  ::getsockname(fd_.get(), interface_cast<sockaddr>(&here), &size);
  return here.nl_pid;
}

bool NfTables::exists() {
  for (const Family family : {Family::v4, Family::v6}) {
    if (family == Family::v6 && !facts_.v6) continue;
    if (carry_out(question_for_table(table_, family)) == 0) return true;
  }
  return false;
}

// The kernel compares owners first, even where a table cannot be given one.
Result<bool> NfTables::take_up() {
  bool found = false;
  for (const Family family : {Family::v4, Family::v6}) {
    if (carry_out(question_for_table(table_, family)) != 0) continue;
    found = true;
    if (carry_out(claim_of_table(table_, family, facts_.owned)) == EPERM)
      return fail(Errc::exists, fmt::format("another program owns netfilter's table {}: end it, or choose another "
                                            "queue with --hook=NUMBER",
                                            table_));
  }
  return found;
}

Result<void> NfTables::replace(std::span<const FilterRule> rules) {
  const int error = carry_out(filter_transaction(table_, rules, queues_, facts_));
  if (error != 0)
    return fail(Errc::io, fmt::format("netfilter refused the rules of table {}: {}", table_, errno_text(error)));
  return {};
}

}  // namespace ipseckey::ipsecd
