#include "crypto/detail/mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/secret_heap.h"
#include "crypto/detail/hmac.h"

namespace ipseckey::crypto {
namespace {

constexpr std::size_t kBlock = 16;
using Block = std::array<std::byte, kBlock>;

// The key for the lanes.
class LaneHalf : public Mac {
 public:
  LaneHalf(const pfkey::Algorithm& row, Bytes key) : blocks_(LaneBlocks::make(row, key)) {
    if (blocks_) lane_ = blocks_->mac(row.mode);
  }
  const LaneMac* lane() const final { return blocks_ ? &lane_ : nullptr; }

 private:
  std::unique_ptr<LaneBlocks> blocks_;
  LaneMac lane_{};
};

class Cmac final : public LaneHalf {
 public:
  Cmac(const pfkey::Algorithm& row, Bytes key, MacContext context) : LaneHalf(row, key), context_(std::move(context)) {}

  bool compute(std::span<const Bytes> parts, MutableBytes out) override {
    std::array<std::byte, kMost> whole;
    std::size_t size = 0;
    if (EVP_MAC_init(context_.get(), nullptr, 0, nullptr) != 1) return false;
    for (const Bytes part : parts)
      if (EVP_MAC_update(context_.get(), octets(part.data()), part.size()) != 1) return false;
    if (EVP_MAC_final(context_.get(), octets(whole.data()), &size, whole.size()) != 1 || size < out.size())
      return false;
    std::ranges::copy(Bytes(whole).first(out.size()), out.begin());
    return true;
  }

 private:
  MacContext context_;
};

// All complete blocks but the last go through CBC; only the output of the last one is used.
class Xcbc final : public LaneHalf, public secret_heap::Object {
 public:
  Xcbc(const pfkey::Algorithm& row, Bytes key, CipherContext cbc, const Block& k2, const Block& k3)
      : LaneHalf(row, key), cbc_(std::move(cbc)), k2_(k2), k3_(k3) {}
  ~Xcbc() override {
    OPENSSL_cleanse(k2_.data(), k2_.size());
    OPENSSL_cleanse(k3_.data(), k3_.size());
  }

  bool compute(std::span<const Bytes> parts, MutableBytes out) override {
    constexpr Block kZero{};
    if (EVP_EncryptInit_ex(cbc_.get(), nullptr, nullptr, nullptr, octets(kZero.data())) != 1) return false;
    held_ = 0;
    for (const Bytes part : parts)
      if (!absorb(part)) return false;
    Block last = pending_;
    if (held_ < kBlock) {
      std::ranges::fill(std::span(last).subspan(held_), std::byte{0});
      last[held_] = std::byte{0x80};
    }
    const Block& mask = held_ < kBlock ? k3_ : k2_;
    for (std::size_t i = 0; i < kBlock; ++i) last[i] ^= mask[i];
    if (!run(last)) return false;
    std::ranges::copy(Bytes(scratch_).first(std::min(kBlock, out.size())), out.begin());
    return out.size() <= kBlock;
  }

 private:
  bool run(Bytes whole_blocks) {
    int size = 0;
    return EVP_EncryptUpdate(cbc_.get(), octets(scratch_.data()), &size, octets(whole_blocks.data()),
                             static_cast<int>(whole_blocks.size())) == 1;
  }

  // A block that may be the last one waits in pending_.
  bool absorb(Bytes in) {
    while (!in.empty()) {
      if (held_ == kBlock) {
        if (!run(pending_)) return false;
        held_ = 0;
      }
      if (held_ == 0 && in.size() > kBlock) {
        const std::size_t bulk = std::min(scratch_.size(), (in.size() - 1) / kBlock * kBlock);
        if (!run(in.first(bulk))) return false;
        in = in.subspan(bulk);
        continue;
      }
      const std::size_t taken = std::min(kBlock - held_, in.size());
      std::ranges::copy(in.first(taken), std::span(pending_).subspan(held_).begin());
      held_ += taken;
      in = in.subspan(taken);
    }
    return true;
  }

  CipherContext cbc_;
  Block k2_, k3_;
  Block pending_{};
  std::size_t held_ = 0;
  std::array<std::byte, 512> scratch_{};
};

std::unique_ptr<Mac> cmac(const pfkey::Algorithm& row, Bytes key) {
  const MacPtr mac(EVP_MAC_fetch(library(), "CMAC", nullptr));
  if (!mac) return nullptr;
  MacContext context(EVP_MAC_CTX_new(mac.get()));
  std::string cipher(row.library);
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher.data(), 0), OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_init(context.get(), octets(key.data()), key.size(), parameters.data()) != 1) return nullptr;
  return std::make_unique<Cmac>(row, key, std::move(context));
}

CipherContext cbc_encryptor(const pfkey::Algorithm& row, Bytes key) {
  const CipherPtr cipher = cipher_of(row, key.size());
  CipherContext context(EVP_CIPHER_CTX_new());
  constexpr Block kZero{};
  if (!cipher || !context ||
      EVP_EncryptInit_ex(context.get(), cipher.get(), nullptr, octets(key.data()), octets(kZero.data())) != 1)
    return nullptr;
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  return context;
}

std::unique_ptr<Mac> xcbc(const pfkey::Algorithm& row, Bytes key) {
  std::array<Block, 3> derived;
  for (unsigned i = 0; i < derived.size(); ++i) {
    const CipherContext once = cbc_encryptor(row, key);
    Block in;
    in.fill(static_cast<std::byte>(i + 1));
    int size = 0;
    if (!once || EVP_EncryptUpdate(once.get(), octets(derived[i].data()), &size, octets(in.data()), kBlock) != 1)
      return nullptr;
  }
  CipherContext cbc = cbc_encryptor(row, derived[0]);
  auto made = cbc ? std::make_unique<Xcbc>(row, key, std::move(cbc), derived[1], derived[2]) : nullptr;
  OPENSSL_cleanse(derived.data(), sizeof derived);
  return made;
}

}  // namespace

std::unique_ptr<Mac> Mac::make(const pfkey::Algorithm& row, Bytes key) {
  if (row.mode == pfkey::Mode::xcbc) return xcbc(row, key);
  if (row.mode == pfkey::Mode::cmac) return cmac(row, key);
  return make_hmac(row, key);
}

}  // namespace ipseckey::crypto
