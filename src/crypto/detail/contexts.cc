// One packet by itself, with OpenSSL or with FastGcm:
// 1. Contexts::set_up() sets up what an SA's keys need, for one direction or both: AES-GCM and GMAC use FastGcm if
//    available; other ciphers have a key for the lanes, and a context of OpenSSL unless the lanes take all packets.
// 2. View finds the nonce, the authenticated and the encrypted part of a packet.
// 3. Combined modes: seal_combined() and open_combined(). CCM needs its own order of calls.
// 4. run_single() encrypts or decrypts for the other modes, whose ICV is a matter of Batch.
#include "crypto/detail/contexts.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace ipseckey::crypto {
namespace {

using pfkey::Mode;
using Contexts = Keyed::Contexts;

constexpr std::size_t kSpiAndNumber = 8;

int length(Bytes b) { return static_cast<int>(b.size()); }

bool set_up_single(CipherContext& context, const Contexts& c, Bytes key, bool sealing) {
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

unsigned least(const pfkey::Algorithm& row, Keyed::By by) { return by == Keyed::By::lanes ? 1 : row.batch; }

bool update(EVP_CIPHER_CTX* x, std::byte* out, Bytes in) {
  int size = 0;
  return in.empty() || EVP_CipherUpdate(x, out ? octets(out) : nullptr, &size, octets(in.data()), length(in)) == 1;
}

bool start(EVP_CIPHER_CTX* x, const View& v) {
  return EVP_CipherInit_ex(x, nullptr, nullptr, nullptr, octets(v.nonce.data()), -1) == 1;
}

// CCM needs the length of the text in advance. It computes or checks its ICV when it receives the text; so it must
// receive even an empty one: without that call OpenSSL up to 3.0.20 seals without an ICV and accepts every one.
bool run_ccm(EVP_CIPHER_CTX* x, const View& v) {
  int size = 0;
  return EVP_CipherUpdate(x, nullptr, &size, nullptr, length(v.text)) == 1 && update(x, nullptr, v.aad) &&
         EVP_CipherUpdate(x, octets(v.text.data()), &size, octets(v.text.data()), length(v.text)) == 1;
}

// The text of a combined mode.
bool run_combined(const Contexts& c, EVP_CIPHER_CTX* x, const Job& job, const View& v) {
  if (c.encrypt->mode == Mode::gmac)  // RFC 4543 section 3.3: all of it is only authenticated.
    return update(x, nullptr, v.aad) && update(x, nullptr, job.esp.subspan(kSpiAndNumber));
  if (c.encrypt->mode == Mode::ccm) return run_ccm(x, v);
  return update(x, nullptr, v.aad) && update(x, v.text.data(), v.text);
}

void authenticate_fast(const Contexts& c, const Job& job, const View& v, MutableBytes icv) {
  const Bytes nonce = Bytes(v.nonce).first(12);
  if (c.esn) return c.fast->authenticate(nonce, v.aad, job.esp.subspan(kSpiAndNumber), icv);
  c.fast->seal(nonce, job.esp, {}, icv);
}

}  // namespace

Contexts::~Contexts() { OPENSSL_cleanse(salt.data(), salt.size()); }

bool Contexts::set_up(Direction& direction, Bytes key, bool sealing, By by) const {
  if (by != By::openssl) {
    direction.lane = LaneCipher::make(*encrypt, key, sealing);
    direction.from = direction.lane && direction.lane->fills_lanes() ? 1 : least(*encrypt, by);
    if (direction.lane && direction.from == 1) return true;
  }
  Secret tripled(encrypt->single_des() ? 24 : 0);
  if (tripled.empty()) return set_up_single(direction.single, *this, key, sealing);
  for (std::size_t i = 0; i < 24; ++i) tripled.bytes()[i] = key[i % 8];
  return set_up_single(direction.single, *this, std::as_const(tripled).bytes(), sealing);
}

bool Contexts::set_up_cipher(const Suite& suite, Way way, By by) {
  if (!encrypt || encrypt->mode == Mode::null) return true;
  const Bytes all = suite.encrypt_key->bytes();
  salt_size = encrypt->salt_bits / 8u;
  if (all.size() <= salt_size) return false;
  std::ranges::copy(all.last(salt_size), salt.begin());
  const Bytes key = all.first(all.size() - salt_size);
  if (encrypt->single_des() && key.size() != 8) return false;
  const bool galois = encrypt->mode == Mode::gcm || encrypt->mode == Mode::gmac;
  if (galois && by != By::openssl && (fast = FastGcm::make(key))) return true;
  return (way == Way::open || set_up(seal, key, true, by)) && (way == Way::seal || set_up(open, key, false, by));
}

bool Contexts::set_up(const Suite& suite, Way way, By by) {
  encrypt = suite.encrypt;
  esn = suite.esn;
  if (encrypt) combined = encrypt->combined(), null = encrypt->mode == Mode::null, text = kSpiAndNumber + encrypt->iv;
  if (combined) tag = encrypt->icv;
  if (suite.auth) {
    mac = Mac::make(*suite.auth, suite.auth_key->bytes());
    if (!mac) return false;
    if (by != By::openssl) mac_lane = mac->lane(), mac_from = least(*suite.auth, by);
  }
  return set_up_cipher(suite, way, by);
}

View::View(const Contexts& c, const Job& job) : aad(Bytes(job.esp).first(kSpiAndNumber)) {
  const std::size_t iv = c.text - kSpiAndNumber;
  if (c.esn) {
    high = std::bit_cast<std::array<std::byte, 4>>(big_endian(job.sequence_high));
    std::ranges::copy(job.esp.first(4), wide.begin());
    std::ranges::copy(high, wide.begin() + 4);
    std::ranges::copy(job.esp.subspan(4, 4), wide.begin() + 8);
    aad = wide;
  }
  text = job.esp.subspan(c.text);
  nonce = {};
  std::ranges::copy(Bytes(c.salt).first(c.salt_size), nonce.begin());
  std::ranges::copy(job.esp.subspan(kSpiAndNumber, iv), nonce.begin() + static_cast<long>(c.salt_size));
  if (c.encrypt->mode == Mode::ctr) nonce.back() = std::byte{1};  // RFC 3686 section 4: the block counter.
}

bool seal_combined(Contexts& c, const Job& job) {
  const View v(c, job);
  if (c.fast) {
    if (c.encrypt->mode == Mode::gmac) return authenticate_fast(c, job, v, job.icv), true;
    c.fast->seal(Bytes(v.nonce).first(12), v.aad, v.text, job.icv);
    return true;
  }
  EVP_CIPHER_CTX* const x = c.seal.single.get();
  int size = 0;
  std::array<std::byte, 16> rest;
  return x && start(x, v) && run_combined(c, x, job, v) && EVP_CipherFinal_ex(x, octets(rest.data()), &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(c.tag), job.icv.data()) == 1;
}

bool open_combined(Contexts& c, const Job& job) {
  const View v(c, job);
  if (c.fast) {
    std::array<std::byte, 16> ours;
    const MutableBytes icv = MutableBytes(ours).first(job.icv.size());
    if (c.encrypt->mode == Mode::gmac) {
      authenticate_fast(c, job, v, icv);
    } else {
      c.fast->open(Bytes(v.nonce).first(12), v.aad, v.text, icv);
    }
    return equal(icv, job.icv);
  }
  EVP_CIPHER_CTX* const x = c.open.single.get();
  if (!x) return false;
  int size = 0;
  std::array<std::byte, 16> rest;
  const auto expect = [&] {
    return EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(c.tag), job.icv.data()) == 1;
  };
  if (c.encrypt->mode == Mode::ccm) return expect() && start(x, v) && run_combined(c, x, job, v);
  return start(x, v) && run_combined(c, x, job, v) && expect() &&
         EVP_CipherFinal_ex(x, octets(rest.data()), &size) == 1;
}

bool run_single(const Contexts& c, EVP_CIPHER_CTX* x, const Job& job) {
  const View v(c, job);
  return x && start(x, v) && update(x, v.text.data(), v.text);
}

}  // namespace ipseckey::crypto
