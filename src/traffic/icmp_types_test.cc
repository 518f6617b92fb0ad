/// SAs by ICMP type and code (RFC 4301 section 4.4.1.1).
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "pfkey/icmp.h"
#include "traffic/detail/quote.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

struct Net {
  const char *src, *dst, *inner_src, *inner_dst, *here, *there;
  std::uint8_t prefix, protocol, request, reply, unreachable;
};
constexpr std::array kNets = {
    Net{"192.0.2.1", "192.0.2.2", "10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", 16, 1, 8, 0, 3},
    Net{"2001:db8::1", "2001:db8::2", "fd01::", "fd02::", "fd01::1", "fd02::1", 32, 58, 128, 129, 1}};

// An SA for messages of that type and code; nullopt: any.
Message sa(const Net& net, std::uint32_t spi, bool tunnel, std::optional<std::uint8_t> type,
           std::optional<std::uint8_t> code = {}) {
  Message m = add(spi, {.src = net.src,
                        .dst = net.dst,
                        .tunnel = tunnel,
                        .inner_src = net.inner_src,
                        .inner_dst = net.inner_dst,
                        .prefix = net.prefix});
  auto &from = tunnel ? m.inner_src : m.src, &to = tunnel ? m.inner_dst : m.dst;
  from->proto = to->proto = net.protocol;
  from->port = type ? pfkey::port_of_icmp(*type) : std::uint16_t{0};
  to->port = code ? pfkey::port_of_icmp(*code) : std::uint16_t{0};
  return m;
}

Octets icmp(const Net& net, bool tunnel, std::uint8_t type, std::uint8_t code) {
  Octets packet =
      datagram({.src = tunnel ? net.here : net.src, .dst = tunnel ? net.there : net.dst, .protocol = net.protocol});
  const std::size_t at = header_size(parse_address(net.dst)->family);
  packet[at] = static_cast<std::byte>(type), packet[at + 1] = static_cast<std::byte>(code);
  return packet;
}

// 0: it is dropped for lack of an SA.
std::uint32_t spi_for(Host& host, const Net& net, const Octets& packet) {
  const Result out = protect(host, packet);
  if (out.cause == Cause::no_sa) return 0;
  EXPECT_EQ(name(out.cause), "none");
  if (out.cause != Cause::none) return UINT32_MAX;
  return get<std::uint32_t>(out.packet, header_size(parse_address(net.dst)->family));
}

// As if requests and replies have SAs of their own (and 0 is a type like any other).
TEST(IcmpTypes, EachHasItsSaInBothDirections) {
  for (const Net& net : kNets)
    for (const bool tunnel : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {}", net.dst, tunnel));
      Host here, there;
      for (Host* const host : {&here, &there}) {
        ASSERT_EQ(host->add(sa(net, 0x100, tunnel, net.request)), kDone);
        ASSERT_EQ(host->add(sa(net, 0x200, tunnel, net.reply)), kDone);
        ASSERT_EQ(host->add(sa(net, 0x300, tunnel, net.unreachable, 0)), kDone);
        ASSERT_EQ(host->add(sa(net, 0x400, tunnel, net.unreachable, 4)), kDone);
      }
      struct Row {
        std::uint8_t type, code;
        std::uint32_t spi;
      };
      // Twice: the remembered SA of one type is not used for another.
      for (int round = 0; round < 2; ++round)
        for (const Row& row : {Row{net.request, 0, 0x100}, Row{net.request, 9, 0x100}, Row{net.reply, 0, 0x200},
                               Row{net.unreachable, 0, 0x300}, Row{net.unreachable, 4, 0x400},
                               Row{net.unreachable, 1, 0}, Row{200, 0, 0}}) {
          SCOPED_TRACE(fmt::format("type {} code {}", row.type, row.code));
          const Octets packet = icmp(net, tunnel, row.type, row.code);
          ASSERT_EQ(spi_for(here, net, packet), row.spi);
          if (row.spi != 0) {
            EXPECT_EQ(hex(unprotect(there, protect(here, packet).packet).packet), hex(packet));
          }
        }
    }
}

// With the keys of one SA, nobody can send another type by it.
TEST(IcmpTypes, AMessageUnderTheWrongSaIsDropped) {
  for (const Net& net : kNets)
    for (const bool tunnel : {false, true}) {
      Host here, there;
      ASSERT_EQ(here.add(sa(net, 0x100, tunnel, std::nullopt)), kDone);
      ASSERT_EQ(there.add(sa(net, 0x100, tunnel, net.reply, 0)), kDone);
      const auto in = [&](std::uint8_t type, std::uint8_t code) {
        return std::string(name(unprotect(there, protect(here, icmp(net, tunnel, type, code)).packet).cause));
      };
      EXPECT_EQ(in(net.reply, 0), "none");
      EXPECT_EQ(in(net.request, 0), "selector");
      EXPECT_EQ(in(net.reply, 1), "selector");
    }
}

TEST(IcmpTypes, PortsWithoutAProtocolAreNotTypes) {
  for (const Net& net : kNets) {
    Host host;
    Message m = sa(net, 0x100, true, net.request);
    m.inner_src->proto = m.inner_dst->proto = 0;
    ASSERT_EQ(host.add(std::move(m)), kDone);
    EXPECT_EQ(spi_for(host, net, icmp(net, true, net.request, 0)), 0u);
    EXPECT_EQ(spi_for(host, net, datagram({.src = net.here, .dst = net.there, .src_port = net.request})), 0x100u);
  }
}

TEST(IcmpTypes, PacketsWithoutATypeNeedAnSaForAnyType) {
  for (const Net& net : kNets) {
    Host typed, any;
    ASSERT_EQ(typed.add(sa(net, 0x100, true, net.request)), kDone);
    ASSERT_EQ(any.add(sa(net, 0x100, true, std::nullopt)), kDone);
    Octets cut = icmp(net, true, net.request, 0);
    cut.resize(header_size(parse_address(net.dst)->family) + 1);
    mend_length(cut);
    EXPECT_EQ(spi_for(typed, net, cut), 0u);
    EXPECT_EQ(spi_for(any, net, cut), 0x100u);
    Octets room(1000);
    std::vector<Octets> pieces;
    Octets whole = datagram({.src = net.here, .dst = net.there, .size = 900, .protocol = net.protocol});
    whole[header_size(parse_address(net.dst)->family)] = static_cast<std::byte>(net.request);
    ASSERT_TRUE(fragment(whole, 600, 7, room, [&](Bytes b) { pieces.emplace_back(b.begin(), b.end()); }));
    ASSERT_EQ(pieces.size(), 2u);
    // As for an SA with ports, the datagram is reassembled.
    EXPECT_EQ(name(protect(typed, pieces[0]).cause), "held");
    Held last(pieces[1], Packet::kHeadroom, 2000);
    typed.worker.protect({&last.item, 1}, at(0));
    EXPECT_EQ(name(last.item.cause), "none");
    for (const Octets& piece : pieces) EXPECT_EQ(spi_for(any, net, piece), 0x100u);
  }
}

// An echo and its reply, or an error, are one connection, as before SAs could distinguish them.
TEST(IcmpTypes, AConnectionIsCountedOnce) {
  for (const Net& net : kNets) {
    Host host;
    ASSERT_EQ(host.add(sa(net, 0x100, true, std::nullopt)), kDone);
    for (const std::uint8_t type : {net.request, net.reply, net.unreachable, net.request})
      EXPECT_EQ(spi_for(host, net, icmp(net, true, type, 0)), 0x100u);
    EXPECT_EQ(host.plane.carried({pfkey::SaType::esp, 0x100, *parse_address(net.dst)})->allocations, 1u);
  }
}

// An error about a request uses the SA for replies, which answer it (RFC 4301 section 6.2).
TEST(IcmpTypes, TheAnswerToARequestIsAReply) {
  for (const Net& net : kNets) {
    const auto answer = [&](std::uint8_t type) {
      const Octets quoted = icmp(net, true, type, 0);
      Octets error = datagram({.src = "198.51.100.9", .dst = net.here, .size = quoted.size(), .protocol = 1});
      if (net.protocol == 58)
        error = datagram({.src = "fd99::1", .dst = net.here, .size = quoted.size(), .protocol = 58});
      const std::size_t at = header_size(parse_address(net.here)->family);
      error[at] = static_cast<std::byte>(net.unreachable);
      std::ranges::copy(quoted, error.begin() + static_cast<std::ptrdiff_t>(at + 8));
      return answer_to_quoted(error, *parse(error))->icmp_type;
    };
    EXPECT_EQ(answer(net.request), net.reply);
    EXPECT_EQ(answer(net.reply), net.request);
    EXPECT_EQ(answer(200), 200);
  }
}

}  // namespace
}  // namespace ipseckey::traffic
