#pragma once
/// AES-GCM and AES-GMAC from the multi-buffer library (multi_buffer.h), which is several times as fast as OpenSSL on
/// short packets.
#include <memory>

#include "base/bytes.h"

namespace ipseckey::crypto {

class FastGcm {
 public:
  /// A key of 16, 24 or 32 bytes; nullptr: not available here.
  static std::unique_ptr<FastGcm> make(Bytes key);
  ~FastGcm();

  /// Seals in place. The nonce has 12 bytes; the ICV is truncated to icv.size() bytes.
  void seal(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const;
  /// The reverse; `icv` becomes the expected ICV, for the caller to compare.
  void open(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const;
  /// GMAC over `first`, then `second`, cut to icv.size() bytes.
  void authenticate(Bytes nonce, Bytes first, Bytes second, MutableBytes icv) const;

 private:
  struct State;
  explicit FastGcm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ipseckey::crypto
