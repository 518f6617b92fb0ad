// Segmenting and merging: every expected packet here is built field by field, with a checksum of its own.
#include <gtest/gtest.h>

#include <functional>

#include "traffic/coalesce.h"
#include "traffic/segment.h"
#include "traffic/testing.h"

namespace ipseckey::traffic::testing {
namespace {

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32, kEce = 64, kCwr = 128;

std::uint16_t slow_sum(Bytes b, std::uint32_t sum) {
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::to_integer<std::uint32_t>(b[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

struct Tcp {
  bool v6 = false;
  std::size_t payload = 100, skip = 0;  // Payload is the stream's octets from `skip` on.
  std::uint32_t sequence = 1000, ack = 77;
  std::uint8_t flags = kAck;
  std::uint16_t window = 501, id = 9, src_port = 1111;
  bool dont_fragment = false;
  std::uint8_t traffic_class = 0, hop_limit = 60;
  std::size_t options = 12;
  std::byte option{1};
  std::uint32_t flow_label = 5;
  std::uint8_t protocol = kTcp;
  bool unsummed = false;
  std::uint16_t wrong_sum = 0;
  const char* src = nullptr;
};

std::byte stream(std::size_t at) { return static_cast<std::byte>(at * 7 + at / 256); }

Octets packet(const Tcp& t) {
  const Address src = *parse_address(t.src ? t.src : t.v6 ? "fd01::1" : "10.1.0.1");
  const Address dst = *parse_address(t.v6 ? "fd02::1" : "10.2.0.1");
  const std::size_t ip = header_size(dst.family), tcp = t.protocol == kTcp ? 20 + t.options : 8;
  Octets p(ip + tcp + t.payload);
  write_header(p,
               {.src = src,
                .dst = dst,
                .protocol = t.protocol,
                .traffic_class = t.traffic_class,
                .hop_limit = t.hop_limit,
                .id = t.id,
                .dont_fragment = t.dont_fragment,
                .flow_label = t.flow_label},
               p.size());
  const MutableBytes upper = MutableBytes(p).subspan(ip);
  Writer w(upper);
  w.net(t.src_port);
  w.net(std::uint16_t{2222});
  if (t.protocol == kTcp) {
    w.net(t.sequence);
    w.net(t.ack);
    w.net(static_cast<std::uint8_t>(tcp / 4 << 4));
    w.net(t.flags);
    w.net(t.window);
    w.net(std::uint32_t{0});
    for (std::size_t i = 0; i < t.options; ++i) w.net(std::to_integer<std::uint8_t>(t.option));
  } else {
    w.net(static_cast<std::uint16_t>(upper.size()));
    w.net(std::uint16_t{0});
  }
  for (std::size_t i = 0; i < t.payload; ++i) upper[tcp + i] = stream(t.skip + i);
  std::uint32_t sum = t.protocol + static_cast<std::uint32_t>(upper.size());
  sum = slow_sum(dst.bytes(), slow_sum(src.bytes(), sum));
  if (!t.unsummed) sum = static_cast<std::uint16_t>(~slow_sum(upper, sum));
  set(upper, t.protocol == kTcp ? 16 : 6, static_cast<std::uint16_t>(sum ^ t.wrong_sum));
  return p;
}

Offload offload(const Tcp& t, std::size_t size) {
  return {.kind = t.protocol == kTcp ? Offload::Kind::tcp : Offload::Kind::udp,
          .size = static_cast<std::uint16_t>(size),
          .unsummed = true,
          .sum_at = static_cast<std::uint16_t>(t.v6 ? 40 : 20),
          .field = static_cast<std::uint16_t>(t.protocol == kTcp ? 16 : 6)};
}

using Packets = std::vector<Octets>;

Packets cut(Bytes packet, const Offload& o) {
  auto segments = Segments::of(packet, o);
  Packets out;
  Octets memory(70000);
  Packet into{memory, 0, 0};
  while (segments && segments->next(into)) out.emplace_back(into.bytes().begin(), into.bytes().end());
  return out;
}

// What a network card would make of it.
Packets expected_cut(Tcp t, std::size_t size) {
  Packets out;
  const Tcp whole = t;
  for (std::size_t at = 0; at < whole.payload; at += size) {
    t.skip = at;
    t.payload = std::min(size, whole.payload - at);
    t.sequence = whole.sequence + static_cast<std::uint32_t>(at);
    t.id = static_cast<std::uint16_t>(whole.id + at / size);
    t.flags = whole.flags;
    if (at + t.payload < whole.payload) t.flags &= static_cast<std::uint8_t>(~(kFin | kPsh));
    if (at > 0) t.flags &= static_cast<std::uint8_t>(~kCwr);
    out.push_back(packet(t));
  }
  return out;
}

struct Joined {
  Octets packet;
  Offload offload;
  bool operator==(const Joined&) const = default;
};

std::vector<Joined> join(const Packets& packets, std::size_t dropped = SIZE_MAX, bool datagrams = true) {
  std::vector<Held> held;
  std::vector<Item> items;
  for (const Octets& p : packets) held.emplace_back(p);
  for (Held& h : held) {
    h.item.packet.memory = h.memory;
    items.push_back(h.item);
  }
  if (dropped < items.size()) items[dropped].cause = Cause::replayed;
  std::vector<Joined> out;
  Coalescer coalescer(datagrams);
  coalescer.join(items, [&](std::span<const MutableBytes> pieces, const Offload& o) {
    out.push_back({{}, o});
    for (const Bytes piece : pieces) out.back().packet.insert(out.back().packet.end(), piece.begin(), piece.end());
  });
  return out;
}

TEST(Offload, APacketIsSegmentedAsByACard) {
  for (const bool v6 : {false, true})
    for (const bool dont_fragment : {false, true})
      for (const std::size_t options : {0u, 12u, 40u})
        for (const auto& [payload, size] : {std::pair<std::size_t, std::size_t>{1, 1},
                                            {99, 100},
                                            {100, 100},
                                            {101, 100},
                                            {200, 100},
                                            {7, 1},
                                            {4000, 1},
                                            {9001, 1347},
                                            {65000, 1348}}) {
          Tcp t{.v6 = v6,
                .payload = payload,
                .sequence = 0xfffffff0,
                .flags = kAck | kPsh | kFin | kCwr | kEce,
                .id = 0xffff,
                .dont_fragment = dont_fragment,
                .traffic_class = 2,
                .options = options,
                .unsummed = true};
          const Octets whole = packet(t);
          const Offload o = offload(t, size);
          t.unsummed = false;
          EXPECT_EQ(cut(whole, o), expected_cut(t, size)) << payload << " by " << size << " v6 " << v6;
        }
}

TEST(Offload, DatagramsAreSegmentedToo) {
  for (const bool v6 : {false, true}) {
    Tcp t{.v6 = v6, .payload = 2801, .protocol = kUdp, .unsummed = true};
    const Octets whole = packet(t);
    t.unsummed = false;
    EXPECT_EQ(cut(whole, offload(t, 1400)), expected_cut(t, 1400));
  }
}

TEST(Offload, AnyProtocolsChecksumIsCompleted) {
  for (const bool v6 : {false, true})
    for (const std::uint8_t protocol : {kTcp, kUdp}) {
      Tcp t{.v6 = v6, .payload = 33, .protocol = protocol, .unsummed = true};
      const Octets begun = packet(t);
      Offload o = offload(t, 0);
      o.kind = Offload::Kind::none;
      t.unsummed = false;
      EXPECT_EQ(cut(begun, o), Packets{packet(t)});
      EXPECT_EQ(cut(begun, {}), Packets{begun});  // No offload was requested.
    }
}

TEST(Offload, ADatagramsChecksumIsNeverZero) {
  Tcp t{.payload = 2, .protocol = kUdp, .unsummed = true};
  Octets begun = packet(t);
  set(begun, 28, std::uint16_t{0});
  const std::uint16_t rest = slow_sum(Bytes(begun).subspan(20), 0);
  set(begun, 28, static_cast<std::uint16_t>(~rest));  // All adds up to 0xffff, whose complement is 0.
  Offload o = offload(t, 0);
  o.kind = Offload::Kind::none;
  const Packets out = cut(begun, o);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(get<std::uint16_t>(out[0], 26), 0xffff);
}

TEST(Offload, AContradictoryPacketIsNotSegmented) {
  const Tcp t{.payload = 300, .unsummed = true};
  const Octets good = packet(t);
  const auto refused = [&](const char* why, const std::function<void(Octets&, Offload&)>& spoil) {
    Octets p = good;
    Offload o = offload(t, 100);
    spoil(p, o);
    EXPECT_FALSE(Segments::of(p, o)) << why;
  };
  refused("no size", [](Octets&, Offload& o) { o.size = 0; });
  refused("a datagram", [](Octets&, Offload& o) { o.kind = Offload::Kind::udp; });
  refused("summed", [](Octets&, Offload& o) { o.unsummed = false; });
  refused("summed elsewhere", [](Octets&, Offload& o) { o.sum_at = 24; });
  refused("no IP", [](Octets& p, Offload&) { p[0] = std::byte{0x15}; });
  refused("a fragment", [](Octets& p, Offload&) {
    p[6] = std::byte{0x20};
    mend_checksum(p);
  });
  refused("a short TCP header", [](Octets& p, Offload&) { p[32] = std::byte{0x40}; });
  refused("a TCP header behind the end", [](Octets& p, Offload&) {
    p.resize(20 + 24);
    mend_length(p);
  });
  refused("no payload", [](Octets& p, Offload&) {
    p.resize(20 + 32);
    mend_length(p);
  });
  refused("a sum behind the end", [](Octets&, Offload& o) {
    o.kind = Offload::Kind::none;
    o.sum_at = 340;
  });
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Segments::of(Bytes(good).first(size), offload(t, 100))) << size;
}

TEST(Offload, ASegmentThatDoesNotFitIsNotWritten) {
  const Tcp t{.payload = 300, .unsummed = true};
  const Octets whole = packet(t);
  auto segments = Segments::of(whole, offload(t, 100));
  ASSERT_TRUE(segments);
  Octets memory(Packet::kHeadroom + 152 + Packet::kTailroom);
  Packet small{MutableBytes(memory).first(memory.size() - 1), 0, 0}, enough{memory, 0, 0};
  EXPECT_FALSE(segments->next(small));
  EXPECT_EQ(segments->left(), 3u);
  EXPECT_TRUE(segments->next(enough));
  EXPECT_EQ(segments->left(), 2u);
}

TEST(Offload, SegmentsAreMergedAgain) {
  for (const bool v6 : {false, true})
    for (const bool dont_fragment : {false, true})
      for (const std::size_t options : {0u, 12u})
        for (const auto& [payload, size] :
             {std::pair<std::size_t, std::size_t>{200, 100}, {101, 100}, {128, 1}, {9001, 1347}, {65000, 1348}}) {
          Tcp t{.v6 = v6,
                .payload = payload,
                .sequence = 0xfffffff0,
                .flags = kAck | kPsh | kFin | kEce,
                .id = 0xffff,
                .dont_fragment = dont_fragment,
                .traffic_class = 3,
                .options = options};
          const Packets segments = expected_cut(t, size);
          t.unsummed = true;
          EXPECT_EQ(join(segments), (std::vector<Joined>{{packet(t), offload(t, size)}})) << payload << " by " << size;
        }
}

// Two packets that would be merged; after each change they are not.
struct Apart {
  Tcp one, two;

  void operator()(const char* why, const std::function<void(Tcp&, Tcp&)>& change, bool v6 = false) const {
    Tcp a = one, b = two;
    a.v6 = b.v6 = v6;
    change(a, b);
    const Packets both{packet(a), packet(b)};
    EXPECT_EQ(join(both), (std::vector<Joined>{{both[0], {}}, {both[1], {}}})) << why << " v6 " << v6;
  }

  // Changes of the IP header, whatever is in the packet.
  void by_ip() const {
    const Apart& apart = *this;
    apart("another flow label", [](Tcp&, Tcp& b) { b.flow_label += 1; }, true);
    apart("another host", [](Tcp&, Tcp& b) { b.src = "10.1.0.2"; });
    apart("another host", [](Tcp&, Tcp& b) { b.src = "fd01::2"; }, true);
    apart("another DF", [](Tcp&, Tcp& b) { b.dont_fragment = true; });
    apart("a gap in the IDs", [](Tcp&, Tcp& b) { b.id += 1; });
    apart("the same ID", [](Tcp&, Tcp& b) { b.id -= 1; });
  }
};

TEST(Offload, OnlyConsecutiveSegmentsAlikeAreMerged) {
  const Tcp one{.payload = 100, .sequence = 1000, .id = 9};
  Tcp two = one;
  two.skip = 100, two.sequence = 1100, two.id = 10;
  const Apart apart{one, two};
  for (const bool v6 : {false, true}) {
    apart("a gap", [](Tcp&, Tcp& b) { b.sequence += 1; }, v6);
    apart("a repetition", [](Tcp&, Tcp& b) { b.sequence -= 100; }, v6);
    apart("another ack", [](Tcp&, Tcp& b) { b.ack += 1; }, v6);
    apart("another window", [](Tcp&, Tcp& b) { b.window += 1; }, v6);
    apart("another mark", [](Tcp&, Tcp& b) { b.traffic_class = 3; }, v6);
    apart("another hop limit", [](Tcp&, Tcp& b) { b.hop_limit -= 1; }, v6);
    apart("another time stamp", [](Tcp&, Tcp& b) { b.option = std::byte{2}; }, v6);
    apart("more options", [](Tcp&, Tcp& b) { b.options = 16; }, v6);
    apart("another port", [](Tcp&, Tcp& b) { b.src_port += 1; }, v6);
    apart("a longer one", [](Tcp&, Tcp& b) { b.payload = 101; }, v6);
    apart("nothing in the second", [](Tcp&, Tcp& b) { b.payload = 0; }, v6);
    apart("nothing in the first", [](Tcp& a, Tcp& b) { a.payload = 0, b.sequence = 1000; }, v6);
    apart("a wrong checksum first", [](Tcp& a, Tcp&) { a.wrong_sum = 0x100; }, v6);
    apart("a wrong checksum last", [](Tcp&, Tcp& b) { b.wrong_sum = 1; }, v6);
    apart("a push before", [](Tcp& a, Tcp&) { a.flags |= kPsh; }, v6);
    apart("an end before", [](Tcp& a, Tcp&) { a.flags |= kFin; }, v6);
    for (const std::uint8_t flag : {kSyn, kRst, kUrg, kCwr}) {
      apart("such a flag first", [&](Tcp& a, Tcp&) { a.flags |= flag; }, v6);
      apart("such a flag last", [&](Tcp&, Tcp& b) { b.flags |= flag; }, v6);
    }
    apart("an echo", [](Tcp&, Tcp& b) { b.flags |= kEce; }, v6);
    apart("no ack", [](Tcp& a, Tcp& b) { a.flags = b.flags = 0; }, v6);
  }
  apart.by_ip();
}

TEST(Offload, DatagramsAreMergedAgain) {
  for (const bool v6 : {false, true})
    for (const bool dont_fragment : {false, true})
      for (const auto& [payload, size] :
           {std::pair<std::size_t, std::size_t>{200, 100}, {101, 100}, {64, 1}, {4096, 64}, {60000, 1348}}) {
        Tcp t{.v6 = v6,
              .payload = payload,
              .id = 0xffff,
              .dont_fragment = dont_fragment,
              .traffic_class = 3,
              .protocol = kUdp};
        const Packets datagrams = expected_cut(t, size);
        t.unsummed = true;
        EXPECT_EQ(join(datagrams), (std::vector<Joined>{{packet(t), offload(t, size)}})) << payload << " by " << size;
        EXPECT_EQ(cut(packet(t), offload(t, size)), datagrams);
      }
}

TEST(Offload, OnlyConsecutiveDatagramsAlikeAreMerged) {
  const Tcp one{.payload = 100, .id = 9, .protocol = kUdp};
  Tcp two = one;
  two.skip = 100, two.id = 10;
  const Apart apart{one, two};
  for (const bool v6 : {false, true}) {
    apart("another mark", [](Tcp&, Tcp& b) { b.traffic_class = 3; }, v6);
    apart("another hop limit", [](Tcp&, Tcp& b) { b.hop_limit -= 1; }, v6);
    apart("another port", [](Tcp&, Tcp& b) { b.src_port += 1; }, v6);
    apart("a longer one", [](Tcp&, Tcp& b) { b.payload = 101; }, v6);
    apart("nothing in the second", [](Tcp&, Tcp& b) { b.payload = 0; }, v6);
    apart("nothing in the first", [](Tcp& a, Tcp&) { a.payload = 0; }, v6);
    apart("nothing in either", [](Tcp& a, Tcp& b) { a.payload = b.payload = 0; }, v6);
    apart("a wrong checksum first", [](Tcp& a, Tcp&) { a.wrong_sum = 0x100; }, v6);
    apart("a wrong checksum last", [](Tcp&, Tcp& b) { b.wrong_sum = 1; }, v6);
    apart("another protocol", [](Tcp&, Tcp& b) { b.protocol = kTcp; }, v6);
  }
  apart.by_ip();
}

TEST(Offload, DatagramsWithoutAChecksumOrWithAnotherLengthAreUnchanged) {
  for (const bool v6 : {false, true})
    for (const std::size_t spoiled : {0u, 1u}) {
      const std::size_t upper = v6 ? 40 : 20;
      Packets none = expected_cut({.v6 = v6, .payload = 200, .protocol = kUdp}, 100), shorter = none;
      set(none[spoiled], upper + 6, std::uint16_t{0});
      EXPECT_EQ(join(none), (std::vector<Joined>{{none[0], {}}, {none[1], {}}}));
      set(shorter[spoiled], upper + 4, std::uint16_t{100});
      EXPECT_EQ(join(shorter), (std::vector<Joined>{{shorter[0], {}}, {shorter[1], {}}}));
    }
}

TEST(Offload, ShortDatagramsEndARunAndLinuxsLimitToo) {
  const Packets x = expected_cut({.payload = 250, .protocol = kUdp}, 100);
  const Octets next = packet({.payload = 100, .skip = 250, .id = 12, .protocol = kUdp});
  Tcp all{.payload = 250, .protocol = kUdp, .unsummed = true};
  EXPECT_EQ(join({x[0], x[1], x[2], next}), (std::vector<Joined>{{packet(all), offload(all, 100)}, {next, {}}}));
  Tcp front{.payload = 64, .protocol = kUdp, .unsummed = true};
  Tcp back{.payload = 36, .skip = 64, .id = 9 + 64, .protocol = kUdp, .unsummed = true};
  EXPECT_EQ(join(expected_cut({.payload = 100, .protocol = kUdp}, 1)),
            (std::vector<Joined>{{packet(front), offload(front, 1)}, {packet(back), offload(back, 1)}}));
}

TEST(Offload, ADeviceThatDoesNotKnowLongDatagramsGetsNone) {
  const Packets x = expected_cut({.payload = 200, .protocol = kUdp}, 100), y = expected_cut({.payload = 200}, 100);
  Tcp all{.payload = 200, .unsummed = true};
  EXPECT_EQ(join({x[0], x[1], y[0], y[1]}, SIZE_MAX, false),
            (std::vector<Joined>{{x[0], {}}, {x[1], {}}, {packet(all), offload(all, 100)}}));
}

// A protocol's packets do not end the runs of another with the same ports.
TEST(Offload, DatagramsAndSegmentsOfTheSamePortsAreMergedSeparately) {
  for (const bool v6 : {false, true}) {
    Tcp t{.v6 = v6, .payload = 300}, u{.v6 = v6, .payload = 300, .protocol = kUdp};
    const Packets x = expected_cut(t, 100), y = expected_cut(u, 100);
    t.unsummed = u.unsummed = true;
    EXPECT_EQ(join({x[0], y[0], y[1], x[1], x[2], y[2]}),
              (std::vector<Joined>{{packet(t), offload(t, 100)}, {packet(u), offload(u, 100)}}));
  }
}

TEST(Offload, NothingOvertakesWithinAFlow) {
  const Packets x = expected_cut({.payload = 400, .protocol = kUdp}, 100);
  Tcp first{.payload = 200, .protocol = kUdp, .unsummed = true};
  Tcp second{.payload = 200, .skip = 200, .id = 11, .protocol = kUdp, .unsummed = true};
  const Joined front{packet(first), offload(first, 100)}, back{packet(second), offload(second, 100)};
  const Octets empty = packet({.payload = 0, .protocol = kUdp}), other = packet({.src_port = 7, .protocol = kUdp});
  EXPECT_EQ(join({x[0], x[1], empty, x[2], x[3]}), (std::vector<Joined>{front, {empty, {}}, back}));
  Octets fragment = other;
  set(fragment, 6, std::uint16_t{0x2001});
  mend_checksum(fragment);
  EXPECT_EQ(join({x[0], x[1], fragment, x[2], x[3]}), (std::vector<Joined>{front, {fragment, {}}, back}));
  Tcp all{.payload = 400, .protocol = kUdp, .unsummed = true};
  EXPECT_EQ(join({x[0], x[1], other, x[2], x[3]}),
            (std::vector<Joined>{{packet(all), offload(all, 100)}, {other, {}}}));
  // An IPv6 extension header may hide a datagram.
  const Packets y = expected_cut({.v6 = true, .payload = 400, .protocol = kUdp}, 100);
  first.v6 = second.v6 = true;
  const Joined front6{packet(first), offload(first, 100)}, back6{packet(second), offload(second, 100)};
  Octets hidden = y[1];
  hidden[6] = std::byte{60};
  hidden.insert(hidden.begin() + 40, {std::byte{kUdp}, std::byte{0}, std::byte{1}, std::byte{4}, {}, {}, {}, {}});
  mend_length(hidden);
  EXPECT_EQ(join({y[0], y[1], hidden, y[2], y[3]}), (std::vector<Joined>{front6, {hidden, {}}, back6}));
}

TEST(Offload, IdsOfPacketsThatAreNeverFragmentedDoNotMatter) {
  Tcp t{.payload = 300, .dont_fragment = true};
  Packets segments = expected_cut(t, 100);
  for (std::uint16_t i = 0; i < 3; ++i) {
    set(segments[i], 4, static_cast<std::uint16_t>(i == 0 ? 9 : 7000 - i));
    mend_checksum(segments[i]);
  }
  t.unsummed = true;
  EXPECT_EQ(join(segments), (std::vector<Joined>{{packet(t), offload(t, 100)}}));
}

TEST(Offload, PacketsWithFurtherHeadersAreUnchanged) {
  Packets options, fragments, extended;
  for (const Octets& p : expected_cut({.payload = 200}, 100)) {
    Octets with = p, part = p;
    with.insert(with.begin() + 20, {std::byte{1}, std::byte{1}, std::byte{1}, std::byte{0}});
    with[0] = std::byte{0x46};
    mend_length(with);
    options.push_back(with);
    part[6] = std::byte{0x20};
    mend_checksum(part);
    fragments.push_back(part);
  }
  for (Octets p : expected_cut({.v6 = true, .payload = 200}, 100)) {
    p[6] = std::byte{60};
    p.insert(p.begin() + 40, {std::byte{6}, std::byte{0}, std::byte{1}, std::byte{4}, {}, {}, {}, {}});
    mend_length(p);
    extended.push_back(p);
  }
  for (const Packets& both : {options, fragments, extended})
    EXPECT_EQ(join(both), (std::vector<Joined>{{both[0], {}}, {both[1], {}}}));
}

TEST(Offload, ConnectionsAreMergedSeparatelyInTheOrderOfTheirFirst) {
  Tcp a{.payload = 300}, b{.payload = 200, .src_port = 3333}, c{.v6 = true, .payload = 100};
  const Packets x = expected_cut(a, 100), y = expected_cut(b, 100), z = expected_cut(c, 100);
  const Octets datagram = packet({.payload = 50, .protocol = kUdp});
  a.unsummed = b.unsummed = true;
  EXPECT_EQ(
      join({x[0], y[0], datagram, z[0], x[1], y[1], x[2]}),
      (std::vector<Joined>{{packet(a), offload(a, 100)}, {packet(b), offload(b, 100)}, {datagram, {}}, {z[0], {}}}));
}

TEST(Offload, NothingOvertakesWithinAConnection) {
  const Packets x = expected_cut({.payload = 400}, 100);
  const Octets ack = packet({.payload = 0, .sequence = 1200, .ack = 99});
  Tcp first{.payload = 200, .unsummed = true};
  Tcp second{.payload = 200, .skip = 200, .sequence = 1200, .id = 11, .unsummed = true};
  const Joined front{packet(first), offload(first, 100)}, back{packet(second), offload(second, 100)};
  EXPECT_EQ(join({x[0], x[1], ack, x[2], x[3]}), (std::vector<Joined>{front, {ack, {}}, back}));
  // A packet of another connection may be in between; a fragment, which has no ports, may not.
  const Octets other = packet({.payload = 0, .src_port = 7});
  Octets fragment = other;
  set(fragment, 6, std::uint16_t{0x2001});
  mend_checksum(fragment);
  EXPECT_EQ(join({x[0], x[1], fragment, x[2], x[3]}), (std::vector<Joined>{front, {fragment, {}}, back}));
  Tcp all{.payload = 400, .unsummed = true};
  EXPECT_EQ(join({x[0], x[1], other, x[2], x[3]}),
            (std::vector<Joined>{{packet(all), offload(all, 100)}, {other, {}}}));
}

TEST(Offload, AnEndedRunDoesNotContinue) {
  Packets x = expected_cut({.payload = 300}, 100);
  EXPECT_EQ(join({x[0], x[2], x[1]}), (std::vector<Joined>{{x[0], {}}, {x[2], {}}, {x[1], {}}}));
  x[1] = packet({.payload = 100, .skip = 100, .sequence = 1100, .flags = kAck | kPsh, .id = 10});
  Tcp front{.payload = 200, .flags = kAck | kPsh, .unsummed = true};
  EXPECT_EQ(join(x), (std::vector<Joined>{{packet(front), offload(front, 100)}, {x[2], {}}}));
}

TEST(Offload, ShortSegmentsEndARunAndDroppedOnesAreSkipped) {
  const Packets x = expected_cut({.payload = 250}, 100);
  Tcp next{.payload = 100, .skip = 250, .sequence = 1250, .id = 12};
  Tcp all{.payload = 250, .unsummed = true}, front{.payload = 100};
  EXPECT_EQ(join({x[0], x[1], x[2], packet(next)}),
            (std::vector<Joined>{{packet(all), offload(all, 100)}, {packet(next), {}}}));
  EXPECT_EQ(join({x[0], x[1], x[2]}, 1), (std::vector<Joined>{{packet(front), {}}, {x[2], {}}}));
}

TEST(Offload, NoPacketExceedsIpsMaximum) {
  Tcp t{.payload = 66000, .options = 0};
  Packets segments = expected_cut(t, 1000);
  const std::vector<Joined> joined = join(segments);
  ASSERT_EQ(joined.size(), 2u);
  Tcp front{.payload = 65000, .options = 0, .unsummed = true};
  EXPECT_EQ(joined[0], (Joined{packet(front), offload(front, 1000)}));
  EXPECT_EQ(joined[1], (Joined{segments[65], {}}));
}

TEST(Offload, NoneOfManyIsLost) {
  const Packets segments = expected_cut({.payload = 200}, 1);
  Tcp front{.payload = 128, .unsummed = true};
  Tcp back{.payload = 72, .skip = 128, .sequence = 1128, .id = 9 + 128, .unsummed = true};
  EXPECT_EQ(join(segments),
            (std::vector<Joined>{{packet(front), offload(front, 1)}, {packet(back), offload(back, 1)}}));
}

}  // namespace
}  // namespace ipseckey::traffic::testing
