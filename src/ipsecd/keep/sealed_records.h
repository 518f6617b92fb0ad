#pragma once
/// Records in memory that outlives the process, each sealed with one key. Whenever the process is killed, a record is
/// there either completely or not at all.
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

/// For pages, records or a key that an ipsecd of this release did not leave.
inline constexpr char kOfAnotherKind[] = "the previous ipsecd kept SAs in another format";

/// AES-256-GCM; the nonce is a counter in the same memory and is advanced before use, so that none is used twice with
/// the key. Records that cannot be decrypted, or follow a damaged one, are ignored.
class SealedRecords {
 public:
  static constexpr std::size_t kKeySize = 36;  ///< Bytes: the key and its salt.

  /// Position of a record; 0: none.
  using Offset = std::uint64_t;
  struct Found {
    Offset offset;
    std::uint64_t serial, nonce;  ///< Of two with the same serial, the one with the higher nonce is newer.
  };

  /// In memory that is empty, or that another process left and scan() reads. `most`: the largest text of a record, in
  /// bytes. Errors: malformed (memory in another format), unsupported (no AES-GCM), io (no memory).
  static Result<SealedRecords> make(SharedPages pages, Secret key, std::size_t most);
  SealedRecords(SealedRecords&&) = default;
  ~SealedRecords();

  int fd() const { return pages_.fd(); }

  /// All existing records; call it once, before anything is put.
  std::vector<Found> scan();

  /// Scratch memory: the text of a record before put(), and after open().
  MutableBytes text();
  /// Seals the first `size` bytes of text(), which are wiped; 0: out of memory.
  Offset put(std::size_t size, std::uint64_t serial, std::uint64_t tag);
  /// The text of a record; wipe it with close_text(). nullopt: it is damaged.
  std::optional<Bytes> open(Offset offset);
  void close_text(std::size_t size) { wipe(text().first(size)); }
  /// A changeable number beside a record, unencrypted.
  std::uint64_t tag(Offset offset) const;
  void set_tag(Offset offset, std::uint64_t tag);
  /// Wipes the record: not even its sealed form remains.
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
  std::uint64_t end_ = 0;                                         // The end of what was ever used.
  absl::flat_hash_map<std::uint32_t, std::vector<Offset>> free_;  // By the number of blocks.
};

}  // namespace ipseckey::ipsecd
