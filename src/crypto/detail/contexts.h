#pragma once
/// What a Keyed holds, and the work on one packet by itself.
#include <array>
#include <memory>

#include "base/secret_heap.h"
#include "crypto/crypto.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/fast_gcm.h"
#include "crypto/detail/lanes.h"
#include "crypto/detail/mac.h"

namespace ipseckey::crypto {

struct Keyed::Contexts : secret_heap::Object {
  /// A cipher in one direction.
  struct Direction {
    CipherContext single;  ///< Null if `lane` takes single packets, too.
    std::unique_ptr<LaneCipher> lane;
    unsigned from = 0;  ///< The number of packets from which `lane` pays.
  };

  const pfkey::Algorithm* encrypt = nullptr;
  bool esn = false;
  bool combined = false, null = false;  ///< As in `encrypt`.
  std::size_t text = 0;                 ///< Where the text begins in ESP.
  const LaneMac* mac_lane = nullptr;
  unsigned mac_from = 0;
  std::unique_ptr<Mac> mac;
  std::array<std::byte, 4> salt{};
  std::size_t salt_size = 0;
  std::size_t tag = 0;  ///< Bytes of a combined mode's ICV.
  Direction seal, open;
  std::unique_ptr<FastGcm> fast;  ///< Instead of both directions.

  ~Contexts();
  /// False: the library refuses.
  bool set_up(const Suite& suite, Way way, By by);

 private:
  bool set_up_cipher(const Suite& suite, Way way, By by);
  bool set_up(Direction& direction, Bytes key, bool sealing, By by) const;
};

/// One packet as the algorithms see it.
struct View {
  Bytes aad;          ///< Authenticated in front of the text (RFC 4106 section 5).
  MutableBytes text;  ///< Encrypted.
  std::array<std::byte, 16> nonce;
  std::array<std::byte, 4> high;
  std::array<std::byte, 12> wide;  ///< SPI and 64-bit number.

  /// For a packet with encryption.
  View(const Keyed::Contexts& c, const Job& job);
};

/// One packet of a combined mode. False: not done; the ICV is wrong.
bool seal_combined(Keyed::Contexts& c, const Job& job);
bool open_combined(Keyed::Contexts& c, const Job& job);
/// The text of one packet whose mode has a separate ICV, or none. False: the library refuses.
bool run_single(const Keyed::Contexts& c, EVP_CIPHER_CTX* x, const Job& job);

}  // namespace ipseckey::crypto
