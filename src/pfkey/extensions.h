#pragma once
/// THE table of PF_KEY extensions: number, names, place in Message, the diagnostics for its faults, how one of ours is
/// shown, and what an SA that was added with it makes of it. Codec, printers, engine and kernel are loops over it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "pfkey/diagnostics.h"
#include "pfkey/message.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {

/// What is shown of an extension of ours; empty: print.cc and json.cc know another way.
struct Shown {
  std::string_view json = {};                  ///< Its member.
  std::string_view label = {};                 ///< The label of its line.
  std::string_view text = {};                  ///< The line, with {} for each part of the value.
  std::span<const Word> (*words)() = nullptr;  ///< Of a number: those of its values that have one.
};

/// What an UPDATE of a complete SA does about an extension.
enum class OnUpdate : std::uint8_t {
  ignored,   ///< Nothing; or the SADB has its own way.
  replaces,  ///< Its value is the new one.
  refused,   ///< It may only say what the SA has.
};

/// What an SA must be for an extension to mean something.
enum class Needs : std::uint8_t { nothing, esp_tunnel, tunnel, ipv4_tunnel, encapsulation };

/// Of an extension that an SA keeps as its ADD gave it.
struct Kept {
  OnUpdate on_update = OnUpdate::ignored;
  std::string_view keyword = {};  ///< The language's word for it, where the columns below speak of it.
  /// The number that an SA without it has, by its authentication algorithm; nullptr: none. An ADD that says it says
  /// nothing.
  std::uint32_t (*unsaid)(std::uint8_t auth) = nullptr;
  std::uint32_t least = 0, most = UINT32_MAX;  ///< Of a number.
  Needs needs = Needs::nothing;
  bool sent_only = false;            ///< It is about packets that are sent: an SA that is only inbound sends none.
  std::string_view only_linux = {};  ///< Why `ipsecd` refuses it; empty: it does not.
};

struct Extension {
  std::uint16_t id;       ///< sadb_ext_type.
  std::string_view name;  ///< As in RFC 2367 or Solaris, prefix SADB_EXT_ or SADB_X_EXT_ left out.
  Slot slot;
  Diagnostic duplicate = Diagnostic::none;  ///< When it appears twice; none: plain EINVAL.
  Diagnostic malformed = Diagnostic::none;  ///< When it is too short or has a bad value.
  Shown shown = {};
  std::optional<Kept> kept = {};  ///< nullopt: it is not kept, or it has a place of its own in an SA.
};

/// Bits of the ICV that the RFC of an authentication algorithm has; 0: there is no such algorithm.
std::uint32_t usual_icv(std::uint8_t auth);

namespace table {

using D = Diagnostic;
using enum OnUpdate;
using enum Needs;
inline constexpr Shown kElsewhere = {};  ///< Other code shows it.
inline constexpr std::uint32_t kMost16 = UINT16_MAX, kMost32 = UINT32_MAX;
inline constexpr bool kSentOnly = true;

template <std::uint32_t value>
constexpr std::uint32_t always(std::uint8_t) {
  return value;
}

}  // namespace table

/// In the order in which messages carry them. Of the sides of a NAT their address and port are kept. The engine changes
/// a manager piece by piece and of a window its size; REQID and IF_ID it keeps for its clients, and honours neither.
inline constexpr auto kExtensions = [] {
  using namespace table;
  using M = Message;
  using E = Extension;
  return std::array{
      E{1, "SA", &M::sa, D::duplicate_sa, D::malformed_sa},
      E{2, "LIFETIME_CURRENT", &M::current},
      E{3, "LIFETIME_HARD", &M::hard},
      E{4, "LIFETIME_SOFT", &M::soft},
      E{26, "LIFETIME_IDLE", &M::idle},
      E{5, "ADDRESS_SRC", &M::src, D::duplicate_src, D::malformed_src},
      E{6, "ADDRESS_DST", &M::dst, D::duplicate_dst, D::malformed_dst},
      E{20, "ADDRESS_NATT_LOC", &M::natt_local, D::duplicate_natt_loc, D::malformed_natt_loc, kElsewhere, Kept{}},
      E{21, "ADDRESS_NATT_REM", &M::natt_remote, D::duplicate_natt_rem, D::malformed_natt_rem, kElsewhere, Kept{}},
      E{7, "ADDRESS_INNER_SRC", &M::inner_src, D::duplicate_inner_src, D::malformed_inner_src, kElsewhere, Kept{}},
      E{22, "ADDRESS_INNER_DST", &M::inner_dst, D::duplicate_inner_dst, D::malformed_inner_dst, kElsewhere, Kept{}},
      E{19, "KM_COOKIE", &M::km_cookie, D::none, D::none, kElsewhere, Kept{}},
      E{8, "KEY_AUTH", &M::auth_key, D::duplicate_akey, D::malformed_akey},
      E{9, "KEY_ENCRYPT", &M::encrypt_key, D::duplicate_ekey, D::malformed_ekey},
      E{10, "IDENTITY_SRC", &M::src_identity, D::none, D::none, kElsewhere, Kept{replaces}},
      E{11, "IDENTITY_DST", &M::dst_identity, D::none, D::none, kElsewhere, Kept{replaces}},
      E{12, "SENSITIVITY", &M::sensitivity, D::none, D::none, kElsewhere, Kept{}},
      E{27, "OUTER_SENS", &M::outer_sensitivity, D::none, D::none, kElsewhere, Kept{}},
      E{23, "PAIR", &M::pair},
      E{24, "REPLAY_VALUE", &M::replay_value},
      E{13, "PROPOSAL", &M::proposal},
      E{18, "EPROP", &M::extended_proposal},
      E{14, "SUPPORTED_AUTH", &M::supported_auth},
      E{15, "SUPPORTED_ENCRYPT", &M::supported_encrypt},
      E{16, "SPIRANGE", &M::spi_range, D::duplicate_range, D::malformed_range},
      E{17, "EREG", &M::extended_register},
      E{25, "EDUMP", &M::extended_dump},
      E{0x80, "INITIAL_IV", &M::initial_iv},
      E{0x81, "REQID", &M::reqid, D::none, D::none, {"reqid", "reqid", "{}"}, Kept{replaces, "reqid", always<0>}},
      E{0x82, "MARK", &M::mark, D::none, D::none, {"mark", "mark", "{:#x}/{:#x}"}, Kept{replaces}},
      E{0x83, "IF_ID", &M::if_id, D::none, D::none, {"if_id", "if_id", "{:#x}"}, Kept{replaces, "if_id", always<0>}},
      E{0x84, "REPLAY_WINDOW", &M::replay_window, D::none, D::none, kElsewhere, Kept{}},
      E{0x88,
        "AH_ALIGN",
        &M::ah_align,
        D::none,
        D::none,
        {"ah_align", "align", "AH is a multiple of {} bytes"},
        Kept{refused, "align8", always<4>}},
      E{0x89,
        "ICV",
        &M::icv,
        D::none,
        D::none,
        {"icv_bits", "icv", "{} bits"},
        Kept{refused, "icv", usual_icv, 0, kMost16}},
      E{0x8a,
        "TFCPAD",
        &M::tfc_pad,
        D::none,
        D::none,
        {"tfcpad", "tfcpad", "to {} bytes"},
        Kept{refused, "tfcpad", nullptr, 1, kMost16, esp_tunnel, kSentOnly}},
      E{0x8b,
        "OUTPUT_MARK",
        &M::output_mark,
        D::none,
        D::none,
        {"output_mark", "out mark", "{:#x}/{:#x}"},
        Kept{.on_update = refused,
             .keyword = "output-mark",
             .only_linux =
                 "`output-mark` is for the kernel's SAs: ipsecd marks all its packets with its option --mark"}},
      E{0x8c,
        "DEVICE",
        &M::device,
        D::none,
        D::none,
        {"device", "dev", "{}"},
        Kept{.on_update = refused,
             .keyword = "dev",
             .only_linux = "`dev` is for the kernel's SAs: ipsecd does not know which device a packet uses"}},
      E{0x8d,
        "DF",
        &M::df,
        D::none,
        D::none,
        {"df", "df", "{}", df_words},
        Kept{refused, "df", always<kDfCopy>, 0, kDfClear, ipv4_tunnel, kSentOnly}},
      E{0x8e,
        "DSCP",
        &M::dscp,
        D::none,
        D::none,
        {"dscp", "dscp", "{}", dscp_words},
        Kept{refused, "dscp", always<kDscpKeep>, 0, kDscpCopy, tunnel}},
      E{0x8f,
        "KEEPALIVE",
        &M::keepalive,
        D::none,
        D::none,
        {"keepalive", "keepalive", "each {} seconds"},
        Kept{refused, "keepalive", nullptr, 1, kMost16, encapsulation, kSentOnly}},
      E{0x90,
        "BUNDLE",
        &M::bundle,
        D::none,
        D::none,
        {"bundle", "bundle", "{}"},
        Kept{refused, "bundle", nullptr, 1, kMost32, nothing, kSentOnly}},
      E{0x85,
        "OFFLOAD",
        &M::offload,
        D::none,
        D::none,
        {"offload", "offload", "{} {}"},
        Kept{.on_update = refused,
             .keyword = "offload",
             .only_linux = "`offload` is for the kernel's SAs: ipsecd processes its SAs itself"}},
      E{0x86, "REMARK", &M::remark},
      E{0x87, "TRAFFIC", &M::traffic},
  };
}();

/// The same, for loops.
std::span<const Extension> extensions();

/// A row as a type, so that its member has one.
template <std::size_t row>
struct ExtensionRow {
  static constexpr const Extension& kRow = kExtensions[row];
  static constexpr auto kMember = std::get<kRow.slot.index()>(kRow.slot);
  using Value = std::remove_cvref_t<decltype(std::declval<Message&>().*kMember)>;
};

/// Calls f with an ExtensionRow for each row.
template <class F>
void for_each_extension(F f) {
  [&]<std::size_t... row>(std::index_sequence<row...>) {
    (f(ExtensionRow<row>{}), ...);
  }(std::make_index_sequence<kExtensions.size()>());
}

/// The row of a member that is known when this is compiled.
template <auto member>
inline constexpr const Extension& kRowOf = *std::ranges::find(kExtensions, Slot(member), &Extension::slot);

/// The row of a member.
const Extension& extension_of(const Slot& slot);

/// "`icv` cannot be changed after the SA was added": why an UPDATE may not change what that row is about. It outlives
/// every reply.
std::string_view stays_as_added(const Extension& row);

/// Whether the SA that an ADD describes, or a reply tells, is what the row's value needs to mean something.
bool fits(Needs needs, const Message& sa);

/// The error in the numbers of an ADD or an UPDATE by themselves; empty: none. It outlives every reply.
std::string_view wrong_number(const Message& request);

/// What an ADD says that means nothing for such an SA; empty: nothing. It outlives every reply.
std::string_view meaningless(const Message& add);

/// Why our engine refuses what only the kernel can do; empty: none of it is requested. It outlives every reply.
std::string_view only_for_linux(const Message& request);

/// Leaves out of an ADD each number that its SA has without a word.
void leave_out_unsaid(Message& add);

/// An extension that is kept, and its value where the SA has one or means one by default; false: it has another.
bool asks_the_same(const Extension& row, const Message& update, const Message& sa);

inline constexpr std::uint16_t kExtensionMax = 28;         ///< The highest number of the Solaris dialect.
inline constexpr std::uint16_t kOwnExtensionFirst = 0x80;  ///< Numbers from here on are ours.

}  // namespace ipseckey::pfkey
