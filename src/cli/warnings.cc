#include "cli/warnings.h"

#include <fmt/format.h>

#include <algorithm>

namespace ipseckey::cli {

void Warnings::find_shape(std::string_view message) {
  shape_.clear();
  while (!message.empty()) {
    const auto end = std::min(message.find(' '), message.size());
    const std::string_view word = message.substr(0, end);
    const bool varies = std::ranges::any_of(word, [](char c) { return c >= '0' && c <= '9'; });
    shape_.append(varies ? "0" : word) += ' ';
    message.remove_prefix(std::min(end + 1, message.size()));
  }
}

bool Warnings::shows(const lang::Fault& warning, std::uint32_t line) {
  if (warning.always_shown) return true;
  find_shape(warning.message);
  const auto [at, is_new] = index_.try_emplace(shape_, kinds_.size());
  if (is_new) kinds_.emplace_back();
  Kind& kind = kinds_[at->second];
  if (++kind.count <= kShown) return true;
  kind.last = line;
  kind.latest = warning;
  return false;
}

std::string Warnings::rest(std::string_view name) const {
  std::string text;
  for (const Kind& kind : kinds_) {
    if (kind.count <= kShown) continue;
    const std::string lines = kind.last == 0 ? "" : fmt::format(", up to line {}", kind.last);
    text +=
        fmt::format("{}: warning: {} more like this{}: {}{}\n", name, kind.count - kShown, lines, kind.latest.message,
                    kind.latest.fresh_keys_end_it
                        ? "; if these keys have never been used, put a line `fresh` above them or give --fresh-keys"
                        : "");
  }
  return text;
}

}  // namespace ipseckey::cli
