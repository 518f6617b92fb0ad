#pragma once
/// Whether the SA that a SADB holds is as the file describes it.
#include "lang/keywords.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// The difference between two SAs of one name.
struct Difference {
  KeywordSet keywords = {};  ///< pair-spi included.
  bool unknown = false;      ///< The SADB does not return a key, so it cannot be compared.

  bool none() const { return keywords.empty() && !unknown; }
};

/// Compares the wanted SA with the SADB's description (a GET or DUMP reply, which loses its keys). Values that an SA
/// has counted, its time of addition and values that the SADB filled in itself are ignored. Keys are compared in
/// constant time. `wanted` is brought into the one form of those that mean the same.
Difference compare(SaSpec& wanted, pfkey::Message& held);

/// Whether an UPDATE can make `held` match `wanted`: only limits and sequence numbers differ, each of them is given,
/// and none of the new limits has been passed already. `now`: seconds since 1970.
bool update_can(const Difference& difference, const SaSpec& wanted, const pfkey::Message& held, std::uint64_t now);

/// The SA's name and, of the wanted values, those that differ and an UPDATE can bring.
SaSpec update_of(const Difference& difference, const SaSpec& wanted);

/// Whether update_of() found nothing that an UPDATE brings.
bool update_is_empty(const SaSpec& spec);

/// "authkey, hard_addtime": the first names of the rows.
std::string keyword_list(const KeywordSet& set);

}  // namespace ipseckey::lang
