#pragma once
/// Records in memory that outlives the process, each sealed under one key: what is in it is a record as it was put
/// there, or none, whenever the process is killed.
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "ipsecd/keep/shared_pages.h"

namespace ipseckey::ipsecd {

/// Of pages, records or a key that no ipsecd of this release left.
inline constexpr char kOfAnotherKind[] = "what the last ipsecd kept is of another kind";

/// AES-256-GCM; the nonce counts up in the same memory and moves before it is used, so that none is used twice under
/// the key. Records that do not open, or follow a damaged one, do not count.
class SealedRecords {
 public:
  static constexpr std::size_t kKeySize = 36;  ///< Bytes: the key and its salt.

  /// Where a record is; 0: nowhere.
  using Offset = std::uint64_t;
  struct Found {
    Offset offset;
    std::uint64_t serial, nonce;  ///< Of two of one serial the one with the higher nonce is the newer.
  };

  /// In memory that is empty, or that another process left and scan() reads. `most`: bytes of text that a record can
  /// have. Errors: malformed (memory of another kind), unsupported (no AES-GCM), io (no memory).
  static Result<SealedRecords> make(SharedPages pages, Secret key, std::size_t most);
  SealedRecords(SealedRecords&&) = default;
  ~SealedRecords();

  int fd() const { return pages_.fd(); }

  /// All that is there; to be called once, before anything is put.
  std::vector<Found> scan();

  /// Where the text of a record is written before put(), and found after open().
  MutableBytes text();
  /// Seals the first `size` bytes of text(), which are wiped; 0: there is no memory.
  Offset put(std::size_t size, std::uint64_t serial, std::uint64_t tag);
  /// The text of a record, to be wiped by close_text(); nullopt: it is damaged.
  std::optional<Bytes> open(Offset offset);
  void close_text(std::size_t size) { wipe(text().first(size)); }
  /// A number beside a record, in clear, which may change.
  std::uint64_t tag(Offset offset) const;
  void set_tag(Offset offset, std::uint64_t tag);
  /// Nothing of it is left, not even sealed.
  void release(Offset offset);

 private:
  struct Head;

  SealedRecords(SharedPages pages, Secret key, std::unique_ptr<crypto::Keyed> keyed, std::size_t most);
  Head head(Offset offset) const;
  Offset allocate(std::uint32_t blocks);

  SharedPages pages_;
  Secret key_;
  std::unique_ptr<crypto::Keyed> keyed_;
  std::unique_ptr<crypto::Crypto> crypto_ = std::make_unique<crypto::Crypto>();
  SecretBuffer scratch_;
  std::uint64_t end_ = 0;                                         // Of what was ever used.
  absl::flat_hash_map<std::uint32_t, std::vector<Offset>> free_;  // By the number of blocks.
};

}  // namespace ipseckey::ipsecd
