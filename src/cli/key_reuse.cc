#include "cli/key_reuse.h"

#include <absl/hash/hash.h>
#include <fmt/format.h>

#include <random>

#include "pfkey/algorithms.h"

namespace cli {

KeyReuse::KeyReuse() : seed_(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32) {}

std::optional<lang::Objection> KeyReuse::look_at(const lang::Command& command, std::uint32_t line) {
  const lang::SaSpec& spec = command.spec;
  if (command.row->verb != lang::Verb::add || !spec.encrypt_key || !spec.encrypt) return std::nullopt;
  const void* data = spec.encrypt_key->material.bytes().data();
  const std::string_view octets(static_cast<const char*>(data), spec.encrypt_key->material.size());
  const auto [at, is_new] = line_of_.try_emplace(absl::HashOf(seed_, octets), line);
  if (is_new) return std::nullopt;
  const auto* cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, spec.encrypt->number);
  const bool counter = cipher && cipher->counter();
  return lang::Objection{
      lang::Severity::warning, &lang::SaSpec::encrypt_key,
      counter
          ? fmt::format("DANGER: key and salt of line {} again: two {} SAs under one key and salt give their traffic "
                        "and the power to forge it away; give each SA a key of its own",
                        at->second, cipher->name())
          : fmt::format("the key of line {} again; give each SA a key of its own", at->second)};
}

}  // namespace cli
