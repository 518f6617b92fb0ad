#include "cli/misplaced.h"

#include <gmock/gmock.h>

namespace ipseckey::cli {
namespace {

using pfkey::Message;

Message add(std::string_view src, std::string_view dst, std::uint32_t way = 0) {
  Message m;
  m.type = pfkey::Type::add;
  m.satype = pfkey::SaType::esp;
  m.sa = pfkey::Sa{.spi = 0x1000, .state = pfkey::State::mature, .flags = way};
  m.src = pfkey::Endpoint{.address = *parse_address(src)};
  m.dst = pfkey::Endpoint{.address = *parse_address(dst)};
  return m;
}

// The host is 192.0.2.1 and 2001:db8::1.
HostFacts host(bool forwards) {
  return {[](const Address& a) { return a == *parse_address("192.0.2.1") || a == *parse_address("2001:db8::1"); },
          [forwards](Family) { return forwards; }};
}

std::string said(const Message& m, const HostFacts& facts) {
  auto o = runs_the_wrong_way(m, facts);
  if (!o) o = is_elsewhere(m, facts);
  if (!o) return "";
  EXPECT_EQ(o->severity, lang::Severity::warning);
  return std::string(lang::keyword_for(o->about).name()) + ": " + o->message;
}

constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;

TEST(Misplaced, TheFileOfTheOtherHost) {
  for (const bool forwards : {false, true}) {
    EXPECT_EQ(said(add("192.0.2.2", "192.0.2.1", kOut), host(forwards)),
              "dst: the SA is outbound, but 192.0.2.1 is this host's own address: is this the other host's file?");
    EXPECT_EQ(said(add("::", "2001:db8::1", kOut), host(forwards)),
              "dst: the SA is outbound, but 2001:db8::1 is this host's own address: is this the other host's file?");
    EXPECT_EQ(said(add("192.0.2.1", "192.0.2.2", kIn), host(forwards)),
              "src: the SA is inbound, but 192.0.2.1 is this host's own address: is this the other host's file?");
    EXPECT_EQ(said(add("192.0.2.1", "192.0.2.2", kOut), host(forwards)), "");
    EXPECT_EQ(said(add("192.0.2.2", "192.0.2.1", kIn), host(forwards)), "");
    EXPECT_EQ(said(add("192.0.2.2", "192.0.2.1"), host(forwards)), "");
    EXPECT_EQ(said(add("192.0.2.1", "192.0.2.1", kOut), host(forwards)), "") << "to itself";
    EXPECT_EQ(said(add("192.0.2.1", "224.0.0.5", kIn), host(forwards)), "") << "a group that it is in";
  }
}

TEST(Misplaced, BothEndsElsewhere) {
  const std::string v4 =
      "dst: neither 192.0.2.2 nor 198.51.100.1 is this host's own address, and it does not forward IPv4 packets "
      "(sysctl "
      "net.ipv4.ip_forward): no packet will match this SA here";
  EXPECT_EQ(said(add("192.0.2.2", "198.51.100.1"), host(false)), v4);
  EXPECT_EQ(said(add("192.0.2.2", "198.51.100.1", kIn), host(false)), v4);
  EXPECT_EQ(said(add("192.0.2.2", "198.51.100.1"), host(true)), "");
  EXPECT_EQ(said(add("2001:db8::2", "2001:db8::3"), host(false)),
            "dst: neither 2001:db8::2 nor 2001:db8::3 is this host's own address, and it does not forward IPv6 packets "
            "(sysctl net.ipv6.conf.all.forwarding): no packet will match this SA here");
  EXPECT_EQ(said(add("0.0.0.0", "198.51.100.1"), host(false)), "") << "from any of its addresses";
  EXPECT_EQ(said(add("192.0.2.2", "224.0.0.5"), host(false)), "") << "a group that it may be in";
  EXPECT_EQ(said(add("127.0.0.1", "127.0.0.2"), host(false)), "");
  Message natted = add("203.0.113.1", "203.0.113.2");
  natted.natt_local = pfkey::Endpoint{.address = *parse_address("192.0.2.1")};
  EXPECT_EQ(said(natted, host(false)), "") << "src is the NAT's address";
}

TEST(Misplaced, NothingIsReportedAboutUnknownFacts) {
  EXPECT_EQ(said(add("192.0.2.2", "192.0.2.1", kOut), {}), "");
  EXPECT_EQ(said(add("192.0.2.2", "192.0.2.3"), {host(false).is_local, {}}), "");
  Message other = add("192.0.2.2", "192.0.2.1", kOut);
  other.type = pfkey::Type::del;
  EXPECT_EQ(said(other, host(false)), "");
}

}  // namespace
}  // namespace ipseckey::cli
