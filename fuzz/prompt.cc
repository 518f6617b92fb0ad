// Arbitrary text before the cursor: the results of the Tab key and `?`.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lang/complete.h"
#include "must.h"

using namespace ipseckey;

namespace {

bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto completion = lang::complete(text);
  MUST(completion.at <= text.size());
  MUST(std::ranges::none_of(completion.words, &std::string_view::empty));
  MUST(harmless(lang::help_here(text)));
  if (const auto before = lang::asks_what_follows(text)) MUST(before->size() < text.size() || text.empty());
  return 0;
}
