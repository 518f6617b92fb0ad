#include "lang/save.h"

#include <fmt/format.h>

#include "lang/commands.h"
#include "lang/keywords.h"
#include "lang/rules.h"
#include "lang/syntax.h"
#include "lang/to_spec.h"
#include "pfkey/algorithms.h"
#include "pfkey/units.h"

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

// An SA whose keys the SADB does not give, or with an algorithm that has no name here, cannot be added again.
bool savable(const pfkey::Message& m) {
  using enum pfkey::AlgorithmKind;
  const auto whole = [&](pfkey::AlgorithmKind kind, std::uint8_t number, bool key) {
    const pfkey::Algorithm* const row = pfkey::find_algorithm(kind, number);
    return number == 0 || (row && (key || !row->takes_key()));
  };
  return whole(auth, m.sa->auth, m.auth_key.has_value()) && whole(encrypt, m.sa->encrypt, m.encrypt_key.has_value());
}

// Why a load would refuse the SA; empty: it would not.
std::string broken_rule(pfkey::SaType type, const SaSpec& spec) {
  std::string broken;
  check_rules(
      {Verb::add, type, spec}, [](const Slot&) { return false; },
      [&](Objection&& o) {
        if (o.severity == Severity::error && broken.empty()) broken = std::move(o.message);
      });
  return broken;
}

}  // namespace

std::string Saver::header() const {
  std::string text;
  if (paranoid_) text += "# Keys are hidden (-p): this file cannot be loaded.\n";
  text += "# IPsec security associations, written by ipseckey. Load them with: ipseckey -f FILE\n";
  if (!paranoid_) text += "# This file holds keys: keep it readable for its owner alone.\n";
  return text;
}

void Saver::write(pfkey::Message&& sa, SecretText& out) {
  out += '\n';
  const pfkey::SaType type = sa.satype;
  const auto state = sa.sa ? sa.sa->state : pfkey::State::larval;
  const Address src = sa.src ? sa.src->address : Address{}, dst = sa.dst ? sa.dst->address : Address{};
  if (state == pfkey::State::larval) {
    out += fmt::format("# A larval {} SA, spi 0x{:x} dst {}, has no keys yet and is not saved.\n", satype_word(type),
                       sa.sa ? sa.sa->spi : 0, to_string(dst));
    return;
  }
  const std::uint32_t spi = sa.sa ? sa.sa->spi : 0;
  const auto leave_out = [&](std::string reason) {
    ++left_out_;
    reason_ = std::move(reason);
    out += fmt::format("# The {} SA spi 0x{:x} dst {} is not saved: {}.\n", satype_word(type), spi, to_string(dst),
                       reason_);
  };
  // A remark is what the language cannot say: without it the SA would be another one.
  if (sa.remark) return leave_out(pfkey::escaped(sa.remark->text));
  if (!savable(sa)) return leave_out("the SADB did not give its keys");
  SaSpec spec = to_spec(std::move(sa));
  if (const std::string broken = broken_rule(type, spec); !broken.empty()) return leave_out(broken);
  if (state == pfkey::State::dying || state == pfkey::State::dead)
    out += "# This SA was past its soft limit; loaded, its life starts anew.\n";

  if (spec.pair_spi) {
    const Name partner{type, spec.pair_spi->value, dst, src};
    if (waiting_.erase(partner) == 0) {
      waiting_.insert({type, spec.spi->value, src, dst});
      spec.pair_spi.reset();
    }
  }
  out += fmt::format("add {}", satype_word(type));
  write_spec(spec, paranoid_, out);
  out += '\n';
}

}  // namespace lang
