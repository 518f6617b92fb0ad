// Interfaces as the kernel describes them, and what they tell about tunnels.
#include "kernel/links.h"

#include <gmock/gmock.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "kernel/fake_kernel.h"

namespace ipseckey::kernel {
namespace {

using policy::TunnelEnds;
using policy::TunnelLink;
using testing::append;
using testing::Datagram;
using testing::FakeKernel;
using testing::Octets;
using testing::Peer;
using testing::Request;

Octets octets(std::string_view text) {
  Octets out;
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}
Octets address(std::string_view text) {
  const Address a = *parse_address(text);
  return {a.bytes().begin(), a.bytes().end()};
}

void attribute(Octets& to, std::uint16_t type, const Octets& value) {
  append(to, nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type});
  to.insert(to.end(), value.begin(), value.end());
  while (to.size() % 4 != 0) to.push_back({});
}

using Data = std::vector<std::pair<std::uint16_t, Octets>>;

// A link's answer; `cut` of its last bytes are missing.
Octets link_answer(std::string_view kind, const Data& data) {
  Octets of_kind, info, whole;
  for (const auto& [type, value] : data) attribute(of_kind, type, value);
  attribute(info, IFLA_INFO_KIND, octets(kind));
  attribute(info, IFLA_INFO_DATA, of_kind);
  append(whole, ifinfomsg{});
  attribute(whole, IFLA_LINKINFO, info);
  return whole;
}

Result<TunnelLink> ask(const Octets& answer, int error = 0, const std::string& name = "tun0") {
  FakeKernel kernel([&](const std::vector<Request>& requests, Peer& peer) {
    Datagram d;
    if (error == 0) d.message(RTM_NEWLINK, 0, requests[0].seq, answer);
    peer.say(d.verdict(requests[0].seq, error));
  });
  Netlink route = kernel.client();
  return find_link(route, name);
}

TunnelEnds ends(std::string_view local, std::string_view remote) {
  return {*parse_address(local), *parse_address(remote)};
}

TEST(Links, EachKindHasItsEndsAndWhatItsPacketsCarry) {
  const Data v4 = {{IFLA_IPTUN_LOCAL, address("192.0.2.1")}, {IFLA_IPTUN_REMOTE, address("192.0.2.2")}};
  const Data v6 = {{IFLA_IPTUN_LOCAL, address("2001:db8::1")}, {IFLA_IPTUN_REMOTE, address("2001:db8::2")}};
  EXPECT_EQ(ask(link_answer("ipip", v4)).value(), (TunnelLink{"ipip", ends("192.0.2.1", "192.0.2.2"), {4}}));
  EXPECT_EQ(ask(link_answer("sit", v4)).value(), (TunnelLink{"sit", ends("192.0.2.1", "192.0.2.2"), {41}}));
  EXPECT_EQ(ask(link_answer("ip6tnl", v6)).value(),
            (TunnelLink{"ip6tnl", ends("2001:db8::1", "2001:db8::2"), {41, 4}}));
  Data only = v6;
  only.emplace_back(IFLA_IPTUN_PROTO, Octets{std::byte{4}});
  EXPECT_EQ(ask(link_answer("ip6tnl", only)).value(), (TunnelLink{"ip6tnl", ends("2001:db8::1", "2001:db8::2"), {4}}));
  EXPECT_EQ(ask(link_answer("gre", {{IFLA_GRE_LOCAL, address("192.0.2.1")}, {IFLA_GRE_REMOTE, address("192.0.2.2")}}))
                .value(),
            (TunnelLink{"gre", ends("192.0.2.1", "192.0.2.2"), {47}}));
}

TEST(Links, VtiHasMarksAndXfrmANumber) {
  EXPECT_EQ(ask(link_answer("vti", {{IFLA_VTI_LOCAL, address("192.0.2.1")},
                                    {IFLA_VTI_REMOTE, address("192.0.2.2")},
                                    {IFLA_VTI_IKEY, octets(std::string_view("\0\0\0\6", 4))},
                                    {IFLA_VTI_OKEY, octets(std::string_view("\0\0\0\5", 4))}}))
                .value(),
            (TunnelLink{"vti", ends("192.0.2.1", "192.0.2.2"), {}, 0, 5, 6}));
  Octets number;
  append(number, std::uint32_t{9});
  EXPECT_EQ(ask(link_answer("xfrm", {{IFLA_XFRM_IF_ID, number}})).value(), (TunnelLink{"xfrm", {}, {}, 9}));
}

TEST(Links, AnEndThatIsNotFixedIsNone) {
  EXPECT_EQ(
      ask(link_answer("gre", {{IFLA_GRE_LOCAL, address("192.0.2.1")}, {IFLA_GRE_REMOTE, address("0.0.0.0")}})).value(),
      (TunnelLink{"gre", {}, {47}}));
}

TEST(Links, ErrorsSayWhatToDo) {
  const auto text = [](const Result<TunnelLink>& link) { return link ? "" : link.error().text; };
  EXPECT_EQ(text(ask({}, ENODEV)),
            "the interface tun0 does not exist: create it first (`ip link add`), or write the ends of the tunnel as "
            "`tsrc` and `tdst`");
  EXPECT_EQ(
      text(ask({}, 0, "a-name-that-is-too-long")),
      "the interface a-name-that-is-too-long does not exist: create it first (`ip link add`), or write the ends of "
      "the tunnel as `tsrc` and `tdst`");
  EXPECT_EQ(text(ask(link_answer("veth", {}))),
            "the interface tun0 is not a tunnel (veth): name one of type ipip, sit, ip6tnl, gre, gretap, ip6gre, "
            "ip6gretap, vti, vti6, xfrm, or leave `tunnel` out and write the ends as `tsrc` and `tdst`");
  EXPECT_EQ(text(ask({}, EPERM)), "the interface tun0 cannot be read: Operation not permitted (errno 1)");
}

TEST(Links, ACutAnswerIsNotReadBeyondItsEnd) {
  const Octets whole =
      link_answer("ipip", {{IFLA_IPTUN_LOCAL, address("192.0.2.1")}, {IFLA_IPTUN_REMOTE, address("192.0.2.2")}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto link = ask(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_TRUE(!link || !link->ends) << size;
  }
}

}  // namespace
}  // namespace ipseckey::kernel
