#pragma once
/// Ciphers and integrity algorithms as AH and ESP use them. The one place that knows OpenSSL.
///
/// A Keyed holds an SA's keys, expanded, for one thread. A Crypto is one thread's way to the library: it takes the
/// packets of a batch, of any SAs, so that a provider that works on several at once can.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"
#include "pfkey/algorithms.h"

namespace ipseckey::crypto {

/// The algorithms of an SA and their keys; nullptr: none. The keys are the caller's and are read once.
struct Suite {
  const pfkey::Algorithm* encrypt = nullptr;  ///< Null for AH.
  const pfkey::Algorithm* auth = nullptr;     ///< Null with a combined mode, or an ESP without integrity.
  const Secret* encrypt_key = nullptr;        ///< Key, then salt.
  const Secret* auth_key = nullptr;
  std::size_t truncated = 0;  ///< Bytes of `auth`'s ICV; 0: as its RFC has it.
  bool esn = false;           ///< 64-bit sequence numbers: 32 bits more are authenticated than are sent.

  /// Bytes that ESP's parts take on the wire with it.
  std::size_t iv() const { return encrypt ? encrypt->iv : 0; }
  std::size_t icv() const;
  std::size_t block() const;  ///< What the encrypted part is a multiple of: at least 4 (RFC 4303 section 2.4).
};

/// Whether the library can do the algorithm here (DES and Blowfish need its legacy provider).
bool available(const pfkey::Algorithm& algorithm);
/// What brings an algorithm that is not available, for a person; static text.
std::string_view cure(const pfkey::Algorithm& algorithm);

/// From now on whatever the library holds in memory, expanded keys above all, lies in the secret heap
/// (base/secret_heap.h). To be called before anything else here. False: it is too late.
bool use_secret_heap();

/// Random octets that nobody can predict.
void random_bytes(MutableBytes out);
using Random = void (*)(MutableBytes out);

/// In time that depends on the sizes alone, which are equal.
bool equal(Bytes a, Bytes b);

class Keyed;

/// One ESP packet's work. `esp` is SPI, sequence number, IV, then the text up to the ICV; the IV is in its place.
struct Job {
  Keyed* keyed = nullptr;
  MutableBytes esp;
  std::uint32_t sequence_high = 0;  ///< The upper half of an extended sequence number.
  MutableBytes icv;                 ///< Written by seal(), compared by open().
  bool ok = false;                  ///< seal(): done. open(): the ICV is right; only then the text is in clear.
};

/// An SA's keys, expanded, for one thread.
class Keyed {
 public:
  enum class Way : std::uint8_t { seal, open, both };
  /// OpenSSL does everything; for AES-GCM there may be something faster (fast_gcm.h).
  enum class By : std::uint8_t { fastest, openssl };
  /// For packets that go one way, or both. nullptr: the library refuses.
  static std::unique_ptr<Keyed> make(const Suite& suite, Way way, By by = By::fastest);
  ~Keyed();

  /// The ICV of AH over `parts` in order, cut to `icv.size()`. False: the library refuses.
  bool mac(std::span<const Bytes> parts, MutableBytes icv);

  struct Contexts;
  Contexts& contexts() { return *contexts_; }

 private:
  explicit Keyed(std::unique_ptr<Contexts> contexts);
  std::unique_ptr<Contexts> contexts_;
};

/// One thread's way to the library.
class Crypto {
 public:
  explicit Crypto(Random source = random_bytes);
  ~Crypto();
  Crypto(const Crypto&) = delete;
  Crypto& operator=(const Crypto&) = delete;

  void seal(std::span<Job> jobs);
  void open(std::span<Job> jobs);

  /// Fresh unpredictable octets from a stock of the thread's own, as IVs of CBC (RFC 3602 section 3).
  void random(MutableBytes out);

 private:
  Random source_;
  std::array<std::byte, 2048> stock_{};
  std::size_t left_ = 0;
};

}  // namespace ipseckey::crypto
