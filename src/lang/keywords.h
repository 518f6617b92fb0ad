#pragma once
/// THE table of extension keywords. Parser, checks, help, completion, manual, save and redaction are loops over its
/// rows; no other list of keywords exists. A row of a plain keyword says in both directions where its value lies in the
/// PF_KEY message, too: request.h, to_spec.h and compare.h are loops over the rows; what depends on several keywords
/// (addresses, keys, NAT traversal) is theirs.
#include <cstdint>
#include <span>
#include <string_view>

#include "lang/commands.h"
#include "lang/language.h"
#include "lang/spec.h"
#include "table/row.h"

namespace ipseckey::lang {

/// How many sequence numbers a saved SA leaves out that has sent packets: what it sends between the save and the load.
inline constexpr std::uint64_t kSaveMargin = std::uint64_t{1} << 20;

/// A member of SaSpec, and its place in the message, which has its `sa`. Functions that are null do nothing. The kinds
/// are in joints.h.
struct Joint {
  Slot slot;
  void (*put)(SaSpec&, pfkey::Message&) = nullptr;         ///< The value, if there is one; a long one moves.
  void (*take)(const pfkey::Message&, SaSpec&) = nullptr;  ///< The value, if `add` would need it.
  void (*settle)(SaSpec&) = nullptr;                       ///< Leaves out a value that means the same as none.
  bool updatable = false;                                  ///< An UPDATE of a complete SA can change it on every SADB.
  const pfkey::Extension* own = nullptr;                   ///< The extension that is this value and nothing else.
};

struct Keyword : table::Row {
  /// `place`: a Joint, or the member alone of a keyword that is not plain.
  template <class Place>
  constexpr Keyword(std::string_view its_names, Place place, Verbs used_by, Verbs required_by,
                    std::string_view sentence, std::string_view its_v6_names = {},
                    pfkey::SaType only_for = pfkey::SaType::unspec);

  Slot slot;           ///< Which member of SaSpec, and so which syntax.
  Joint joint;         ///< Where its value lies in the message.
  pfkey::SaType only;  ///< The SA type that it is for; unspec: both.
};

std::span<const Keyword> keywords();

/// The same without what is of SAs.
extern const table::Table kKeywordTable;

/// Some of the rows, a bit for each.
using KeywordSet = table::RowSet;
KeywordSet bit(const Keyword& row);
/// The rows that a command fails without.
KeywordSet required_for(Verb verb);

/// A row and the form in which it was named.
struct KeywordMatch {
  const Keyword* row = nullptr;  ///< nullptr: no such keyword.
  bool v6_only = false;
};
KeywordMatch find_keyword(std::string_view name);

/// The row whose value is kept in that member.
const Keyword& keyword_for(const Slot& slot);

enum class Put { names, all };

/// Puts the values that plain keywords have in the spec into the message, which has its `sa`: all of them, or those
/// that name an SA, for a command that looks for one. Long values move out of the spec.
void put_joined(SaSpec& spec, Put which, pfkey::Message& m);

/// Sets the members of plain keywords for which the message, which has its `sa`, has a value: what `add` would need to
/// say.
void take_joined(const pfkey::Message& m, SaSpec& spec);

/// Leaves out each value that means the same as none.
void settle_joined(SaSpec& spec);

using table::for_each_name;
using table::is_secret;
using table::metavar;
using table::value_words;

}  // namespace ipseckey::lang
