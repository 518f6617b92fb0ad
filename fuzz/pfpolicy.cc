// Arbitrary bytes as messages of PF_POLICY, one behind the other: one that decodes must survive encoding, a rule must
// survive its message, and a rule book answers each request once and always holds what it says.
//
// An input: messages, each as long as its header says; the last has what is left.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/rule_book.h"
#include "must.h"
#include "pfpolicy/convert.h"

using namespace ipseckey;

namespace {

using namespace pfpolicy;
using Octets = std::vector<std::byte>;

constexpr std::size_t kMostMessages = 200;

Octets encoded(const Message& m) {
  static Octets buffer(kMaxMessageSize);
  const auto size = encode(m, buffer);
  MUST(size);
  MUST(*size % 8 == 0);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*size)};
}

void survive(const Message& m) {
  const Octets once = encoded(m);
  const auto again = decode(once);
  MUST(again);
  MUST(*again == m);
  MUST(encoded(*again) == once);
  const auto rule = to_rule(m);
  if (!rule) return;
  MUST(rule->out || rule->in);
  MUST(!rule->alternatives.empty());
  const auto copy = to_rule(from_rule(*rule, 7));
  MUST(copy);
  MUST(*copy == *rule);
}

class World {
 public:
  void handle(const Message& m) {
    const engine::ClientId client = m.pid % 3;
    std::size_t replies = 0;
    book_.handle(client, m, now_, [&](Message&& reply) {
      ++replies;
      MUST(reply.seq == m.seq && reply.pid == m.pid && reply.type == m.type);
      survive(reply);
    });
    book_.put_into_force();
    MUST(replies == (book_.dumping(client) ? 0u : 1u));
    while (book_.dumping(client)) survive(book_.next_dumped(client));
    now_.steady += std::chrono::seconds(m.seq % 40);
    MUST(held_ == book_.active());
    if (m.seq % 16 == 15) book_.close(client);
  }

 private:
  std::size_t held_ = 0;
  Instant now_;
  engine::RuleBook book_{
      {.in_force = [this](std::shared_ptr<const policy::Lookup> rules) { held_ = rules ? rules->rules().size() : 0; },
       .has_link = [](std::string_view name) { return name.size() < 6; },
       .most = 20}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes left = std::as_bytes(std::span(data, size));
  World world;
  for (std::size_t i = 0; i < kMostMessages && !left.empty(); ++i) {
    Reader header(left);
    std::uint16_t units = 0;
    header.pad(4);
    header.host(units);
    const std::size_t length = std::clamp<std::size_t>(units * 8u, 1, left.size());
    const auto m = decode(left.first(length));
    left = left.subspan(length);
    if (!m) {
      MUST(m.error().error != 0);
      continue;
    }
    survive(*m);
    world.handle(*m);
  }
  return 0;
}
