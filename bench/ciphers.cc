// ciphers [--json] [--suite TEXT] [SECONDS]: what Crypto::seal() and Crypto::open() cost for a batch of packets of each
// suite that the multi-buffer library has, against that library called directly and OpenSSL's EVP called directly.
// 1. suites() goes through the table of algorithms; each suite has Ours, Library and Evp, which must write the same.
// 2. Each way works on its own packets in place; opening needs them sealed again, so all ways copy them first. What the
//    copy takes is measured, too, and subtracted.
// 3. The ways take turns; the best of many rounds of CPU time counts, because other load only adds to it.
// 4. report() prints a table, or one JSON object in each line.
#include <fmt/format.h>
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/crypto.h"

namespace ipseckey::bench {
namespace {

using crypto::Crypto;
using crypto::Job;
using crypto::Keyed;
using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::Mode;

constexpr std::array<std::size_t, 3> kSizes = {64, 512, 1400};
constexpr std::array<std::size_t, 4> kBatches = {1, 8, 16, 32};
constexpr std::size_t kMost = 32;
constexpr double kGoal = 0.9;

double cpu_ns() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

std::uint8_t* u8(std::byte* p) { return static_cast<std::uint8_t*>(static_cast<void*>(p)); }

struct SuiteRow {
  const Algorithm* cipher;
  const Algorithm* mac;
  std::size_t key_bits;
  std::string name() const {
    std::string n(cipher->name());
    if (key_bits) n += fmt::format("-{}", key_bits);
    return mac ? n + "+" + std::string(mac->name()) : n;
  }
};

// AES-CBC and NULL with every MAC, other ciphers with HMAC-SHA-256; combined modes with their longest ICV.
std::vector<SuiteRow> suites() {
  std::vector<SuiteRow> all;
  const auto* const sha256 = pfkey::find_algorithm(AlgorithmKind::auth, "hmac-sha256");
  for (const Algorithm& c : pfkey::algorithms()) {
    if (c.kind != AlgorithmKind::encrypt || (c.batch == 0 && c.mode != Mode::null)) continue;
    if (c.combined()) {
      if (c.icv == 16) all.push_back({&c, nullptr, c.min_bits});
      continue;
    }
    const bool every = c.mode == Mode::null || (c.mode == Mode::cbc && !c.des);
    for (const Algorithm& m : pfkey::algorithms())
      if (m.kind == AlgorithmKind::auth && (every || &m == sha256)) all.push_back({&c, &m, c.min_bits});
    if (c.mode == Mode::cbc && !c.des) all.push_back({&c, sha256, 256});
  }
  return all;
}

// The packets of one way.
class Packets {
 public:
  Packets(const SuiteRow& row, std::size_t text)
      : front_(8 + row.cipher->iv), icv_(row.mac ? row.mac->icv : row.cipher->icv) {
    const std::size_t block = std::max<std::size_t>(row.cipher->block, 4);
    text_ = text / block * block;
    for (std::size_t i = 0; i < kMost * kStride; ++i) (*packets_)[i] = static_cast<std::byte>(i % kStride * 7 + 3);
    *start_ = *packets_;
  }
  /// Every packet becomes what the first one is in `from`: the start of opening.
  void start_as(const Packets& from) { *start_ = *from.packets_; }
  void reset(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) std::memcpy(esp(i), start_->data() + i * kStride, front_ + text_ + icv_);
  }
  std::byte* esp(std::size_t i) { return packets_->data() + i * kStride; }
  std::byte* text(std::size_t i) { return esp(i) + front_; }
  std::byte* icv(std::size_t i) { return text(i) + text_; }
  std::size_t text_size() const { return text_; }
  std::size_t icv_size() const { return icv_; }
  std::size_t front() const { return front_; }
  bool same(const Packets& other, std::size_t n) const {
    return std::equal(packets_->begin(), packets_->begin() + static_cast<long>(n * kStride), other.packets_->begin());
  }

 private:
  std::size_t front_, icv_, text_ = 0;
  // The same place in pages and in cache lines, whichever way's packets these are.
  static constexpr std::size_t kStride = 35 * 64;
  struct alignas(4096) Memory : std::array<std::byte, kMost * kStride> {};
  std::unique_ptr<Memory> packets_ = std::make_unique<Memory>(), start_ = std::make_unique<Memory>();
};

// The key material of all ways: salt behind the key, as in an SA.
struct Keys {
  Secret encrypt, auth;
  explicit Keys(const SuiteRow& row)
      : encrypt((row.key_bits + row.cipher->salt_bits) / 8), auth(row.mac ? row.mac->max_bits / 8u : 0) {
    for (Secret* const s : {&encrypt, &auth})
      for (std::size_t i = 0; i < s->size(); ++i) s->bytes()[i] = static_cast<std::byte>(i * 29 + 1);
  }
  std::size_t key(const SuiteRow& row) const { return row.key_bits / 8; }
  std::size_t nonce(const SuiteRow& row, const std::byte* esp, std::byte* out) const {
    const std::size_t salt = row.cipher->salt_bits / 8u;
    std::copy_n(encrypt.bytes().end() - static_cast<long>(salt), salt, out);
    std::copy_n(esp + 8, row.cipher->iv, out + salt);
    return salt + row.cipher->iv;
  }
};

// ---- ours

class Ours {
 public:
  Ours(const SuiteRow& row, const Keys& keys)
      : keyed_(Keyed::make({.encrypt = row.cipher,
                            .auth = row.mac,
                            .encrypt_key = row.cipher->takes_key() ? &keys.encrypt : nullptr,
                            .auth_key = row.mac ? &keys.auth : nullptr},
                           Keyed::Way::both)) {}
  /// As the packet path has them.
  void prepare(Packets& p) {
    for (std::size_t i = 0; i < kMost; ++i)
      jobs_[i] = {.keyed = keyed_.get(),
                  .esp = {p.esp(i), p.front() + p.text_size()},
                  .sequence_high = 0,
                  .icv = {p.icv(i), p.icv_size()},
                  .ok = false};
  }
  void run(Packets&, std::size_t n, bool seal) {
    const std::span<Job> jobs = std::span(jobs_).first(n);
    seal ? crypto_.seal(jobs) : crypto_.open(jobs);
    if (!jobs[0].ok || !jobs[n - 1].ok) std::abort();
  }

 private:
  std::unique_ptr<Keyed> keyed_;
  Crypto crypto_;
  std::array<Job, kMost> jobs_;
};

// ---- the multi-buffer library

class Library {
 public:
  Library(const SuiteRow& row, const Keys& keys) : row_(row), keys_(keys), m_(alloc_mb_mgr(0)) {
    init_mb_mgr_auto(m_, nullptr);
    set_cipher();
    if (row.mac) set_mac();
  }
  ~Library() { free_mb_mgr(m_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  void run(Packets& p, std::size_t n, bool seal) {
    if (row_.cipher->combined()) return combined(p, n, seal);
    if (seal) encrypt(p, n, true);
    authenticate(p, n, seal);
    if (!seal) encrypt(p, n, false);
  }

 private:
  void set_cipher() {
    const std::byte* const key = keys_.encrypt.bytes().data();
    if (row_.cipher->des) {
      for (std::size_t i = 0; i * 8 < keys_.key(row_); ++i)
        des_key_schedule(des_[i].data(), key + i * 8), three_[i] = des_[i].data();
    } else if (row_.cipher->mode != Mode::null && row_.cipher->mode != Mode::chacha) {
      const auto expand = keys_.key(row_) == 16 ? m_->keyexp_128 : m_->keyexp_256;
      expand(key, forward_.data(), backward_.data());
      (keys_.key(row_) == 16 ? m_->gcm128_pre : m_->gcm256_pre)(key, &gcm_);
    }
  }
  void set_mac() {
    const std::byte* const key = keys_.auth.bytes().data();
    hash_ = hash_of(row_.mac->number);
    if (row_.mac->mode == Mode::xcbc) {
      m_->xcbc_keyexp(key, expanded_.data(), first_.data(), second_.data());
    } else if (row_.mac->mode == Mode::cmac) {
      std::array<std::byte, 240> unused;
      m_->keyexp_128(key, expanded_.data(), unused.data());
      m_->cmac_subkey_gen_128(expanded_.data(), first_.data(), second_.data());
    } else {
      pad(0x36, first_.data()), pad(0x5c, second_.data());
    }
  }
  void pad(std::uint8_t octet, std::byte* out) {
    std::array<std::uint8_t, 128> block;
    block.fill(octet);
    for (std::size_t i = 0; i < keys_.auth.size(); ++i)
      block[i] = static_cast<std::uint8_t>(block[i] ^ std::to_integer<unsigned>(keys_.auth.bytes()[i]));
    const std::array functions = {m_->md5_one_block, m_->sha1_one_block, m_->sha256_one_block, m_->sha384_one_block,
                                  m_->sha512_one_block};
    functions[index_of(row_.mac->number)](block.data(), out);
  }
  static std::size_t index_of(unsigned number) { return number < 5 ? number - 2 : number - 3; }
  static IMB_HASH_ALG hash_of(unsigned number) {
    constexpr std::array kHmac = {IMB_AUTH_MD5, IMB_AUTH_HMAC_SHA_1, IMB_AUTH_HMAC_SHA_256, IMB_AUTH_HMAC_SHA_384,
                                  IMB_AUTH_HMAC_SHA_512};
    return number == 9 ? IMB_AUTH_AES_XCBC : number == 248 ? IMB_AUTH_AES_CMAC : kHmac[index_of(number)];
  }

  // Jobs through the manager's queue.
  template <class Fill>
  void queue(std::size_t n, Fill fill) {
    std::size_t done = 0;
    for (std::size_t i = 0; i < n; ++i) {
      fill(*IMB_GET_NEXT_JOB(m_), i);
      for (const IMB_JOB* r = IMB_SUBMIT_JOB_NOCHECK(m_); r; r = IMB_GET_COMPLETED_JOB(m_)) ++done;
    }
    while (IMB_FLUSH_JOB(m_)) ++done;
    if (done != n) std::abort();
  }

  void text(IMB_JOB& j, Packets& p, std::size_t i, bool seal) {
    j.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    j.key_len_in_bytes = keys_.key(row_);
    j.src = j.dst = u8(p.text(i));
    j.cipher_start_src_offset_in_bytes = 0;
    j.msg_len_to_cipher_in_bytes = p.text_size();
    j.iv = u8(p.esp(i)) + 8;
    j.enc_keys = forward_.data(), j.dec_keys = backward_.data();
  }

  void encrypt(Packets& p, std::size_t n, bool seal) {
    if (row_.cipher->mode == Mode::null) return;
    if (row_.cipher->des) {
      const bool three = keys_.key(row_) > 8;
      return queue(n, [&](IMB_JOB& j, std::size_t i) {
        text(j, p, i, seal);
        j.cipher_mode = three ? IMB_CIPHER_DES3 : IMB_CIPHER_DES;
        j.enc_keys = j.dec_keys = three ? static_cast<const void*>(three_.data()) : des_[0].data();
        j.iv_len_in_bytes = 8;
        j.hash_alg = IMB_AUTH_NULL;
        j.chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
      });
    }
    const bool counter = row_.cipher->mode == Mode::ctr;
    for (std::size_t i = 0; i < n; ++i) {
      text(jobs_[i], p, i, seal);
      jobs_[i].iv_len_in_bytes = 16;
      if (!counter) continue;
      keys_.nonce(row_, p.esp(i), nonces_[i].data());
      jobs_[i].iv = u8(nonces_[i].data());
      jobs_[i].iv_len_in_bytes = 12;
    }
    const auto count = static_cast<std::uint32_t>(n);
    if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(m_, jobs_.data(), count, counter ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC,
                                        seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
                                        static_cast<IMB_KEY_SIZE_BYTES>(keys_.key(row_))) != count)
      std::abort();
  }

  void digest(IMB_JOB& j, Packets& p, std::size_t i, bool seal) {
    j.cipher_mode = IMB_CIPHER_NULL;
    j.cipher_direction = IMB_DIR_ENCRYPT;
    j.chain_order = IMB_ORDER_HASH_CIPHER;
    j.hash_alg = hash_;
    j.src = u8(p.esp(i));
    j.hash_start_src_offset_in_bytes = 0;
    j.msg_len_to_hash_in_bytes = p.front() + p.text_size();
    j.auth_tag_output = seal ? u8(p.icv(i)) : tags_[i].data();
    j.auth_tag_output_len_in_bytes = p.icv_size();
    if (row_.mac->mode == Mode::hmac) {
      j.u.HMAC._hashed_auth_key_xor_ipad = u8(first_.data());
      j.u.HMAC._hashed_auth_key_xor_opad = u8(second_.data());
    } else if (row_.mac->mode == Mode::xcbc) {
      j.u.XCBC._k1_expanded = static_cast<const std::uint32_t*>(static_cast<const void*>(expanded_.data()));
      j.u.XCBC._k2 = u8(first_.data()), j.u.XCBC._k3 = u8(second_.data());
    } else {
      j.u.CMAC._key_expanded = expanded_.data(), j.u.CMAC._skey1 = first_.data(), j.u.CMAC._skey2 = second_.data();
    }
  }
  void authenticate(Packets& p, std::size_t n, bool seal) {
    if (row_.mac->mode != Mode::hmac || hash_ == IMB_AUTH_MD5)
      return queue(n, [&](IMB_JOB& j, std::size_t i) { digest(j, p, i, seal); });
    for (std::size_t i = 0; i < n; ++i) digest(jobs_[i], p, i, seal);
    const auto count = static_cast<std::uint32_t>(n);
    if (IMB_SUBMIT_HASH_BURST_NOCHECK(m_, jobs_.data(), count, hash_) != count) std::abort();
  }

  void combined(Packets& p, std::size_t n, bool seal) {
    queue(n, [&](IMB_JOB& j, std::size_t i) {
      text(j, p, i, seal);
      const bool ccm = row_.cipher->mode == Mode::ccm, gmac = row_.cipher->mode == Mode::gmac;
      j.iv_len_in_bytes = keys_.nonce(row_, p.esp(i), nonces_[i].data());
      j.iv = u8(nonces_[i].data());
      j.hash_start_src_offset_in_bytes = 0;
      j.msg_len_to_hash_in_bytes = p.text_size();
      j.auth_tag_output = seal ? u8(p.icv(i)) : tags_[i].data();
      j.auth_tag_output_len_in_bytes = p.icv_size();
      j.chain_order = seal != ccm ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
      if (row_.cipher->mode == Mode::chacha) {
        j.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305, j.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
        j.enc_keys = j.dec_keys = keys_.encrypt.bytes().data();
        j.u.CHACHA20_POLY1305.aad = p.esp(i), j.u.CHACHA20_POLY1305.aad_len_in_bytes = 8;
      } else if (ccm) {
        j.cipher_mode = IMB_CIPHER_CCM, j.hash_alg = IMB_AUTH_AES_CCM;
        j.dec_keys = forward_.data();
        j.u.CCM.aad = p.esp(i), j.u.CCM.aad_len_in_bytes = 8;
      } else {
        j.cipher_mode = IMB_CIPHER_GCM, j.hash_alg = IMB_AUTH_AES_GMAC;
        j.enc_keys = j.dec_keys = &gcm_;
        j.u.GCM.aad = p.esp(i), j.u.GCM.aad_len_in_bytes = gmac ? p.front() + p.text_size() : 8;
        if (gmac) j.msg_len_to_cipher_in_bytes = j.msg_len_to_hash_in_bytes = 0;
      }
    });
  }

  const SuiteRow& row_;
  const Keys& keys_;
  IMB_MGR* m_;
  IMB_HASH_ALG hash_ = IMB_AUTH_NULL;
  alignas(64) std::array<std::byte, 240> forward_{}, backward_{}, expanded_{};
  alignas(64) std::array<std::byte, 64> first_{}, second_{};
  std::array<std::array<std::uint64_t, 16>, 3> des_{};
  std::array<const void*, 3> three_{};
  alignas(64) gcm_key_data gcm_{};
  std::array<IMB_JOB, kMost> jobs_{};
  std::array<std::array<std::byte, 16>, kMost> nonces_{};
  std::array<std::array<std::uint8_t, 64>, kMost> tags_{};
};

// ---- OpenSSL

class Evp {
 public:
  Evp(const SuiteRow& row, const Keys& keys) : row_(row), keys_(keys) {
    if (row.cipher->mode != Mode::null)
      for (const bool seal : {true, false}) contexts_[seal] = context(seal);
    if (!row.mac) return;
    EVP_MAC* const mac = EVP_MAC_fetch(nullptr, row.mac->mode == Mode::hmac ? "HMAC" : "CMAC", nullptr);
    mac_ = EVP_MAC_CTX_new(mac);
    std::string named(row.mac->library);
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string(row.mac->mode == Mode::hmac ? "digest" : "cipher", named.data(), 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC_init(mac_, u8(const_cast<std::byte*>(keys.auth.bytes().data())), keys.auth.size(), parameters.data());
    EVP_MAC_free(mac);
  }
  ~Evp() {
    for (EVP_CIPHER_CTX* const x : contexts_) EVP_CIPHER_CTX_free(x);
    EVP_MAC_CTX_free(mac_);
  }
  Evp(const Evp&) = delete;
  Evp& operator=(const Evp&) = delete;
  /// EVP has no XCBC; its CMAC is as much work.
  bool writes_the_same() const { return !row_.mac || row_.mac->mode != Mode::xcbc; }

  void run(Packets& p, std::size_t n, bool seal) {
    for (std::size_t i = 0; i < n; ++i) {
      if (row_.cipher->combined()) {
        combined(p, i, seal);
        continue;
      }
      if (seal) crypt(p, i, true);
      authenticate(p, i, seal);
      if (!seal) crypt(p, i, false);
    }
  }

 private:
  EVP_CIPHER_CTX* context(bool seal) {
    const bool des = row_.cipher->single_des();
    const std::string name = fmt::format(fmt::runtime(row_.cipher->library), keys_.key(row_) * 8);
    EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr);
    EVP_CIPHER_CTX* const x = EVP_CIPHER_CTX_new();
    std::array<std::byte, 32> key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = keys_.encrypt.bytes()[i % keys_.key(row_)];
    if (!des) std::copy_n(keys_.encrypt.bytes().begin(), keys_.key(row_), key.begin());
    EVP_CipherInit_ex(x, cipher, nullptr, nullptr, nullptr, seal);
    if (row_.cipher->combined())
      EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, row_.cipher->salt_bits / 8 + row_.cipher->iv, nullptr);
    if (row_.cipher->mode == Mode::ccm) EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, nullptr);
    EVP_CipherInit_ex(x, nullptr, nullptr, u8(key.data()), nullptr, seal);
    EVP_CIPHER_CTX_set_padding(x, 0);
    EVP_CIPHER_free(cipher);
    return x;
  }
  void crypt(Packets& p, std::size_t i, bool seal) {
    if (row_.cipher->mode == Mode::null) return;
    std::array<std::byte, 16> iv{};
    if (row_.cipher->mode == Mode::ctr) {
      keys_.nonce(row_, p.esp(i), iv.data());
      iv.back() = std::byte{1};
    } else {
      std::copy_n(p.esp(i) + 8, row_.cipher->iv, iv.data());
    }
    int size = 0;
    EVP_CipherInit_ex(contexts_[seal], nullptr, nullptr, nullptr, u8(iv.data()), -1);
    EVP_CipherUpdate(contexts_[seal], u8(p.text(i)), &size, u8(p.text(i)), static_cast<int>(p.text_size()));
  }
  void authenticate(Packets& p, std::size_t i, bool seal) {
    std::array<std::uint8_t, 64> all;
    std::size_t size = 0;
    EVP_MAC_init(mac_, nullptr, 0, nullptr);
    EVP_MAC_update(mac_, u8(p.esp(i)), p.front() + p.text_size());
    EVP_MAC_final(mac_, all.data(), &size, all.size());
    if (seal) std::memcpy(p.icv(i), all.data(), p.icv_size());
  }
  void combined(Packets& p, std::size_t i, bool seal) {
    EVP_CIPHER_CTX* const x = contexts_[seal];
    std::array<std::byte, 16> nonce{}, rest{};
    keys_.nonce(row_, p.esp(i), nonce.data());
    const auto text = static_cast<int>(p.text_size());
    int size = 0;
    const bool ccm = row_.cipher->mode == Mode::ccm;
    if (ccm && !seal) EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, p.icv(i));
    EVP_CipherInit_ex(x, nullptr, nullptr, nullptr, u8(nonce.data()), -1);
    if (ccm) EVP_CipherUpdate(x, nullptr, &size, nullptr, text);
    if (row_.cipher->mode == Mode::gmac) {
      EVP_CipherUpdate(x, nullptr, &size, u8(p.esp(i)), static_cast<int>(p.front()) + text);
    } else {
      EVP_CipherUpdate(x, nullptr, &size, u8(p.esp(i)), 8);
      EVP_CipherUpdate(x, u8(p.text(i)), &size, u8(p.text(i)), text);
    }
    if (!seal && !ccm) EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, p.icv(i));
    if ((seal || !ccm) && EVP_CipherFinal_ex(x, u8(rest.data()), &size) != 1) std::abort();
    if (seal) EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, p.icv(i));
  }

  const SuiteRow& row_;
  const Keys& keys_;
  std::array<EVP_CIPHER_CTX*, 2> contexts_{};
  EVP_MAC_CTX* mac_ = nullptr;
};

// ---- measuring

struct Options {
  bool json = false;
  std::string_view suite;  // Only suites whose name contains it.
  double seconds = 0.05;   // For one figure.
};

// Nanoseconds for a packet, by each way.
struct Figures {
  double ours = 1e18, library = 1e18, evp = 1e18;
};

template <class Run>
double once(std::size_t packets, std::size_t n, Run run) {
  const std::size_t calls = std::max<std::size_t>(1, packets / n);
  const double begin = cpu_ns();
  for (std::size_t i = 0; i < calls; ++i) run();
  return (cpu_ns() - begin) / static_cast<double>(calls * n);
}

class Trial {
 public:
  Trial(const SuiteRow& row, std::size_t size, bool seal)
      : keys_(row),
        seal_(seal),
        ours_(row, keys_),
        library_(row, keys_),
        evp_(row, keys_),
        for_ours_(row, size),
        for_library_(row, size),
        for_evp_(row, size) {
    ours_.prepare(for_ours_);
    ours_.run(for_ours_, kMost, true), library_.run(for_library_, kMost, true), evp_.run(for_evp_, kMost, true);
    if (!for_ours_.same(for_library_, kMost) || (evp_.writes_the_same() && !for_ours_.same(for_evp_, kMost))) {
      fmt::print(stderr, "ciphers: the ways of {} differ\n", row.name());
      std::exit(1);
    }
    if (!seal)
      for (Packets* const p : {&for_ours_, &for_library_, &for_evp_}) p->start_as(for_ours_);
  }

  Figures measure(std::size_t n, double seconds) {
    Figures best;
    double copy = 1e18;
    const double a_packet = once(4 * n, n, [&] { for_evp_.reset(n), evp_.run(for_evp_, n, seal_); });
    constexpr std::size_t kRounds = 12;
    const auto packets = static_cast<std::size_t>(seconds * 1e9 / (kRounds * 3) / a_packet) + 1;
    const auto take = [&](double& figure, auto& way, Packets& p) {
      figure = std::min(figure, once(packets, n, [&] { p.reset(n), way.run(p, n, seal_); }));
    };
    for (std::size_t round = 0; round < kRounds; ++round) {
      take(best.ours, ours_, for_ours_);
      take(best.library, library_, for_library_);
      take(best.evp, evp_, for_evp_);
      copy = std::min(copy, once(packets, n, [&] { for_ours_.reset(n); }));
    }
    for (double* const figure : {&best.ours, &best.library, &best.evp}) *figure -= copy;
    return best;
  }

 private:
  Keys keys_;
  bool seal_;
  Ours ours_;
  Library library_;
  Evp evp_;
  Packets for_ours_, for_library_, for_evp_;
};

void line(const std::string& row, const char* what, double value, const char* unit, bool goal, const char* peer) {
  fmt::print("{{\"row\": \"{}\", \"what\": \"{}\", \"value\": {:.3f}, \"unit\": \"{}\", \"goal\": {}, \"peer\": {}}}\n",
             row, what, value, unit, goal ? fmt::to_string(kGoal) : "null",
             peer ? fmt::format("\"{}\"", peer) : "null");
}

void report(const SuiteRow& suite, bool seal, std::size_t size, std::size_t n, const Figures& f, const Options& o) {
  const double share = f.library / f.ours;
  const bool goal = n == kMost;
  const char* const way = seal ? "seal" : "open";
  if (!o.json) {
    fmt::print("| {} | {} | {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {} |\n", suite.name(), way, size, n, f.ours,
               f.library, f.evp, share, goal ? share >= kGoal ? "≥ 0.9" : "≥ 0.9 MISSED" : "");
  } else {
    const std::string row = fmt::format("{} {}, {} bytes, batch of {}", suite.name(), way, size, n);
    line(row, "time of a packet", f.ours, "ns", false, nullptr);
    line(row, "time of a packet, peer", f.library, "ns", false, "libipsec-mb");
    line(row, "time of a packet, peer", f.evp, "ns", false, "OpenSSL EVP");
    line(row, "speed against the library", share, "ratio", goal, "libipsec-mb");
  }
  std::fflush(stdout);
}

int run(const Options& o) {
  if (!o.json)
    fmt::print(
        "| suite | | bytes | batch | ns a packet | libipsec-mb | OpenSSL EVP | of the library | goal |\n"
        "|---|---|---|---|---|---|---|---|---|\n");
  for (const SuiteRow& row : suites()) {
    if (row.name().find(o.suite) == std::string::npos) continue;
    for (const bool seal : {true, false})
      for (const std::size_t size : kSizes) {
        Trial trial(row, size, seal);
        for (const std::size_t n : kBatches) report(row, seal, size, n, trial.measure(n, o.seconds), o);
      }
  }
  return 0;
}

}  // namespace
}  // namespace ipseckey::bench

int main(int count, char** arguments) {
  ipseckey::bench::Options options;
  for (int i = 1; i < count; ++i) {
    if (std::string_view(arguments[i]) == "--json") {
      options.json = true;
    } else if (std::string_view(arguments[i]) == "--suite" && i + 1 < count) {
      options.suite = arguments[++i];
    } else {
      options.seconds = std::atof(arguments[i]);
    }
  }
  return ipseckey::bench::run(options);
}
