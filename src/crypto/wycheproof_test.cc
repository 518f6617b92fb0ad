#include <gmock/gmock.h>

#include "crypto/crypto.h"
#include "crypto/detail/fast_gcm.h"
#include "crypto/detail/mac.h"
#include "crypto/testing.h"

namespace ipseckey::crypto {
namespace {

using testing::Octets;
using testing::Vector;
using enum pfkey::AlgorithmKind;

/// The number of vectors of a kind that behaved as expected: as published, and as forged or malformed ones.
struct Count {
  std::size_t valid = 0, invalid = 0;
  bool operator==(const Count&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Count& c) {
  return out << c.valid << " valid, " << c.invalid << " invalid";
}

Count run(std::string_view kind, bool (*accepts)(const Vector&)) {
  Count count;
  for (const Vector& v : testing::read_vectors("wycheproof.txt")) {
    if (!v.has("kind") || v.text("kind") != kind) continue;
    const bool valid = v.text("result") == "valid";
    EXPECT_EQ(accepts(v), valid) << v.text("source");
    ++(valid ? count.valid : count.invalid);
  }
  return count;
}

bool mac(const Vector& v) {
  const auto mac = Mac::make(*pfkey::find_algorithm(auth, v.text("auth")), v.bytes("key"));
  const Octets data = v.bytes("data"), expected = v.bytes("icv");
  const std::array<Bytes, 1> parts = {Bytes(data)};
  Octets icv(expected.size());
  return mac && mac->compute(parts, icv) && equal(icv, expected);
}

// In both directions, whatever the ICV: the original text is restored.
bool fast_gcm(const Vector& v) {
  const auto gcm = FastGcm::make(v.bytes("key"));
  const Octets nonce = v.bytes("nonce"), aad = v.bytes("aad"), plain = v.bytes("text"), expected = v.bytes("icv");
  Octets text = plain, icv(16), again(16);
  gcm->seal(nonce, aad, text, icv);
  const bool sealed = text == v.bytes("sealed");
  gcm->open(nonce, aad, text, again);
  EXPECT_EQ(text, plain) << v.text("source");
  EXPECT_EQ(icv, again) << v.text("source");
  return sealed && equal(again, expected);
}

bool esp(const Vector& v, Keyed::By by) {
  const Secret key{Bytes(v.bytes("key"))};
  const Suite suite = testing::suite_of(v, key);
  const auto keyed = Keyed::make(suite, Keyed::Way::both, by);
  if (!keyed) return false;
  const Octets head = v.bytes("head"), text = v.bytes("text"), sealed = v.bytes("sealed"), tag = v.bytes("icv");
  Octets packet = head, icv(tag.size());
  packet.insert(packet.end(), text.begin(), text.end());
  const auto body = [&] { return Octets(packet.begin() + static_cast<long>(head.size()), packet.end()); };
  Crypto crypto;
  Job job{.keyed = keyed.get(), .esp = packet, .sequence_high = v.number("high"), .icv = icv};
  crypto.seal({&job, 1});
  if (!job.ok || body() != sealed || icv != tag) return false;
  crypto.open({&job, 1});
  return job.ok && body() == text;
}

// The published packet is refused if any bit of its ICV is changed. A library that compares the ICV while it decrypts
// might miss that if there is no text.
bool refuses_every_forgery(const Vector& v, Keyed::By by) {
  const Secret key{Bytes(v.bytes("key"))};
  const Suite suite = testing::suite_of(v, key);
  const auto keyed = Keyed::make(suite, Keyed::Way::open, by);
  if (!keyed) return false;
  const Octets head = v.bytes("head"), sealed = v.bytes("sealed"), tag = v.bytes("icv");
  Octets published = head;
  published.insert(published.end(), sealed.begin(), sealed.end());
  Crypto crypto;
  for (std::size_t bit = 0; bit < tag.size() * 8; ++bit) {
    Octets packet = published, icv = tag;
    icv[bit / 8] ^= std::byte{1} << bit % 8;
    Job job{.keyed = keyed.get(), .esp = packet, .sequence_high = v.number("high"), .icv = icv};
    crypto.open({&job, 1});
    if (job.ok) return false;
  }
  return true;
}

TEST(Wycheproof, IntegrityAlgorithms) { EXPECT_EQ(run("mac", mac), (Count{284, 514})); }

TEST(Wycheproof, AesGcmAndGmacWithTheFastLibrary) {
  const bool there = FastGcm::make(Octets(16)) != nullptr;
  EXPECT_EQ(there ? run("gcm", fast_gcm) : (Count{107, 243}), (Count{107, 243}));
}

TEST(Wycheproof, CiphersOfEsp) {
  EXPECT_EQ(run("esp", [](const Vector& v) { return esp(v, Keyed::By::fastest); }), (Count{126, 0}));
  EXPECT_EQ(run("esp", [](const Vector& v) { return esp(v, Keyed::By::openssl); }), (Count{126, 0}));
}

TEST(Wycheproof, ForgedIcvsOfEsp) {
  EXPECT_EQ(run("esp", [](const Vector& v) { return refuses_every_forgery(v, Keyed::By::fastest); }), (Count{126, 0}));
  EXPECT_EQ(run("esp", [](const Vector& v) { return refuses_every_forgery(v, Keyed::By::openssl); }), (Count{126, 0}));
}

}  // namespace
}  // namespace ipseckey::crypto
