#pragma once
/// Why "there is no such SA" although one with the same SPI and destination exists: which word of the name differs.
#include <cstdint>
#include <optional>
#include <string>

#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// What a request says beyond SPI and destination to name an SA.
enum class NamePart : std::uint8_t { satype, src, mark };

/// Which word of a request with SA and DST differs from `there`, an SA with the same SPI and destination (SATYPE, SRC
/// and MARK are read): "there is one with src 192.0.2.1 and mark 0x10/0xff". It is the REMARK of an SA_NOTFOUND.
/// Empty: none differs. A source that is left out or unspecified on either side fits any. `by_mark`: whether the SADB
/// has marks in the names of its SAs.
std::string near_name_text(const Message& request, const Message& there, bool by_mark);

/// The first word that such a remark is about; nullopt: the message is not a refusal with one.
std::optional<NamePart> differing_part(const Message& refusal);

/// "0x10/0xff"; without "/0xffffffff", the whole mask.
std::string mark_text(const Mark& mark);

}  // namespace ipseckey::pfkey
