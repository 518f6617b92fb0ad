// How a packet is sealed and opened with OpenSSL, or with something faster:
// 1. Keyed::make() sets up contexts for an SA's keys, for one direction or both; AES-GCM uses FastGcm if available.
// 2. seal() and open() process a batch of jobs; view() finds the nonce, the authenticated and the encrypted part of
//    each.
// 3. Combined modes: seal_combined() and open_combined(). CCM needs its own order of calls.
// 4. Other modes: encrypt, then MAC over ESP and the high half of an extended number; reversed for opening, and the ICV
//    is compared before anything is decrypted.
// 5. Crypto::random() returns random bytes from a stock.
#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/secret_heap.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/fast_gcm.h"
#include "crypto/detail/mac.h"

namespace ipseckey::crypto {
namespace {

using pfkey::Algorithm;
using pfkey::Mode;

constexpr std::size_t kSpiAndNumber = 8;

}  // namespace

struct Keyed::Contexts : secret_heap::Object {
  const Algorithm* encrypt = nullptr;
  bool esn = false;
  std::array<std::byte, 4> salt{};
  std::size_t salt_size = 0;
  std::size_t tag = 0;  ///< Bytes of a combined mode's ICV.
  CipherContext seal, open;
  std::unique_ptr<FastGcm> fast;  ///< In place.
  std::unique_ptr<Mac> mac;

  ~Contexts() { OPENSSL_cleanse(salt.data(), salt.size()); }
};

namespace {

using Contexts = Keyed::Contexts;
using Nonce = std::array<std::byte, 16>;

int length(Bytes b) { return static_cast<int>(b.size()); }

bool set_up(CipherContext& context, const Contexts& c, Bytes key, bool sealing) {
  const CipherPtr cipher = cipher_of(*c.encrypt, key.size());
  context.reset(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const x = context.get();
  if (!cipher || !x || EVP_CipherInit_ex(x, cipher.get(), nullptr, nullptr, nullptr, sealing) != 1) return false;
  if (c.encrypt->combined()) {
    const int nonce = static_cast<int>(c.salt_size + c.encrypt->iv);
    if (EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, nonce, nullptr) != 1) return false;
  }
  if (c.encrypt->mode == Mode::ccm &&
      EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(c.tag), nullptr) != 1)
    return false;
  if (EVP_CIPHER_CTX_get_key_length(x) != length(key) && EVP_CIPHER_CTX_set_key_length(x, length(key)) != 1)
    return false;
  if (EVP_CipherInit_ex(x, nullptr, nullptr, octets(key.data()), nullptr, sealing) != 1) return false;
  EVP_CIPHER_CTX_set_padding(x, 0);
  return true;
}

bool set_up_cipher(Contexts& c, const Suite& suite, Keyed::Way way, Keyed::By by) {
  if (!c.encrypt || c.encrypt->mode == Mode::null) return true;
  const Bytes all = suite.encrypt_key->bytes();
  c.salt_size = c.encrypt->salt_bits / 8u;
  if (all.size() <= c.salt_size) return false;
  std::ranges::copy(all.last(c.salt_size), c.salt.begin());
  Bytes key = all.first(all.size() - c.salt_size);
  Secret tripled(c.encrypt->single_des() ? 24 : 0);
  if (!tripled.empty()) {
    if (key.size() != 8) return false;
    for (std::size_t i = 0; i < 24; ++i) tripled.bytes()[i] = key[i % 8];
    key = std::as_const(tripled).bytes();
  }
  if (c.encrypt->mode == Mode::gcm && by == Keyed::By::fastest && (c.fast = FastGcm::make(key))) return true;
  return (way == Keyed::Way::open || set_up(c.seal, c, key, true)) &&
         (way == Keyed::Way::seal || set_up(c.open, c, key, false));
}

// One packet as the algorithms see it.
struct View {
  Bytes aad;          ///< Authenticated in front of the text (RFC 4106 section 5).
  MutableBytes text;  ///< Encrypted.
  Nonce nonce{};
  std::array<std::byte, 4> high{};
  std::array<std::byte, 12> wide{};  ///< SPI and 64-bit number.
};

void view(const Contexts& c, const Job& job, View& v) {
  const std::size_t front = kSpiAndNumber + c.encrypt->iv;
  v.high = std::bit_cast<std::array<std::byte, 4>>(big_endian(job.sequence_high));
  v.aad = Bytes(job.esp).first(kSpiAndNumber);
  if (c.esn) {
    std::ranges::copy(job.esp.first(4), v.wide.begin());
    std::ranges::copy(v.high, v.wide.begin() + 4);
    std::ranges::copy(job.esp.subspan(4, 4), v.wide.begin() + 8);
    v.aad = v.wide;
  }
  v.text = job.esp.subspan(front);
  std::ranges::copy(Bytes(c.salt).first(c.salt_size), v.nonce.begin());
  std::ranges::copy(job.esp.subspan(kSpiAndNumber, c.encrypt->iv), v.nonce.begin() + static_cast<long>(c.salt_size));
  if (c.encrypt->mode == Mode::ctr) v.nonce.back() = std::byte{1};  // RFC 3686 section 4: the block counter.
}

bool update(EVP_CIPHER_CTX* x, std::byte* out, Bytes in) {
  int size = 0;
  return in.empty() || EVP_CipherUpdate(x, out ? octets(out) : nullptr, &size, octets(in.data()), length(in)) == 1;
}

bool start(EVP_CIPHER_CTX* x, const Nonce& nonce) {
  return EVP_CipherInit_ex(x, nullptr, nullptr, nullptr, octets(nonce.data()), -1) == 1;
}

// CCM needs the length of the text in advance. It computes or checks its ICV when it receives the text; so it must
// receive even an empty one: without that call OpenSSL up to 3.0.20 seals without an ICV and accepts every one.
bool run_ccm(EVP_CIPHER_CTX* x, const View& v) {
  int size = 0;
  return EVP_CipherUpdate(x, nullptr, &size, nullptr, length(v.text)) == 1 && update(x, nullptr, v.aad) &&
         EVP_CipherUpdate(x, octets(v.text.data()), &size, octets(v.text.data()), length(v.text)) == 1;
}

// The text of a combined mode.
bool run_combined(const Contexts& c, EVP_CIPHER_CTX* x, const Job& job, View& v) {
  if (c.encrypt->mode == Mode::gmac)  // RFC 4543 section 3.3: all of it is only authenticated.
    return update(x, nullptr, v.aad) && update(x, nullptr, job.esp.subspan(kSpiAndNumber));
  if (c.encrypt->mode == Mode::ccm) return run_ccm(x, v);
  return update(x, nullptr, v.aad) && update(x, v.text.data(), v.text);
}

bool seal_combined(Contexts& c, const Job& job, View& v) {
  if (c.fast) {
    c.fast->seal(Bytes(v.nonce).first(12), v.aad, v.text, job.icv);
    return true;
  }
  EVP_CIPHER_CTX* const x = c.seal.get();
  int size = 0;
  std::array<std::byte, 16> rest;
  return start(x, v.nonce) && run_combined(c, x, job, v) && EVP_CipherFinal_ex(x, octets(rest.data()), &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(c.tag), job.icv.data()) == 1;
}

bool open_combined(Contexts& c, const Job& job, View& v) {
  if (c.fast) {
    std::array<std::byte, 16> ours;
    const MutableBytes icv = MutableBytes(ours).first(job.icv.size());
    c.fast->open(Bytes(v.nonce).first(12), v.aad, v.text, icv);
    return equal(icv, job.icv);
  }
  EVP_CIPHER_CTX* const x = c.open.get();
  int size = 0;
  std::array<std::byte, 16> rest;
  const auto expect = [&] {
    return EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(c.tag), job.icv.data()) == 1;
  };
  if (c.encrypt->mode == Mode::ccm) return expect() && start(x, v.nonce) && run_combined(c, x, job, v);
  return start(x, v.nonce) && run_combined(c, x, job, v) && expect() &&
         EVP_CipherFinal_ex(x, octets(rest.data()), &size) == 1;
}

bool run_plain(const Contexts& c, EVP_CIPHER_CTX* x, View& v) {
  if (c.encrypt->mode == Mode::null) return true;
  return start(x, v.nonce) && update(x, v.text.data(), v.text);
}

bool compute_icv(Contexts& c, const Job& job, const View& v, MutableBytes out) {
  if (!c.mac) return true;
  const std::array<Bytes, 2> parts = {job.esp, v.high};
  return c.mac->compute(std::span(parts).first(c.esn ? 2 : 1), out);
}

bool seal_one(Contexts& c, const Job& job) {
  View v;
  view(c, job, v);
  if (c.encrypt->combined()) return seal_combined(c, job, v);
  return run_plain(c, c.seal.get(), v) && compute_icv(c, job, v, job.icv);
}

bool open_one(Contexts& c, const Job& job) {
  View v;
  view(c, job, v);
  if (c.encrypt->combined()) return open_combined(c, job, v);
  std::array<std::byte, Mac::kMost> ours;
  const MutableBytes icv = MutableBytes(ours).first(job.icv.size());
  return compute_icv(c, job, v, icv) && equal(icv, job.icv) && run_plain(c, c.open.get(), v);
}

}  // namespace

std::size_t Suite::icv() const {
  if (encrypt && encrypt->combined()) return encrypt->icv;
  if (!auth) return 0;
  return truncated ? truncated : auth->icv;
}
std::size_t Suite::block() const { return std::max<std::size_t>(4, encrypt ? encrypt->block : 4); }

bool available(const Algorithm& row) {
  if (row.mode == Mode::null) return true;
  if (row.kind == pfkey::AlgorithmKind::auth) return Mac::make(row, Secret(row.max_bits / 8u).bytes()) != nullptr;
  return cipher_of(row, row.max_bits / 8u) != nullptr;
}

std::string_view cure(const Algorithm& row) {
  if (row.kind == pfkey::AlgorithmKind::encrypt && of_legacy_provider(row))
    return "this ipsecd's OpenSSL lacks its legacy provider: install it (Debian 13: `apt install "
           "openssl-provider-legacy`) and restart ipsecd";
  return "this ipsecd's OpenSSL was built or configured without it";
}

bool use_secret_heap() {
  return CRYPTO_set_mem_functions([](std::size_t size, const char*, int) { return secret_heap::allocate(size); },
                                  [](void* p, std::size_t size, const char*, int) -> void* {
                                    if (size > 0) return secret_heap::reallocate(p, size);
                                    secret_heap::release(p);
                                    return nullptr;
                                  },
                                  [](void* p, const char*, int) { secret_heap::release(p); }) == 1;
}

void random_bytes(MutableBytes out) {
  // Without randomness there are no IVs; continuing would reveal keys.
  if (RAND_bytes_ex(library(), octets(out.data()), out.size(), 0) != 1) std::abort();
}

bool equal(Bytes a, Bytes b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

Keyed::Keyed(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
Keyed::~Keyed() = default;

std::unique_ptr<Keyed> Keyed::make(const Suite& suite, Way way, By by) {
  auto c = std::make_unique<Contexts>();
  c->encrypt = suite.encrypt;
  c->esn = suite.esn;
  if (suite.encrypt && suite.encrypt->combined()) c->tag = suite.encrypt->icv;
  if (suite.auth && !(c->mac = Mac::make(*suite.auth, suite.auth_key->bytes()))) return nullptr;
  if (!set_up_cipher(*c, suite, way, by)) return nullptr;
  return std::unique_ptr<Keyed>(new Keyed(std::move(c)));
}

bool Keyed::mac(std::span<const Bytes> parts, MutableBytes icv) {
  return contexts_->mac && contexts_->mac->compute(parts, icv);
}

Crypto::Crypto(Random source) : source_(source) {}
Crypto::~Crypto() { OPENSSL_cleanse(stock_.data(), stock_.size()); }

void Crypto::seal(std::span<Job> jobs) {
  for (Job& job : jobs) job.ok = seal_one(job.keyed->contexts(), job);
}

void Crypto::open(std::span<Job> jobs) {
  for (Job& job : jobs) job.ok = open_one(job.keyed->contexts(), job);
}

void Crypto::random(MutableBytes out) {
  if (left_ < out.size()) {
    source_(stock_);
    left_ = stock_.size();
  }
  std::ranges::copy(Bytes(stock_).subspan(stock_.size() - left_, out.size()), out.begin());
  left_ -= out.size();
}

}  // namespace ipseckey::crypto
