#pragma once
/// THE table of the words that other tools have for what this language says: setkey, `ip xfrm`, OpenBSD's ipsec.conf,
/// strongSwan's proposals, FreeS/WAN's manual keys, the Security-Client header of IMS (3GPP TS 33.203), VPP. They are
/// not accepted; the message names ours.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey::lang {

/// Where a word is.
enum class Foreign : std::uint8_t { command, satype, keyword, auth, encrypt, encapsulation, identity, value };

/// Our words for a neighbour's; empty: it is not a neighbour's, or there is no equivalent here. In any case, and in
/// single quotes or not. The kernel's names of algorithms are in the table of algorithms.
std::vector<std::string_view> our_words(Foreign kind, std::string_view theirs);

/// What to append to "Unknown ...": for a neighbour's word ours ("; did you mean reqid?") or how to write it here;
/// for any other word what did_you_mean() finds among the candidates.
std::string suggestion(Foreign kind, std::string_view word, std::span<const std::string_view> candidates);

/// Calls f with each word of the table and its place; # in it is 128, once.
void for_each_foreign_word(const std::function<void(Foreign kind, std::string_view theirs)>& f);

/// Whether a neighbour has that word anywhere: it is not part of a key then.
bool is_foreign(std::string_view word);

/// Whether it is a neighbour's keyword.
bool is_foreign_keyword(std::string_view word);

}  // namespace ipseckey::lang
