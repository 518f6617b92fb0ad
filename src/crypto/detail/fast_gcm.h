#pragma once
/// AES-GCM from Intel's multi-buffer library, which is several times as fast as OpenSSL on short packets. Available
/// only in builds with the library, and on processors with AES and carry-less multiplication.
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

 private:
  struct State;
  explicit FastGcm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ipseckey::crypto
