#include "ipsecd/clients/outbox.h"

#include <algorithm>
#include <cstring>

namespace ipseckey::ipsecd {

namespace {
constexpr std::size_t kKeptBuffer = 64 * 1024;  // An empty queue keeps at most this memory.
}

bool Outbox::has_room(Kind kind) const {
  if (kind == Kind::reply) return replies_.messages < kReplies && replies_.bytes < kReplyBytes;
  return broadcasts_.messages < kBroadcasts && broadcasts_.bytes < kBroadcastBytes;
}

bool Outbox::half_empty() const {
  return broadcasts_.messages <= kBroadcasts / 2 && broadcasts_.bytes <= kBroadcastBytes / 2;
}

void Outbox::make_room(std::size_t size) {
  if (size <= buffer_.size() - tail_) return;
  const std::size_t used = tail_ - head_;
  // Moving the contents is worthwhile only if it frees at least as much as it moves.
  if (head_ >= used && size <= buffer_.size() - used) {
    std::memmove(buffer_.bytes().data(), buffer_.bytes().data() + head_, used);
    wipe(buffer_.bytes().subspan(used, tail_ - used));
    head_ = 0;
    tail_ = used;
    return;
  }
  buffer_.grow(std::max(tail_ + size, 2 * buffer_.size()));
}

void Outbox::put(Bytes message, Kind kind) {
  make_room(message.size());
  std::ranges::copy(message, buffer_.bytes().subspan(tail_).begin());
  tail_ += message.size();
  entries_.push_back({message.size(), kind});
  share(kind).messages += 1;
  share(kind).bytes += message.size();
}

Outbox::Pack Outbox::pack(std::size_t most) const {
  std::size_t size = 0, messages = 0;
  for (const Entry& entry : entries_) {
    if (messages > 0 && size + entry.size > most) break;
    size += entry.size, ++messages;
  }
  return {Bytes(buffer_.bytes()).subspan(head_, size), messages};
}

void Outbox::pop(std::size_t messages) {
  std::size_t size = 0;
  for (; messages > 0; --messages) {
    const Entry entry = entries_.front();
    entries_.pop_front();
    size += entry.size;
    share(entry.kind).messages -= 1;
    share(entry.kind).bytes -= entry.size;
  }
  wipe(buffer_.bytes().subspan(head_, size));
  head_ += size;
  if (!entries_.empty()) return;
  head_ = tail_ = 0;
  if (buffer_.size() > kKeptBuffer) buffer_ = SecretBuffer();
}

void Outbox::clear() {
  if (!entries_.empty()) pop(entries_.size());
}

}  // namespace ipseckey::ipsecd
