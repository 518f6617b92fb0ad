// Arbitrary bytes as the replies of a SADB: saved, compared with a file's SA, reported as an outcome. Nothing may
// crash, and the output is commands and comments in printable ASCII, whatever texts the replies contain.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "api/outcome.h"
#include "lang/compare.h"
#include "lang/save.h"
#include "must.h"
#include "pfkey/codec.h"

using namespace ipseckey;

namespace {

using pfkey::Message;

bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

// Lines of an SA: comments, then one command, whose further lines are indented.
bool only_commands(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!line.empty() && !line.starts_with('#') && !line.starts_with("add ") && !line.starts_with("    ")) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

// Like messages of a datagram socket: the header has the length of each.
std::span<const std::byte> next(std::span<const std::byte>& rest) {
  constexpr std::size_t kLengthAt = 4, kUnit = 8;
  const std::size_t units =
      rest.size() < pfkey::kHeaderSize
          ? 0
          : std::to_integer<std::size_t>(rest[kLengthAt]) | std::to_integer<std::size_t>(rest[kLengthAt + 1]) << 8;
  const std::size_t size = units == 0 ? rest.size() : std::min(units * kUnit, rest.size());
  const auto first = rest.first(size);
  rest = rest.subspan(size);
  return first;
}

void take(Message&& m, lang::Saver& saver) {
  const api::Outcome outcome = api::outcome_of(m, {m.satype, 1, {}, (m.seq & 1) != 0});
  MUST(harmless(outcome.text));
  lang::SaSpec wanted;
  wanted.hard_addtime = lang::Count{m.seq};
  Message held = m.clone();
  const auto difference = lang::compare(wanted, held);
  lang::update_can(difference, wanted, m, m.pid);
  SecretText text;
  saver.write(std::move(m), text);
  MUST(harmless(text));
  MUST(only_commands(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> rest = std::as_bytes(std::span(data, size));
  lang::Saver saver(lang::kCommandFormat, false);
  while (!rest.empty())
    if (auto m = pfkey::decode(next(rest))) take(std::move(*m), saver);
  return 0;
}
