#include "crypto/detail/hmac.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/secret_heap.h"

// EVP in OpenSSL 3.0 allocates each time a state is copied or restarted, twice per message; so this calls the functions
// below EVP, whose states are plain memory. The library deprecates them in favour of EVP.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace ipseckey::crypto {
namespace {

template <class S, int (*init)(S*), int (*update)(S*, const void*, std::size_t), int (*final)(unsigned char*, S*),
          std::size_t block, std::size_t size, LaneMac::Kind kind>
struct Digest {
  using State = S;
  static constexpr LaneMac::Kind kKind = kind;
  static constexpr std::size_t kBlock = block, kSize = size;
  static constexpr std::size_t kCut = size > 20 ? size / 2 : 12;  // RFC 2403, RFC 2404, RFC 4868.

  static bool begin(State& s) { return init(&s) == 1; }
  static bool take(State& s, Bytes in) { return update(&s, in.data(), in.size()) == 1; }
  static bool finish(State& s, std::array<std::byte, kSize>& out) { return final(octets(out.data()), &s) == 1; }
};
using Md5 = Digest<MD5_CTX, MD5_Init, MD5_Update, MD5_Final, MD5_CBLOCK, MD5_DIGEST_LENGTH, LaneMac::Kind::md5>;
using Sha1 = Digest<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final, SHA_CBLOCK, SHA_DIGEST_LENGTH, LaneMac::Kind::sha1>;
using Sha256 = Digest<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final, SHA256_CBLOCK, SHA256_DIGEST_LENGTH,
                      LaneMac::Kind::sha256>;
using Sha384 = Digest<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final, SHA512_CBLOCK, SHA384_DIGEST_LENGTH,
                      LaneMac::Kind::sha384>;
using Sha512 = Digest<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final, SHA512_CBLOCK, SHA512_DIGEST_LENGTH,
                      LaneMac::Kind::sha512>;
// The words of the state come first, as the lanes want them.
static_assert(offsetof(MD5_CTX, A) == 0 && offsetof(SHA_CTX, h0) == 0);
static_assert(offsetof(SHA256_CTX, h) == 0 && offsetof(SHA512_CTX, h) == 0);

// The key's two blocks are digested once; each message starts from copies of the resulting states.
template <class D>
class Hmac final : public Mac, public secret_heap::Object {
 public:
  ~Hmac() override {
    for (typename D::State* const s : {&inner_, &outer_, &running_}) OPENSSL_cleanse(s, sizeof *s);
  }

  bool set_key(Bytes key) {
    std::array<std::byte, D::kBlock> block{};
    std::array<std::byte, D::kSize> shorter;
    const bool longer = key.size() > block.size();
    bool done = true;
    if (longer) {
      done = D::begin(running_) && D::take(running_, key) && D::finish(running_, shorter);
      key = shorter;
    }
    std::ranges::copy(key, block.begin());
    done = done && start(inner_, block, std::byte{0x36}) && start(outer_, block, std::byte{0x5c});
    OPENSSL_cleanse(block.data(), block.size());
    if (longer) OPENSSL_cleanse(shorter.data(), shorter.size());
    return done;
  }

  bool compute(std::span<const Bytes> parts, MutableBytes out) override {
    std::array<std::byte, D::kSize> digest;
    if (out.size() > digest.size()) return false;
    running_ = inner_;
    for (const Bytes part : parts)
      if (!D::take(running_, part)) return false;
    if (!D::finish(running_, digest)) return false;
    running_ = outer_;
    if (!D::take(running_, digest) || !D::finish(running_, digest)) return false;
    std::ranges::copy(Bytes(digest).first(out.size()), out.begin());
    return true;
  }

  const LaneMac* lane() const override { return multi_buffer() ? &lane_ : nullptr; }

 private:
  static bool start(typename D::State& s, std::array<std::byte, D::kBlock>& key, std::byte pad) {
    for (std::byte& b : key) b ^= pad;
    const bool done = D::begin(s) && D::take(s, key);
    for (std::byte& b : key) b ^= pad;
    return done;
  }

  typename D::State inner_{}, outer_{}, running_{};
  const LaneMac lane_{D::kKind, D::kCut, D::kSize, {&inner_, &outer_, nullptr}};
};

template <class D>
std::unique_ptr<Mac> make(Bytes key) {
  auto made = std::make_unique<Hmac<D>>();
  if (!made->set_key(key)) return nullptr;
  return made;
}

struct Named {
  std::string_view name;  ///< The library's, as in pfkey/algorithms.cc.
  std::unique_ptr<Mac> (*make)(Bytes key);
};
constexpr std::array kDigests = {Named{"MD5", make<Md5>}, Named{"SHA1", make<Sha1>}, Named{"SHA2-256", make<Sha256>},
                                 Named{"SHA2-384", make<Sha384>}, Named{"SHA2-512", make<Sha512>}};

}  // namespace

std::unique_ptr<Mac> make_hmac(const pfkey::Algorithm& algorithm, Bytes key) {
  const auto digest = std::ranges::find(kDigests, algorithm.library, &Named::name);
  if (digest == kDigests.end()) return nullptr;
  // A digest that the library's providers leave out, perhaps because a policy demands it, is unavailable here, too.
  if (!DigestPtr(EVP_MD_fetch(library(), std::string(digest->name).c_str(), nullptr))) return nullptr;
  return digest->make(key);
}

}  // namespace ipseckey::crypto
