// A client's queue compared with a plain list: it must return messages in their order, and report for each kind whether
// there is room for more, which the caller checks as the server does.
//
// An input: steps, an octet each, with their operands.
#include "ipsecd/clients/outbox.h"

#include <cstdint>
#include <deque>
#include <vector>

#include "must.h"

using namespace ipseckey;

namespace {

using ipsecd::Outbox;
using Kind = Outbox::Kind;

constexpr std::size_t kMostSteps = 4000, kLongest = 9000;

class Pair {
 public:
  void put(Kind kind, std::size_t size, bool asks) {
    const bool room = of(kind).messages < most(kind) && of(kind).bytes < most_bytes(kind);
    MUST(box_.has_room(kind) == room);
    if (asks && !room) return;
    std::vector<std::byte> message(size);
    for (std::byte& b : message) b = static_cast<std::byte>(next_++ * 131 >> 3);
    box_.put(message, kind);
    // A caller that checks first exceeds the limit by at most one message.
    all_asked_ &= asks;
    of(kind).messages += 1, of(kind).bytes += size;
    if (all_asked_) MUST(of(kind).messages <= most(kind) && of(kind).bytes < most_bytes(kind) + kLongest);
    list_.push_back({kind, std::move(message)});
  }

  void pop() {
    if (list_.empty()) return;
    MUST(std::ranges::equal(box_.front(), list_.front().message));
    of(list_.front().kind).messages -= 1, of(list_.front().kind).bytes -= list_.front().message.size();
    list_.pop_front();
    box_.pop();
  }

  void clear() {
    list_.clear();
    replies_ = broadcasts_ = {};
    box_.clear();
  }

  void compare() const {
    MUST(box_.size() == list_.size() && box_.empty() == list_.empty());
    if (!list_.empty()) MUST(std::ranges::equal(box_.front(), list_.front().message));
    MUST(box_.half_empty() ==
         (broadcasts_.messages * 2 <= Outbox::kBroadcasts && broadcasts_.bytes * 2 <= Outbox::kBroadcastBytes));
  }

  bool empty() const { return list_.empty(); }

 private:
  struct Share {
    std::size_t messages = 0, bytes = 0;
  };
  struct Entry {
    Kind kind;
    std::vector<std::byte> message;
  };

  static std::size_t most(Kind kind) { return kind == Kind::reply ? Outbox::kReplies : Outbox::kBroadcasts; }
  static std::size_t most_bytes(Kind kind) {
    return kind == Kind::reply ? Outbox::kReplyBytes : Outbox::kBroadcastBytes;
  }
  Share& of(Kind kind) { return kind == Kind::reply ? replies_ : broadcasts_; }

  Outbox box_;
  std::deque<Entry> list_;
  Share replies_, broadcasts_;
  bool all_asked_ = true;
  std::uint32_t next_ = 0;
};

void step(Pair& pair, Reader& in) {
  std::uint8_t op = 0, times = 0;
  std::uint16_t size = 0;
  in.host(op);
  if (op % 8 == 7) return pair.clear();
  in.host(times);
  if (op % 8 >= 4) {
    for (; times > 0; --times) pair.pop();
    return;
  }
  in.host(size);
  for (; times > 0; --times) pair.put(op % 2 != 0 ? Kind::reply : Kind::broadcast, size % kLongest, op % 4 < 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  Pair pair;
  for (std::size_t steps = 0; in.remaining() > 0 && steps < kMostSteps; ++steps) {
    step(pair, in);
    pair.compare();
  }
  for (; !pair.empty(); pair.compare()) pair.pop();
  return 0;
}
