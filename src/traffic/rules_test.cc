/// What rules do with packets (doc/reference/dataplane.md, "Rules"): outbound, the choice of the SA, inbound after the
/// SA, and inbound in clear.
#include <gmock/gmock.h>

#include "policy/testing.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;
using policy::Action;
using policy::Choice;
using policy::Protection;
using policy::Rule;
using policy::Rules;
using policy::testing::prefix;
using ::testing::ElementsAre;

constexpr std::uint8_t kNull = 11, kAes = 12, kGcm = 20, kSha1 = 3, kSha256 = 5, kSha512 = 7;
constexpr const char *kHere = "192.0.2.1", *kThere = "192.0.2.2";

Choice choice(std::uint8_t number, std::optional<std::uint16_t> least = {}, std::optional<std::uint16_t> most = {}) {
  return {.number = number, .min_bits = least, .max_bits = most};
}
Protection esp(std::uint8_t cipher, std::optional<std::uint8_t> integrity = {}) {
  Protection p;
  p.cipher = choice(cipher);
  if (integrity) p.integrity = choice(*integrity);
  return p;
}
Protection ah(std::uint8_t auth) {
  Protection p;
  p.ah = choice(auth);
  return p;
}
Protection both(std::uint8_t cipher, std::uint8_t integrity, std::uint8_t auth) {
  Protection p = esp(cipher, integrity);
  p.ah = choice(auth);
  return p;
}

Rule protect_by(Protection p, std::string_view peers = "") {
  return policy::testing::rule(Action::ipsec, std::move(p), peers);
}
Rule pass(std::string_view peers = "") { return policy::testing::pass_rule(peers); }
Rule discard(std::string_view peers = "") { return policy::testing::drop_rule(peers); }

void give(Host& host, Rules rules) { host.plane.rules(std::make_shared<const policy::Lookup>(std::move(rules))); }

Arrived hooked(std::string_view link = "", bool forwarded = false) {
  return {.by_hook = true, .forwarded = forwarded, .mark = 0, .link = link};
}

// "clear", "protected by SPI" or the cause.
std::string sent(Host& host, Bytes packet, Arrived arrived = hooked()) {
  Held held(packet, Packet::kHeadroom, 2000);  // A datagram may be put together in it.
  held.item.arrived = arrived;
  host.worker.protect({&held.item, 1}, at(0));
  if (held.item.cause != Cause::none) return std::string(name(held.item.cause));
  if (held.item.clear) return held.bytes() == Octets(packet.begin(), packet.end()) ? "clear" : "changed";
  return fmt::format("{}:{:x}", held.item.departure.protocol, held.item.departure.sa.spi);
}
std::string admitted(Host& host, Bytes packet, Arrived arrived = hooked()) {
  Held held(packet);
  held.item.arrived = arrived;
  host.worker.admit({&held.item, 1}, at(0));
  return std::string(name(held.item.cause));
}
std::string opened(Host& host, Bytes packet) { return std::string(name(unprotect(host, packet).cause)); }

std::uint64_t drops(const Totals& totals, Cause cause) { return totals.drops[static_cast<std::size_t>(cause)]; }

Octets icmp(const char* src, const char* dst, std::uint8_t type, std::uint8_t code) {
  const bool v6 = std::string_view(src).contains(':');
  Octets packet = datagram({.src = src, .dst = dst, .size = 8, .protocol = v6 ? std::uint8_t{58} : std::uint8_t{1}});
  const std::size_t at = v6 ? 40 : 20;
  packet[at] = static_cast<std::byte>(type), packet[at + 1] = static_cast<std::byte>(code);
  return packet;
}

// ---- out

TEST(Rules, WithoutAnyRoutingIsThePolicy) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(sent(host, datagram(), {}), "50:100");
    EXPECT_EQ(sent(host, datagram()), "50:100");
    EXPECT_EQ(admitted(host, datagram()), "none");
    give(host, {});
  }
  host.plane.rules(nullptr);
  EXPECT_EQ(sent(host, datagram(), {}), "50:100");
  EXPECT_EQ(host.plane.inbound().clear, 0u);
}

// covers RFC4301-4.4.1-7 RFC4301-5-1
TEST(Rules, EachActionOutAndItsCounter) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  const Octets packet = datagram();
  give(host, {protect_by(esp(kGcm), "192.0.2.2/32"), pass("192.0.2.0/24"), discard("10.0.0.0/8")});
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(sent(host, packet), "50:100");
    EXPECT_EQ(sent(host, packet, {}), "50:100");
    EXPECT_EQ(sent(host, datagram({.dst = "192.0.2.3"})), "clear");
    EXPECT_EQ(sent(host, datagram({.dst = "192.0.2.3"}), {}), "misrouted");
    EXPECT_EQ(sent(host, datagram({.dst = "10.0.0.1"})), "explicit");
    EXPECT_EQ(sent(host, datagram({.dst = "198.51.100.1"})), "clear");  // No rule.
    EXPECT_EQ(sent(host, datagram({.dst = "198.51.100.1"}), {}), "no_sa");
  }
  const Totals totals = host.plane.outbound();
  EXPECT_EQ(totals.packets, 4u);
  EXPECT_EQ(totals.clear, 4u);
  EXPECT_EQ(drops(totals, Cause::misrouted), 2u);
  EXPECT_EQ(drops(totals, Cause::by_rule), 2u);
  EXPECT_EQ(drops(totals, Cause::no_sa), 2u);
  give(host, {pass()});  // It counts at once, for connections that are remembered too.
  EXPECT_EQ(sent(host, packet), "clear");
  ASSERT_EQ(host.add(add(0x101, {.dst = "192.0.2.3"})), kDone);
  EXPECT_EQ(sent(host, datagram({.dst = "192.0.2.3"})), "clear");
  host.plane.rules(nullptr);
  EXPECT_EQ(sent(host, datagram({.dst = "192.0.2.3"})), "50:101");
}

// A packet that no rule is about keeps its route into the device as its policy.
TEST(Rules, FromTheDevicePacketsWithoutARuleAreRouted) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  give(host, {discard("10.0.0.0/8")});
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(sent(host, datagram(), {}), "50:100");
    EXPECT_EQ(sent(host, datagram()), "clear");
  }
}

struct Choosing {
  const char* name;
  Protection wanted;
  std::vector<Wish> sas;  ///< SPIs 100, 101 ...
  const char* result;
};

// policy.md section 3.5, with the greatest length too.
TEST(Rules, ChooseTheNewestSaThatIsAsDemanded) {
  const auto lengths = [](std::optional<std::uint16_t> least, std::optional<std::uint16_t> most) {
    Protection p = esp(kAes, kSha256);
    p.cipher = choice(kAes, least, most);
    return p;
  };
  const auto with_reqid = [](std::uint32_t reqid) {
    Protection p = esp(kGcm);
    p.reqid = reqid;
    return p;
  };
  Protection pinned = esp(kGcm);
  pinned.spi = 0x100;
  const Wish aes128{.encrypt = kAes, .auth = kSha256}, aes256{.encrypt = kAes, .auth = kSha256, .key_bits = 256};
  const Wish any_source{.encrypt = kGcm, .src = "0.0.0.0"}, ah256{.encrypt = 0, .auth = kSha256},
      ah512{.encrypt = 0, .auth = kSha512};
  const Wish tunnel{.encrypt = kGcm, .tunnel = true, .inner_src = "192.0.2.0", .inner_dst = "192.0.2.0", .prefix = 24};
  const Wish bundled{.encrypt = kGcm, .bundle = 3};
  for (const Choosing& c : std::initializer_list<Choosing>{
           {"none", esp(kGcm), {}, "no_sa"},
           {"the newest", esp(kGcm), {{}, {}}, "50:101"},
           {"other cipher", esp(kGcm), {{}, aes128}, "50:100"},
           {"other integrity", esp(kAes, kSha512), {aes128}, "no_sa"},
           {"integrity not asked", esp(kAes), {aes128}, "50:100"},
           {"too long", lengths({}, 128), {aes128, aes256}, "50:100"},
           {"too short", lengths(192, {}), {aes256, aes128}, "50:100"},
           {"both limits", lengths(192, 192), {aes256, aes128}, "no_sa"},
           {"AH instead of ESP", ah(kSha256), {{}, ah256, ah512}, "51:101"},
           {"ESP instead of AH", esp(kGcm), {{}, ah256}, "50:100"},
           {"a source before any", esp(kGcm), {{}, any_source}, "50:100"},
           {"any source", esp(kGcm), {any_source}, "50:100"},
           {"a tunnel is not transport", esp(kGcm), {{}, tunnel}, "50:100"},
           {"reqid", with_reqid(7), {{}}, "no_sa"},
           {"the SPI that the rule names", pinned, {{}, {}}, "50:100"},
           {"half of a bundle", esp(kGcm), {{}, bundled}, "50:100"},
           {"a pair", both(kAes, kSha256, kSha512), {aes128, ah512}, "51:101"},
           {"a pair of which one is missing", both(kAes, kSha256, kSha512), {aes128, ah256}, "no_sa"},
           {"the newest AH that fits", both(kAes, kSha256, kSha512), {ah512, aes128, ah256}, "51:100"},
       }) {
    SCOPED_TRACE(c.name);
    Host host;
    std::uint32_t spi = 0x100;
    for (const Wish& wish : c.sas) ASSERT_EQ(host.add(add(spi++, wish)), kDone);
    give(host, {protect_by(c.wanted)});
    EXPECT_EQ(sent(host, datagram()), c.result);
    EXPECT_EQ(sent(host, datagram()), c.result);
  }
}

TEST(Rules, TakeAnSaOfTheirReqidAndMark) {
  Host host;
  Message m = add(0x100);
  m.reqid = pfkey::Number{7};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  Protection p = esp(kGcm);
  give(host, {protect_by(p)});
  EXPECT_EQ(sent(host, datagram()), "no_sa");
  p.reqid = 7;
  give(host, {protect_by(p)});
  EXPECT_EQ(sent(host, datagram()), "50:100");
  Rule marked = discard();
  marked.mark = pfkey::Mark{0x10, 0xf0};
  give(host, {marked, protect_by(p)});
  EXPECT_EQ(sent(host, datagram()), "50:100");
  Arrived arrived = hooked();
  arrived.mark = 0x1f;
  EXPECT_EQ(sent(host, datagram(), arrived), "explicit");
  EXPECT_EQ(sent(host, datagram()), "50:100");
}

TEST(Rules, AlternativesAreEquallyGood) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.encrypt = kGcm})), kDone);
  ASSERT_EQ(host.add(add(0x101, {.encrypt = kAes, .auth = kSha256})), kDone);
  Rule r = protect_by(esp(kGcm));
  r.alternatives.push_back({Action::ipsec, esp(kAes, kSha256)});
  give(host, {r});
  EXPECT_EQ(sent(host, datagram()), "50:101");  // The newest, not that of the first alternative.
  std::swap(r.alternatives[0], r.alternatives[1]);
  give(host, {r});
  EXPECT_EQ(sent(host, datagram()), "50:101");
}

// `ipsec or pass` never sends in clear; `level use` does.
TEST(Rules, OnlyLevelUseSendsInClearWithoutAnSa) {
  Host host;
  Rule r = protect_by(esp(kGcm));
  r.alternatives.push_back({Action::pass, {}});
  give(host, {r});
  EXPECT_EQ(sent(host, datagram()), "no_sa");
  EXPECT_EQ(admitted(host, datagram()), "none");
  Rule use = protect_by(esp(kGcm));
  use.alternatives[0].protection.may_be_clear = true;
  give(host, {use});
  EXPECT_EQ(sent(host, datagram()), "clear");
  EXPECT_EQ(sent(host, datagram(), {}), "misrouted");
  EXPECT_EQ(admitted(host, datagram()), "none");
  ASSERT_EQ(host.add(add(0x100)), kDone);
  EXPECT_EQ(sent(host, datagram()), "50:100");
}

TEST(Rules, UniqueSasBelongToOneConnectionEach) {
  Host host;
  for (const std::uint32_t spi : {0x100u, 0x101u}) ASSERT_EQ(host.add(add(spi)), kDone);
  Protection p = esp(kGcm);
  p.unique = true;
  Rule shared = protect_by(esp(kGcm));
  shared.selector.remote_port = 3000;
  give(host, {shared, protect_by(p)});
  const auto to = [](std::uint16_t from) { return datagram({.src_port = from}); };
  EXPECT_EQ(sent(host, to(1)), "50:101");
  EXPECT_EQ(sent(host, to(2)), "50:100");
  EXPECT_EQ(sent(host, to(1)), "50:101");
  EXPECT_EQ(sent(host, to(3)), "no_sa");
  EXPECT_EQ(sent(host, datagram({.dst_port = 3000})), "no_sa");  // Those of others are not shared.
  ASSERT_EQ(host.add(add(0x102)), kDone);
  EXPECT_EQ(sent(host, datagram({.dst_port = 3000})), "50:102");
  EXPECT_EQ(sent(host, to(3)), "no_sa");  // It has been used.
  EXPECT_EQ(sent(host, to(2)), "50:100");
  ASSERT_EQ(host.add(add(0x103)), kDone);
  EXPECT_EQ(sent(host, to(1)), "50:101");  // Its own, though there is a newer one.
  EXPECT_EQ(sent(host, to(3)), "50:103");
}

TEST(Rules, WithoutAnSaTheyRequestTheOneThatTheyName) {
  Host host;
  Protection tunnel = esp(kGcm);
  tunnel.ends = policy::TunnelEnds{*parse_address("203.0.113.1"), *parse_address("203.0.113.2")};
  give(host, {protect_by(ah(kSha256), "192.0.2.0/24"), protect_by(tunnel, "10.0.0.0/8"), discard("198.51.100.0/24")});
  EXPECT_EQ(sent(host, datagram()), "no_sa");
  EXPECT_EQ(sent(host, datagram({.dst = "10.2.0.1"})), "no_sa");
  EXPECT_EQ(sent(host, datagram({.dst = "198.51.100.1"})), "explicit");
  EXPECT_EQ(sent(host, datagram({.dst = "8.8.8.8"})), "clear");
  EXPECT_TRUE(host.worker.attention());
  const auto first = host.plane.wanted(), second = host.plane.wanted();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(
      *first,
      (engine::Wanted{
          .satype = SaType::ah, .src = endpoint(kHere), .dst = endpoint(kThere), .inner_src = {}, .inner_dst = {}}));
  EXPECT_EQ(*second, (engine::Wanted{.satype = SaType::esp,
                                     .src = endpoint("203.0.113.1"),
                                     .dst = endpoint("203.0.113.2"),
                                     .inner_src = endpoint(kHere, 32),
                                     .inner_dst = endpoint("10.2.0.1", 32)}));
  EXPECT_FALSE(host.plane.wanted());
}

// ---- tunnels

Wish tunnel_sa(const char* src, const char* dst) {
  return {.encrypt = kGcm,
          .src = src,
          .dst = dst,
          .tunnel = true,
          .inner_src = "10.0.0.0",
          .inner_dst = "10.0.0.0",
          .prefix = 8};
}

// covers RFC4301-4.4.1-2
TEST(Rules, OfTunnelsAreApartFromThoseOfTheHost) {
  Host host(PlaneOptions{.device = "ipsec0"});
  ASSERT_EQ(host.add(add(0x100, tunnel_sa(kHere, kThere))), kDone);
  Rule inside = protect_by(esp(kGcm), "10.2.0.0/16");
  inside.tunnel = policy::Tunnel{"ipsec0"};
  Rule other = inside;
  other.tunnel = policy::Tunnel{"tun7"};
  other.alternatives = {{Action::drop, {}}};
  give(host, {inside, other, pass()});
  const Octets packet = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"});
  EXPECT_EQ(sent(host, packet, {}), "50:100");
  EXPECT_EQ(sent(host, packet, hooked("ipsec0")), "50:100");
  EXPECT_EQ(sent(host, packet, hooked("tun7")), "explicit");
  EXPECT_EQ(sent(host, packet, hooked("eth0")), "clear");
  // What no rule of a tunnel is about is dropped, whichever way it came.
  EXPECT_EQ(sent(host, datagram({.src = "10.1.0.1", .dst = "10.3.0.1"}), {}), "no_rule");
  EXPECT_EQ(admitted(host, datagram({.src = "10.3.0.1", .dst = "10.1.0.1"}), hooked("ipsec0")), "no_rule");
  EXPECT_EQ(admitted(host, datagram({.src = "10.2.0.1", .dst = "10.1.0.1"}), hooked("ipsec0")), "got_clear");
}

TEST(Rules, OfTheHostAreNotAboutPacketsThatItPassesOnUnlessTheyExceptThemFromATunnel) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, tunnel_sa(kHere, kThere))), kDone);
  Protection p = esp(kGcm);
  p.ends = policy::TunnelEnds{*parse_address(kHere), *parse_address(kThere)};
  give(host, {discard("10.3.0.0/16"), discard("10.9.0.0/16"), protect_by(p, "10.2.0.0/15")});
  const Octets dropped = datagram({.src = "10.1.0.1", .dst = "10.3.0.1"});
  EXPECT_EQ(sent(host, dropped), "explicit");
  EXPECT_EQ(sent(host, dropped, hooked("", true)), "explicit");
  EXPECT_EQ(sent(host, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}), hooked("", true)), "50:100");
  EXPECT_EQ(sent(host, datagram({.src = "10.1.0.1", .dst = "10.9.0.1"}), hooked("", true)), "clear");
  EXPECT_EQ(sent(host, datagram({.src = "10.1.0.1", .dst = "10.9.0.1"}), hooked("")), "explicit");
  EXPECT_EQ(admitted(host, datagram({.src = "10.2.0.1", .dst = "10.1.0.1"}), hooked("", true)), "got_clear");
  EXPECT_EQ(admitted(host, datagram({.src = "10.9.0.1", .dst = "10.1.0.1"}), hooked("", true)), "none");
}

TEST(Rules, ChooseTheSaBetweenTheEndsOfTheTunnel) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, tunnel_sa(kHere, kThere))), kDone);
  ASSERT_EQ(host.add(add(0x101, tunnel_sa(kHere, "192.0.2.3"))), kDone);
  Protection p = esp(kGcm);
  p.ends = policy::TunnelEnds{*parse_address(kHere), *parse_address(kThere)};
  give(host, {protect_by(p)});
  EXPECT_EQ(sent(host, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"})), "50:100");
}

// ---- in, protected

struct Arriving {
  const char* name;
  std::vector<Wish> sas;  ///< Those that protect the packet.
  Rule demanded;
  const char* result;
};

// policy.md section 3.3, and the lengths of keys.
TEST(Rules, CheckProtectedPackets) {
  const Wish gcm{}, gcm256{.key_bits = 256}, aes{.encrypt = kAes, .auth = kSha256},
      aes_only{.encrypt = kAes, .window = 0}, ah256{.encrypt = 0, .auth = kSha256};
  Protection longer = esp(kGcm), shorter = esp(kGcm), with_reqid = esp(kGcm);
  Protection other_spi = esp(kGcm);
  other_spi.spi = 0x99999;
  longer.cipher = choice(kGcm, 192), shorter.cipher = choice(kGcm, {}, 128);
  with_reqid.reqid = 9;
  Rule or_pass = protect_by(esp(kGcm));
  or_pass.alternatives.push_back({Action::pass, {}});
  Rule either = protect_by(esp(kAes, kSha512));
  either.alternatives.push_back({Action::ipsec, esp(kAes, kSha256)});
  Rule elsewhere = discard("198.51.100.0/24");
  Protection integrity_only;
  integrity_only.integrity = choice(kSha256);
  for (const Arriving& a : std::initializer_list<Arriving>{
           {"as demanded", {gcm}, protect_by(esp(kGcm)), "none"},
           {"drop", {gcm}, discard(), "explicit"},
           {"bypass refuses it", {gcm}, pass(), "got_secure"},
           {"no rule", {gcm}, elsewhere, "none"},
           {"another cipher", {gcm}, protect_by(esp(kAes, kSha256)), "bad_espealg"},
           {"another integrity", {aes}, protect_by(esp(kAes, kSha1)), "bad_espaalg"},
           {"no integrity", {aes_only}, protect_by(esp(kAes, kSha256)), "bad_espaalg"},
           {"integrity that is not asked for", {aes}, protect_by(esp(kAes)), "none"},
           {"too short", {gcm}, protect_by(longer), "bad_espealg"},
           {"long enough", {gcm256}, protect_by(longer), "none"},
           {"too long", {gcm256}, protect_by(shorter), "bad_espealg"},
           {"short enough", {gcm}, protect_by(shorter), "none"},
           {"another reqid", {gcm}, protect_by(with_reqid), "bad_sa"},
           {"another SPI", {gcm}, protect_by(other_spi), "bad_sa"},
           {"AH as demanded", {ah256}, protect_by(ah(kSha256)), "none"},
           {"another AH", {ah256}, protect_by(ah(kSha512)), "bad_ahalg"},
           {"AH, not ESP", {ah256}, protect_by(esp(kGcm)), "got_ah"},
           {"ESP, not AH", {gcm}, protect_by(ah(kSha256)), "bad_ahalg"},
           {"both as demanded", {aes, ah256}, protect_by(both(kAes, kSha256, kSha256)), "none"},
           {"AH besides", {aes, ah256}, protect_by(esp(kAes, kSha256)), "got_ah"},
           {"ESP besides", {aes, ah256}, protect_by(ah(kSha256)), "got_esp"},
           {"AH is missing", {aes}, protect_by(both(kAes, kSha256, kSha256)), "bad_ahalg"},
           {"ESP is missing", {ah256}, protect_by(both(kAes, kSha256, kSha256)), "bad_espealg"},
           {"integrity only", {{.encrypt = kNull, .auth = kSha256}}, protect_by(integrity_only), "none"},
           {"encrypted, integrity only", {aes}, protect_by(integrity_only), "bad_espealg"},
           {"an alternative", {aes}, either, "none"},
           {"no alternative", {gcm}, either, "bad_espealg"},
           {"or pass, as demanded", {gcm}, or_pass, "none"},
           {"or pass, otherwise", {aes}, or_pass, "bad_espealg"},
       }) {
    SCOPED_TRACE(a.name);
    Host from, to;
    std::uint32_t spi = 0x100;
    for (const Wish& wish : a.sas) {
      ASSERT_EQ(from.add(add(spi, wish)), kDone);
      ASSERT_EQ(to.add(add(spi++, wish)), kDone);
    }
    // The sender uses all of its SAs.
    Protection all;
    for (const Wish& wish : a.sas) {
      if (wish.encrypt == 0) all.ah = choice(wish.auth);
      if (wish.encrypt != 0) all.cipher = choice(wish.encrypt);
      if (wish.encrypt != 0 && wish.auth != 0) all.integrity = choice(wish.auth);
    }
    give(from, {protect_by(all)});
    give(to, {a.demanded});
    for (int again = 0; again < 2; ++again) {
      const Result packet = protect(from, datagram());
      ASSERT_EQ(name(packet.cause), "none");
      const Result got = unprotect(to, packet.packet);
      EXPECT_EQ(name(got.cause), a.result);
      if (got.cause == Cause::none) {
        EXPECT_EQ(got.packet, datagram());
      }
    }
    EXPECT_EQ(to.plane.inbound().packets, std::string_view(a.result) == "none" ? 2u : 0u);
  }
}

TEST(Rules, WithoutARuleAProtectedPacketIsAcceptedUnlessItIsNotWanted) {
  Host from, open, strict(PlaneOptions{.unruled = Unruled::drop});
  for (Host* host : {&from, &open, &strict}) ASSERT_EQ(host->add(add(0x100)), kDone);
  for (Host* host : {&open, &strict}) give(*host, {discard("10.0.0.0/8")});
  const Octets packet = protect(from, datagram()).packet;
  EXPECT_EQ(opened(open, packet), "none");
  EXPECT_EQ(opened(strict, packet), "got_secure");
  EXPECT_EQ(admitted(strict, datagram()), "none");
  strict.plane.rules(nullptr);
  EXPECT_EQ(opened(strict, protect(from, datagram()).packet), "none");
}

TEST(Rules, OfATunnelAreAboutWhatCameThroughItsEnds) {
  Host from, to;
  for (Host* host : {&from, &to}) {
    ASSERT_EQ(host->add(add(0x100, tunnel_sa(kHere, kThere))), kDone);
    ASSERT_EQ(host->add(add(0x101, tunnel_sa("192.0.2.7", "192.0.2.8"))), kDone);
  }
  Protection p = esp(kGcm);
  p.ends = policy::TunnelEnds{*parse_address(kThere), *parse_address(kHere)};
  Rule inside = protect_by(p, "10.1.0.0/16");
  inside.tunnel = policy::Tunnel{"t0"};
  give(to, {inside, discard("10.1.0.0/16")});
  const auto through = [&](const char* src, std::uint32_t spi) {
    Protection by = esp(kGcm);
    const bool first = spi == 0x100;
    by.ends =
        policy::TunnelEnds{*parse_address(first ? kHere : "192.0.2.7"), *parse_address(first ? kThere : "192.0.2.8")};
    give(from, {protect_by(by)});
    const Result packet = protect(from, datagram({.src = src, .dst = "10.2.0.1"}));
    EXPECT_EQ(name(packet.cause), "none");
    return opened(to, packet.packet);
  };
  EXPECT_EQ(through("10.1.0.1", 0x100), "none");
  EXPECT_EQ(through("10.3.0.1", 0x100), "no_rule");
  EXPECT_EQ(through("10.1.0.1", 0x101), "explicit");  // Not that tunnel's: the host's rules.
  EXPECT_EQ(through("10.3.0.1", 0x101), "none");
}

// An SA of one connection carries no answers to another.
TEST(Rules, AUniqueSaThatGoesBothWaysIsForItsConnectionOnly) {
  Host host;
  Wish back{.src = kThere, .dst = kHere};
  ASSERT_EQ(host.add(add(0x100)), kDone);
  Host peer;
  ASSERT_EQ(peer.add(add(0x200, back)), kDone);
  ASSERT_EQ(host.add(add(0x200, back)), kDone);
  Protection p = esp(kGcm);
  p.unique = true;
  give(host, {protect_by(p)});
  EXPECT_EQ(sent(host, datagram({.src_port = 1, .dst_port = 2})), "50:100");
  const Octets answer = protect(peer, datagram({.src = kThere, .dst = kHere, .src_port = 2, .dst_port = 1})).packet;
  EXPECT_EQ(opened(host, answer), "none");
}

// ---- in, clear

// covers RFC4301-4.4.1-4 RFC4301-5-1
TEST(Rules, CheckPacketsInClear) {
  Host host;
  Rule web = pass();
  web.selector.protocol = 17, web.selector.local_port = 80;
  Rule ping = protect_by(esp(kGcm), "192.0.2.4/32");
  ping.selector.protocol = 1;
  give(host, {web, ping, protect_by(esp(kGcm), "192.0.2.0/24"), discard("10.0.0.0/8")});
  const auto from = [](const char* src, std::uint16_t port = 9) {
    return datagram({.src = src, .dst = kHere, .dst_port = port});
  };
  EXPECT_EQ(admitted(host, from(kThere)), "got_clear");
  EXPECT_EQ(admitted(host, from(kThere, 80)), "none");
  EXPECT_EQ(admitted(host, from("10.0.0.1")), "explicit");
  EXPECT_EQ(admitted(host, from("198.51.100.1")), "none");
  EXPECT_EQ(admitted(host, icmp(kThere, kHere, 0, 0)), "none");
  EXPECT_EQ(admitted(host, icmp("192.0.2.4", kHere, 0, 0)), "got_clear");  // Its rule is about ICMP.
  EXPECT_EQ(admitted(host, icmp("10.0.0.1", kHere, 0, 0)), "explicit");
  EXPECT_EQ(admitted(host, Octets(7)), "malformed");
  const Totals totals = host.plane.inbound();
  EXPECT_EQ(totals.clear, 3u);
  EXPECT_EQ(drops(totals, Cause::got_clear), 2u);
  EXPECT_EQ(drops(totals, Cause::by_rule), 2u);
  EXPECT_EQ(drops(totals, Cause::malformed), 1u);
}

std::vector<unsigned> accepted_types(const char* src, const char* dst, bool icmp_in_clear, std::uint8_t code = 0) {
  Host host(PlaneOptions{.icmp_in_clear = icmp_in_clear});
  give(host, {protect_by(esp(kGcm))});
  std::vector<unsigned> types;
  for (unsigned type = 0; type < 20; ++type)
    if (admitted(host, icmp(src, dst, static_cast<std::uint8_t>(type), code)) == "none") types.push_back(type);
  return types;
}

// policy.md section 3.3: the table.
// covers RFC4301-6.1.1-1
TEST(Rules, AcceptIcmpInClearThatIsNeededFirst) {
  EXPECT_THAT(accepted_types(kThere, kHere, true), ElementsAre(0, 3, 4, 9, 11, 14, 16));
  EXPECT_THAT(accepted_types(kThere, kHere, true, 4), ElementsAre(0, 3, 4, 9, 11, 14, 16));  // Fragmentation needed.
  EXPECT_THAT(accepted_types(kThere, kHere, true, 3), ElementsAre(0, 4, 9, 11, 14, 16));     // Port unreachable.
  EXPECT_THAT(accepted_types(kThere, kHere, false), ElementsAre());
  for (const unsigned type : {1u, 2u, 3u, 129u, 130u, 133u, 134u, 135u, 136u, 137u, 143u})
    EXPECT_TRUE(accepted_in_clear(Family::v6, static_cast<std::uint8_t>(type), 0)) << type;
  for (const unsigned type : {4u, 128u})
    EXPECT_FALSE(accepted_in_clear(Family::v6, static_cast<std::uint8_t>(type), 0)) << type;
  Host host;
  give(host, {protect_by(esp(kGcm))});
  EXPECT_EQ(admitted(host, icmp(kSrc6, kDst6, 135, 0)), "none");
  EXPECT_EQ(admitted(host, icmp(kSrc6, kDst6, 128, 0)), "got_clear");
}

// ---- fragments

std::vector<Octets> pieces(const Octets& packet, std::uint32_t mtu) {
  std::vector<Octets> made;
  Octets room(2000);
  fragment(packet, mtu, 9, room, [&](Bytes piece) { made.emplace_back(piece.begin(), piece.end()); });
  return made;
}

// covers RFC4301-7.4-1 RFC4301-7.4-2
TEST(Rules, FragmentsAreTreatedAsTheirDatagram) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  const auto cut = pieces(datagram({.size = 1000}), 600);
  ASSERT_EQ(cut.size(), 2u);
  give(host, {pass()});
  for (const Octets& piece : cut) EXPECT_EQ(sent(host, piece), "clear");
  give(host, {protect_by(esp(kGcm))});
  EXPECT_EQ(sent(host, cut[0]), "held");
  EXPECT_EQ(sent(host, cut[1]), "50:100");
  // The rule with a port is about the datagram, which no later fragment shows: it is put together.
  Rule port = discard();
  port.selector.remote_port = 2000;
  give(host, {port, pass()});
  EXPECT_EQ(sent(host, cut[0]), "held");
  EXPECT_EQ(sent(host, cut[1]), "explicit");
  port.selector.remote_port = 2001;
  give(host, {port, pass()});
  EXPECT_EQ(sent(host, cut[0]), "held");
  Held held(cut[1], Packet::kHeadroom, 2000);
  held.item.arrived = hooked();
  host.worker.protect({&held.item, 1}, at(0));
  EXPECT_EQ(name(held.item.cause), "none");
  EXPECT_TRUE(held.item.clear);
  EXPECT_EQ(held.bytes().size(), datagram({.size = 1000}).size());
}

// Whatever came before on its connection, a packet is judged as it is: whole ones by their ports, fragments without.
TEST(Rules, AFragmentThatAnSaBroughtIsJudgedApartFromItsConnection) {
  Host from, to;
  for (Host* host : {&from, &to}) ASSERT_EQ(host->add(add(0x100, tunnel_sa(kHere, kThere))), kDone);
  Protection out = esp(kGcm), in = esp(kGcm);
  out.ends = policy::TunnelEnds{*parse_address(kHere), *parse_address(kThere)};
  in.ends = policy::TunnelEnds{*parse_address(kThere), *parse_address(kHere)};
  Rule telnet = discard();
  telnet.selector.local_port = 23, telnet.selector.protocol = 17;
  give(from, {protect_by(out)});
  give(to, {telnet, protect_by(in)});
  const auto through = [&](const Octets& inner) {
    const Result packet = protect(from, inner);
    EXPECT_EQ(name(packet.cause), "none");
    return opened(to, packet.packet);
  };
  for (const std::uint16_t port : {std::uint16_t{2000}, std::uint16_t{0}}) {
    const Octets whole = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .src_port = port, .dst_port = port});
    const auto cut =
        pieces(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1000, .src_port = port, .dst_port = port}), 600);
    ASSERT_EQ(cut.size(), 2u);
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(through(cut[0]), "fragment");
      EXPECT_EQ(through(whole), "none");
      EXPECT_EQ(through(whole), "none");
      EXPECT_EQ(through(cut[0]), "fragment");
      EXPECT_EQ(through(cut[1]), "fragment");
      EXPECT_EQ(through(whole), "none");
    }
  }
}

// Each packet, also of a connection whose verdict is remembered, by the rule that refuses it; none that it passes.
TEST(Rules, CountWhatTheyDrop) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  policy::Tallies tallies;
  for (int i = 0; i < 4; ++i) tallies.push_back(std::make_shared<policy::Tally>());
  const Rules rules = {protect_by(esp(kGcm), "192.0.2.2/32"), pass("192.0.2.0/24"), discard("10.0.0.0/8"),
                       protect_by(esp(kAes, kSha1), "198.51.100.0/24")};
  host.plane.rules(std::make_shared<const policy::Lookup>(rules, tallies));
  const auto count = [&](std::size_t rule, policy::Direction d) {
    const auto c = tallies[rule]->dropped(d);
    return fmt::format("{} {}", c.packets, c.packets > 0 ? name(static_cast<Cause>(c.cause)) : "");
  };
  using enum policy::Direction;
  for (int again = 0; again < 3; ++again) {
    sent(host, datagram());
    sent(host, datagram({.dst = "192.0.2.3"}));
    sent(host, datagram({.dst = "192.0.2.3"}), {});
    sent(host, datagram({.dst = "10.0.0.1"}));
    sent(host, datagram({.dst = "198.51.100.1"}));
    admitted(host, datagram({.src = kThere, .dst = kHere}));
    admitted(host, datagram({.src = "192.0.2.3", .dst = kHere}));
    admitted(host, datagram({.src = "203.0.113.1", .dst = kHere}));
  }
  EXPECT_EQ(count(0, out), "0 ");
  EXPECT_EQ(count(0, in), "3 got_clear");
  EXPECT_EQ(count(1, out), "3 misrouted");
  EXPECT_EQ(count(1, in), "0 ");
  EXPECT_EQ(count(2, out), "3 explicit");
  EXPECT_EQ(count(3, out), "3 no_sa");
  // What was opened, too.
  Host peer;
  ASSERT_EQ(peer.add(add(0x100)), kDone);
  give(host, {protect_by(esp(kGcm))});
  const auto mine = std::make_shared<policy::Tally>();
  peer.plane.rules(std::make_shared<const policy::Lookup>(Rules{protect_by(esp(kAes, kSha1))}, policy::Tallies{mine}));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(opened(peer, protect(host, datagram()).packet), "bad_espealg");
  EXPECT_EQ(mine->dropped(in).packets, 2u);
  EXPECT_EQ(mine->dropped(out).packets, 0u);
}

// Opened fragments of a tunnel, in any order; what contradicts is dropped and counted, whole packets stay.
TEST(Rules, OpenedFragmentsAreGathered) {
  Host host;
  const Octets whole = datagram({.size = 1000});
  auto cut = pieces(whole, 600);
  ASSERT_EQ(cut.size(), 2u);
  const auto gathered = [&](const Octets& packet) {
    Held held(packet, Packet::kHeadroom, 2000);
    host.worker.gather(held.item, at(0));
    return std::pair(held.item.cause, held.bytes().size());
  };
  EXPECT_EQ(gathered(whole), (std::pair(Cause::none, whole.size())));
  EXPECT_EQ(gathered(cut[1]).first, Cause::held);
  EXPECT_EQ(gathered(cut[0]), (std::pair(Cause::none, whole.size())));
  EXPECT_EQ(gathered(cut[0]).first, Cause::held);
  EXPECT_EQ(host.plane.inbound().drops, Totals{}.drops);
  EXPECT_EQ(gathered(cut[1]), (std::pair(Cause::none, whole.size())));
  EXPECT_EQ(gathered(cut[1]).first, Cause::held);
  EXPECT_EQ(gathered(cut[1]).first, Cause::fragment);  // It overlaps.
  EXPECT_EQ(drops(host.plane.inbound(), Cause::fragment), 2u);
}

TEST(Rules, AFragmentInClearThatMayBelongToAProtectedConnectionIsRefused) {
  Host host;
  const auto cut = pieces(datagram({.size = 1000}), 600);
  Rule port = protect_by(esp(kGcm));
  port.selector.local_port = 443;
  give(host, {port});
  for (const Octets& piece : cut) EXPECT_EQ(admitted(host, piece), "fragment");
  EXPECT_EQ(admitted(host, datagram()), "none");
  Rule open = pass();
  open.selector.local_port = 443;
  give(host, {open});
  for (const Octets& piece : cut) EXPECT_EQ(admitted(host, piece), "none");
  give(host, {pass("192.0.2.0/24"), port});
  for (const Octets& piece : cut) EXPECT_EQ(admitted(host, piece), "none");
}

}  // namespace
}  // namespace ipseckey::traffic
