// One packet in words, and every way in which they can be wrong.
#include "policylang/packet.h"

#include "policylang/testing.h"

namespace ipseckey::policylang {
namespace {

using testing::names;

Packet packet(std::string_view words) {
  const auto read = read_packet(words, names());
  EXPECT_TRUE(read) << (read ? "" : read.error());
  return read.value_or(Packet{});
}

std::string fault(std::string_view words) {
  const auto read = read_packet(words, names());
  return read ? "none" : read.error().substr(0, read.error().find('\n'));
}

TEST(PolicyPacket, IsReadFromWords) {
  const Packet p = packet("from one to 10.0.0.2 proto tcp sport 40000 dport telnet out mark 7 if_id 9 tunnel t0");
  EXPECT_EQ(to_string(p.from), "192.0.2.1");
  EXPECT_EQ(to_string(p.to), "10.0.0.2");
  EXPECT_EQ(p.protocol, 6);
  EXPECT_EQ(p.source_port, 40000);
  EXPECT_EQ(p.destination_port, 23);
  EXPECT_EQ(p.way, PacketWay::out);
  EXPECT_EQ(p.mark, 7u);
  EXPECT_EQ(p.if_id, 9u);
  EXPECT_EQ(p.tunnel, "t0");
  EXPECT_EQ(packet("from ::1 to ::2 in").way, PacketWay::in);
  EXPECT_EQ(packet("fwd to ::1 from ::2").way, PacketWay::forward);
  EXPECT_EQ(packet("from ::1 to ::2").way, std::nullopt);
  EXPECT_EQ(packet("from ::1 to ::2").protocol, std::nullopt);
  const Packet ping = packet("from 10.0.0.1 to 10.0.0.2 proto icmp type echo code 0");
  EXPECT_EQ(ping.icmp_type, 8);
  EXPECT_EQ(ping.icmp_code, 0);
}

TEST(PolicyPacket, IsSeenFromThisHost) {
  const Packet p = packet("from 10.0.0.1 to 10.0.0.2 proto udp sport 1 dport 2 mark 3");
  const policy::Flow out = flow_of(p, policy::Direction::out), in = flow_of(p, policy::Direction::in);
  EXPECT_EQ(to_string(out.local) + to_string(out.remote), "10.0.0.110.0.0.2");
  EXPECT_EQ(to_string(in.local) + to_string(in.remote), "10.0.0.210.0.0.1");
  EXPECT_EQ(out.local_port, 1);
  EXPECT_EQ(in.local_port, 2);
  EXPECT_EQ(in.remote_port, 1);
  EXPECT_EQ(in.mark, 3u);
  EXPECT_EQ(in.protocol, 17);
}

TEST(PolicyPacket, HasFaults) {
  EXPECT_EQ(fault(""), "error: a packet has a sender and a receiver: explain from ADDRESS to ADDRESS ...");
  EXPECT_EQ(fault("from 10.0.0.1"), "error: a packet has a sender and a receiver: explain from ADDRESS to ADDRESS ...");
  EXPECT_EQ(fault("from any to 10.0.0.1"), "error: from needs one address");
  EXPECT_EQ(fault("from two to 10.0.0.1"), "error: two has 2 addresses: name one of them");
  EXPECT_EQ(fault("from nowhere to 10.0.0.1"), "error: nowhere has no address: no such host");
  EXPECT_EQ(fault("from ::1 to 10.0.0.1"), "error: sender and receiver are of different families");
  EXPECT_EQ(fault("from 10.0.0.1 to 10.0.0.2 dport 5"),
            "error: only TCP, UDP and SCTP have ports: say proto tcp, for example");
  EXPECT_EQ(fault("from 10.0.0.1 to 10.0.0.2 type 8"), "error: ICMP numbers need proto icmp or proto ipv6-icmp");
  EXPECT_EQ(fault("from 10.0.0.1 to 10.0.0.2 proto icmp type 1-2"), "error: a packet has one number, not a range");
  EXPECT_EQ(fault("from 10.0.0.1 to 10.0.0.2 in out"), "error: a packet goes one way: write one of in, out and fwd");
  EXPECT_EQ(fault("form 10.0.0.1 to 10.0.0.2"), "error: Unknown word \"form\"; did you mean from?");
  EXPECT_EQ(read_packet("from 10.0.0.1 to 10.0.0.2 dport 5", names()).error(),
            "error: only TCP, UDP and SCTP have ports: say proto tcp, for example\n"
            "     1 | from 10.0.0.1 to 10.0.0.2 dport 5\n"
            "       |                           ^~~~~~~\n");
  EXPECT_EQ(fault("from 10.0.0.1 to"), "error: a value is missing at the end: to needs ADDRESS|NAME");
}

}  // namespace
}  // namespace ipseckey::policylang
