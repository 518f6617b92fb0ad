#pragma once
/// Ciphers and integrity algorithms for AH and ESP. The only place that uses OpenSSL.
///
/// A Keyed holds an SA's keys, expanded, for one thread. A Crypto is one thread's access to the libraries: it takes the
/// packets of a batch, of any SAs, and processes several at once where that takes less time.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"
#include "pfkey/algorithms.h"

namespace ipseckey::crypto {

/// The algorithms of an SA and their keys; nullptr: none. The caller owns the keys; they are read once.
struct Suite {
  const pfkey::Algorithm* encrypt = nullptr;  ///< Null for AH.
  const pfkey::Algorithm* auth = nullptr;     ///< Null with a combined mode, or an ESP without integrity.
  const Secret* encrypt_key = nullptr;        ///< Key, then salt.
  const Secret* auth_key = nullptr;
  std::size_t truncated = 0;  ///< Bytes of `auth`'s ICV; 0: the RFC's length.
  bool esn = false;           ///< 64-bit sequence numbers: the high 32 bits are authenticated but not sent.

  /// The sizes of ESP's parts on the wire, in bytes.
  std::size_t iv() const { return encrypt ? encrypt->iv : 0; }
  std::size_t icv() const;
  std::size_t block() const;  ///< The encrypted part is a multiple of this: at least 4 (RFC 4303 section 2.4).
};

/// Whether the library supports the algorithm here (DES and Blowfish need its legacy provider).
bool available(const pfkey::Algorithm& algorithm);
/// How to make an unavailable algorithm available, for people; static text.
std::string_view cure(const pfkey::Algorithm& algorithm);

/// From now on all memory of the library, above all expanded keys, is in the secret heap (base/secret_heap.h). Call it
/// before anything else here. False: it is too late.
bool use_secret_heap();

/// Unpredictable random octets.
void random_bytes(MutableBytes out);
using Random = void (*)(MutableBytes out);

/// Compares in time that depends only on the sizes, which are equal.
bool equal(Bytes a, Bytes b);

class Keyed;
class Batch;

/// The work on one ESP packet. `esp` is SPI, sequence number, IV, then the text up to the ICV; the IV is already filled
/// in.
struct Job {
  Keyed* keyed = nullptr;
  MutableBytes esp;
  std::uint32_t sequence_high = 0;  ///< The upper half of an extended sequence number.
  /// Written by seal(), compared by open(). Extended numbers take least time if it follows `esp` at once: the high half
  /// is written there for a while.
  MutableBytes icv;
  bool ok = false;  ///< seal(): done. open(): the ICV is right; only then is the text there, else nothing of it.
};

/// An ICV to compute, of a packet that is in one piece.
struct MacJob {
  Keyed* keyed = nullptr;
  Bytes message;
  MutableBytes icv;  ///< Written: as many bytes of the result as it has room for.
  bool ok = false;
};

/// An SA's keys, expanded, for one thread.
class Keyed {
 public:
  enum class Way : std::uint8_t { seal, open, both };
  /// The library: OpenSSL; the multi-buffer library, if it has the algorithms, for any number of packets; whichever
  /// takes less time for a batch.
  enum class By : std::uint8_t { fastest, openssl, lanes };
  /// For packets in one direction, or both. nullptr: the library refuses.
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

/// One thread's access to the library.
class Crypto {
 public:
  explicit Crypto(Random source = random_bytes);
  ~Crypto();
  Crypto(const Crypto&) = delete;
  Crypto& operator=(const Crypto&) = delete;

  void seal(std::span<Job> jobs);
  void open(std::span<Job> jobs);
  void mac(std::span<MacJob> jobs);

  /// New unpredictable octets from the thread's own stock, for IVs of CBC (RFC 3602 section 3).
  void random(MutableBytes out);

 private:
  Random source_;
  std::unique_ptr<Batch> batch_;
  std::array<std::byte, 2048> stock_{};
  std::size_t left_ = 0;
};

}  // namespace ipseckey::crypto
