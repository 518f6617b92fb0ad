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

TEST(Vectors, Ciphers) {
  std::size_t count = 0;
  for (const Vector& v : testing::read_vectors("esp.txt")) {
    SCOPED_TRACE(v.text("source"));
    const Secret key{Bytes(v.bytes("key"))};
    const Suite suite = testing::suite_of(v, key);
    const auto fastest = Keyed::make(suite, Keyed::Way::both);
    const auto openssl = Keyed::make(suite, Keyed::Way::both, Keyed::By::openssl);
    ASSERT_TRUE(fastest && openssl);
    const Octets head = v.bytes("head"), text = v.bytes("text"), sealed = v.bytes("sealed"), tag = v.bytes("icv");
    Crypto crypto;
    for (Keyed* const keyed : {fastest.get(), openssl.get(), fastest.get(), openssl.get()}) {
      Octets esp = head, icv(tag.size());
      esp.insert(esp.end(), text.begin(), text.end());
      Job job{.keyed = keyed, .esp = esp, .sequence_high = v.number("high"), .icv = icv};
      crypto.seal({&job, 1});
      ASSERT_TRUE(job.ok);
      EXPECT_EQ(Octets(esp.begin() + static_cast<long>(head.size()), esp.end()), sealed);
      EXPECT_EQ(icv, tag);
      crypto.open({&job, 1});
      ASSERT_TRUE(job.ok);
      EXPECT_EQ(Octets(esp.begin() + static_cast<long>(head.size()), esp.end()), text);
    }
    ++count;
  }
  EXPECT_EQ(count, 11u);
}

TEST(Crypto, HasEveryAlgorithmOfTheTable) {
  for (const pfkey::Algorithm& row : pfkey::algorithms()) EXPECT_TRUE(available(row)) << row.name();
}

}  // namespace
}  // namespace ipseckey::crypto
