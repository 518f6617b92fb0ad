#pragma once
/// Parts that few SAs have: the extensions that an SA keeps from its ADD, by the table of extensions. Adding, replying,
/// updating and storing loop over its rows.
#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pfkey/extensions.h"

namespace ipseckey::engine {

/// The values for some rows of that table.
template <class... Rows>
class KeptParts {
 public:
  template <auto member>
  auto& at() {
    return std::get<index_of<member>()>(values_);
  }
  template <auto member>
  const auto& at() const {
    return std::get<index_of<member>()>(values_);
  }

  /// Whether a message has any of them.
  static bool any(const pfkey::Message& m) { return ((m.*Rows::kMember).has_value() || ...); }
  /// Whether a message has any that an UPDATE may not change.
  static bool any_refused(const pfkey::Message& m) {
    return ((Rows::kRow.kept->on_update == pfkey::OnUpdate::refused && (m.*Rows::kMember).has_value()) || ...);
  }
  void take(const pfkey::Message& m) { ((at<Rows::kMember>() = m.*Rows::kMember), ...); }
  void give(pfkey::Message& m) const { ((m.*Rows::kMember = at<Rows::kMember>()), ...); }

  /// Calls f(row) for each row.
  template <class F>
  static void for_each_row(F f) {
    (f(Rows{}), ...);
  }

 private:
  template <auto a, class Row>
  static constexpr bool is() {
    if constexpr (std::is_same_v<decltype(a), std::remove_const_t<decltype(Row::kMember)>>) return a == Row::kMember;
    return false;
  }
  template <auto member>
  static constexpr std::size_t index_of() {
    static_assert((is<member, Rows>() + ...) == 1, "not one row of the table");
    std::size_t at = 0, i = 0;
    ((is<member, Rows>() ? at = i++ : i++), ...);
    return at;
  }

  std::tuple<typename Rows::Value...> values_;
};

/// The rows that are kept.
inline constexpr auto kKept = [] {
  constexpr auto kCount = static_cast<std::size_t>(
      std::ranges::count_if(pfkey::kExtensions, [](const pfkey::Extension& e) { return e.kept.has_value(); }));
  std::array<std::size_t, kCount> rows{};
  for (std::size_t i = 0, n = 0; i < pfkey::kExtensions.size(); ++i)
    if (pfkey::kExtensions[i].kept) rows[n++] = i;
  return rows;
}();

template <std::size_t... n>
KeptParts<pfkey::ExtensionRow<kKept[n]>...> parts_of(std::index_sequence<n...>);
using KeptTable = decltype(parts_of(std::make_index_sequence<kKept.size()>()));

}  // namespace ipseckey::engine
