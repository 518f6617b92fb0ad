// What makes two SAs different, and what does not.
#include "lang/compare.h"

#include <gmock/gmock.h>

#include "lang/to_spec.h"

namespace ipseckey::lang {
namespace {

using pfkey::Message;

pfkey::Key key(std::string_view octets) {
  return {static_cast<std::uint16_t>(octets.size() * 8), 0, Secret(std::as_bytes(std::span(octets)))};
}

// An ESP SA as a SADB returns it.
Message sa() {
  Message m;
  m.satype = pfkey::SaType::esp;
  m.sa = pfkey::Sa{.spi = 0x1000, .state = pfkey::State::mature, .auth = 2, .encrypt = 2};
  m.src = pfkey::Endpoint{.address = *parse_address("192.0.2.1")};
  m.dst = pfkey::Endpoint{.address = *parse_address("192.0.2.2")};
  m.auth_key = key("0123456789abcdef"), m.encrypt_key = key("\x01\x23\x45\x67\x89\xab\xcd\xef");
  m.current = pfkey::Lifetime{0, 100, 5000, 6000};
  return m;
}

Difference difference(Message&& wanted, Message& held) {
  SaSpec spec = to_spec(std::move(wanted));
  return compare(spec, held);
}

template <class Change>
std::string differs(Change change, Message held = sa(), Message wanted = sa()) {
  change(wanted, held);
  const Difference found = difference(std::move(wanted), held);
  return keyword_list(found.keywords) + (found.unknown ? " unknown" : "");
}

TEST(Compare, WhatTheSadbCountsAndFillsInMakesNoDifference) {
  EXPECT_EQ(differs([](Message&, Message&) {}), "");
  EXPECT_EQ(differs([](Message&, Message& held) {
              held.current = pfkey::Lifetime{9, 9999, 1, 2};
              held.sa->flags = pfkey::kFlagInbound | pfkey::kFlagUsed;
              held.sa->state = pfkey::State::dying;
              held.replay_value = pfkey::ReplayValue{77, 0};
            }),
            "");
  EXPECT_EQ(differs([](Message& wanted, Message&) { wanted.reqid = wanted.if_id = pfkey::Number{0}; }), "");
  // Linux pads AH only where that makes it longer, and tells only then that it does: not with 96 bits, nor over IPv6.
  for (const auto& [icv, v6, difference] : {std::tuple(96u, false, ""), {128u, false, "align8"}, {128u, true, ""}})
    EXPECT_EQ(differs([&](Message& wanted, Message& held) {
                for (Message* const m : {&wanted, &held}) {
                  m->satype = pfkey::SaType::ah, m->sa->auth = 5, m->icv = pfkey::Number{icv};
                  if (v6) m->dst->address = unspecified(Family::v6), m->dst->address.octets[15] = std::byte{1};
                }
                wanted.ah_align = pfkey::Number{8};
              }),
              difference)
        << icv << v6;
  // DES ignores the lowest bit of an octet.
  EXPECT_EQ(differs([](Message&, Message& held) {
              held.encrypt_key = key(std::string_view("\x00\x22\x44\x66\x88\xaa\xcc\xee", 8));
            }),
            "");
  // The kernel knows both ports of a NAT.
  EXPECT_EQ(differs([](Message& wanted, Message& held) {
              wanted.natt_local = pfkey::Endpoint{.proto = 17, .address = {}};
              held.natt_local = held.natt_remote = pfkey::Endpoint{.proto = 17, .address = {}, .port = 4500};
            }),
            "");
}

TEST(Compare, GivenValuesMakeADifference) {
  EXPECT_EQ(differs([](Message& wanted, Message& held) {
              wanted.sa->flags = pfkey::kFlagOutbound, held.sa->flags = pfkey::kFlagInbound;
            }),
            "inbound, outbound");
  EXPECT_EQ(differs([](Message& wanted, Message&) { wanted.auth_key = key("0123456789abcdeg"); }), "authkey");
  EXPECT_EQ(differs([](Message& wanted, Message&) { wanted.icv = pfkey::Number{128}; }), "icv");
  EXPECT_EQ(differs([](Message& wanted, Message&) { wanted.tfc_pad = pfkey::Number{128}; }), "tfcpad");
  EXPECT_EQ(differs([](Message&, Message& held) { held.df = pfkey::Number{pfkey::kDfClear}; }), "df");
  EXPECT_EQ(differs([](Message& wanted, Message&) { wanted.dscp = pfkey::Number{0}; }), "dscp");
  EXPECT_EQ(differs([](Message&, Message& held) { held.output_mark = pfkey::Mark{1, 1}; }), "output-mark");
  EXPECT_EQ(differs([](Message&, Message& held) { held.hard = pfkey::Lifetime{0, 1, 0, 0}; }), "hard_bytes");
  EXPECT_EQ(differs([](Message& wanted, Message& held) {
              wanted.replay_value = pfkey::ReplayValue{78, 0}, held.replay_value = pfkey::ReplayValue{77, 0};
            }),
            "replay_value");
  EXPECT_THAT(differs([](Message&, Message& held) { held.auth_key.reset(); }), testing::HasSubstr("unknown"));
}

bool updatable(const pfkey::Lifetime& wanted, const pfkey::Lifetime& held, std::uint64_t now) {
  Message have = sa(), want = sa();
  want.hard = wanted, have.hard = held;
  SaSpec spec = to_spec(std::move(want));
  const Difference found = compare(spec, have);
  return update_can(found, spec, have, now);
}

TEST(Compare, AnUpdateBringsLimitsThatLieAhead) {
  EXPECT_TRUE(updatable({0, 0, 1000, 0}, {0, 0, 2000, 0}, 5500));
  EXPECT_FALSE(updatable({0, 0, 1000, 0}, {0, 0, 2000, 0}, 6000));  // It is 1000 seconds old.
  EXPECT_FALSE(updatable({0, 0, 0, 1000}, {0, 0, 0, 2000}, 7000));  // It was first used 1000 seconds ago.
  EXPECT_FALSE(updatable({0, 100, 0, 0}, {}, 5500));                // It has carried 100 bytes.
  EXPECT_TRUE(updatable({0, 101, 0, 0}, {}, 5500));
  EXPECT_FALSE(updatable({}, {0, 101, 0, 0}, 5500));  // An UPDATE takes no limit away.
}

}  // namespace
}  // namespace ipseckey::lang
