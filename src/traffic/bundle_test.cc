/// AH around ESP, two SAs of one bundle (RFC 4301 section 4.4.2.1).
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

constexpr std::uint32_t kEspSpi = 0x100, kAhSpi = 0x200, kNumber = 7;
constexpr std::uint8_t kNull = 11, kSha256 = 5, kSha512 = 7;

// What two SAs do together: the modes, the families, and the inner packet.
struct Form {
  const char* name;
  Wish esp, ah;
  Shape inside;
};
const std::array kForms = {
    Form{"transport", {}, {}, {}},
    Form{"transport v6", {.src = kSrc6, .dst = kDst6}, {.src = kSrc6, .dst = kDst6}, {.src = kSrc6, .dst = kDst6}},
    Form{"tunnel in transport", {.tunnel = true}, {}, {.src = "10.1.0.1", .dst = "10.2.0.1"}},
    Form{"both tunnels", {.tunnel = true}, {.tunnel = true}, {.src = "10.1.0.1", .dst = "10.2.0.1"}},
    Form{"v4 in v6",
         {.src = kSrc6, .dst = kDst6, .tunnel = true},
         {.src = kSrc6, .dst = kDst6},
         {.src = "10.1.0.1", .dst = "10.2.0.1"}},
    Form{"v6 in v4",
         {.tunnel = true, .inner_src = "fd01::", .inner_dst = "fd02::", .prefix = 32},
         {},
         {.src = "fd01::1", .dst = "fd02::1"}},
};

Wish esp_of(const Form& form, std::uint8_t encrypt = kNull, std::uint8_t auth = kSha256) {
  Wish wish = form.esp;
  wish.encrypt = encrypt, wish.auth = auth, wish.bundle = kNumber;
  return wish;
}
Wish ah_of(const Form& form) {
  Wish wish = form.ah;
  wish.encrypt = 0, wish.auth = kSha512, wish.bundle = kNumber;
  return wish;
}

struct Both : Host {
  explicit Both(const Form& form, PlaneOptions options = {}) : Host(options) { load(form); }
  void load(const Form& form, std::uint32_t more = 0) {
    EXPECT_EQ(add(testing::add(kEspSpi + more, esp_of(form))), kDone);
    EXPECT_EQ(add(testing::add(kAhSpi + more, ah_of(form))), kDone);
  }
};

std::uint64_t drops(const Totals& totals, Cause cause) { return totals.drops[static_cast<std::size_t>(cause)]; }

// Where AH starts, and its length: 12 and 32, in fours, under IPv6 eights.
std::size_t ah_at(const Form& form) { return std::string_view(form.esp.src).contains(':') ? 40 : 20; }
std::size_t ah_length(const Form& form) { return ah_at(form) == 40 ? 48 : 44; }

// RFC 4302 and 4303: IP, AH that names ESP next, ESP with the inner packet; with NULL, all of it is readable.
TEST(Bundle, EspIsAppliedFirstAndAhAroundIt) {
  for (const Form& form : kForms)
    for (const std::size_t size : {0u, 1u, 2u, 3u, 700u}) {
      SCOPED_TRACE(fmt::format("{}, {}", form.name, size));
      Both here(form), there(form);
      Shape shape = form.inside;
      shape.size = size;
      const Octets plain = datagram(shape);
      const Result out = protect(here, plain);
      ASSERT_EQ(name(out.cause), "none");
      const auto h = parse(out.packet);
      ASSERT_TRUE(h);
      EXPECT_EQ(h->upper, kAh);
      EXPECT_EQ(h->upper_at, ah_at(form));
      const Bytes ah = Bytes(out.packet).subspan(h->upper_at);
      EXPECT_EQ(get<std::uint8_t>(ah, 0), kEsp);
      EXPECT_EQ((get<std::uint8_t>(ah, 1) + 2u) * 4, ah_length(form));
      EXPECT_EQ(get<std::uint32_t>(ah, 4), kAhSpi);
      EXPECT_EQ(get<std::uint32_t>(ah, 8), 1u);
      const Bytes esp = ah.subspan(ah_length(form));
      EXPECT_EQ(get<std::uint32_t>(esp, 0), kEspSpi);
      EXPECT_EQ(get<std::uint32_t>(esp, 4), 1u);
      const Bytes text = form.esp.tunnel ? Bytes(plain) : Bytes(plain).subspan(ah_at(form));
      EXPECT_EQ(hex(esp.subspan(8, text.size())), hex(text));
      EXPECT_EQ(out.departure.protocol, kAh);
      EXPECT_EQ(out.departure.header, ah_at(form));
      EXPECT_EQ(out.departure.sa, (engine::SaId{SaType::ah, kAhSpi, *parse_address(form.esp.dst)}));
      const Result in = unprotect(there, out.packet);
      EXPECT_EQ(name(in.cause), "none");
      EXPECT_EQ(hex(in.packet), hex(plain));
      EXPECT_EQ(name(unprotect(there, out.packet).cause), "replayed");
    }
}

TEST(Bundle, BothSasCountTheInnerPacketAndItsConnection) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    Both here(form), there(form);
    for (std::uint16_t i = 0; i < 6; ++i) {
      Shape shape = form.inside;
      shape.src_port = static_cast<std::uint16_t>(i / 2);
      ASSERT_EQ(name(unprotect(there, protect(here, datagram(shape)).packet).cause), "none");
    }
    const std::uint64_t bytes = 6 * datagram(form.inside).size();
    for (const Both* const host : {&here, &there})
      for (const engine::SaId id : {engine::SaId{SaType::esp, kEspSpi, *parse_address(form.esp.dst)},
                                    engine::SaId{SaType::ah, kAhSpi, *parse_address(form.esp.dst)}}) {
        const auto carried = host->plane.carried(id);
        EXPECT_EQ(carried->packets, 6u);
        EXPECT_EQ(carried->bytes, bytes);
        EXPECT_EQ(carried->allocations, 3u);
        EXPECT_EQ(carried->sequence, 6u);
      }
    EXPECT_EQ(here.plane.outbound().packets, 6u);
    EXPECT_EQ(here.plane.outbound().bytes, bytes);
    EXPECT_EQ(there.plane.inbound().packets, 6u);
  }
}

// Whichever was added first, and whichever is missing.
TEST(Bundle, OneSaAloneSendsNothing) {
  for (const Form& form : kForms)
    for (const bool esp_first : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, ESP first {}", form.name, esp_first));
      const auto of = [&](bool esp) {
        return esp ? testing::add(kEspSpi, esp_of(form)) : testing::add(kAhSpi, ah_of(form));
      };
      Host here;
      Both there(form);
      ASSERT_EQ(here.add(of(esp_first)), kDone);
      const Octets plain = datagram(form.inside);
      const bool covers = esp_first || form.ah.tunnel == form.esp.tunnel;
      EXPECT_EQ(name(protect(here, plain).cause), covers ? "bundle" : "no_sa");
      EXPECT_EQ(drops(here.plane.outbound(), Cause::bundle), covers ? 1u : 0u);
      ASSERT_EQ(here.add(of(!esp_first)), kDone);
      const Result out = protect(here, plain);
      ASSERT_EQ(name(out.cause), "none");
      EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
      here.plane.halt({SaType::ah, kAhSpi, *parse_address(form.esp.dst)});
      EXPECT_EQ(name(protect(here, plain).cause), "bundle");
    }
}

TEST(Bundle, SasWithAnotherNumberOrHostOrNoneAreNotCompanions) {
  const Form& form = kForms[2];
  const auto sends = [&](const Wish& ah) {
    Host host;
    EXPECT_EQ(host.add(add(kEspSpi, esp_of(form))), kDone);
    EXPECT_EQ(host.add(add(kAhSpi, ah)), kDone);
    return std::string(name(protect(host, datagram(form.inside)).cause));
  };
  Wish ah = ah_of(form);
  EXPECT_EQ(sends(ah), "none");
  ah.bundle = kNumber + 1;
  EXPECT_EQ(sends(ah), "bundle");
  ah.bundle = 0;
  EXPECT_EQ(sends(ah), "bundle");
  ah = ah_of(form), ah.src = "192.0.2.9";
  EXPECT_EQ(sends(ah), "bundle");
  ah = ah_of(form), ah.dst = "192.0.2.9";
  EXPECT_EQ(sends(ah), "bundle");
  ah = ah_of(form), ah.tunnel = true;
  EXPECT_EQ(sends(ah), "none");
  ah.inner_dst = "10.3.0.0";
  EXPECT_EQ(sends(ah), "bundle");
}

// A tunnel of AH around ESP in transport mode is not a bundle.
TEST(Bundle, TheTunnelIsEsps) {
  Host host;
  ASSERT_EQ(host.add(add(kEspSpi, esp_of(kForms[0]))), kDone);
  ASSERT_EQ(host.add(add(kAhSpi, ah_of(kForms[3]))), kDone);
  EXPECT_EQ(name(protect(host, datagram()).cause), "bundle");
}

// The new SAs have the number of the old ones: either of them may be added first.
TEST(Bundle, NewKeysMayBeAddedOneByOne) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    Both here(form), there(form);
    there.load(form, 1);
    const auto passes = [&] {
      const Result out = protect(here, datagram(form.inside));
      return std::string(name(unprotect(there, out.packet).cause));
    };
    EXPECT_EQ(passes(), "none");
    ASSERT_EQ(here.add(testing::add(kAhSpi + 1, ah_of(form))), kDone);
    EXPECT_EQ(passes(), "none");
    ASSERT_EQ(here.add(testing::add(kEspSpi + 1, esp_of(form))), kDone);
    EXPECT_EQ(passes(), "none");
    const Octets wire = protect(here, datagram(form.inside)).packet;
    EXPECT_EQ(get<std::uint32_t>(wire, ah_at(form) + 4), kAhSpi + 1);
    EXPECT_EQ(get<std::uint32_t>(wire, ah_at(form) + ah_length(form)), kEspSpi + 1);
    here.plane.remove({SaType::esp, kEspSpi, *parse_address(form.esp.dst)});
    here.plane.remove({SaType::ah, kAhSpi, *parse_address(form.esp.dst)});
    EXPECT_EQ(passes(), "none");
  }
}

// A packet that arrives under one of them has half of the protection.
TEST(Bundle, HalfOfTheProtectionIsNotAccepted) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    const auto sent = [&](const Wish& wish, std::uint32_t spi) {
      Host host;
      Wish alone = wish;
      alone.bundle = 0;
      EXPECT_EQ(host.add(add(spi, alone)), kDone);
      return protect(host, datagram(form.inside)).packet;
    };
    Both there(form);
    EXPECT_EQ(name(unprotect(there, sent(esp_of(form), kEspSpi)).cause), "bundle");
    if (form.ah.tunnel == form.esp.tunnel) {
      EXPECT_EQ(name(unprotect(there, sent(ah_of(form), kAhSpi)).cause), "bundle");
    }
    // It contains ESP of no bundle, or of another one.
    for (const std::uint32_t number : {0u, kNumber + 1}) {
      Host other;
      Wish esp = esp_of(form);
      esp.bundle = number;
      ASSERT_EQ(other.add(add(kEspSpi, esp)), kDone);
      ASSERT_EQ(other.add(add(kAhSpi, ah_of(form))), kDone);
      Both here(form);
      EXPECT_EQ(name(unprotect(other, protect(here, datagram(form.inside)).packet).cause), "bundle");
    }
    // Each SA exists, but they are not a bundle.
    Host ah_only;
    ASSERT_EQ(ah_only.add(add(kAhSpi, ah_of(form))), kDone);
    Both here(form);
    EXPECT_EQ(name(unprotect(ah_only, protect(here, datagram(form.inside)).packet).cause), "no_sa");
  }
}

TEST(Bundle, BothSasMustCoverTheInnerPacket) {
  // ESP for all packets, AH for one port; and the reverse.
  for (const bool ah_narrow : {false, true}) {
    SCOPED_TRACE(ah_narrow);
    const auto load = [&](Host& host, bool narrow) {
      Message esp = add(kEspSpi, esp_of(kForms[3])), ah = add(kAhSpi, ah_of(kForms[3]));
      Message& one = ah_narrow ? ah : esp;
      one.inner_src->proto = one.inner_dst->proto = narrow ? kUdp : 0;
      one.inner_dst->port = narrow ? 2000 : 0;
      EXPECT_EQ(host.add(std::move(esp)), kDone);
      EXPECT_EQ(host.add(std::move(ah)), kDone);
    };
    Host wide, narrow;
    load(wide, false), load(narrow, true);
    const Shape right{.src = "10.1.0.1", .dst = "10.2.0.1"};
    Shape wrong = right;
    wrong.dst_port = 2001;
    EXPECT_EQ(name(protect(narrow, datagram(wrong)).cause), "bundle");
    EXPECT_EQ(name(protect(narrow, datagram(right)).cause), "none");
    EXPECT_EQ(name(unprotect(narrow, protect(wide, datagram(right)).packet).cause), "none");
    EXPECT_EQ(name(unprotect(narrow, protect(wide, datagram(wrong)).packet).cause), "selector");
  }
}

TEST(Bundle, AChangeAnywhereIsNoticed) {
  const Form& form = kForms[2];
  Both here(form);
  const Octets wire = protect(here, datagram(form.inside)).packet;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (i == 1 || (i >= 6 && i <= 8) || i == 10 || i == 11) continue;  // Mutable (RFC 4302 section 3.3.3.1.1).
    Octets changed = wire;
    changed[i] ^= std::byte{1};
    if (i < 20) mend_checksum(changed);
    Both there(form);
    EXPECT_NE(name(unprotect(there, changed).cause), "none") << i;
  }
  for (std::size_t size = 0; size < wire.size(); ++size) {
    Octets cut(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    if (size >= 20) mend_length(cut);
    Both there(form);
    EXPECT_NE(name(unprotect(there, cut).cause), "none") << size;
  }
}

// The ICV of AH is right, and its content was made by somebody with its key: lengths of every kind.
TEST(Bundle, TheKeyOfAhAloneIsNotEnough) {
  const Form& form = kForms[0];
  for (std::size_t size = 0; size < 64; ++size)
    for (const std::uint32_t spi : {kEspSpi, kAhSpi, 0u}) {
      Host attacker;
      Wish ah = ah_of(form);
      ah.bundle = 0;
      Message m = add(kAhSpi, ah);
      m.src->proto = m.dst->proto = kEsp;
      ASSERT_EQ(attacker.add(std::move(m)), kDone);
      Octets packet = datagram({.size = 100});
      packet[9] = std::byte{kEsp};
      packet.resize(20 + size);
      if (size >= 4) set(packet, 20, spi);
      mend_length(packet);
      Both there(form);
      const Cause cause = unprotect(there, protect(attacker, packet).packet).cause;
      const bool known = size >= 8 && spi == kEspSpi;
      EXPECT_TRUE(known ? cause == Cause::truncated || cause == Cause::corrupt
                        : cause == Cause::truncated || cause == Cause::no_sa)
          << size << " " << name(cause);
    }
}

// 1500 less 20, 44, 8 and 16 of ESP with NULL and SHA-256; in fours, less 2: 1410. IPv6: less 40 and 48.
TEST(Bundle, TheSenderLearnsTheSizeThatFitsBoth) {
  struct Row {
    std::size_t form;
    std::uint32_t fits;
  };
  for (const Row& row : {Row{0, 1430}, Row{1, 1426}, Row{2, 1410}, Row{3, 1410}, Row{4, 1386}, Row{5, 1410}}) {
    const Form& form = kForms[row.form];
    SCOPED_TRACE(form.name);
    Both here(form), there(form);
    Shape shape = form.inside;
    shape.dont_fragment = true;
    shape.size = row.fits - (std::string_view(shape.src).contains(':') ? 48 : 28);
    const Result fits = protect(here, datagram(shape));
    ASSERT_EQ(name(fits.cause), "none");
    EXPECT_LE(fits.packet.size(), 1500u);
    EXPECT_EQ(name(unprotect(there, fits.packet).cause), "none");
    ++shape.size;
    const Result over = protect(here, datagram(shape));
    EXPECT_EQ(name(over.cause), "too_big");
    EXPECT_EQ(over.mtu, row.fits);
    // Path reports and links concern AH, which the network sees.
    here.plane.path_mtu({SaType::ah, kAhSpi, *parse_address(form.esp.dst)}, 1400, at(0));
    EXPECT_EQ(protect(here, datagram(shape)).mtu, row.fits - 100);
  }
}

TEST(Bundle, ALinkWithASmallerMtuIsLearnt) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    Both here(form), there(form);
    Shape shape = form.inside;
    shape.size = 1300;
    shape.dont_fragment = true;
    Held held(datagram(shape));
    here.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    ASSERT_TRUE(here.worker.narrow(held.item, 1300, at(0)));
    EXPECT_EQ(name(unprotect(there, held.bytes()).cause), "none");
    EXPECT_EQ(name(protect(here, datagram(shape)).cause), "too_big");
  }
}

// A limit of either SA ends what both carry, and the other one does not count what was not sent.
TEST(Bundle, ALimitOfEitherAppliesToBoth) {
  const Form& form = kForms[2];
  for (const bool of_ah : {false, true}) {
    Host here;
    Message esp = add(kEspSpi, esp_of(form)), ah = add(kAhSpi, ah_of(form));
    (of_ah ? ah : esp).hard = pfkey::Lifetime{.allocations = 0, .bytes = 100, .addtime = 0, .usetime = 0};
    ASSERT_EQ(here.add(std::move(esp)), kDone);
    ASSERT_EQ(here.add(std::move(ah)), kDone);
    EXPECT_EQ(name(protect(here, datagram(form.inside)).cause), "none");
    EXPECT_EQ(name(protect(here, datagram(form.inside)).cause), "exhausted");
    for (const engine::SaId id : {engine::SaId{SaType::esp, kEspSpi, *parse_address("192.0.2.2")},
                                  engine::SaId{SaType::ah, kAhSpi, *parse_address("192.0.2.2")}}) {
      EXPECT_EQ(here.plane.carried(id)->packets, 1u);
      EXPECT_EQ(here.plane.carried(id)->bytes, 68u);
      EXPECT_EQ(here.plane.carried(id)->exhausted, (id.satype == SaType::ah) == of_ah);
    }
    EXPECT_TRUE(here.worker.attention());
    EXPECT_EQ(name(protect(here, datagram(form.inside)).cause), of_ah ? "bundle" : "no_sa");
  }
}

// A route leads them back into the device.
TEST(Bundle, ItsOwnPacketsAreNotProtectedAgain) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    Both here(form);
    const Octets wire = protect(here, datagram(form.inside)).packet;
    const Cause cause = protect(here, wire).cause;
    EXPECT_TRUE(cause == Cause::looped || (form.ah.tunnel && cause == Cause::no_sa)) << name(cause);
  }
}

TEST(Bundle, EspInUdpAndAnySourceAreRefused) {
  Host host;
  constexpr engine::testing::Outcome kRefused{EINVAL, pfkey::Diagnostic::none};
  EXPECT_EQ(host.add(add(kEspSpi, {.udp = true, .bundle = 1})), kRefused);
  EXPECT_EQ(host.add(add(kEspSpi, {.src = "0.0.0.0", .bundle = 1})), kRefused);
}

}  // namespace
}  // namespace ipseckey::traffic
