#include "pfkey/extensions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <string>

#include "pfkey/algorithms.h"

namespace ipseckey::pfkey {
namespace {

consteval bool unique_ids() {
  for (const Extension& a : kExtensions)
    for (const Extension& b : kExtensions)
      if (&a != &b && a.id == b.id) return false;
  return true;
}
static_assert(unique_ids());

// Sentences about a row, made once for each.
template <class Sentence>
std::string_view sentence_of(const Extension& row, Sentence sentence) {
  static const auto kSentences = [&] {
    std::array<std::string, kExtensions.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (kExtensions[i].kept) all[i] = sentence(*kExtensions[i].kept);
    return all;
  }();
  return kSentences[static_cast<std::size_t>(&row - kExtensions.data())];
}

// What an SA must be, by Needs.
struct Condition {
  std::string_view words;  ///< Behind the keyword.
  bool (*met)(const Message& sa);
};
bool is_tunnel(const Message& m) { return m.inner_src && m.inner_dst; }
constexpr std::array kConditions = {
    Condition{"", [](const Message&) { return true; }},
    Condition{"is for ESP tunnels: give isrc and idst",
              [](const Message& m) { return is_tunnel(m) && m.satype == SaType::esp; }},
    Condition{"is for tunnels: give isrc and idst", is_tunnel},
    Condition{"is for tunnels with IPv4 outside: IPv6 headers have no such bit",
              [](const Message& m) { return is_tunnel(m) && m.dst && m.dst->address.family == Family::v4; }},
    Condition{"is for ESP in UDP: give encap udp",
              [](const Message& m) { return m.natt_local.has_value() || m.natt_remote.has_value(); }},
};
static_assert(kConditions.size() == static_cast<std::size_t>(Needs::encapsulation) + 1);
const Condition& condition(Needs needs) { return kConditions[static_cast<std::size_t>(needs)]; }

// Calls f(row, value) for each number of a message that an SA keeps.
template <class M, class F>
void for_each_kept_number(M& m, F f) {
  for_each_extension([&]<class Row>(Row) {
    if constexpr (std::same_as<typename Row::Value, std::optional<Number>> && Row::kRow.kept.has_value())
      if (m.*Row::kMember) f(Row::kRow, m.*Row::kMember);
  });
}

}  // namespace

std::span<const Extension> extensions() { return kExtensions; }

const Extension& extension_of(const Slot& slot) { return *std::ranges::find(kExtensions, slot, &Extension::slot); }

std::uint32_t usual_icv(std::uint8_t auth) {
  const Algorithm* const row = find_algorithm(AlgorithmKind::auth, auth);
  return row ? row->icv * 8u : 0;
}

std::string_view stays_as_added(const Extension& row) {
  return sentence_of(
      row, [](const Kept& kept) { return fmt::format("`{}` cannot be changed after the SA was added", kept.keyword); });
}

bool fits(Needs needs, const Message& sa) { return condition(needs).met(sa); }

std::string_view wrong_number(const Message& request) {
  std::string_view wrong;
  for_each_kept_number(request, [&](const Extension& row, const auto& number) {
    if (!wrong.empty() || (number->value >= row.kept->least && number->value <= row.kept->most)) return;
    wrong = sentence_of(row, [](const Kept& kept) {
      return fmt::format("`{}` is a number from {} to {}", kept.keyword, kept.least, kept.most);
    });
  });
  return wrong;
}

std::string_view meaningless(const Message& add) {
  std::string_view wrong;
  for_each_kept_number(add, [&](const Extension& row, const auto&) {
    if (!wrong.empty() || fits(row.kept->needs, add)) return;
    wrong = sentence_of(
        row, [](const Kept& kept) { return fmt::format("`{}` {}", kept.keyword, condition(kept.needs).words); });
  });
  return wrong;
}

std::string_view only_for_linux(const Message& request) {
  std::string_view why;
  for_each_extension([&]<class Row>(Row) {
    if constexpr (Row::kRow.kept && !Row::kRow.kept->only_linux.empty())
      if (why.empty() && request.*Row::kMember) why = Row::kRow.kept->only_linux;
  });
  return why;
}

void leave_out_unsaid(Message& add) {
  for_each_kept_number(add, [&](const Extension& row, auto& number) {
    if (row.kept->unsaid && add.sa && number->value == row.kept->unsaid(add.sa->auth)) number.reset();
  });
}

bool asks_the_same(const Extension& row, const Message& update, const Message& sa) {
  return std::visit(
      [&](auto slot) {
        const auto &asked = update.*slot, &had = sa.*slot;
        if (!asked) return true;
        if constexpr (std::same_as<decltype(slot), std::optional<Number> Message::*>)
          if (!had && row.kept && row.kept->unsaid && sa.sa) return asked->value == row.kept->unsaid(sa.sa->auth);
        if constexpr (std::same_as<decltype(slot), std::optional<Key> Message::*>) {
          return had && *asked == *had;
        } else {
          return asked == had;
        }
      },
      row.slot);
}

Message Message::clone() const {
  Message copy = header();
  for (const Extension& row : extensions())
    std::visit(
        [&](auto member) {
          if (!(this->*member)) return;
          if constexpr (std::same_as<decltype(member), std::optional<Key> Message::*>) {
            copy.*member = (this->*member)->clone();
          } else {
            copy.*member = this->*member;
          }
        },
        row.slot);
  return copy;
}

}  // namespace ipseckey::pfkey
