#pragma once
/// The messages that wait for room in a client's socket.
#include <cstddef>
#include <deque>

#include "base/secret.h"

namespace ipseckey::ipsecd {

/// A bounded queue of encoded messages, which may contain keys: they are in one SecretBuffer and are wiped when
/// removed. Messages that others cause (broadcasts) have a limit of their own, so that they never block a client's
/// replies.
class Outbox {
 public:
  enum class Kind { reply, broadcast };

  static constexpr std::size_t kBroadcasts = 1024;            ///< Messages.
  static constexpr std::size_t kBroadcastBytes = 256 * 1024;  ///< More waiting messages than that: full.
  static constexpr std::size_t kReplies = 256;                ///< Messages.
  static constexpr std::size_t kReplyBytes = 64 * 1024;

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }  ///< Messages.

  /// Whether one more message of the kind fits. put() itself does not check.
  bool has_room(Kind kind) const;
  /// Whether broadcasts fill at most half of their share: enough room to resume them after a gap.
  bool half_empty() const;

  void put(Bytes message, Kind kind);
  Bytes front() const { return Bytes(buffer_.bytes()).subspan(head_, entries_.front().size); }
  /// The first messages, one behind the other: those that fit in `most` bytes, but at least one.
  struct Pack {
    Bytes wire;
    std::size_t messages = 0;
  };
  Pack pack(std::size_t most) const;
  void pop(std::size_t messages = 1);
  std::size_t bytes() const { return tail_ - head_; }
  void clear();

 private:
  struct Entry {
    std::size_t size;
    Kind kind;
  };
  struct Share {
    std::size_t messages = 0, bytes = 0;
  };

  Share& share(Kind kind) { return kind == Kind::reply ? replies_ : broadcasts_; }
  void make_room(std::size_t size);

  SecretBuffer buffer_;
  std::deque<Entry> entries_;
  std::size_t head_ = 0, tail_ = 0;  // The part of buffer_ in use: from head_ to before tail_, in bytes.
  Share replies_, broadcasts_;
};

}  // namespace ipseckey::ipsecd
