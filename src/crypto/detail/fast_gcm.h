#pragma once
/// AES-GCM of Intel's multi-buffer library, which is several times as fast as OpenSSL on short packets. There only in
/// builds that found the library, and on processors with AES and carry-less multiplication.
#include <memory>

#include "base/bytes.h"

namespace ipseckey::crypto {

class FastGcm {
 public:
  /// A key of 16, 24 or 32 bytes; nullptr: not to be had here.
  static std::unique_ptr<FastGcm> make(Bytes key);
  ~FastGcm();

  /// In place. The nonce has 12 bytes; the ICV is cut to icv.size() bytes.
  void seal(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const;
  /// The same the other way; `icv` becomes what it should be, for the caller to compare.
  void open(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes icv) const;

 private:
  struct State;
  explicit FastGcm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ipseckey::crypto
