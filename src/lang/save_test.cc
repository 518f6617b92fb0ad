// load(save(x)) == x for any SA that the language can say.
#include "lang/save.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "lang/commands.h"
#include "lang/source.h"
#include "lang/testing.h"
#include "lang/to_spec.h"
#include "pfkey/algorithms.h"
#include "pfkey/icmp.h"
#include "pfkey/json.h"

namespace ipseckey::lang {
namespace {

using lang::testing::run;
using pfkey::Message;
using pfkey::SaType;
using pfkey::State;

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  /// An ADD that says anything the language can, in a sound combination.
  Message add() {
    Message m;
    m.type = pfkey::Type::add;
    m.satype = maybe() ? SaType::esp : SaType::ah;
    m.sa = pfkey::Sa{.spi = below(2) ? 1 + below(1000) : static_cast<std::uint32_t>(random_()) | 1,
                     .replay = static_cast<std::uint8_t>(maybe() ? below(256) : 0),
                     .state = below(4) ? State::mature : State::active_elsewhere};
    if (maybe()) m.sa->flags |= pfkey::kFlagInbound;
    if (maybe()) m.sa->flags |= pfkey::kFlagOutbound;
    if (below(4) == 0) m.replay_value = pfkey::ReplayValue{1 + below(100000), 0};
    window(m);
    algorithms(m);
    limits(m);
    traffic(m);
    linux_members(m);
    if (below(4) == 0) m.src_identity = identity();
    if (below(4) == 0) m.dst_identity = identity();
    if (below(4) == 0) m.sensitivity = label(0);
    if (below(4) == 0) m.outer_sensitivity = label(maybe() ? pfkey::kSensImplicit : 0);
    return m;
  }

 private:
  void window(Message& m) {
    if (below(4) == 0) m.replay_window = pfkey::ReplayWindow{m.sa->replay, true};
    if (below(4) == 0) {
      m.replay_window = pfkey::ReplayWindow{256 + below(3841), maybe()};
      m.sa->replay = 255;
    }
  }

  void linux_members(Message& m) {
    static const std::vector<std::string> kDevices = {"eth0", "spi", "packet", "mark", "a b",
                                                      "a\"b", "#",   "$x",     "\x01"};
    if (m.satype == pfkey::SaType::ah && below(4) == 0) m.ah_align = pfkey::Number{8};
    if (below(4) == 0) m.bundle = pfkey::Number{1 + below(9)};
    if (below(4) == 0) m.device = pfkey::Device{kDevices[below(static_cast<std::uint32_t>(kDevices.size()))]};
    if (below(4) == 0) m.output_mark = pfkey::Mark{below(16), 0xf};
    if (m.inner_src && below(4) == 0) m.dscp = pfkey::Number{below(pfkey::kDscpCopy + 1)};
    if (m.inner_src && m.dst->address.family == Family::v4 && below(4) == 0) m.df = pfkey::Number{below(3)};
    if (m.inner_src && m.satype == pfkey::SaType::esp && below(4) == 0) m.tfc_pad = pfkey::Number{1 + below(65535)};
    if (m.natt_remote && m.natt_remote->port != 0 && below(4) == 0) m.keepalive = pfkey::Number{1 + below(65535)};
    if (below(4) == 0) m.reqid = pfkey::Number{below(3)};
    if (below(4) == 0) m.if_id = pfkey::Number{static_cast<std::uint32_t>(random_())};
    if (below(4) == 0) {
      const auto mask = static_cast<std::uint32_t>(maybe() ? UINT32_MAX : random_());
      m.mark = pfkey::Mark{static_cast<std::uint32_t>(random_()) & mask, mask};
    }
    if (below(4) == 0)
      m.offload = pfkey::Offload{maybe() ? pfkey::Offload::Mode::packet : pfkey::Offload::Mode::crypto,
                                 kDevices[below(static_cast<std::uint32_t>(kDevices.size()))]};
  }

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool maybe() { return below(2) == 1; }

  pfkey::Key key(unsigned bits) {
    pfkey::Key k{static_cast<std::uint16_t>(bits), 0, Secret(bits / 8)};
    for (std::byte& b : k.material.bytes()) b = static_cast<std::byte>(below(256));
    return k;
  }

  // Any size that the algorithm takes; HMAC's may be shorter than its RFC's, or longer.
  unsigned key_bits(const pfkey::Algorithm& a) {
    if (a.mode == pfkey::Mode::hmac && maybe()) return 80 + 8 * below(247);
    return a.min_bits + a.step_bits * below(1u + static_cast<unsigned>(a.max_bits - a.min_bits) / a.step_bits);
  }

  const pfkey::Algorithm& any(pfkey::AlgorithmKind kind) {
    while (true) {
      const auto& a = pfkey::algorithms()[below(static_cast<std::uint32_t>(pfkey::algorithms().size()))];
      if (a.kind == kind) return a;
    }
  }

  void algorithms(Message& m) {
    const bool ah = m.satype == SaType::ah;
    const pfkey::Algorithm& cipher = any(pfkey::AlgorithmKind::encrypt);
    const bool null = !ah && !cipher.takes_key();
    if (!ah) {
      m.sa->encrypt = cipher.number;
      if (!null) {
        const unsigned iv = below(4) ? 0 : cipher.iv * 8u;
        m.encrypt_key = key(key_bits(cipher) + cipher.salt_bits + iv);
        m.encrypt_key->reserved = static_cast<std::uint16_t>(iv);
      }
    }
    // Without integrity there is neither a replay window nor a counter mode.
    if (ah || null || (!cipher.combined() && (cipher.counter() || m.sa->replay != 0 || m.replay_window || maybe()))) {
      const pfkey::Algorithm& auth = any(pfkey::AlgorithmKind::auth);
      m.sa->auth = auth.number;
      m.auth_key = key(key_bits(auth));
      const unsigned icv = maybe() ? pfkey::kShortIcv : auth.max_bits;
      if (icv != auth.icv * 8u && maybe()) m.icv = pfkey::Number{icv};
    }
  }

  // Soft and idle limits below the hard ones, where there are some.
  void limits(Message& m) {
    if (maybe()) m.hard = pfkey::Lifetime{1000 + below(9), 1u << 30, UINT64_MAX, maybe() ? 0u : 28800u};
    if (maybe()) m.soft = pfkey::Lifetime{maybe() ? 0 : below(1000), 1 + below(1000), below(1000), 0};
    if (maybe()) m.idle = pfkey::Lifetime{0, 0, 1 + below(1000), maybe() ? 0 : below(1000)};
  }

  Address any_address(Family family) {
    Address a = unspecified(family);
    for (std::size_t i = 0; i < a.size(); ++i) a.octets[i] = static_cast<std::byte>(maybe() ? below(256) : 0);
    a.octets[0] = static_cast<std::byte>(1 + below(255));
    return a;
  }
  std::uint16_t port() { return static_cast<std::uint16_t>(maybe() ? below(65536) : 0); }

  // ICMP has a type, or a type and a code, each from 0, as 256, to 255.
  void ports(pfkey::Endpoint& src, pfkey::Endpoint& dst) {
    src.port = port(), dst.port = port();
    if (!pfkey::is_icmp(src.proto)) return;
    src.port = static_cast<std::uint16_t>(below(257));
    dst.port = static_cast<std::uint16_t>(src.port ? below(257) : 0);
  }

  void traffic(Message& m) {
    const Family family = maybe() ? Family::v4 : Family::v6;
    const bool tunnel = below(3) == 0;
    std::uint8_t proto = static_cast<std::uint8_t>(maybe() ? below(256) : 0);
    if (tunnel) {
      const Family inside = maybe() ? Family::v4 : Family::v6;
      const auto side = [&] {
        const Address a = any_address(inside);
        const unsigned prefix = below(a.bits() + 1);
        return pfkey::Endpoint{0, static_cast<std::uint8_t>(prefix), masked(a, prefix), 0};
      };
      m.inner_src = side(), m.inner_dst = side();
      m.inner_src->proto = m.inner_dst->proto = static_cast<std::uint8_t>(maybe() ? below(256) : 0);
      if (below(4) == 0) m.inner_src->proto = m.inner_dst->proto = maybe() ? pfkey::kProtoIcmp : pfkey::kProtoIcmpV6;
      ports(*m.inner_src, *m.inner_dst);
      m.sa->flags |= pfkey::kFlagTunnel;
      proto = inside == Family::v4 ? pfkey::kProtoIpip : pfkey::kProtoIpv6;
    }
    if (!tunnel && below(8) == 0) proto = maybe() ? pfkey::kProtoIcmp : pfkey::kProtoIcmpV6;
    m.src = pfkey::Endpoint{proto, 0, below(4) ? any_address(family) : unspecified(family)};
    m.dst = pfkey::Endpoint{proto, 0, any_address(family)};
    if (!tunnel) ports(*m.src, *m.dst);
    if (m.satype != SaType::esp || below(3)) return;
    const auto nat = [&] {
      return pfkey::Endpoint{pfkey::kProtoUdp, 0, maybe() ? any_address(Family::v4) : Address{}, port()};
    };
    const std::uint32_t sides = 1 + below(3);
    if (sides & 1) m.natt_local = nat(), m.sa->flags |= pfkey::kFlagNattLocal;
    if (sides & 2) m.natt_remote = nat(), m.sa->flags |= pfkey::kFlagNattRemote;
  }

  // Texts that look like other things of the language among them.
  pfkey::Identity identity() {
    static const std::vector<std::string> kTexts = {
        "",     "spi", "add",  "a.example", "joe@b.example", "a b", "#x",       "$\"x\"",
        "a\"b", "\\",  "a\nb", "encrkey",   "fqdn",          "\"",  "\xff\x01", "a\\"};
    return {static_cast<pfkey::IdentityType>(below(9)), 0, kTexts[below(static_cast<std::uint32_t>(kTexts.size()))]};
  }

  pfkey::Sensitivity label(std::uint32_t flags) {
    pfkey::Sensitivity s{
        .dpd = 1, .level = static_cast<std::uint8_t>(below(256)), .flags = flags, .bitmap = {}, .integrity_bitmap = {}};
    for (std::uint32_t n = below(4); n > 0; --n) s.bitmap.push_back(random_());
    return s;
  }

  std::mt19937_64 random_;
};

// What a SADB that took the ADD says to DUMP: key and salt counted apart, the explicit IV by itself, no empty limits.
Message as_dumped(const Message& add) {
  Message m = add.clone();
  m.type = pfkey::Type::dump;
  if (m.encrypt_key) {
    const auto* algorithm = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, m.sa->encrypt);
    const std::uint16_t iv = m.encrypt_key->reserved;
    const Bytes whole = m.encrypt_key->material.bytes();
    pfkey::Key key{static_cast<std::uint16_t>(m.encrypt_key->bits - iv - algorithm->salt_bits), algorithm->salt_bits,
                   Secret(whole.first(whole.size() - iv / 8u))};
    if (iv) m.initial_iv = pfkey::Key{iv, 0, Secret(whole.last(iv / 8u))};
    m.encrypt_key = std::move(key);
  }
  m.current = pfkey::Lifetime{1, 2, 3, 4};
  return m;
}

std::string saved(const std::vector<Message>& sas, bool paranoid = false) {
  Saver saver(kCommandFormat, paranoid);
  SecretText out(std::string_view{saver.header()});
  for (const Message& m : sas) saver.write(as_dumped(m), out);
  return std::string(out);
}

// The ADDs of a file. A report of errors comes in place of the command.
std::vector<Message> loaded(std::string_view file) {
  const auto reader = open_source([file](MutableBytes room) mutable -> Result<std::size_t> {
                        const std::size_t n = std::min(room.size(), file.size());
                        std::ranges::copy(std::as_bytes(std::span(file.substr(0, n))), room.begin());
                        file.remove_prefix(n);
                        return n;
                      }).value();
  std::vector<Message> out;
  for (auto line = reader->next(); line && *line; line = reader->next()) {
    for (const SourceFault& f : reader->faults())
      ADD_FAILURE() << f.place.line << f.place.pointer << f.message << f.detail;
    if ((*line)->kind != Line::Kind::command) continue;
    auto outcome = run(reader->text(**line), Where::file, {"saved", (*line)->number}, true);
    EXPECT_EQ(outcome.report.find(" error: "), std::string::npos) << outcome.report;
    for (Message& m : outcome.messages) out.push_back(std::move(m));
  }
  return out;
}

std::vector<Message> list(Message&& m) {
  std::vector<Message> out;
  out.push_back(std::move(m));
  return out;
}

TEST(Save, LosesNothing) {
  Generator generator(3);
  std::vector<Message> sas;
  for (int i = 0; i < 2000; ++i) sas.push_back(generator.add());
  const std::string file = saved(sas);
  const std::vector<Message> back = loaded(file);
  ASSERT_EQ(back.size(), sas.size());
  for (std::size_t i = 0; i < sas.size(); ++i) EXPECT_TRUE(back[i] == sas[i]) << saved(list(sas[i].clone()));
  EXPECT_EQ(saved(back), file);
}

// The same through JSON, which a controller reads and writes.
TEST(Save, JsonLosesNothingEither) {
  Generator generator(4);
  std::vector<Message> sas;
  SecretText file;
  pfkey::JsonOptions options;
  options.sadb = "memory";
  for (int i = 0; i < 2000; ++i) {
    sas.push_back(generator.add());
    pfkey::json_sa(as_dumped(sas.back()), options, file);
  }
  const std::vector<Message> back = loaded(file);
  ASSERT_EQ(back.size(), sas.size());
  for (std::size_t i = 0; i < sas.size(); ++i) EXPECT_TRUE(back[i] == sas[i]) << saved(list(sas[i].clone()));
}

Message small(std::uint32_t spi, std::string_view src, std::string_view dst) {
  auto outcome = run(
      fmt::format("add ah spi {} src {} dst {} authalg md5 authkey 00112233445566778899aabbccddeeff", spi, src, dst));
  return std::move(outcome.messages.at(0));
}

constexpr std::string_view kHead =
    "# IPsec security associations, written by ipseckey. Load them with: ipseckey -f FILE\n"
    "# This file holds keys: keep it readable only by its owner.\n";
constexpr std::string_view kSmall =
    "\nadd ah spi 0x1000 src 192.0.2.1 dst 192.0.2.2 auth_alg hmac-md5 \\\n"
    "    authkey 00112233445566778899aabbccddeeff/128\n";

TEST(Save, WritesCommands) {
  EXPECT_EQ(saved({}), kHead);
  EXPECT_EQ(saved(list(small(0x1000, "192.0.2.1", "192.0.2.2"))), std::string(kHead) + std::string(kSmall));
}

TEST(Save, HidesKeysWhenParanoid) {
  EXPECT_EQ(saved(list(small(0x1000, "192.0.2.1", "192.0.2.2")), true),
            "# Keys are hidden (-p): this file cannot be loaded.\n"
            "# IPsec security associations, written by ipseckey. Load them with: ipseckey -f FILE\n"
            "\nadd ah spi 0x1000 src 192.0.2.1 dst 192.0.2.2 auth_alg hmac-md5 \\\n"
            "    authkey XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX/128\n");
}

TEST(Save, NamesAPairAtItsSecondHalf) {
  std::vector<Message> sas;
  sas.push_back(small(0x1000, "192.0.2.1", "192.0.2.2"));
  sas.push_back(small(0x3000, "192.0.2.1", "192.0.2.2"));
  sas.push_back(small(0x2000, "192.0.2.2", "192.0.2.1"));
  sas[0].pair = pfkey::Pair{0x2000}, sas[0].sa->flags |= pfkey::kFlagPaired;
  sas[2].pair = pfkey::Pair{0x1000}, sas[2].sa->flags |= pfkey::kFlagPaired;
  const auto back = loaded(saved(sas));
  ASSERT_EQ(back.size(), 3u);
  EXPECT_FALSE(back[0].pair || back[1].pair);
  EXPECT_EQ(back[2].pair, pfkey::Pair{0x1000});
}

TEST(Save, SaysWhatItCannotKeep) {
  std::vector<Message> sas;
  sas.push_back(small(0x1000, "192.0.2.1", "192.0.2.2"));
  sas[0].sa->state = State::larval;
  EXPECT_EQ(saved(sas),
            std::string(kHead) + "\n# A larval ah SA, spi 0x1000 dst 192.0.2.2, has no keys yet and is not saved.\n");
  for (const State state : {State::dying, State::dead}) {
    sas[0].sa->state = state;
    EXPECT_EQ(saved(sas), std::string(kHead) +
                              "\n# This SA was past its soft limit; when loaded, its lifetime starts from zero." +
                              std::string(kSmall));
  }
}

// Without the part that cannot be said it would be another SA.
TEST(Save, AnSaThatCannotBeExpressedIsLeftOutAndCounted) {
  std::vector<Message> sas;
  for (const std::uint32_t spi : {0x1000u, 0x1001u, 0x1002u, 0x1003u, 0x1004u})
    sas.push_back(small(spi, "192.0.2.1", "192.0.2.2"));
  sas[1].remark = pfkey::Remark{"its mode is 4,\nneither transport nor tunnel"};
  sas[2].auth_key.reset();
  sas[3].sa->auth = 0;  // AH with nothing that authenticates; its key is there.
  sas[4].soft = pfkey::Lifetime{.bytes = 9}, sas[4].hard = pfkey::Lifetime{.bytes = 8};
  Saver saver(kCommandFormat, false);
  SecretText out;
  for (Message& m : sas) saver.write(std::move(m), out);
  const auto left = [](int spi, std::string_view why) {
    return fmt::format("\n# The ah SA spi 0x{:x} dst 192.0.2.2 is not saved: {}.\n", spi, why);
  };
  EXPECT_EQ(std::string(out), std::string(kSmall) + left(0x1001, "its mode is 4,\\x0aneither transport nor tunnel") +
                                  left(0x1002, "the SADB did not return its keys") +
                                  left(0x1003, "add ah needs auth_alg") +
                                  left(0x1004, "soft_bytes 9 is above hard_bytes 8"));
  EXPECT_EQ(saver.left_out(), 4u);
}

// An SA that `add` would refuse is not a command of the file.
TEST(Save, LeavesOutKeysThatNoAlgorithmHas) {
  const auto said = [](std::uint8_t auth, std::uint16_t bits) {
    std::vector<Message> sas = list(small(0x1000, "192.0.2.1", "192.0.2.2"));
    sas[0].type = pfkey::Type::dump;
    sas[0].sa->auth = auth;
    sas[0].auth_key = pfkey::Key{bits, 0, Secret(bits / 8u)};
    std::ranges::fill(sas[0].auth_key->material.bytes(), std::byte{0x11});
    Saver saver(kCommandFormat, false);
    SecretText out;
    saver.write(std::move(sas[0]), out);
    EXPECT_EQ(saver.left_out(), out.starts_with("\n#") ? 1u : 0u);
    return std::string(out);
  };
  EXPECT_EQ(said(3, 72),
            "\n# The ah SA spi 0x1000 dst 192.0.2.2 is not saved: hmac-sha1 needs a key of 160 bits, or at least 80 in "
            "whole octets; 72 bits were given.\n");
  EXPECT_EQ(said(3, 80),
            "\nadd ah spi 0x1000 src 192.0.2.1 dst 192.0.2.2 auth_alg hmac-sha1 \\\n"
            "    authkey 11111111111111111111/80\n");
  EXPECT_EQ(
      said(9, 136),
      "\n# The ah SA spi 0x1000 dst 192.0.2.2 is not saved: aes-xcbc needs a key of 128 bits; 136 bits were given.\n");
}

// Other programs give the kernel SAs that `add` refuses.
TEST(Save, LeavesOutWhatNeedsIntegrity) {
  const auto said = [](std::string_view words, std::uint32_t window) {
    Message m = std::move(run(fmt::format("add esp spi 9 dst 192.0.2.2 {} authalg xcbc authkey {}", words,
                                          "00112233445566778899aabbccddeeff"))
                              .messages.at(0));
    m.sa->auth = 0, m.auth_key.reset();
    m.sa->replay = static_cast<std::uint8_t>(window);
    Saver saver(kCommandFormat, false);
    SecretText out;
    saver.write(std::move(m), out);
    EXPECT_EQ(saver.left_out(), out.contains("\nadd") ? 0u : 1u);
    return std::string(out);
  };
  const std::string aes =
      "\nadd esp spi 0x9 dst 192.0.2.2 encr_alg aes-cbc \\\n"
      "    encrkey 00112233445566778899aabbccddeeff/128\n";
  EXPECT_EQ(said("encralg aes encrkey 00112233445566778899aabbccddeeff", 0), aes);
  EXPECT_EQ(said("encralg aes encrkey 00112233445566778899aabbccddeeff", 32),
            "\n# The esp SA spi 0x9 dst 192.0.2.2 is not saved: a replay window needs auth_alg: without it one forged "
            "sequence number disables the SA (RFC 4303 section 1).\n");
  EXPECT_EQ(said("encralg aes-ctr encrkey 00112233445566778899aabbccddeeff00112233", 0),
            "\n# The esp SA spi 0x9 dst 192.0.2.2 is not saved: aes-ctr needs auth_alg: without it any bit of a packet "
            "can be flipped in transit (RFC 3686 section 7).\n");
}

// The second of a pair names the first; the choice and order of SAs do not depend on the format.
TEST(Save, AnotherFormatIsThreeFunctions) {
  const SaveFormat table = {
      .header = [](bool paranoid) { return std::string(paranoid ? "hidden\n" : "type,spi,pair\n"); },
      .sa =
          [](const SavableSa& sa, bool paranoid, SecretText& out) {
            out += fmt::format("{},{:x},{:x}{}{}\n", satype_word(sa.type), sa.spec.spi->value,
                               sa.spec.pair_spi ? sa.spec.pair_spi->value : 0, sa.past_soft_limit ? ",old" : "",
                               paranoid ? ",X" : "");
          },
      .left_out =
          [](const UnsavableSa& sa, SecretText& out) {
            out += fmt::format("; {} {:x} {}: {}\n", satype_word(sa.type), sa.spi, to_string(sa.dst),
                               sa.reason.value_or("larval"));
          },
  };
  for (const bool paranoid : {false, true}) {
    std::vector<Message> sas;
    for (const std::uint32_t spi : {0x1000u, 0x1001u, 0x1002u, 0x1003u})
      sas.push_back(spi == 0x1001 ? small(spi, "192.0.2.2", "192.0.2.1") : small(spi, "192.0.2.1", "192.0.2.2"));
    sas[0].pair = pfkey::Pair{0x1001}, sas[1].pair = pfkey::Pair{0x1000};
    sas[1].sa->state = State::dying;
    sas[2].auth_key.reset();
    sas[3].sa->state = State::larval;
    Saver saver(table, paranoid);
    SecretText out(std::string_view{saver.header()});
    for (Message& m : sas) saver.write(std::move(m), out);
    EXPECT_EQ(std::string(out),
              fmt::format("{}\nah,1000,0{}\nah,1001,1000,old{}\n"
                          "; ah 1002 192.0.2.2: the SADB did not return its keys\n"
                          "; ah 1003 192.0.2.2: larval\n",
                          paranoid ? "hidden" : "type,spi,pair", paranoid ? ",X" : "", paranoid ? ",X" : ""));
    EXPECT_EQ(saver.left_out(), 1u);
    EXPECT_EQ(saver.reason(), "the SADB did not return its keys");
  }
}

// A SADB may have remarked something without saying it in words.
TEST(Save, AnEmptyRemarkLeavesAnSaOutToo) {
  Message remarked = small(0x1000, "192.0.2.1", "192.0.2.2");
  remarked.remark = pfkey::Remark{""};
  Saver saver(kCommandFormat, false);
  SecretText out;
  saver.write(std::move(remarked), out);
  EXPECT_EQ(std::string(out), "\n# The ah SA spi 0x1000 dst 192.0.2.2 is not saved: .\n");
  EXPECT_EQ(saver.left_out(), 1u);
}

TEST(Save, KeepsToEightyColumns) {
  Generator generator(4);
  std::vector<Message> sas;
  for (int i = 0; i < 500; ++i) sas.push_back(generator.add());
  const std::string file = saved(sas);
  for (std::string_view rest = file; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    // A line of one keyword and its value cannot be broken.
    const bool one = line.starts_with("    ") && std::ranges::count(line.substr(4), ' ') <= 2;
    EXPECT_TRUE(line.size() <= 80 || one || line.starts_with('#')) << line;
  }
}

// What was sent between the save and the load must not be sent again.
TEST(Save, AnSaThatHasSentContinuesWithAMargin) {
  const auto saved = [](std::uint32_t flags, pfkey::ReplayValue value, bool esn, std::uint8_t window = 0) {
    Message m;
    m.satype = SaType::esp;
    m.sa = pfkey::Sa{.spi = 9, .replay = window, .state = State::mature, .flags = flags};
    m.replay_value = value;
    if (esn) m.replay_window = pfkey::ReplayWindow{64, true};
    const SaSpec spec = to_spec(std::move(m));
    return spec.replay_value ? spec.replay_value->value : 0;
  };
  constexpr std::uint32_t kUsed = pfkey::kFlagUsed, kOut = pfkey::kFlagOutbound, kIn = pfkey::kFlagInbound;
  EXPECT_EQ(saved(kOut | kUsed, {100, 0}, false), 100u + 1048576);
  EXPECT_EQ(saved(kOut, {100, 0}, false), 100u);  // Loaded, and not used since.
  EXPECT_EQ(saved(kIn | kUsed, {100, 0}, false), 100u);
  EXPECT_EQ(saved(kOut | kUsed, {0xffffff00, 0}, false), 0xffffffffu);  // No number is left: it can send no more.
  EXPECT_EQ(saved(kOut | kUsed, {0xffffff00, 0}, true), 0xffffff00ull + 1048576);
  EXPECT_EQ(saved(kOut | kUsed, {0, 0x300000000}, true), 0x300000000ull + 1048576);
  // One number for both directions: ahead of the peer's, a window would let in nothing.
  EXPECT_EQ(saved(kOut | kIn | kUsed, {100, 0}, false), 100u + 1048576);
  EXPECT_EQ(saved(kOut | kIn | kUsed, {100, 0}, false, 32), 100u);
  EXPECT_EQ(saved(kUsed, {100, 0}, false), 100u + 1048576);
  EXPECT_EQ(saved(kUsed, {100, 0}, false, 32), 100u);
  EXPECT_EQ(saved(kOut | kUsed, {100, 0}, false, 32), 100u + 1048576);
}

}  // namespace
}  // namespace ipseckey::lang
