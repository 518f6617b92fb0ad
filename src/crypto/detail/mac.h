#pragma once
/// Integrity algorithms: AES-CMAC (RFC 4493) from the library, HMAC (RFC 2104) with its digests, AES-XCBC-MAC (RFC
/// 3566) with its CBC.
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/lanes.h"

namespace ipseckey::crypto {

/// One key's integrity algorithm, for one thread.
class Mac {
 public:
  static constexpr std::size_t kMost = 64;  ///< The longest result, in bytes.

  /// nullptr: the library refuses.
  static std::unique_ptr<Mac> make(const pfkey::Algorithm& row, Bytes key);
  virtual ~Mac() = default;

  /// Computes the first out.size() bytes of the result over `parts` in order. Allocates nothing. False: the library
  /// refuses.
  virtual bool compute(std::span<const Bytes> parts, MutableBytes out) = 0;
  /// The same key for Lanes, valid as long as this object; nullptr: they lack the algorithm, or are not available here.
  virtual const LaneMac* lane() const = 0;
};

}  // namespace ipseckey::crypto
