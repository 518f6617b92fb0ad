// Messages of the kernel: an input is an octet, then a datagram of netlink messages. The octet selects the request: 0,
// none, the messages are events; 1, a dump; 2, two requests. Every decoded message must be encodable and printable.
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernel/detail/policy_codec.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/netlink.h"
#include "must.h"
#include "pfkey/codec.h"
#include "pfkey/json.h"
#include "pfkey/print.h"
#include "policy/xfrm_read.h"

using namespace ipseckey;

namespace {

using namespace kernel;

const xfrm::DecodeContext kContext{
    .now = 1'795'230'000, .keys_hidden = false, .device_name = [](std::uint32_t n) { return std::to_string(n); }};

void sound(const std::optional<pfkey::Message>& m) {
  if (!m) return;
  static std::vector<std::byte> buffer(pfkey::kMaxMessageSize);
  const auto size = pfkey::encode(*m, buffer);
  MUST(size);
  const auto read = pfkey::decode(Bytes(buffer).first(*size));
  MUST(read && *read == *m);
  SecretText out;
  const Instant now{{}, std::chrono::sys_seconds(std::chrono::seconds(1'795'230'245))};
  pfkey::PrintOptions options;
  options.verbose = true, options.now = now;
  pfkey::print_sa(*m, options, out);
  pfkey::print_message(*m, options, out);
  json_message(*m, pfkey::JsonOptions{.sadb = "kernel", .now = now}, out);
  MUST(std::ranges::all_of(out, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

// A policy is written as it was read, and there is a rule and a text for each.
void sound(const std::optional<xfrm::ListedPolicy>& listed) {
  if (!listed) return;
  NetlinkBatch batch;
  xfrm::put_policy(XFRM_MSG_NEWPOLICY, listed->policy, batch);
  const auto again = xfrm::policy_of(batch.bytes().subspan(sizeof(nlmsghdr)));
  MUST(!batch.ok() || (again && again->policy == listed->policy));
  MUST(!policy::read_xfrm(listed->policy).rule.alternatives.empty());
  MUST(!to_string(listed->policy).empty());
}

void see(const NetlinkMessage& m) {
  sound(xfrm::policy_of(m.payload));
  sound(xfrm::sa_of(m.payload, kContext));
  sound(xfrm::event_of(m, kContext));
  // Changes a limit or a number of an SA from the kernel's description of it.
  NetlinkBatch batch;
  xfrm::put_limits(m.payload, pfkey::Lifetime{1, 2, 3, 4}, pfkey::Lifetime{}, batch);
  xfrm::put_replay(m.payload, 77, 0, batch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 100'000) return 0;
  std::array<int, 2> ends{};
  MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
  MUST(send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) == static_cast<ssize_t>(size - 1));
  shutdown(ends[1], SHUT_WR);
  Netlink kernel(ends[0], std::chrono::milliseconds(0));
  NetlinkBatch batch;
  switch (data[0] % 3) {
    case 0:
      (void)kernel.hear_all(see);
      break;
    case 1:
      xfrm::put_dump(pfkey::SaType::unspec, batch);
      (void)kernel.dump(batch, see);
      break;
    default:
      xfrm::put_flush(pfkey::SaType::ah, batch);
      xfrm::put_flush(pfkey::SaType::esp, batch);
      (void)kernel.exchange(
          batch,
          [](std::size_t i, const NetlinkMessage& m) {
            MUST(i < 2);
            see(m);
          },
          [](std::size_t i, const Netlink::Verdict&) { MUST(i < 2); });
  }
  close(ends[1]);
  return 0;
}
