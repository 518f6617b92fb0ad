// Arbitrary bytes as a PF_KEY message: a message that decodes must survive encoding, and must be printable in every
// format.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "must.h"
#include "pfkey/codec.h"
#include "pfkey/json.h"
#include "pfkey/print.h"

using namespace ipseckey;

namespace {

using namespace pfkey;

std::vector<std::byte> encoded(const Message& m) {
  // A decoded message does not become longer when it is encoded again, apart from the padding of each extension.
  static std::vector<std::byte> buffer(kMaxMessageSize);
  const auto size = encode(m, buffer);
  MUST(size);
  MUST(*size % 8 == 0);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*size)};
}

bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

// One of the eight formats for each message, selected by its seq.
void show(const Message& m) {
  const Instant now{{}, std::chrono::sys_seconds(std::chrono::seconds(1795230245))};
  PrintOptions options;
  options.verbose = options.timestamp = (m.seq & 1) != 0;
  options.paranoid = (m.seq & 2) != 0;
  options.keys = (m.seq & 4) == 0;
  options.now = now;
  SecretText out;
  print_sa(m, options, out);
  print_message(m, options, out);
  MUST(harmless(out));
  out.clear();
  const JsonOptions json{.sadb = "memory", .paranoid = options.paranoid, .keys = options.keys, .now = now};
  json_sa(m, json, out);
  json_message(m, json, out);
  MUST(harmless(out));
  MUST(std::ranges::count(out, '\n') == 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto m = decode(std::as_bytes(std::span(data, size)));
  if (!m) {
    MUST(m.error().error != 0);
    MUST(harmless(m.error().text));
    return 0;
  }
  const auto once = encoded(*m);
  const auto again = decode(once);
  MUST(again);
  MUST(*again == *m);
  MUST(encoded(*again) == once);
  MUST(m->clone() == *m);
  show(*m);
  return 0;
}
