#include "cli/key_reuse.h"

#include <absl/hash/hash.h>
#include <fmt/format.h>

#include <random>

#include "pfkey/algorithms.h"

namespace cli {

KeyReuse::KeyReuse() : seed_(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32) {}

std::optional<std::uint32_t> KeyReuse::earlier(const lang::Command& command, std::uint32_t now) {
  const lang::SaSpec& spec = command.spec;
  if (command.row->verb != lang::Verb::add || !spec.encrypt_key || !spec.encrypt) return std::nullopt;
  const void* data = spec.encrypt_key->material.bytes().data();
  const std::string_view octets(static_cast<const char*>(data), spec.encrypt_key->material.size());
  const auto [at, is_new] = line_of_.try_emplace(absl::HashOf(seed_, octets), now);
  return is_new ? std::nullopt : std::optional(at->second);
}

lang::Objection KeyReuse::objection(const lang::Command& command, std::string_view earlier) {
  const auto* cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, command.spec.encrypt->number);
  const bool counter = cipher && cipher->counter();
  return {lang::Severity::warning, &lang::SaSpec::encrypt_key,
          counter
              ? fmt::format("DANGER: key and salt of {} again: two {} SAs under one key and salt give their traffic "
                            "and the power to forge it away; give each SA a key of its own",
                            earlier, cipher->name())
              : fmt::format("the key of {} again; give each SA a key of its own", earlier)};
}

std::optional<lang::Objection> KeyReuse::look_at(const lang::Command& command, std::uint32_t line) {
  const auto first = earlier(command, line);
  if (!first) return std::nullopt;
  return objection(command, fmt::format("line {}", *first));
}

std::optional<lang::Objection> TypedKeys::look_at(const lang::Command& command) {
  const auto first = keys_.earlier(command, static_cast<std::uint32_t>(sas_.size()));
  std::string sa =
      fmt::format("{} spi 0x{:x}", lang::satype_word(command.satype), command.spec.spi ? command.spec.spi->value : 0);
  if (first) return sas_[*first] == sa ? std::nullopt : std::optional(KeyReuse::objection(command, sas_[*first]));
  sas_.push_back(std::move(sa));
  return std::nullopt;
}

}  // namespace cli
