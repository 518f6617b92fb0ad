// Which packets meet a policy of the kernel: policy.md sections 5.1 and 5.6.
#include "policy/xfrm_match.h"

#include <gtest/gtest.h>

#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

Probe packet(std::string_view local, std::string_view remote, std::uint8_t protocol, std::uint16_t local_port = 0,
             std::uint16_t remote_port = 0) {
  Probe p;
  p.local = *parse_address(local), p.remote = *parse_address(remote), p.protocol = protocol;
  p.local_port = local_port, p.remote_port = remote_port;
  return p;
}

XfrmPolicyName between(std::string_view source, std::string_view destination,
                       XfrmDirection direction = XfrmDirection::out) {
  XfrmPolicyName name;
  name.direction = direction;
  name.selector.source = testing::prefix(source), name.selector.destination = testing::prefix(destination);
  return name;
}

TEST(XfrmMatch, AddressesFitTheWayThatThePacketGoes) {
  const Probe p = packet("10.0.0.1", "10.0.1.1", 17);
  EXPECT_EQ(meets(between("10.0.0.0/24", "10.0.1.0/24"), p), Meeting::yes);
  EXPECT_EQ(meets(between("10.0.1.0/24", "10.0.0.0/24"), p), Meeting::no);
  EXPECT_EQ(meets(between("10.0.1.0/24", "10.0.0.0/24", XfrmDirection::in), p), Meeting::yes);
  EXPECT_EQ(meets(between("10.0.1.0/24", "10.0.0.0/24", XfrmDirection::fwd), p), Meeting::yes);
  EXPECT_EQ(meets(between("0.0.0.0/0", "0.0.0.0/0"), p), Meeting::yes);
  EXPECT_EQ(meets(between("::/0", "::/0"), p), Meeting::no);
}

TEST(XfrmMatch, ProtocolMarkAndInterfaceNumberFit) {
  const Probe p = packet("10.0.0.1", "10.0.1.1", 17);
  XfrmPolicyName name = between("0.0.0.0/0", "0.0.0.0/0");
  name.selector.protocol = 6;
  EXPECT_EQ(meets(name, p), Meeting::no);
  name.selector.protocol = 17;
  EXPECT_EQ(meets(name, p), Meeting::yes);
  name.mark = 5, name.mark_mask = 0xff;
  EXPECT_EQ(meets(name, p), Meeting::no);
  Probe marked = p;
  marked.mark = 0x105;
  EXPECT_EQ(meets(name, marked), Meeting::yes);
  name.if_id = 7;
  EXPECT_EQ(meets(name, marked), Meeting::no);
  marked.if_id = 7;
  EXPECT_EQ(meets(name, marked), Meeting::yes);
}

TEST(XfrmMatch, PortsHaveMasksAndAreExchangedForWhatComesIn) {
  XfrmPolicyName name = between("0.0.0.0/0", "0.0.0.0/0");
  name.selector.destination_port = {0x1000, 0xf000};
  EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", 17, 1, 0x1fff)), Meeting::yes);
  EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", 17, 0x1fff, 1)), Meeting::no);
  name.direction = XfrmDirection::in;
  EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", 17, 0x1fff, 1)), Meeting::yes);
  // A fragment has none: 0 is compared.
  Probe fragment = packet("10.0.0.1", "10.0.1.1", 17);
  fragment.local_port.reset(), fragment.remote_port.reset();
  EXPECT_EQ(meets(name, fragment), Meeting::no);
  name.selector.destination_port = {0, UINT16_MAX};
  EXPECT_EQ(meets(name, fragment), Meeting::yes);
}

// Types and codes are in the places of the ports, whichever way the packet goes.
TEST(XfrmMatch, PortsWithoutAProtocolMeanIcmpToo) {
  for (const XfrmDirection d : {XfrmDirection::out, XfrmDirection::in}) {
    XfrmPolicyName name = between("0.0.0.0/0", "0.0.0.0/0", d);
    name.selector.source_port = {8, UINT16_MAX};
    Probe echo = packet("10.0.0.1", "10.0.1.1", 1);
    echo.icmp_type = 8, echo.icmp_code = 0;
    EXPECT_EQ(meets(name, echo), Meeting::yes);
    echo.icmp_type = 0, echo.icmp_code = 8;
    EXPECT_EQ(meets(name, echo), Meeting::no);
  }
}

TEST(XfrmMatch, WhatAPacketDoesNotSayMayFit) {
  XfrmPolicyName name = between("0.0.0.0/0", "0.0.0.0/0");
  name.selector.device = 3;
  EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", 17)), Meeting::maybe);
  EXPECT_EQ(meets(name, packet("fd00::1", "fd00::2", 17)), Meeting::no);
  name.selector.device = 0;
  for (const std::uint8_t protocol : {std::uint8_t{47}, std::uint8_t{135}}) {
    name.selector.protocol = protocol, name.selector.destination_port = {};
    EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", protocol)), Meeting::yes);
    name.selector.destination_port = {5, UINT16_MAX};
    EXPECT_EQ(meets(name, packet("10.0.0.1", "10.0.1.1", protocol)), Meeting::maybe);
  }
}

}  // namespace
}  // namespace ipseckey::policy
