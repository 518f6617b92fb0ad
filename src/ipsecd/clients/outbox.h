#pragma once
/// The messages that wait until a client has room for them.
#include <cstddef>
#include <deque>

#include "base/secret.h"

namespace ipseckey::ipsecd {

/// A bounded queue of encoded messages, which may hold keys: they live in one SecretBuffer and are wiped when they go.
/// What others cause (broadcasts) has a limit of its own, so that it never blocks a client's replies.
class Outbox {
 public:
  enum class Kind { reply, broadcast };

  static constexpr std::size_t kBroadcasts = 1024;            ///< Messages.
  static constexpr std::size_t kBroadcastBytes = 256 * 1024;  ///< More than that many waiting: full.
  static constexpr std::size_t kReplies = 64;                 ///< Messages.
  static constexpr std::size_t kReplyBytes = 64 * 1024;

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }  ///< Messages.

  /// Whether one more message of the kind may be put in. put() itself does not ask.
  bool has_room(Kind kind) const;
  /// Whether broadcasts fill at most half of their share: room enough to take them up again after a gap.
  bool half_empty() const;

  void put(Bytes message, Kind kind);
  Bytes front() const { return Bytes(buffer_.bytes()).subspan(head_, entries_.front().size); }
  void pop();
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
  std::size_t head_ = 0, tail_ = 0;  // Bytes of buffer_ in use: from head_ to before tail_.
  Share replies_, broadcasts_;
};

}  // namespace ipseckey::ipsecd
