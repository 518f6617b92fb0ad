#include "cli/key_reuse.h"

#include <absl/hash/hash.h>
#include <fmt/format.h>

#include <random>

#include "base/cast.h"
#include "pfkey/algorithms.h"

namespace ipseckey::cli {

KeyReuse::KeyReuse() : seed_(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32) {}

std::optional<KeyReuse::Given> KeyReuse::note(const lang::Command& command, std::uint32_t line) const {
  const lang::SaSpec& spec = command.spec;
  if (!spec.encrypt_key || !spec.encrypt) return std::nullopt;
  const std::string_view octets = chars_of(spec.encrypt_key->material.bytes());
  const Given given{absl::HashOf(seed_, octets), spec.encrypt->number, line};
  line_of_.prefetch(given.hash);
  return given;
}

std::optional<std::uint32_t> KeyReuse::earlier(const Given& given) {
  const auto [at, is_new] = line_of_.try_emplace(given.hash, given.line);
  return is_new ? std::nullopt : std::optional(at->second);
}

lang::Objection KeyReuse::objection(const Given& given, std::string_view earlier) {
  const auto* cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, given.cipher);
  const bool counter = cipher && cipher->counter();
  return {.severity = lang::Severity::warning,
          .about = &lang::SaSpec::encrypt_key,
          .message = counter ? fmt::format("DANGER: same key and salt as {}: two {} SAs with one key and salt let an "
                                           "attacker read and forge their traffic; give each SA its own key",
                                           earlier, cipher->name())
                             : fmt::format("same key as {}; give each SA its own key", earlier),
          .always_shown = true};
}

std::optional<lang::Objection> KeyReuse::look_for(const Given& given) {
  const auto first = earlier(given);
  if (!first) return std::nullopt;
  return objection(given, fmt::format("line {}", *first));
}

std::optional<lang::Objection> TypedKeys::look_at(const lang::Command& command) {
  const auto given = keys_.note(command, static_cast<std::uint32_t>(sas_.size()));
  if (!given) return std::nullopt;
  const auto first = keys_.earlier(*given);
  std::string sa =
      fmt::format("{} spi 0x{:x}", lang::satype_word(command.satype), command.spec.spi ? command.spec.spi->value : 0);
  if (first) return sas_[*first] == sa ? std::nullopt : std::optional(KeyReuse::objection(*given, sas_[*first]));
  sas_.push_back(std::move(sa));
  return std::nullopt;
}

}  // namespace ipseckey::cli
