#include <gmock/gmock.h>

#include "crypto/crypto.h"
#include "crypto/detail/mac.h"
#include "crypto/testing.h"

namespace ipseckey::crypto {
namespace {

using testing::Octets;
using testing::Vector;
using enum pfkey::AlgorithmKind;

TEST(Vectors, IntegrityAlgorithms) {
  std::size_t count = 0;
  for (const Vector& v : testing::read_vectors("mac.txt")) {
    SCOPED_TRACE(v.text("source"));
    const auto mac = Mac::make(*pfkey::find_algorithm(auth, v.text("auth")), v.bytes("key"));
    ASSERT_TRUE(mac);
    const Octets data = v.bytes("data"), expected = v.bytes("icv");
    // As a whole, and in two parts split at every position; the context is reused.
    for (std::size_t cut = 0; cut <= data.size(); cut += data.size() > 100 ? 13 : 1) {
      const std::array<Bytes, 2> parts = {Bytes(data).first(cut), Bytes(data).subspan(cut)};
      Octets icv(expected.size());
      ASSERT_TRUE(mac->compute(parts, icv));
      ASSERT_EQ(icv, expected) << "cut at " << cut;
    }
    ++count;
  }
  EXPECT_EQ(count, 34u);
}

// Each vector by itself in batches of 1 to 40, then all vectors in one batch.
TEST(Vectors, IntegrityAlgorithmsByAllWays) {
  std::vector<Vector> vectors = testing::read_vectors("mac.txt");
  for (const Keyed::By by : testing::kWays) {
    std::vector<std::unique_ptr<Keyed>> keyed;
    std::vector<Octets> data, expected;
    for (const Vector& v : vectors) {
      const Secret key{Bytes(v.bytes("key"))};
      keyed.push_back(Keyed::make({.encrypt = nullptr,
                                   .auth = pfkey::find_algorithm(auth, v.text("auth")),
                                   .encrypt_key = nullptr,
                                   .auth_key = &key},
                                  Keyed::Way::seal, by));
      ASSERT_TRUE(keyed.back()) << v.text("source");
      data.push_back(v.bytes("data")), expected.push_back(v.bytes("icv"));
    }
    Crypto crypto;
    const auto run = [&](std::size_t count, auto which) {
      std::vector<Octets> icvs;
      std::vector<MacJob> jobs;
      for (std::size_t i = 0; i < count; ++i) icvs.emplace_back(expected[which(i)].size());
      for (std::size_t i = 0; i < count; ++i) jobs.push_back({keyed[which(i)].get(), data[which(i)], icvs[i]});
      crypto.mac(jobs);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(jobs[i].ok) << vectors[which(i)].text("source");
        ASSERT_EQ(icvs[i], expected[which(i)]) << vectors[which(i)].text("source") << ", " << count;
      }
    };
    for (std::size_t v = 0; v < vectors.size(); ++v)
      for (std::size_t count = 1; count <= 40; ++count) run(count, [v](std::size_t) { return v; });
    run(vectors.size(), [](std::size_t i) { return i; });
  }
}

TEST(Vectors, Ciphers) {
  std::size_t count = 0;
  for (const Vector& v : testing::read_vectors("esp.txt")) {
    SCOPED_TRACE(v.text("source"));
    for (const Keyed::By by : testing::kWays)
      for (std::size_t batch = 1; batch <= 40; ++batch) ASSERT_TRUE(testing::seals_and_opens(v, by, batch)) << batch;
    ++count;
  }
  EXPECT_EQ(count, 11u);
}

TEST(Crypto, HasEveryAlgorithmOfTheTable) {
  for (const pfkey::Algorithm& row : pfkey::algorithms()) EXPECT_TRUE(available(row)) << row.name();
}

}  // namespace
}  // namespace ipseckey::crypto
