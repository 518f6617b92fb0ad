// One host's engine and packet path, driven by lines: `new`, `sa COMMAND` (an ipseckey command), `protect HEX`,
// `unprotect HEX`. Each gets one line back: ok, what was wrong, or the packet's cause and the packet in hexadecimal.
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/traffic/plane.h"
#include "lang/testing.h"
#include "pfkey/diagnostics.h"

namespace {

using engine::traffic::Item;
using engine::traffic::Packet;

const Instant kNow{std::chrono::seconds(5000), std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000))};

struct Host {
  engine::traffic::Plane plane{{}};
  engine::Engine engine{engine::Options{
      .is_local = {}, .random = {}, .usable = {}, .dry_run = false, .label_policy = false, .carrier = &plane}};
  engine::traffic::Worker worker = plane.worker(0);

  std::string add(const std::string& command) {
    lang::testing::Outcome outcome = lang::testing::run(command);
    if (outcome.messages.size() != 1) return "refused: " + outcome.report.substr(0, outcome.report.find('\n'));
    std::string answer = "no answer";
    engine.handle(std::move(outcome.messages[0]), kNow, [&](engine::Audience, pfkey::Message&& reply) {
      answer = reply.error == 0 ? "ok" : fmt::format("refused: errno {}, diagnostic {}", reply.error, reply.diagnostic);
    });
    return answer;
  }

  std::string pass(const std::string& hex, bool out) {
    std::vector<std::byte> memory(Packet::kHeadroom + hex.size() / 2 + Packet::kTailroom);
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      memory[Packet::kHeadroom + i / 2] =
          static_cast<std::byte>(text::hex_digit(hex[i]) * 16 + text::hex_digit(hex[i + 1]));
    Item item;
    item.packet = {memory, Packet::kHeadroom, hex.size() / 2};
    if (out) {
      worker.protect({&item, 1}, kNow);
    } else {
      worker.unprotect({&item, 1}, kNow);
    }
    std::string line(name(item.cause));
    if (item.cause != engine::traffic::Cause::none) return line;
    line += ' ';
    for (const std::byte b : item.packet.bytes()) line += fmt::format("{:02x}", std::to_integer<unsigned>(b));
    return line;
  }
};

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
    } else {
      answer = host->pass(rest, verb == "protect");
    }
    std::cout << answer << std::endl;
  }
}
