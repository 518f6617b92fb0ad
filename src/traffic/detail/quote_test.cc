/// ICMP errors through a tunnel (RFC 4301 section 6.2): which SA they use, and what strangers can do with them.
#include "traffic/detail/quote.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

// Hosts "near" and "far" behind the two ends of a tunnel, and routers that are behind neither of them.
struct Net {
  const char *near_net, *far_net, *near, *far, *router, *stranger;
  std::uint8_t prefix, unreachable, echo;
  std::uint8_t protocol;
};
constexpr std::array kNets = {
    Net{"10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", "198.51.100.9", "10.3.0.1", 16, 3, 8, 1},
    Net{"fd01::", "fd02::", "fd01::1", "fd02::1", "2001:db8:9::9", "fd03::1", 32, 1, 128, 58}};

Wish tunnel(const Net& net, bool back) {
  return {.src = back ? "192.0.2.2" : "192.0.2.1",
          .dst = back ? "192.0.2.1" : "192.0.2.2",
          .tunnel = true,
          .inner_src = back ? net.far_net : net.near_net,
          .inner_dst = back ? net.near_net : net.far_net,
          .prefix = net.prefix};
}

// An ICMP message whose checksum is not checked here.
Octets icmp(const char* src, const char* dst, std::uint8_t type, Bytes behind, std::uint8_t protocol) {
  Octets packet = datagram({.src = src, .dst = dst, .size = behind.size(), .protocol = protocol});
  const std::size_t at = header_size(parse_address(dst)->family);
  std::ranges::fill(packet.begin() + static_cast<std::ptrdiff_t>(at), packet.end(), std::byte{0});
  packet[at] = static_cast<std::byte>(type);
  std::ranges::copy(behind, packet.begin() + static_cast<std::ptrdiff_t>(at + 8));
  return packet;
}

// An error from `from` about a packet from near to far, with as much of it as routers quote.
Octets error(const Net& net, const char* from, const Shape& quoted, std::size_t most = 200) {
  const Octets whole = datagram(quoted);
  return icmp(from, quoted.src, net.unreachable, Bytes(whole).first(std::min(most, whole.size())), net.protocol);
}
Shape there(const Net& net) { return {.src = net.near, .dst = net.far, .size = 400, .src_port = 1000, .dst_port = 53}; }

// Far's gateway uses the SA for the way back; near's decrypts it.
struct Ends {
  Host far, near;
  explicit Ends(const Net& net, IcmpErrors errors = IcmpErrors::quoted, std::uint16_t port = 0)
      : far({.workers = 1, .icmp_errors = errors}), near({.workers = 1, .icmp_errors = errors}) {
    for (Host* const host : {&far, &near}) {
      Message m = add(0x100, tunnel(net, true));
      m.inner_src->port = port;
      m.inner_src->proto = m.inner_dst->proto = port ? kUdp : std::uint8_t{0};
      EXPECT_EQ(host->add(std::move(m)), kDone);
    }
  }
};

// What far's gateway does with it, and near's with the result.
std::string through(Ends& ends, const Octets& packet) {
  const Result out = protect(ends.far, packet);
  if (out.cause != Cause::none) return "out " + std::string(name(out.cause));
  const Result in = unprotect(ends.near, out.packet);
  if (in.cause != Cause::none) return "in " + std::string(name(in.cause));
  return hex(in.packet) == hex(packet) ? "through" : "changed";
}

// covers RFC4301-6.2-2
TEST(IcmpErrors, AnErrorFromARouterElsewhereUsesTheSaOfThePacketThatItQuotes) {
  for (const Net& net : kNets)
    for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{53}})
      for (const std::size_t most : {48u, 200u, 1000u}) {
        SCOPED_TRACE(fmt::format("{}, port {}, {} bytes", net.far, port, most));
        Ends ends(net, IcmpErrors::quoted, port);
        EXPECT_EQ(through(ends, error(net, net.router, there(net), most)), "through");
        EXPECT_EQ(ends.far.plane.carried({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.1")})->packets, 1u);
      }
}

// covers RFC4301-6.1.2-1 RFC4301-6.2-1
TEST(IcmpErrors, TheSwitchSelectsTheHeader) {
  for (const Net& net : kNets) {
    SCOPED_TRACE(net.far);
    Ends own(net, IcmpErrors::own), judge(net, IcmpErrors::own), quoted(net), both(net, IcmpErrors::both);
    const Octets elsewhere = error(net, net.router, there(net)), inside = error(net, net.far, there(net));
    EXPECT_EQ(through(own, elsewhere), "out no_sa");
    EXPECT_EQ(name(unprotect(judge.near, protect(quoted.far, elsewhere).packet).cause), "selector");
    EXPECT_EQ(through(own, inside), "through");
    EXPECT_EQ(through(both, elsewhere), "through");
    EXPECT_EQ(through(both, inside), "through");
    // From behind far's gateway, about a packet that used another SA to another host.
    Shape other = there(net);
    other.dst = net.stranger;
    const Octets false_one = error(net, net.far, other);
    EXPECT_EQ(through(quoted, false_one), "through");
    EXPECT_EQ(through(own, false_one), "through");
    EXPECT_EQ(through(both, false_one), "in selector");
    EXPECT_EQ(through(both, icmp(net.far, net.near, net.echo, {}, net.protocol)), "through") << "no error";
  }
}

// With SAs for one port: the error's own header matches none of them.
// covers RFC4301-6.2-4
TEST(IcmpErrors, AnErrorThatDoesNotMatchIsDropped) {
  for (const Net& net : kNets) {
    SCOPED_TRACE(net.far);
    Ends ends(net, IcmpErrors::quoted, 53);
    const auto with = [&](auto change) {
      Shape shape = there(net);
      change(shape);
      return through(ends, error(net, net.router, shape));
    };
    EXPECT_EQ(with([](Shape&) {}), "through");
    EXPECT_EQ(with([](Shape& s) { s.dst_port = 54; }), "out no_sa");
    EXPECT_EQ(with([](Shape& s) { std::swap(s.src_port, s.dst_port); }), "out no_sa");
    EXPECT_EQ(with([](Shape& s) { s.protocol = kTcp; }), "out no_sa");
    EXPECT_EQ(with([&](Shape& s) { s.dst = net.stranger; }), "out no_sa");
    EXPECT_EQ(with([&](Shape& s) { std::swap(s.src, s.dst); }), "out no_sa") << "the packet of the other direction";
    const Octets quoted = datagram(there(net));
    EXPECT_EQ(through(ends, icmp(net.router, net.near, net.echo, quoted, net.protocol)), "out no_sa") << "no error";
    EXPECT_EQ(through(ends, icmp(net.router, net.stranger, net.unreachable, quoted, net.protocol)), "out no_sa")
        << "to a host that did not send the quoted packet";
    const Octets nested = icmp(net.router, net.near, net.unreachable, error(net, net.near, there(net)), net.protocol);
    EXPECT_EQ(through(ends, nested), "out no_sa") << "an error about an error";
    Ends open(net);  // Its SA covers answers to the quoted error.
    Shape answer = there(net);
    std::swap(answer.src, answer.dst);
    const Octets whole = datagram(answer), about = icmp(net.near, net.far, net.unreachable, whole, net.protocol);
    EXPECT_EQ(through(open, icmp(net.router, net.near, net.unreachable, about, net.protocol)), "out no_sa")
        << "an error about an error that an SA covers";
  }
}

// The same on arrival: the other end, which has the keys, may decide differently.
TEST(IcmpErrors, AnInboundErrorIsCheckedToo) {
  for (const Net& net : kNets) {
    SCOPED_TRACE(net.far);
    Host far, near;
    Message wide = add(0x100, tunnel(net, true));
    const auto any = [&](std::optional<pfkey::Endpoint>& e) { e = endpoint(net.prefix == 16 ? "0.0.0.0" : "::", 0); };
    any(wide.inner_src), any(wide.inner_dst);
    ASSERT_EQ(far.add(std::move(wide)), kDone);
    Message narrow = add(0x100, tunnel(net, true));
    narrow.inner_src->port = 53, narrow.inner_src->proto = narrow.inner_dst->proto = kUdp;
    ASSERT_EQ(near.add(std::move(narrow)), kDone);
    const auto judged = [&](const Octets& packet) {
      return std::string(name(unprotect(near, protect(far, packet).packet).cause));
    };
    EXPECT_EQ(judged(error(net, net.router, there(net))), "none");
    Shape other = there(net);
    other.dst_port = 54;
    EXPECT_EQ(judged(error(net, net.router, other)), "selector");
    other = there(net), other.dst = net.stranger;
    EXPECT_EQ(judged(error(net, net.router, other)), "selector");
    other = there(net), std::swap(other.src, other.dst);
    EXPECT_EQ(judged(error(net, net.router, other)), "selector");
    EXPECT_EQ(judged(icmp(net.router, net.near, net.echo, datagram(there(net)), net.protocol)), "selector");
    EXPECT_EQ(judged(icmp(net.router, net.stranger, net.unreachable, datagram(there(net)), net.protocol)), "selector");
    EXPECT_EQ(near.plane.carried({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.1")})->mismatched, 5u);
  }
}

// In transport mode the sender of an error is an end of the SA, or the packet is not the SA's.
TEST(IcmpErrors, TransportModeAcceptsNoErrorsFromOtherHosts) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  EXPECT_EQ(
      name(protect(host, icmp("198.51.100.9", "192.0.2.2", 3, datagram({.src = "192.0.2.2", .dst = "192.0.2.1"}), 1))
               .cause),
      "no_sa");
}

// Extension headers and options before the quoted packet are skipped; a truncated or invalid one is not a quote.
TEST(IcmpErrors, EveryTruncationAndBitFlipOfTheQuotedPacketIsHandled) {
  for (const Net& net : kNets) {
    const bool v4 = net.prefix == 16;
    Octets quoted = datagram(there(net));
    const std::size_t header = v4 ? 20 : 40;
    if (v4) {
      quoted.insert(quoted.begin() + 20, 8, std::byte{1});
      quoted[0] = std::byte{0x47};
    } else {
      constexpr std::array<std::byte, 8> kOptions = {std::byte{17}, std::byte{0}, std::byte{1}, std::byte{4}};
      quoted.insert(quoted.begin() + 40, kOptions.begin(), kOptions.end());
      quoted[6] = std::byte{60};
    }
    mend_length(quoted);
    const auto read = [&](Bytes quote) {
      const Octets packet = icmp(net.router, net.near, net.unreachable, quote, net.protocol);
      return answer_to_quoted(packet, *parse(packet));
    };
    for (std::size_t size = 0; size <= quoted.size(); ++size) {
      SCOPED_TRACE(fmt::format("{} bytes to {}", size, net.far));
      const auto answer = read(Bytes(quoted).first(size));
      const std::size_t whole = header + 8;  // With its options.
      ASSERT_EQ(answer.has_value(), size >= whole);
      if (!answer) continue;
      EXPECT_EQ(answer->src, *parse_address(net.far));
      EXPECT_EQ(answer->dst, *parse_address(net.near));
      EXPECT_EQ(answer->upper, kUdp);
      EXPECT_EQ(answer->src_port, size >= whole + 4 ? std::optional<std::uint16_t>(53) : std::nullopt);
      EXPECT_EQ(answer->dst_port, size >= whole + 4 ? std::optional<std::uint16_t>(1000) : std::nullopt);
    }
    for (std::size_t bit = 0; bit < (header + 16) * 8; ++bit) {
      Octets odd = quoted;
      odd[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      const auto answer = read(odd);
      const bool sender = bit / 8 >= (v4 ? 12u : 8u) && bit / 8 < (v4 ? 16u : 24u);
      ASSERT_FALSE(sender && answer) << "bit " << bit;
      ASSERT_EQ(answer ? answer->dst : *parse_address(net.near), *parse_address(net.near)) << "bit " << bit;
    }
  }
}

}  // namespace
}  // namespace ipseckey::traffic
