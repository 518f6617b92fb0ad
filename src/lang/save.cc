#include "lang/save.h"

#include <fmt/format.h>

#include "lang/commands.h"
#include "lang/keywords.h"
#include "lang/syntax.h"

namespace lang {

namespace {

// "keyword value", or nothing. A value that is no key is made beside it and taken over.
void write_item(const Keyword& row, const SaSpec& spec, bool paranoid, SecretText& item) {
  item.clear();
  std::visit(
      [&]<class T>(std::optional<T> SaSpec::* member) {
        if (!(spec.*member)) return;
        item = row.name();
        if (Syntax<T>::kWords > 0) item += ' ';
        if constexpr (Syntax<T>::kSecret) {
          Syntax<T>::write(*(spec.*member), paranoid, item);
        } else {
          std::string value;
          Syntax<T>::write(*(spec.*member), paranoid, value);
          item += value;
        }
      },
      row.slot);
}

}  // namespace

void write_spec(const SaSpec& spec, bool paranoid, SecretText& out) {
  constexpr std::size_t kColumns = 78;  // " \" follows.
  constexpr std::string_view kIndent = " \\\n    ";
  std::size_t column = out.size() - (out.rfind('\n') == SecretText::npos ? 0 : out.rfind('\n') + 1);
  SecretText item;
  item.reserve(128);
  for (const Keyword& row : keywords()) {
    write_item(row, spec, paranoid, item);
    if (item.empty()) continue;
    if (column + 1 + item.size() > kColumns) {
      out += kIndent;
      column = kIndent.size() - 3;
    } else {
      out += ' ';
      ++column;
    }
    out += item;
    column += item.size();
  }
}

namespace {

std::string command_header(bool paranoid) {
  std::string text;
  if (paranoid) text += "# Keys are hidden (-p): this file cannot be loaded.\n";
  text += "# IPsec security associations, written by ipseckey. Load them with: ipseckey -f FILE\n";
  if (!paranoid) text += "# This file holds keys: keep it readable for its owner alone.\n";
  return text;
}

void write_command(const SavableSa& sa, bool paranoid, SecretText& out) {
  if (sa.past_soft_limit) out += "\n# This SA was past its soft limit; loaded, its life starts anew.";
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

}  // namespace lang
