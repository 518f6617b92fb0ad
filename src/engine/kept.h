#pragma once
/// THE table of what few SAs have: the extensions that an SA keeps as given in its ADD. Adding, replying, updating and
/// storing are loops over its rows.
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pfkey/message.h"

namespace engine {

struct Sa;

/// What an UPDATE of a complete SA does about an extension.
enum class OnUpdate {
  ignored,   ///< Nothing; or update.cc has its own way.
  replaces,  ///< Its value is the new one.
  refused,   ///< It may only say what the SA has.
};

/// The value that an SA without the extension has; nullptr: none.
using Unsaid = pfkey::Number (*)(const Sa&);

template <auto member, OnUpdate way, Unsaid unsaid = nullptr>
struct KeptRow {
  static constexpr auto kMember = member;
  static constexpr OnUpdate kOnUpdate = way;
  static constexpr Unsaid kUnsaid = unsaid;
  using Value = std::remove_cvref_t<decltype(std::declval<pfkey::Message&>().*member)>;
};

/// The values of such rows.
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
    return ((Rows::kOnUpdate == OnUpdate::refused && (m.*Rows::kMember).has_value()) || ...);
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

/// AH is a multiple of 4 bytes (RFC 4302 section 2.6).
constexpr pfkey::Number plain_alignment(const Sa&) { return {4}; }

/// As the RFC of its authentication algorithm has it.
pfkey::Number plain_icv(const Sa& sa);

// Of the sides of a NAT their address and port are kept. update.cc changes the manager piece by piece and of the window
// its size. REQID and IF_ID the engine keeps for its clients, and honours neither.
using KeptTable = KeptParts<
    KeptRow<&pfkey::Message::natt_local, OnUpdate::ignored>, KeptRow<&pfkey::Message::natt_remote, OnUpdate::ignored>,
    KeptRow<&pfkey::Message::inner_src, OnUpdate::ignored>, KeptRow<&pfkey::Message::inner_dst, OnUpdate::ignored>,
    KeptRow<&pfkey::Message::km_cookie, OnUpdate::ignored>, KeptRow<&pfkey::Message::src_identity, OnUpdate::replaces>,
    KeptRow<&pfkey::Message::dst_identity, OnUpdate::replaces>,
    KeptRow<&pfkey::Message::sensitivity, OnUpdate::ignored>,
    KeptRow<&pfkey::Message::outer_sensitivity, OnUpdate::ignored>, KeptRow<&pfkey::Message::reqid, OnUpdate::replaces>,
    KeptRow<&pfkey::Message::if_id, OnUpdate::replaces>, KeptRow<&pfkey::Message::mark, OnUpdate::replaces>,
    KeptRow<&pfkey::Message::ah_align, OnUpdate::refused, plain_alignment>,
    KeptRow<&pfkey::Message::icv, OnUpdate::refused, plain_icv>,
    KeptRow<&pfkey::Message::replay_window, OnUpdate::ignored>, KeptRow<&pfkey::Message::offload, OnUpdate::ignored>>;

}  // namespace engine
