#pragma once
/// Several packets at once, with the multi-buffer library (multi_buffer.h): one in each lane of the vector registers,
/// of any keys and lengths. A LaneCipher and a LaneMac hold one key each, expanded; Lanes is one thread's use of them.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/secret_text.h"
#include "crypto/detail/multi_buffer.h"
#include "pfkey/algorithms.h"

namespace ipseckey::crypto {

/// The most bytes of one text or message: the lanes count with 16 bits.
inline constexpr std::size_t kMostInLane = 65000;
/// The least bytes of a message: a whole block of AES is read from it.
inline constexpr std::size_t kLeastInLane = 16;

/// One key of a cipher, expanded for one direction.
class LaneCipher {
 public:
  /// nullptr: the library lacks the algorithm, or that key size, or is not available here.
  static std::unique_ptr<LaneCipher> make(const pfkey::Algorithm& row, Bytes key, bool sealing);

  /// Packets of the same kind can be processed together.
  struct Kind {
    pfkey::Mode mode;
    bool des, sealing;
    std::uint8_t key;  ///< Bytes.
    bool operator==(const Kind&) const = default;
  };
  const Kind& kind() const { return kind_; }
  /// Whether one packet by itself fills the lanes: its blocks do not depend on one another.
  bool fills_lanes() const { return kind_.mode == pfkey::Mode::ctr || (!kind_.des && !kind_.sealing); }
  /// What the library calls the expanded key.
  const void* expanded() const { return kind_.des && kind_.key > 8 ? three_.data() : first(); }
  /// The expanded key itself; of 3DES, the first one.
  const void* first() const { return memory_.data(); }

 private:
  Kind kind_;
  std::vector<std::byte, SecretAllocator<std::byte>> memory_;
  std::array<const void*, 3> three_{};  // The three schedules of 3DES, in memory_.
};

/// One key of an integrity algorithm, as the lanes take it.
struct LaneMac {
  enum class Kind : std::uint8_t { md5, sha1, sha256, sha384, sha512, xcbc, cmac };
  Kind kind;
  /// The lengths that the result can be cut to, in bytes: that of the RFC, and all; of XCBC only the first.
  std::uint8_t cut, size;
  /// HMAC: the digest's words after the key's inner and outer block, in host order, in the state of hmac.cc. XCBC and
  /// CMAC: the expanded key and the two masks of the last block, aligned to 16.
  std::array<const void*, 3> parts;
};

/// The memory for the `parts` of XCBC and CMAC.
struct LaneBlocks : secret_heap::Object {
  alignas(16) std::array<std::byte, 176> expanded;
  alignas(16) std::array<std::byte, 16> first, second;

  /// nullptr: not available here. `row` is one of Mode::xcbc or Mode::cmac, and the key has 16 bytes.
  static std::unique_ptr<LaneBlocks> make(const pfkey::Algorithm& row, Bytes key);
  LaneMac mac(pfkey::Mode mode) const;
};

/// One thread's lanes. The functions finish all packets before they return; what lanes keep of a key or a text is wiped
/// by the library then. False: nothing was done.
class Lanes {
 public:
  static constexpr std::size_t kMost = 32;  ///< Packets of one call.

  /// nullptr: not available here, or out of memory.
  static std::unique_ptr<Lanes> make();
  ~Lanes();

  /// A text for CBC or CTR, in place.
  struct Text {
    const LaneCipher* cipher;
    MutableBytes text;    ///< Not empty.
    const std::byte* iv;  ///< As many bytes as the cipher's block; CTR: 12, to which the counter is added.
    std::size_t job;      ///< The caller's number for it, and
    unsigned from;        ///< the number of packets from which lanes pay.

    const LaneCipher::Kind& kind() const { return cipher->kind(); }
    std::size_t bytes() const { return text.size(); }
  };
  /// All of one kind.
  bool run(std::span<const Text> texts);

  /// A packet for CCM or ChaCha20-Poly1305, in place. `icv` is written in both directions, for the caller to compare.
  struct Packet {
    const LaneCipher* cipher;
    Bytes nonce, aad;
    MutableBytes text, icv;
    std::size_t job;  ///< As in Text.
    unsigned from;

    const LaneCipher::Kind& kind() const { return cipher->kind(); }
    std::size_t bytes() const { return text.size(); }
  };
  /// All of one kind.
  bool run(std::span<const Packet> packets);

  /// A message to authenticate.
  struct Message {
    const LaneMac* mac;
    Bytes message;     ///< At least kLeastInLane bytes.
    MutableBytes icv;  ///< Of LaneMac's `cut` or `size` bytes.
    std::size_t job;   ///< As in Text.
    unsigned from;

    LaneMac::Kind kind() const { return mac->kind; }
    std::size_t bytes() const { return message.size(); }
  };
  /// All of one kind.
  bool run(std::span<const Message> messages);

  /// All memory in which the library keeps anything, for tests.
  Bytes memory() const;

 private:
  struct State;
  explicit Lanes(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ipseckey::crypto
