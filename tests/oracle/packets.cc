// One host's engine and packet path, driven by lines: `new`, `sa COMMAND` (an ipseckey command), `protect HEX`,
// `unprotect HEX`; and without SAs `cut SIZE SUM_AT FIELD HEX`, `join HEX...`. Each gets one line in reply: ok, the
// error, or the packet's cause and the packet in hexadecimal.
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "base/text.h"
#include "engine/engine.h"
#include "lang/testing.h"
#include "pfkey/diagnostics.h"
#include "traffic/coalesce.h"
#include "traffic/plane.h"
#include "traffic/segment.h"

using namespace ipseckey;

namespace {

using traffic::Item;
using traffic::Offload;
using traffic::Packet;
using Octets = std::vector<std::byte>;

const Instant kNow{std::chrono::seconds(5000), std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000))};

Octets octets(const std::string& hex, std::size_t head = 0, std::size_t tail = 0) {
  Octets out(head + hex.size() / 2 + tail);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out[head + i / 2] = static_cast<std::byte>(text::hex_digit(hex[i]) * 16 + text::hex_digit(hex[i + 1]));
  return out;
}

std::string hex(Bytes bytes) {
  std::string out;
  for (const std::byte b : bytes) out += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return out;
}

struct Host {
  traffic::Plane plane{{}};
  engine::Engine engine{engine::Options{
      .is_local = {}, .random = {}, .usable = {}, .dry_run = false, .label_policy = false, .carrier = &plane}};
  traffic::Worker worker = plane.worker(0);

  std::string add(const std::string& command) {
    lang::testing::Outcome outcome = lang::testing::run(command);
    if (outcome.messages.size() != 1) return "refused: " + outcome.report.substr(0, outcome.report.find('\n'));
    std::string answer = "no answer";
    engine.handle(std::move(outcome.messages[0]), kNow, [&](engine::Audience, pfkey::Message&& reply) {
      answer = reply.error == 0 ? "ok" : fmt::format("refused: errno {}, diagnostic {}", reply.error, reply.diagnostic);
    });
    return answer;
  }

  std::string pass(const std::string& digits, bool out) {
    constexpr std::size_t kHiding = 2000;  // Further room that an SA may use behind a packet.
    Octets memory = octets(digits, Packet::kHeadroom, Packet::kTailroom + kHiding);
    Item item;
    item.packet = {memory, Packet::kHeadroom, digits.size() / 2};
    if (out) {
      worker.protect({&item, 1}, kNow);
    } else {
      worker.unprotect({&item, 1}, kNow);
    }
    std::string line(name(item.cause));
    if (item.cause != traffic::Cause::none) return line;
    return line + ' ' + hex(item.packet.bytes());
  }
};

// The segments, one after another; the position of its checksum shows whether the long packet is TCP or UDP.
std::string cut(std::istringstream words) {
  Offload offload{.unsummed = true};
  std::string digits, out;
  words >> offload.size >> offload.sum_at >> offload.field >> digits;
  offload.kind = offload.field == 16 ? Offload::Kind::tcp : Offload::Kind::udp;
  const Octets whole = octets(digits);
  Octets memory(70'000);
  Packet one{memory, 0, 0};
  auto segments = traffic::Segments::of(whole, offload);
  while (segments && segments->next(one)) out += hex(one.bytes()) + ' ';
  return out;
}

// Packets, each after the size of its segments, 0 for one without segments.
std::string join(std::istringstream words) {
  std::vector<Octets> memory;
  for (std::string digits; words >> digits;) memory.push_back(octets(digits, Packet::kHeadroom, Packet::kTailroom));
  std::vector<Item> items(memory.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].packet = {memory[i], Packet::kHeadroom, memory[i].size() - Packet::kHeadroom - Packet::kTailroom};
  std::string out;
  traffic::Coalescer coalescer;
  coalescer.join(items, [&](std::span<const MutableBytes> pieces, const Offload& offload) {
    out += fmt::format("{} ", offload.size);
    for (const MutableBytes piece : pieces) out += hex(piece);
    out += ' ';
  });
  return out;
}

}  // namespace

int main() {
  auto host = std::make_unique<Host>();
  for (std::string line; std::getline(std::cin, line);) {
    const std::string verb = line.substr(0, line.find(' '));
    const std::string rest = line.size() > verb.size() ? line.substr(verb.size() + 1) : "";
    std::string answer = "ok";
    if (verb == "new") {
      host = std::make_unique<Host>();
    } else if (verb == "sa") {
      answer = host->add(rest);
    } else if (verb == "cut") {
      answer = cut(std::istringstream(rest));
    } else if (verb == "join") {
      answer = join(std::istringstream(rest));
    } else {
      answer = host->pass(rest, verb == "protect");
    }
    std::cout << answer << std::endl;
  }
}
