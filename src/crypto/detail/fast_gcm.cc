#include "crypto/detail/fast_gcm.h"

#include "base/cast.h"
#include "base/secret_heap.h"
#include "crypto/detail/multi_buffer.h"

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#endif

namespace ipseckey::crypto {

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)

namespace {

// By the size of the key.
struct Functions {
  aes_gcm_pre_t prepare;
  aes_gcm_enc_dec_t seal, open;
  aes_gmac_init_t begin;
  aes_gmac_update_t update;
  aes_gmac_finalize_t finish;
};
Functions functions(std::size_t key) {
  const IMB_MGR& m = *multi_buffer();
  if (key == 16)
    return {m.gcm128_pre, m.gcm128_enc, m.gcm128_dec, m.gmac128_init, m.gmac128_update, m.gmac128_finalize};
  if (key == 24)
    return {m.gcm192_pre, m.gcm192_enc, m.gcm192_dec, m.gmac192_init, m.gmac192_update, m.gmac192_finalize};
  return {m.gcm256_pre, m.gcm256_enc, m.gcm256_dec, m.gmac256_init, m.gmac256_update, m.gmac256_finalize};
}

}  // namespace

struct FastGcm::State : secret_heap::Object {
  gcm_key_data key;
  Functions call;
  ~State() { OPENSSL_cleanse(&key, sizeof key); }
};

std::unique_ptr<FastGcm> FastGcm::make(Bytes key) {
  if (!multi_buffer() || (key.size() != 16 && key.size() != 24 && key.size() != 32)) return nullptr;
  auto state = std::make_unique<State>();
  state->call = functions(key.size());
  state->call.prepare(key.data(), &state->key);
  return std::unique_ptr<FastGcm>(new FastGcm(std::move(state)));
}

void FastGcm::seal(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const {
  gcm_context_data context;
  auto* const octets = octets_as<std::uint8_t>(text.data());
  state_->call.seal(&state_->key, &context, octets, octets, text.size(), octets_as<std::uint8_t>(nonce.data()),
                    octets_as<std::uint8_t>(aad.data()), aad.size(), octets_as<std::uint8_t>(icv.data()), icv.size());
}

void FastGcm::open(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const {
  gcm_context_data context;
  auto* const octets = octets_as<std::uint8_t>(text.data());
  state_->call.open(&state_->key, &context, octets, octets, text.size(), octets_as<std::uint8_t>(nonce.data()),
                    octets_as<std::uint8_t>(aad.data()), aad.size(), octets_as<std::uint8_t>(icv.data()), icv.size());
}

void FastGcm::authenticate(Bytes nonce, Bytes first, Bytes second, MutableBytes icv) const {
  gcm_context_data context;
  const auto& call = state_->call;
  call.begin(&state_->key, &context, octets_as<std::uint8_t>(nonce.data()), nonce.size());
  call.update(&state_->key, &context, octets_as<std::uint8_t>(first.data()), first.size());
  call.update(&state_->key, &context, octets_as<std::uint8_t>(second.data()), second.size());
  call.finish(&state_->key, &context, octets_as<std::uint8_t>(icv.data()), icv.size());
}

#else

struct FastGcm::State {};
std::unique_ptr<FastGcm> FastGcm::make(Bytes) { return nullptr; }
void FastGcm::seal(Bytes, Bytes, MutableBytes, MutableBytes) const {}
void FastGcm::open(Bytes, Bytes, MutableBytes, MutableBytes) const {}
void FastGcm::authenticate(Bytes, Bytes, Bytes, MutableBytes) const {}

#endif

FastGcm::FastGcm(std::unique_ptr<State> state) : state_(std::move(state)) {}
FastGcm::~FastGcm() = default;

}  // namespace ipseckey::crypto
