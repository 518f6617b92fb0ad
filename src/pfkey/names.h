#pragma once
/// THE tables of the words for PF_KEY's small numbers: what printers write and what the command language reads.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// One number and its words.
struct Word {
  std::uint32_t number;
  std::string_view names;  ///< Synonyms, separated by spaces; output uses the first.
  std::string_view name() const { return names.substr(0, names.find(' ')); }
};

std::span<const Word> satype_words();         ///< SA types as the command language has them: "esp".
std::span<const Word> state_words();          ///< SA states: "mature".
std::span<const Word> flag_words();           ///< SA flags, one bit each: "inbound". In the order of output.
std::span<const Word> identity_words();       ///< Identity types with their synonyms: "fqdn domain domainname".
std::span<const Word> encapsulation_words();  ///< What ESP is carried in, by its IP protocol: "udp".
std::span<const Word> offload_words();        ///< Offload::Mode: "crypto".
std::span<const Word> df_words();             ///< Df: "copy".
std::span<const Word> dscp_words();           ///< Those of Dscp that are not a DSCP: "keep".

/// The number that a word of the table stands for, in any case; nullopt: no such word.
std::optional<std::uint32_t> find_number(std::span<const Word> table, std::string_view word);
/// Every name of every row, in the table's order.
std::vector<std::string_view> all_names(std::span<const Word> table);
/// The row with that number; nullptr: none.
const Word* find_word(std::span<const Word> table, std::uint32_t number);

// The first word; for a number without one the number itself, so that nothing that came off a socket is lost.
std::string name(Type type);
std::string name(SaType type);
std::string name(State state);
std::string name(IdentityType type);
std::string name(Offload::Mode mode);
std::string manager_name(std::uint32_t protocol);  ///< KmCookie::proto.

/// "outbound, paired"; bits without a name as one hexadecimal number at the end; "" for 0.
std::string flag_names(std::uint32_t flags);

/// "Invalid argument (EINVAL)": the host's errno in words that do not depend on the locale.
std::string error_name(std::uint8_t error);

/// The refusal in a reply: error_name(), and ", Diagnostic code 18: a source address is needed" when one is set.
/// Empty when the message reports no error.
std::string refusal_text(const Message& m);

}  // namespace ipseckey::pfkey
