// A batch of any packets is what its packets are one by one, by OpenSSL as by the lanes.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "crypto/crypto.h"
#include "crypto/testing.h"

namespace ipseckey::crypto {
namespace {

using testing::kWays;
using testing::Octets;
using enum pfkey::AlgorithmKind;
using pfkey::Algorithm;

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  Octets octets(std::size_t size) {
    Octets out(size);
    for (std::byte& b : out) b = static_cast<std::byte>(engine_());
    return out;
  }

 private:
  std::mt19937 engine_;
};

// An SA's algorithms and keys, with one Keyed for each way.
struct Sa {
  Secret encrypt_key, auth_key;
  Suite suite;
  std::array<std::unique_ptr<Keyed>, kWays.size()> keyed;

  Sa(const Algorithm& cipher, const Algorithm* mac, Random& random) {
    const std::size_t steps = (cipher.max_bits - cipher.min_bits) / cipher.step_bits + 1u;
    const std::size_t bits = cipher.min_bits + random.below(steps) * cipher.step_bits + cipher.salt_bits;
    encrypt_key = Secret(Bytes(random.octets(bits / 8)));
    if (mac) auth_key = Secret(Bytes(random.octets(mac->max_bits / 8u)));
    suite = {.encrypt = &cipher,
             .auth = mac,
             .encrypt_key = cipher.takes_key() ? &encrypt_key : nullptr,
             .auth_key = mac ? &auth_key : nullptr,
             .truncated = mac && random.one_in(3) ? random.one_in(2) ? mac->max_bits / 8u : pfkey::kShortIcv / 8 : 0,
             .esn = random.one_in(2)};
    for (std::size_t way = 0; way < kWays.size(); ++way) {
      keyed[way] = Keyed::make(suite, Keyed::Way::both, kWays[way]);
      EXPECT_TRUE(keyed[way]) << cipher.name();
    }
  }
};

// ESP with its ICV, in one piece or in two.
struct Packet {
  const Sa* sa;
  Octets esp, icv;
  std::size_t text;  // Where it begins.
  std::uint32_t high;
  bool apart;

  Packet(const Sa& s, Random& random, std::size_t blocks) : sa(&s), text(8 + s.suite.iv()) {
    const std::size_t size = text + blocks * s.suite.block();
    apart = random.one_in(8);
    high = static_cast<std::uint32_t>(random.below(1u << 31));
    esp = random.octets(size + (apart ? 0 : s.suite.icv()));
    icv = Octets(s.suite.icv());
    if (!apart) std::fill_n(esp.begin() + static_cast<long>(size), icv.size(), std::byte{0});
  }
  Job job(std::size_t way) {
    const MutableBytes all = esp;
    const std::size_t size = esp.size() - (apart ? 0 : icv.size());
    return {.keyed = sa->keyed[way].get(),
            .esp = all.first(size),
            .sequence_high = high,
            .icv = apart ? MutableBytes(icv) : all.subspan(size)};
  }
  Bytes body() const { return Bytes(esp).subspan(text, esp.size() - text - (apart ? 0 : icv.size())); }
  bool operator==(const Packet& other) const { return esp == other.esp && icv == other.icv; }
};

std::vector<Job> jobs(std::vector<Packet>& packets, std::size_t way) {
  std::vector<Job> all;
  for (Packet& p : packets) all.push_back(p.job(way));
  return all;
}

// Mostly of one length, so that lanes pay.
std::size_t some_blocks(Random& random, const Suite& suite) {
  if (random.one_in(200)) return (65'515 - 8 - suite.iv() - suite.icv()) / suite.block();
  if (random.one_in(20)) return 0;
  return random.one_in(3) ? 1 + random.below(1500 / suite.block()) : 512 / suite.block();
}

std::vector<Sa> all_suites(Random& random) {
  std::vector<Sa> sas;
  for (const Algorithm& cipher : pfkey::algorithms()) {
    if (cipher.kind != encrypt) continue;
    sas.emplace_back(cipher, nullptr, random);
    for (const Algorithm& mac : pfkey::algorithms())
      if (mac.kind == auth && !cipher.combined()) sas.emplace_back(cipher, &mac, random);
  }
  return sas;
}

// A changed bit of the ICV, of what it covers, or of the high half of the number, if it has any of these.
void damage(Packet& p, Random& random) {
  const MutableBytes all = p.apart && random.one_in(2) ? MutableBytes(p.icv) : MutableBytes(p.esp);
  if (p.sa->suite.esn && random.one_in(4)) {
    p.high ^= 1u << random.below(32);
  } else {
    all[random.below(all.size())] ^= std::byte{1} << random.below(8);
  }
}

std::string described(const Packet& p, std::size_t i, std::size_t count) {
  const Suite& s = p.sa->suite;
  return std::string(s.encrypt->name()) + " " + std::string(s.auth ? s.auth->name() : "none") + ", packet " +
         std::to_string(i) + " of " + std::to_string(count);
}

// A batch of SAs that `pick` chooses, by all ways.
template <class Pick>
void compare(std::size_t count, Random& random, Pick pick) {
  std::vector<Packet> plain;
  for (std::size_t i = 0; i < count; ++i) {
    const Sa& sa = pick(i);
    plain.emplace_back(sa, random, some_blocks(random, sa.suite));
  }
  std::array<std::vector<Packet>, kWays.size()> sealed;
  Crypto crypto;
  for (std::size_t way = 0; way < kWays.size(); ++way) {
    sealed[way] = plain;
    std::vector<Job> all = jobs(sealed[way], way);
    crypto.seal(all);
    for (std::size_t i = 0; i < count; ++i) {
      SCOPED_TRACE(described(plain[i], i, count));
      ASSERT_TRUE(all[i].ok);
      ASSERT_EQ(sealed[way][i], sealed[0][i]);
    }
  }
  std::vector<bool> changed(count);
  std::vector<Packet> arrived = sealed[0];
  for (std::size_t i = 0; i < count; ++i)
    if (arrived[i].sa->suite.icv() > 0 && random.one_in(4)) changed[i] = true, damage(arrived[i], random);
  for (std::size_t way = 0; way < kWays.size(); ++way) {
    std::vector<Packet> opened = arrived;
    std::vector<Job> all = jobs(opened, way);
    crypto.open(all);
    for (std::size_t i = 0; i < count; ++i) {
      const Suite& suite = plain[i].sa->suite;
      SCOPED_TRACE(described(plain[i], i, count));
      ASSERT_NE(all[i].ok, changed[i]);
      if (!changed[i]) {
        ASSERT_TRUE(std::ranges::equal(opened[i].body(), plain[i].body()));
        // What has arrived stays as it was, apart from the text.
        ASSERT_TRUE(std::ranges::equal(Bytes(opened[i].esp).first(opened[i].text),
                                       Bytes(arrived[i].esp).first(arrived[i].text)));
      } else if (suite.encrypt->combined() && suite.encrypt->mode != pfkey::Mode::gmac) {
        ASSERT_TRUE(std::ranges::all_of(opened[i].body(), [](std::byte b) { return b == std::byte{0}; }));
      } else {
        ASSERT_EQ(opened[i], arrived[i]);  // Nothing was decrypted.
      }
    }
  }
}

TEST(Batch, OfOneSuiteIsTheSameByAllWays) {
  Random random(1);
  for (const Sa& sa : all_suites(random))
    for (const std::size_t count : {1u, 2u, 3u, 5u, 9u, 15u, 16u, 17u, 31u, 32u, 33u, 40u})
      compare(count, random, [&](std::size_t) -> const Sa& { return sa; });
}

TEST(Batch, OfAnySuitesIsTheSameByAllWays) {
  Random random(2);
  const std::vector<Sa> sas = all_suites(random);
  for (std::size_t round = 0; round < 8; ++round)
    for (std::size_t count = 1; count <= 40; ++count)
      compare(count, random, [&](std::size_t) -> const Sa& { return sas[random.below(sas.size())]; });
}

// The keys differ, the algorithms do not.
TEST(Batch, OfManySasOfOneSuite) {
  Random random(3);
  for (const std::string_view cipher : {"aes-cbc", "chacha20-poly1305", "aes-gcm", "aes-ccm", "3des-cbc"})
    for (const std::string_view mac : {"hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512", "aes-xcbc", "aes-cmac"}) {
      const Algorithm& row = *pfkey::find_algorithm(encrypt, cipher);
      std::vector<Sa> sas;
      for (int i = 0; i < 6; ++i)
        sas.emplace_back(row, row.combined() ? nullptr : pfkey::find_algorithm(auth, mac), random);
      for (std::size_t count = 1; count <= 40; ++count)
        compare(count, random, [&](std::size_t i) -> const Sa& { return sas[i % sas.size()]; });
    }
}

TEST(Batch, OfMessagesHasTheSameIcvsByAllWays) {
  Random random(4);
  std::vector<std::array<std::unique_ptr<Keyed>, kWays.size()>> keyed;
  std::vector<std::size_t> sizes;
  for (int again = 0; again < 4; ++again)
    for (const Algorithm& row : pfkey::algorithms()) {
      if (row.kind != auth) continue;
      const Secret key(Bytes(random.octets(row.max_bits / 8u)));
      auto& all = keyed.emplace_back();
      for (std::size_t way = 0; way < kWays.size(); ++way)
        all[way] = Keyed::make({.encrypt = nullptr, .auth = &row, .encrypt_key = nullptr, .auth_key = &key},
                               Keyed::Way::seal, kWays[way]);
      sizes.push_back(again == 0 ? row.max_bits / 8u : row.icv);
    }
  Crypto crypto;
  for (std::size_t count = 1; count <= 40; ++count) {
    std::vector<Octets> messages;
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < count; ++i) {
      which.push_back(random.below(keyed.size()));
      messages.push_back(random.octets(random.one_in(50) ? 65'535 : random.one_in(4) ? random.below(1500) : 512));
    }
    std::vector<Octets> expected;
    for (std::size_t way = 0; way < kWays.size(); ++way) {
      std::vector<Octets> icvs;
      std::vector<MacJob> jobs;
      for (std::size_t i = 0; i < count; ++i) icvs.emplace_back(sizes[which[i]]);
      for (std::size_t i = 0; i < count; ++i) jobs.push_back({keyed[which[i]][way].get(), messages[i], icvs[i]});
      crypto.mac(jobs);
      EXPECT_TRUE(std::ranges::all_of(jobs, &MacJob::ok));
      if (way == 0) expected = icvs;
      ASSERT_EQ(icvs, expected) << count;
    }
  }
}

// More than a MAC has is refused; an SA without one has no ICV.
TEST(Batch, OfImpossibleIcvs) {
  Random random(5);
  Crypto crypto;
  for (const Keyed::By by : kWays) {
    const Algorithm& sha1 = *pfkey::find_algorithm(auth, 3);
    const Secret key(Bytes(random.octets(20)));
    const auto mac = Keyed::make({.encrypt = nullptr, .auth = &sha1, .encrypt_key = nullptr, .auth_key = &key},
                                 Keyed::Way::seal, by);
    const auto none = Keyed::make({.encrypt = pfkey::find_algorithm(encrypt, "null")}, Keyed::Way::seal, by);
    Octets message(64), icv(21);
    std::array jobs = {MacJob{mac.get(), message, icv}, MacJob{none.get(), message, icv},
                       MacJob{mac.get(), message, MutableBytes(icv).first(20)}};
    crypto.mac(jobs);
    EXPECT_FALSE(jobs[0].ok || jobs[1].ok);
    EXPECT_TRUE(jobs[2].ok);
  }
}

}  // namespace
}  // namespace ipseckey::crypto
