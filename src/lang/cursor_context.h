#pragma once
/// The end of an unfinished command: what kind of word comes next.
#include <cstdint>
#include <string_view>

#include "lang/keywords.h"
#include "pfkey/algorithms.h"

namespace ipseckey::lang {

struct CursorContext {
  enum class Kind : std::uint8_t {
    command,
    satype,
    keyword,
    value,  ///< Word `value_word` of the value of `keyword`.
    file,
    topic,
    algorithm,
    bits,  ///< A key length of `algorithm`.
    end,   ///< The command takes nothing more.
    lost,  ///< The text before is not a command.
  };
  Kind kind = Kind::lost;
  const CommandRow* row = nullptr;
  pfkey::SaType satype = pfkey::SaType::unspec;
  const Keyword* keyword = nullptr;
  const pfkey::Algorithm* algorithm = nullptr;
  std::size_t value_word = 0;
  KeywordSet given = {};
  std::size_t at = 0;           ///< Offset of the word that is being typed.
  std::string_view typed = {};  ///< As much of it as there is, without an opening quotation mark.

  /// The keywords that it already has, and those that are for another SA type.
  KeywordSet not_taken() const {
    KeywordSet set = given;
    for (const Keyword& k : keywords())
      if (k.only != pfkey::SaType::unspec && k.only != satype) set |= bit(k);
    return set;
  }
  /// Whether the command uses that keyword for its SA type and does not have it yet.
  bool takes(const Keyword& k) const { return (k.used & bit(row->verb)) != 0 && !not_taken().meets(bit(k)); }
};

/// The place of the last word of `text`; of the next one if the text ends in a blank.
CursorContext context_at_end(std::string_view text);

/// The SA types that a command takes, separated by blanks.
std::string_view satypes_for(const CommandRow& row);

}  // namespace ipseckey::lang
