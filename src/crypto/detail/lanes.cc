// The multi-buffer library's lanes:
// 1. LaneCipher and LaneBlocks expand a key as the library wants it. HMAC's states are OpenSSL's, whose first words are
//    what the library calls a hashed key.
// 2. AES in CBC and CTR and the HMACs of SHA have functions that take a whole burst: run_burst() for ciphers and MACs.
// 3. Everything else goes through the manager's queue, queue(), which is emptied before it returns.
// The functions that do not check their arguments are used: lengths and keys are right, and tests run each of them.
#include "crypto/detail/lanes.h"

#include <algorithm>

#include "base/cast.h"

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#endif

namespace ipseckey::crypto {

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)

namespace {

using pfkey::Mode;

constexpr std::size_t kAesRoundKeys = 15 * 16, kDesRoundKeys = 128;

const std::uint8_t* octets(const std::byte* p) { return octets_as<std::uint8_t>(p); }
std::uint8_t* octets(std::byte* p) { return octets_as<std::uint8_t>(p); }

// Only one direction of the two that the library computes is kept; of the others than CBC, both need the first.
void expand_aes(Bytes key, bool inverse, MutableBytes out) {
  const IMB_MGR& m = *multi_buffer();
  alignas(16) std::array<std::byte, kAesRoundKeys> forward, backward;
  const keyexp_t expand = key.size() == 16 ? m.keyexp_128 : key.size() == 24 ? m.keyexp_192 : m.keyexp_256;
  expand(key.data(), forward.data(), backward.data());
  std::ranges::copy(Bytes(inverse ? backward : forward).first(out.size()), out.begin());
  OPENSSL_cleanse(forward.data(), forward.size());
  OPENSSL_cleanse(backward.data(), backward.size());
}

// Without AVX-512 the library computes DES bit by bit: one packet of 512 bytes takes milliseconds.
bool has_des_lanes() { return (multi_buffer()->features & IMB_FEATURE_AVX512_SKX) == IMB_FEATURE_AVX512_SKX; }

void expand_des(Bytes key, MutableBytes out) {
  for (std::size_t i = 0; i * 8 < key.size(); ++i)
    multi_buffer()->des_key_sched(object_at<std::uint64_t>(out.data() + i * kDesRoundKeys), key.data() + i * 8);
}

// Bytes of the expanded key; 0: the library lacks it.
std::size_t expanded_size(const pfkey::Algorithm& row, std::size_t key) {
  const bool aes = row.library.starts_with("AES-");
  if (row.batch == 0 || !multi_buffer()) return 0;
  if (row.mode == Mode::chacha) return key == 32 ? key : 0;
  if (row.des) return has_des_lanes() ? key / 8 * kDesRoundKeys : 0;
  const bool known = row.mode == Mode::cbc || row.mode == Mode::ctr || (row.mode == Mode::ccm && key != 24);
  return aes && known && (key == 16 || key == 24 || key == 32) ? kAesRoundKeys : 0;
}

IMB_CIPHER_MODE cipher_mode(const LaneCipher::Kind& kind) {
  if (kind.mode == Mode::ctr) return IMB_CIPHER_CNTR;
  if (kind.mode == Mode::ccm) return IMB_CIPHER_CCM;
  if (kind.mode == Mode::chacha) return IMB_CIPHER_CHACHA20_POLY1305;
  if (kind.des) return kind.key > 8 ? IMB_CIPHER_DES3 : IMB_CIPHER_DES;
  return IMB_CIPHER_CBC;
}

// By LaneMac::Kind: the library's name, and whether a function takes bursts of it.
struct Digest {
  IMB_HASH_ALG hash;
  bool burst;
};
constexpr std::array kDigests = {Digest{IMB_AUTH_MD5, false},         Digest{IMB_AUTH_HMAC_SHA_1, true},
                                 Digest{IMB_AUTH_HMAC_SHA_256, true}, Digest{IMB_AUTH_HMAC_SHA_384, true},
                                 Digest{IMB_AUTH_HMAC_SHA_512, true}, Digest{IMB_AUTH_AES_XCBC, false},
                                 Digest{IMB_AUTH_AES_CMAC, false}};

const Digest& digest_of(const Lanes::Message& m) { return kDigests[static_cast<std::size_t>(m.mac->kind)]; }

// set_kind() sets what all jobs of a burst share, which its function gets as arguments; set() sets the rest.

void set_kind(IMB_JOB& job, const LaneCipher::Kind& kind) {
  job.cipher_mode = cipher_mode(kind);
  job.cipher_direction = kind.sealing ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
}
void set_kind(IMB_JOB& job, const Lanes::Text& t) {
  set_kind(job, t.cipher->kind());
  job.hash_alg = IMB_AUTH_NULL;
  job.chain_order = t.cipher->kind().sealing ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}
void set_kind(IMB_JOB& job, const Lanes::Packet& p) {
  const LaneCipher::Kind& kind = p.cipher->kind();
  set_kind(job, kind);
  job.hash_alg = kind.mode == Mode::ccm ? IMB_AUTH_AES_CCM : IMB_AUTH_CHACHA20_POLY1305;
  // CCM authenticates what is not encrypted, ChaCha20-Poly1305 what is.
  const bool first = kind.sealing == (kind.mode == Mode::chacha);
  job.chain_order = first ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}
void set_kind(IMB_JOB& job, const Lanes::Message& m) {
  job.cipher_mode = IMB_CIPHER_NULL;
  job.cipher_direction = IMB_DIR_ENCRYPT;
  job.chain_order = IMB_ORDER_HASH_CIPHER;
  job.hash_alg = digest_of(m).hash;
}

void set_cipher(IMB_JOB& job, const LaneCipher& cipher, MutableBytes text) {
  const LaneCipher::Kind& kind = cipher.kind();
  job.enc_keys = job.dec_keys = cipher.expanded();
  job.key_len_in_bytes = kind.key;
  job.src = job.dst = octets(text.data());
  job.cipher_start_src_offset_in_bytes = 0;
  job.msg_len_to_cipher_in_bytes = text.size();
}

void set(IMB_JOB& job, const Lanes::Text& t) {
  set_cipher(job, *t.cipher, t.text);
  job.iv = octets(t.iv);
  job.iv_len_in_bytes = t.cipher->kind().mode == Mode::ctr ? 12 : t.cipher->kind().des ? 8 : 16;
}

void set(IMB_JOB& job, const Lanes::Packet& p) {
  const LaneCipher::Kind& kind = p.cipher->kind();
  set_cipher(job, *p.cipher, p.text);
  job.hash_start_src_offset_in_bytes = 0;
  job.msg_len_to_hash_in_bytes = p.text.size();
  job.iv = octets(p.nonce.data());
  job.iv_len_in_bytes = p.nonce.size();
  job.auth_tag_output = octets(p.icv.data());
  job.auth_tag_output_len_in_bytes = p.icv.size();
  if (kind.mode == Mode::ccm) {
    job.u.CCM.aad = p.aad.data(), job.u.CCM.aad_len_in_bytes = p.aad.size();
  } else {
    job.u.CHACHA20_POLY1305.aad = p.aad.data(), job.u.CHACHA20_POLY1305.aad_len_in_bytes = p.aad.size();
  }
}

void set(IMB_JOB& job, const Lanes::Message& m) {
  const auto& [first, second, third] = m.mac->parts;
  job.src = octets(m.message.data());
  job.hash_start_src_offset_in_bytes = 0;
  job.msg_len_to_hash_in_bytes = m.message.size();
  job.auth_tag_output = octets(m.icv.data());
  job.auth_tag_output_len_in_bytes = m.icv.size();
  if (m.mac->kind == LaneMac::Kind::xcbc) {
    job.u.XCBC._k1_expanded = static_cast<const std::uint32_t*>(first);
    job.u.XCBC._k2 = static_cast<const std::uint8_t*>(second);
    job.u.XCBC._k3 = static_cast<const std::uint8_t*>(third);
  } else if (m.mac->kind == LaneMac::Kind::cmac) {
    job.u.CMAC._key_expanded = first, job.u.CMAC._skey1 = second, job.u.CMAC._skey2 = third;
  } else {
    job.u.HMAC._hashed_auth_key_xor_ipad = static_cast<const std::uint8_t*>(first);
    job.u.HMAC._hashed_auth_key_xor_opad = static_cast<const std::uint8_t*>(second);
  }
}

// Through the manager's queue, which is empty before and after.
template <class Item>
bool queue(IMB_MGR& m, std::span<const Item> items) {
  std::size_t done = 0;
  const auto count = [&done](const IMB_JOB* job) {
    if (job && job->status == IMB_STATUS_COMPLETED) ++done;
    return job != nullptr;
  };
  for (const Item& item : items) {
    IMB_JOB& job = *IMB_GET_NEXT_JOB(&m);
    set_kind(job, item), set(job, item);
    for (bool more = count(IMB_SUBMIT_JOB_NOCHECK(&m)); more;) more = count(IMB_GET_COMPLETED_JOB(&m));
  }
  while (count(IMB_FLUSH_JOB(&m))) {
  }
  return done == items.size();
}

}  // namespace

std::unique_ptr<LaneCipher> LaneCipher::make(const pfkey::Algorithm& row, Bytes key, bool sealing) {
  const std::size_t size = expanded_size(row, key.size());
  if (size == 0) return nullptr;
  auto made = std::make_unique<LaneCipher>();
  made->kind_ = {row.mode, row.des, sealing, static_cast<std::uint8_t>(key.size())};
  made->memory_.resize(size);
  if (row.mode == Mode::chacha) {
    std::ranges::copy(key, made->memory_.begin());
  } else if (row.des) {
    expand_des(key, made->memory_);
    for (std::size_t i = 0; i * kDesRoundKeys < size; ++i) made->three_[i] = made->memory_.data() + i * kDesRoundKeys;
  } else {
    expand_aes(key, row.mode == Mode::cbc && !sealing, made->memory_);
  }
  return made;
}

std::unique_ptr<LaneBlocks> LaneBlocks::make(const pfkey::Algorithm& row, Bytes key) {
  if (!multi_buffer() || key.size() != 16) return nullptr;
  const IMB_MGR& m = *multi_buffer();
  auto made = std::make_unique<LaneBlocks>();
  if (row.mode == Mode::xcbc) {
    m.xcbc_keyexp(key.data(), made->expanded.data(), made->first.data(), made->second.data());
  } else {
    expand_aes(key, false, made->expanded);
    m.cmac_subkey_gen_128(made->expanded.data(), made->first.data(), made->second.data());
  }
  return made;
}

LaneMac LaneBlocks::mac(Mode mode) const {
  const bool x = mode == Mode::xcbc;
  return {x ? LaneMac::Kind::xcbc : LaneMac::Kind::cmac,
          12,
          static_cast<std::uint8_t>(x ? 12 : 16),
          {expanded.data(), first.data(), second.data()}};
}

struct Lanes::State {
  Manager manager;
  std::array<IMB_JOB, kMost> jobs{};

  IMB_MGR& m() const { return *manager.get(); }
};

std::unique_ptr<Lanes> Lanes::make() {
  auto state = std::make_unique<State>();
  return state->manager.get() ? std::unique_ptr<Lanes>(new Lanes(std::move(state))) : nullptr;
}

bool Lanes::run(std::span<const Text> texts) {
  const LaneCipher::Kind& kind = texts.front().cipher->kind();
  if (kind.des) return queue(state_->m(), texts);
  for (std::size_t i = 0; i < texts.size(); ++i) set(state_->jobs[i], texts[i]);
  const auto count = static_cast<std::uint32_t>(texts.size());
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(&state_->m(), state_->jobs.data(), count, cipher_mode(kind),
                                         kind.sealing ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
                                         static_cast<IMB_KEY_SIZE_BYTES>(kind.key)) == count;
}

bool Lanes::run(std::span<const Packet> packets) { return queue(state_->m(), packets); }

bool Lanes::run(std::span<const Message> messages) {
  const Digest& digest = digest_of(messages.front());
  if (!digest.burst) return queue(state_->m(), messages);
  for (std::size_t i = 0; i < messages.size(); ++i) set(state_->jobs[i], messages[i]);
  const auto count = static_cast<std::uint32_t>(messages.size());
  return IMB_SUBMIT_HASH_BURST_NOCHECK(&state_->m(), state_->jobs.data(), count, digest.hash) == count;
}

Bytes Lanes::memory() const {
  const void* const all = state_->manager.get();
  return {static_cast<const std::byte*>(all), imb_get_mb_mgr_size()};
}

#else

std::unique_ptr<LaneCipher> LaneCipher::make(const pfkey::Algorithm&, Bytes, bool) { return nullptr; }
std::unique_ptr<LaneBlocks> LaneBlocks::make(const pfkey::Algorithm&, Bytes) { return nullptr; }
LaneMac LaneBlocks::mac(pfkey::Mode) const { return {}; }
struct Lanes::State {};
std::unique_ptr<Lanes> Lanes::make() { return nullptr; }
bool Lanes::run(std::span<const Text>) { return false; }
bool Lanes::run(std::span<const Packet>) { return false; }
bool Lanes::run(std::span<const Message>) { return false; }
Bytes Lanes::memory() const { return {}; }

#endif

Lanes::Lanes(std::unique_ptr<State> state) : state_(std::move(state)) {}
Lanes::~Lanes() = default;

}  // namespace ipseckey::crypto
