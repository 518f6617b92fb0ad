#include <gmock/gmock.h>

#include <algorithm>
#include <set>

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

template <class Accepts>
Count run(std::string_view kind, Accepts accepts) {
  static const std::vector<Vector> vectors = testing::read_vectors("wycheproof.txt");
  Count count;
  for (const Vector& v : vectors) {
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

bool macs(const Vector& v, Keyed::By by, std::size_t batch) {
  const Secret key{Bytes(v.bytes("key"))};
  const auto keyed = Keyed::make({.encrypt = nullptr,
                                  .auth = pfkey::find_algorithm(auth, v.text("auth")),
                                  .encrypt_key = nullptr,
                                  .auth_key = &key},
                                 Keyed::Way::seal, by);
  if (!keyed) return false;
  const Octets data = v.bytes("data"), expected = v.bytes("icv");
  std::vector<Octets> icvs(batch, Octets(expected.size()));
  std::vector<MacJob> jobs;
  for (Octets& icv : icvs) jobs.push_back({keyed.get(), data, icv});
  Crypto crypto;
  crypto.mac(jobs);
  EXPECT_EQ(std::set<Octets>(icvs.begin(), icvs.end()).size(), 1u) << v.text("source");
  return std::ranges::all_of(jobs, &MacJob::ok) && equal(icvs[0], expected);
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

// The published packet is refused if any bit of its ICV is changed; of one batch, each packet has another bit changed.
// A library that compares the ICV while it decrypts might miss that if there is no text.
bool refuses_every_forgery(const Vector& v, Keyed::By by) {
  const Secret key{Bytes(v.bytes("key"))};
  const Suite suite = testing::suite_of(v, key);
  const auto keyed = Keyed::make(suite, Keyed::Way::open, by);
  if (!keyed) return false;
  const Octets head = v.bytes("head"), sealed = v.bytes("sealed"), tag = v.bytes("icv");
  Octets published = head;
  published.insert(published.end(), sealed.begin(), sealed.end());
  Crypto crypto;
  std::vector<Octets> packets(tag.size() * 8, published), icvs(packets.size(), tag);
  std::vector<Job> jobs;
  for (std::size_t bit = 0; bit < packets.size(); ++bit) {
    icvs[bit][bit / 8] ^= std::byte{1} << bit % 8;
    jobs.push_back({.keyed = keyed.get(), .esp = packets[bit], .sequence_high = v.number("high"), .icv = icvs[bit]});
  }
  for (Job& job : jobs) crypto.open({&job, 1});
  if (!std::ranges::none_of(jobs, &Job::ok)) return false;
  std::ranges::fill(packets, published);
  crypto.open(jobs);
  return std::ranges::none_of(jobs, &Job::ok);
}

TEST(Wycheproof, IntegrityAlgorithms) { EXPECT_EQ(run("mac", mac), (Count{284, 514})); }

TEST(Wycheproof, IntegrityAlgorithmsInBatches) {
  for (const Keyed::By by : testing::kWays)
    for (const std::size_t batch : {1u, 3u, 16u, 20u, 32u, 40u})
      EXPECT_EQ(run("mac", [&](const Vector& v) { return macs(v, by, batch); }), (Count{284, 514})) << batch;
}

TEST(Wycheproof, AesGcmAndGmacWithTheFastLibrary) {
  const bool there = FastGcm::make(Octets(16)) != nullptr;
  EXPECT_EQ(there ? run("gcm", fast_gcm) : (Count{107, 243}), (Count{107, 243}));
}

TEST(Wycheproof, CiphersOfEsp) {
  for (const Keyed::By by : testing::kWays)
    for (const std::size_t batch : {1u, 3u, 16u, 20u, 32u, 40u})
      EXPECT_EQ(run("esp", [&](const Vector& v) { return testing::seals_and_opens(v, by, batch); }), (Count{126, 0}))
          << batch;
}

TEST(Wycheproof, ForgedIcvsOfEsp) {
  for (const Keyed::By by : testing::kWays)
    EXPECT_EQ(run("esp", [by](const Vector& v) { return refuses_every_forgery(v, by); }), (Count{126, 0}));
}

}  // namespace
}  // namespace ipseckey::crypto
