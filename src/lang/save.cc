#include "lang/save.h"

#include <fmt/format.h>

#include "lang/commands.h"
#include "lang/keywords.h"
#include "lang/syntax.h"

namespace ipseckey::lang {

void write_spec(const SaSpec& spec, bool paranoid, SecretText& out) {
  constexpr table::Layout kLayout = {78, " \\\n    "};
  table::write<Syntax>(keywords(), spec, paranoid, kLayout, out);
}

namespace {

std::string command_header(bool paranoid) {
  std::string text;
  if (paranoid) text += "# Keys are hidden (-p): this file cannot be loaded.\n";
  text += "# IPsec security associations, written by ipseckey. Load them with: ipseckey -f FILE\n";
  if (!paranoid) text += "# This file holds keys: keep it readable only by its owner.\n";
  return text;
}

void write_command(const SavableSa& sa, bool paranoid, SecretText& out) {
  if (sa.past_soft_limit) out += "\n# This SA was past its soft limit; when loaded, its lifetime starts from zero.";
  out += fmt::format("\nadd {}", satype_word(sa.type));
  write_spec(sa.spec, paranoid, out);
  out += '\n';
}

void write_why_not(const UnsavableSa& sa, SecretText& out) {
  const std::string_view type = satype_word(sa.type);
  const std::string dst = to_string(sa.dst);
  out += !sa.reason ? fmt::format("\n# A larval {} SA, spi 0x{:x} dst {}, has no keys yet and is not saved.\n", type,
                                  sa.spi, dst)
                    : fmt::format("\n# The {} SA spi 0x{:x} dst {} is not saved: {}.\n", type, sa.spi, dst, *sa.reason);
}

}  // namespace

const SaveFormat kCommandFormat = {command_header, write_command, write_why_not};

void Saver::write(pfkey::Message&& sa, SecretText& out) {
  auto kept = savable(std::move(sa));
  if (kept) {
    order_.place(*kept);
    format_.sa(*kept, paranoid_, out);
    return;
  }
  format_.left_out(kept.error(), out);
  if (!kept.error().reason) return;
  ++left_out_;
  reason_ = *std::move(kept.error().reason);
}

}  // namespace ipseckey::lang
